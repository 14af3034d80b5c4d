"""Orders that are kept from their warehouse until a person lets them go, in people's words, and letting them go.

The hub tells why as sentences joined by "; ", the newest first; those it makes itself, and what failures say, are shown
in the reader's language, any other (a warehouse's own answer) as it came. Nothing personal is in them.
"""

from __future__ import annotations

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
LACKING = ("nothing was taken: {why}", "what is there goes first, and the rest waits: {why}")
LACKED = "{warehouse}: {lacks}"
_FORMS = {text: form(text) for text in (*REASONS.values(), LACKED, *LACKS)}


class Desk(Protocol):
    """What is done with held orders."""

    def kept(self, *, shop: str, order_no: str) -> Sequence[Held]: ...
    def release(self, order_no: str, /, *, shop: str, parcel: int, reason: str, by: str) -> Any: ...


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


def words(tr: Translate) -> dict[str, str]:
    """What is asked in words of whoever lets orders go."""
    return {"reason": tr("Why they may go (name no customer)"), "by": tr("Your name")}


def let_go(
    answer: Mapping[str, Any], desk: Desk, tr: Translate, names: Named = by_id
) -> tuple[str, Literal["good", "bad"]]:
    """Let the orders of the chosen `rows` of `table` go, of one in several parcels those that are chosen, and tell what
    became of that: of one that may not go why, and the others go all the same. `names`: those of the table."""
    refused, spoken = [], set[tuple[str, str]]()
    for row in answer["rows"].iter_rows(named=True):
        shop, order_no, number = row[tr("Shop")], row[tr("Order")], int(row[tr("Parcel")].partition("/")[0] or 0)
        now = desk.kept(shop=shop, order_no=order_no)
        if (shop, order_no) in spoken and _place(row, tr) not in [(one.target, _parcel(one)) for one in now]:
            continue  # it went with the row before
        try:
            if news := _news(row, answer["rows"], now, tr, names):
                refused.append(news)
            else:
                desk.release(order_no, shop=shop, parcel=number, reason=answer["reason"], by=answer["by"] or "")
                spoken.add((shop, order_no))
        except OrderHubError as failure:
            refused.append(failure.told(tr))
    gone = tr("Let go: {n}. They are handed over next.").format(n=answer["rows"].height - len(refused))
    return "\n\n".join([gone, *refused]), "bad" if refused else "good"


def _news(
    row: Mapping[str, Any], chosen: pl.DataFrame, now: Sequence[Held], tr: Translate, names: Named
) -> str:  # fmt: skip
    """Why an order is not let go though it was chosen: for a reason that nobody has seen, or with what nobody has
    chosen. Empty where neither is so."""
    order_no = row[tr("Order")]
    mine = chosen.filter(pl.col(tr("Shop")) == row[tr("Shop")], pl.col(tr("Order")) == order_no)
    seen = {(*_place(one, tr), one[tr("Reasons")]) for one in mine.iter_rows(named=True)}
    going = [one for one in now if row[tr("Parcel")] in ("", _parcel(one))]
    if any((one.target, _parcel(one)) not in {(target, parcel) for target, parcel, _ in seen} for one in going):
        return tr("{order}: all that is listed of it goes by one word; choose its other rows, too.").format(
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
