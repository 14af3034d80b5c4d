"""Orders that are kept from their warehouse until a person lets them go, in people's words, and what is said of them.

The hub tells why as sentences joined by "; ", the newest first; those it makes itself, and what failures say, are shown
in the reader's language, any other (a warehouse's own answer) as it came. Nothing personal is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.errors import OrderHubError
from orderhub_core.held import KINDS, LACKS
from orderhub_core.i18n import Named, Said, Translate, by_id, form, retold

MOST = 500
"""Orders that one page shows."""
NOTHING = "Nothing is held."
NO_RULES = (
    "There is no rulebook, so paid orders go nowhere: name one in the settings (rulebook), or publish one in the rule"
    " lab."
)
RELEASE = "Read only: let an order go with `orderhub holds release NO --reason TEXT`."
OLDEST = "The oldest {n} orders are shown; `orderhub holds list` tells all."
EARLIER = "before: "
ACTS = {
    "go": "Let them go",
    "again": "Once more what was tried: it may have arrived, and goes under the same key",
    "close": "I have seen to them: the hub sends them no more",
}
CAME = {
    "go": "Let go: {n}. They are handed over next.",
    "again": "Handed over once more: {n}, under the same key.",
    "close": "Seen to: {n}. The hub sends them no more.",
    "stays": "Handed over before, and left as it is: {n}. Nothing more of it goes.",
}
"""What became of orders, by what was said of them; `stays`: whatever else is said of what was handed over."""
REASONS = {
    "rule": "rule {rule} holds it: {kind}",
    "approval": "rule {rule} asks for the approval of {role}",
    "partly_refunded": "partly refunded: what is still to be sent?",
    "shipped": "said to be shipped before the warehouse was told",
    "carried": "the carrier had it before the warehouse was told",
    "relined": "its lines changed after it was split: what goes in which parcel?",
    "wanted_back": "the buyer wants something back: is it still to be sent?",
    "many": "it has {cases} after-sale cases, {refunded} of them paid back: look at each",
    "readdressed": "its address is being changed: where is it to go?",
    "elsewhere": "also in the hub as an order of {shop}: is it one order?",
    "kept": "kept back by hand: is it to be sent?",
    "kept_by": "kept back by {by}: {reason}",
    "stopped": "the order is {headline}",
    "again": "it was stopped, and is owed again: is it to be sent?",
    "handed_over": "handed over already: see whether it must be stopped there",
    "changed": "its lines changed since",
    "done_before": "done as it was before it changed",
    "begun": "begun before that: {answer}",
    "let_go": "let go by {by}: {reason}",
    "closed": "closed by {by}: {reason}",
    # Before the next, which fits it, too.
    "not_ours": "its channel names {warehouse}, which the settings do not have",
    "named": "its channel names {warehouse}",
}
NOBODY = "a person"
"""By whom something was said that nobody has put a name to."""
LACKING = ("nothing was taken: {why}", "what is there goes first, and the rest waits: {why}")
LACKED = "{warehouse}: {lacks}"
_FORMS = {text: form(text) for text in (*REASONS.values(), LACKED, *LACKS)}


class Desk(Protocol):
    """What is done with held orders."""

    def kept(self, *, shop: str, order_no: str) -> Sequence[Held]: ...
    def release(self, order_no: str, /, *, shop: str, parcel: int, reason: str, by: str, again: bool) -> Any: ...
    def close(self, order_no: str, /, *, shop: str, parcel: int, reason: str, by: str) -> Any: ...


class Held(Protocol):
    """What is read of a held order. `since`: microseconds UTC."""

    @property
    def shop(self) -> str: ...
    @property
    def order_no(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def tries(self) -> int: ...
    @property
    def since(self) -> int: ...
    @property
    def parcel(self) -> int: ...
    @property
    def parcels(self) -> int: ...
    @property
    def done(self) -> bool: ...


def nothing(tr: Translate, *, decides: bool) -> Said:
    """Where no order is held: all is well, unless nothing `decides` where orders go."""
    return (tr(NOTHING), "good") if decides else (tr(NO_RULES), "warn")


def any_of(effects: Sequence[tuple[str, str, int]]) -> bool:
    """Whether any of a flow's open effects waits for a person."""
    return any(state == "person" for _, state, _ in effects)


