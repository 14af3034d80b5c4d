"""Keeping an order back, from its page and by command: what is asked, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from orderhub_core.errors import OrderHubError
from orderhub_core.flows import doubts
from orderhub_core.flows.holding import Placed
from orderhub_core.i18n import Named, Said, Translate

TITLE = "Keep it back"
WORDS = {"reason": "Why it must wait (name no customer)", "by": "Your name"}
LATER = "{order} is kept back: it waits for a person as soon as it is to be sent."
OVER = "{order}: nothing of it is handed over by the hub any more; its story tells why."
THERE = "{order} is, or may be, with {target} already: have it stopped there, then close it."
HERE = "{order} goes to {target} no more until a person lets it go."
RELEASED = "Let it go, or close it, on the page of order health, or with `orderhub holds`."


class Desk(Protocol):
    """Where orders are kept back."""

    def place(self, order_no: str, *, shop: str | None, reason: str, by: str) -> Placed: ...


def is_possible(order: Mapping[str, Any]) -> bool:
    """Whether there may be something to keep back of an order (a row of `frames.ORDERS`)."""
    ended = order["fulfilment"] in doubts.STOPPED or order["payment"] == "refunded"
    carried = order["logistics"] != "none" and order["fulfilment"] != "partly_shipped"
    return not (ended or carried or order["fulfilment"] == "shipped")


def lacks(answer: Mapping[str, Any], tr: Translate) -> str:
    """What is missing of an answer; empty when nothing is."""
    return "" if (answer["reason"] or "").strip() else tr("Give a reason first.")


def carried_out(
    answer: Mapping[str, Any], order: Mapping[str, Any], desk: Desk, tr: Translate, names: Named
) -> list[Said]:
    """Keep this order back, and tell what became of that."""
    words = {"reason": answer["reason"], "by": answer["by"] or ""}
    try:
        placed = desk.place(order["order_no"], shop=order["shop"], **words)
    except OrderHubError as failure:
        return [(failure.told(tr), "bad")]
    return [(text, "good") for text in told(placed, tr, names)]


def told(placed: Placed, tr: Translate, names: Named) -> list[str]:
    """What becomes of an order that is kept back, and what is to be done about it."""
    order = f"{names('shop', placed.shop)} {placed.order_no}"
    if not placed.held:
        return [tr(OVER if placed.decided else LATER).format(order=order)]
    said = (
        tr(THERE if one.done or one.tries else HERE).format(order=order, target=names("target", one.target))
        for one in placed.held
    )
    return [*dict.fromkeys(said), tr(RELEASED)]
