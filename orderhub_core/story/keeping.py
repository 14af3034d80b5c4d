"""Keeping an order back, letting it go and closing it, from its page and by command: what is asked, and what becomes of
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from orderhub_core.errors import OrderHubError
from orderhub_core.flows import doubts
from orderhub_core.flows.holding import Placed
from orderhub_core.health import holds
from orderhub_core.i18n import Named, Said, Translate
from orderhub_core.store.aside import Held

TITLE = "Keep it back"
DECIDE = "What is to become of it?"
STAYS = "Leave it where it is: it may go out"
WORDS = {"reason": "Why it must wait (name no customer)", "by": "Your name"}
LATER = "{order} is kept back: it waits for a person as soon as it is to be sent."
OVER = "{order}: nothing of it is handed over by the hub any more; its story tells why."
THERE = "{order} is, or may be, with {target} already: have it stopped there, then close it."
HERE = "{order} goes to {target} no more until a person lets it go."
RELEASED = "Let it go, or close it, on its own page or that of order health, or with `orderhub holds`."
ENDED = "{order} is kept back no more: it goes as rules have it as soon as it is to be sent"


class Desk(holds.Desk, Protocol):
    """Where orders are kept back and let go."""

    def place(self, order_no: str, *, shop: str | None, reason: str, by: str) -> Placed: ...


class Asks(NamedTuple):
    """What is asked of whoever looks at one order."""

    title: str
    choices: dict[str, str]
    """What may be said of it, by what is shown; none where there is nothing to say."""
    words: dict[str, str]
    """What is asked in words besides: labels by name."""
    button: str


def asks(order: Mapping[str, Any], held: Sequence[Held], tr: Translate, *, kept: bool) -> Asks:
    """Of a row of `frames.ORDERS`, and what of that order waits for a person; `kept`: whether it will, once it is to be
    sent."""
    goes = [one for one in held if one.done or not (one.tries or one.stopped)]
    tried = [one for one in held if one.tries and not (one.done or one.stopped)]
    left = goes and all(one.done for one in goes)
    said = {
        **({STAYS if left else holds.ACTS["go"]: "go"} if goes or kept else {}),
        **({holds.ACTS["again"]: "again"} if tried else {}),
        **({holds.ACTS["close"]: "close"} if held else {}),
        **({TITLE: "keep"} if is_possible(order) else {}),
    }
    keeps = list(said.values()) == ["keep"]
    words = {name: tr(text) for name, text in WORDS.items()} if keeps else holds.asking(tr)[2]
    button = "Do it" if len(said) > 1 else "".join(said)
    return Asks(tr(TITLE if keeps else DECIDE), {tr(text): act for text, act in said.items()}, words, tr(button))


def is_possible(order: Mapping[str, Any]) -> bool:
    """Whether there may be something to keep back of an order (a row of `frames.ORDERS`)."""
    ended = order["fulfilment"] in doubts.STOPPED or order["payment"] == "refunded"
    carried = order["logistics"] != "none" and order["fulfilment"] != "partly_shipped"
    return not (ended or carried or order["fulfilment"] == "shipped")


def lacks(answer: Mapping[str, Any], tr: Translate) -> str:
    """What is missing of an answer; empty when nothing is."""
    if not answer["do"]:
        return tr("Choose first what is to become of it.")
    return "" if (answer["reason"] or "").strip() else tr("Give a reason first.")


def carried_out(
    answer: Mapping[str, Any], order: Mapping[str, Any], held: Sequence[Held], desk: Desk, tr: Translate, names: Named
) -> list[Said]:
    """Say of this order what the answer says, and tell what became of that. `held`: what was seen to be held of it."""
    words: dict[str, Any] = {"shop": order["shop"], "reason": answer["reason"], "by": answer["by"] or ""}
    if held and answer["do"] != "keep":
        return [holds.carried_out({**answer, "rows": holds.table(held, "UTC", tr, names)}, desk, tr, names)]
    try:
        if answer["do"] == "keep":
            placed = desk.place(order["order_no"], **words)
            kind: Literal["warn", "good"] = "warn" if any(one.done or one.tries for one in placed.held) else "good"
            return [(text, kind) for text in told(placed, tr, names)]
        desk.release(order["order_no"], **words, parcel=0, again=False)
        return [(tr(ENDED).format(order=_named(order["shop"], order["order_no"], names)), "good")]
    except OrderHubError as failure:
        return [(failure.told(tr), "bad")]


def told(placed: Placed, tr: Translate, names: Named) -> list[str]:
    """What becomes of an order that is kept back, and what is to be done about it."""
    order = _named(placed.shop, placed.order_no, names)
    if not placed.held:
        return [tr(LATER if placed.unsent else OVER).format(order=order)]
    said = (
        tr(THERE if one.done or one.tries else HERE).format(order=order, target=names("target", one.target))
        for one in placed.held
    )
    return [*dict.fromkeys(said), tr(RELEASED)]


def _named(shop: str, order_no: str, names: Named) -> str:
    return f"{names('shop', shop)} {order_no}"