def table(rows: Sequence[Held], zone: str, tr: Translate, names: Named = by_id) -> pl.DataFrame:
    """The orders, the oldest first as they are told; times sort as they are written, in the clock of `zone`. Only the
    reasons are told by `names`: by the other columns orders are let go."""
    told = [
        (
            one.order_no, reasons(one.note, tr, names), _clock(one.since, zone), one.shop, one.target, _parcel(one),
            one.tries,
        )
        for one in rows
    ]  # fmt: skip
    heads = [tr("Order"), tr("Reasons"), tr("Since"), tr("Shop"), tr("Target"), tr("Parcel"), tr("Tries")]
    kinds = (*[pl.String] * 6, pl.Int64)
    return pl.DataFrame(told, schema=dict(zip(heads, kinds, strict=True)), orient="row")


def _parcel(one: Held) -> str:
    """Empty of an order that goes whole."""
    return f"{one.parcel}/{one.parcels}" if one.parcel else ""


def remarks(rows: Sequence[Held], tr: Translate, *, writable: bool) -> list[str]:
    """What to know of the table: whether it is all, and how an order is let go where that cannot be done here."""
    orders = len({(one.shop, one.order_no) for one in rows})
    cut = [tr(OLDEST).format(n=f"{orders:,}")] if orders >= MOST else []
    return cut if writable else [*cut, tr(RELEASE)]


def asking(tr: Translate) -> tuple[str, dict[str, str], dict[str, str]]:
    """What is asked of whoever looks at held orders: what may be said of those chosen, and what in words besides."""
    words = {"reason": tr("Why, or what you have done about it (name no customer)"), "by": tr("Your name")}
    return tr("With the orders chosen:"), {tr(said): act for act, said in ACTS.items()}, words


def lacks(asked: Mapping[str, Any], tr: Translate) -> str:
    """What is missing of an answer; empty when nothing is."""
    if not len(asked["rows"]):
        return tr("Choose rows first.")
    return "" if (asked["reason"] or "").strip() else tr("Give a reason first.")


def carried_out(
    answer: Mapping[str, Any], desk: Desk, tr: Translate, names: Named = by_id
) -> tuple[str, Literal["good", "bad"]]:
    """Say of the orders of the chosen `rows` of `table` what the answer says, of one in several parcels of those that
    are chosen, and tell what became of that: of one of which it may not be said why, and of the others it is said all
    the same. `names`: those of the table."""
    act, refused, came = answer["do"], list[str](), Counter[str]()
    spoken, before = set[tuple[str, str]](), dict[tuple[str, ...], Held]()
    for row in answer["rows"].iter_rows(named=True):
        shop, order_no, number = row[tr("Shop")], row[tr("Order")], int(row[tr("Parcel")].partition("/")[0] or 0)
        now = desk.kept(shop=shop, order_no=order_no)
        for kept in now:
            before.setdefault((shop, order_no, kept.target, _parcel(kept)), kept)
        place = _place(row, tr)
        # It may have gone with the row before.
        if (shop, order_no) not in spoken or place in [(one.target, _parcel(one)) for one in now]:
            try:
                if news := _news(row, answer["rows"], now, tr, names):
                    refused.append(news)
                    continue
                _say(desk, act, order_no, shop=shop, parcel=number, reason=answer["reason"], by=answer["by"] or "")
            except OrderHubError as failure:
                refused.append(failure.told(tr))
                continue
            spoken.add((shop, order_no))
        if one := before.get((shop, order_no, *place)):  # else it went before all this
            came[_became(act, one)] += 1
    told = [tr(CAME[how]).format(n=f"{came[how]:,}") for how in CAME if came[how]]
    return "\n\n".join([*told, *refused]), "bad" if refused else "good"


def _became(act: str, one: Held) -> str:
    """A key of CAME."""
    if act == "close":
        return act
    return "stays" if one.done else act if one.tries else "go"


def _say(desk: Desk, act: str, order_no: str, **said: Any) -> None:
    if act == "close":
        desk.close(order_no, **said)
    else:
        desk.release(order_no, **said, again=act == "again")


def _news(
    row: Mapping[str, Any], chosen: pl.DataFrame, now: Sequence[Held], tr: Translate, names: Named
) -> str:  # fmt: skip
    """Why nothing is said of an order though it was chosen: for a reason that nobody has seen, or with what nobody has
    chosen. Empty where neither is so."""
    order_no = row[tr("Order")]
    mine = chosen.filter(pl.col(tr("Shop")) == row[tr("Shop")], pl.col(tr("Order")) == order_no)
    seen = {(*_place(one, tr), one[tr("Reasons")]) for one in mine.iter_rows(named=True)}
    going = [one for one in now if row[tr("Parcel")] in ("", _parcel(one))]
    if any((one.target, _parcel(one)) not in {(target, parcel) for target, parcel, _ in seen} for one in going):
        return tr("{order}: one word is about all that is listed of it; choose its other rows, too.").format(
            order=order_no
        )
    if any((one.target, _parcel(one), reasons(one.note, tr, names)) not in seen for one in going):
        return tr("{order}: there are other reasons to hold it now; look at them first.").format(order=order_no)
    return ""


def _place(row: Mapping[str, Any], tr: Translate) -> tuple[str, str]:
    return row[tr("Target")], row[tr("Parcel")]


def reasons(note: str, tr: Translate, names: Named = by_id) -> str:
    """Why an order is held, in the reader's language."""
    newest, *before = note.split(f"; {EARLIER}")
    return tr("; ").join([_told(newest, tr, names), *(tr(EARLIER) + _told(said, tr, names) for said in before)])


def _told(said: str, tr: Translate, names: Named) -> str:
    """A failure's sentence may have signs like those between reasons."""
    failure = retold(said, tr)
    return failure if failure != said else tr("; ").join(_reason(part, tr, names) for part in said.split("; "))


def _reason(said: str, tr: Translate, names: Named) -> str:
    for lacking in LACKING:
        before = lacking.removesuffix("{why}")
        if said.startswith(before):
            return tr(lacking).format(why=_lacked(said.removeprefix(before), tr, names))
    for text in REASONS.values():
        if found := _FORMS[text].fullmatch(said):
            given = found.groupdict()
            if text == REASONS["named"]:
                given["warehouse"] = names("warehouse", given["warehouse"])
            if given.get("by") == NOBODY:
                given["by"] = tr(NOBODY)
            if "shop" in given:
                given["shop"] = names("shop", given["shop"])
            if "kind" in given:
                given["kind"] = tr(KINDS.get(given["kind"], given["kind"]))
            if "headline" in given:
                given["headline"] = tr(given["headline"].replace("_", " "))
            if "answer" in given:
                given["answer"] = retold(given["answer"], tr)
            return tr(text).format(**given)
    return _lacked(said, tr, names)


def _lacked(said: str, tr: Translate, names: Named) -> str:
    """What a warehouse lacked; anything else as it came."""
    if not (found := _FORMS[LACKED].fullmatch(said)):
        return said
    rest, told = found["lacks"], []
    while rest:
        form = next(((text, match) for text in LACKS if (match := _FORMS[text].match(rest))), None)
        if form is None:
            return said
        text, match = form
        told.append(tr(text).format(**match.groupdict()))
        rest = rest[match.end() :].removeprefix(", ")
    return tr(LACKED).format(warehouse=names("warehouse", found["warehouse"]), lacks=tr(", ").join(told))


def _clock(at: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
