"""What a draw can prove at best, said before anybody draws. Pure."""

from __future__ import annotations

import msgspec
import polars as pl

from orderhub_core.audit import sampling
from orderhub_core.audit.spot import texts
from orderhub_core.audit.spot.result import needed
from orderhub_core.audit.spot.sheet import LEVEL, MOST_ORDERS, Spec
from orderhub_core.frames import INSTANT
from orderhub_core.i18n import Said, Translate

BEST = {
    True: "{n} of {total} orders can prove {claim}: if none differs, at least {best} of all orders are consistent."
    " The least that can is {needed}.",
    False: "{n} of {total} orders cannot prove {claim}: even if none differs, they prove no more than {best}."
    " Draw at least {needed}, or claim less.",
}
"""What a draw can prove, by whether it can prove the claim."""
BEST_NONE = (
    "{n} of {total} orders cannot prove {claim}: even if none differs, they prove no more than {best}. Nor could"
    " {most}, the most that one audit draws: claim less."
)
BEST_STRATA = "A draw from strata proves less than a simple one."
NO_ORDERS = "There are no orders to draw from yet."
TOO_FEW = (
    "Fewer than two touchpoints are there to compare, so nothing can be audited: add [[touchpoints]] to the settings."
)


class Prospect(msgspec.Struct, frozen=True):
    drawn: int
    best: float
    """What is proven at least where none of those drawn differs: the lower end of the exact interval."""
    needed: int | None
    """The smallest simple draw that could prove the claim; None where none of up to `MOST_ORDERS` could."""


def prospect(spec: Spec, population: int) -> Prospect:
    """Of the question, in a shop with so many orders to draw from, which are drawn simply."""
    drawn = min(spec.size, population)
    best = sampling.interval(drawn, drawn, LEVEL, population).low
    return Prospect(drawn, best, needed(spec.claim, 0, population))


def population(orders: pl.LazyFrame, now: int) -> int:
    """How many of the hub's orders may be drawn now (microseconds UTC)."""
    placed = orders.filter(pl.col("placed_at") <= pl.lit(now).cast(INSTANT))
    return int(placed.select(pl.len()).collect().item())


def best(spec: Spec, population: int, few: bool, tr: Translate) -> Said:
    """Before anything is drawn from so many orders: what it can prove, and how many could prove the claim; nothing, of
    too `few` touchpoints."""
    if not population:
        return tr(NO_ORDERS), "info"
    if few:
        return tr(TOO_FEW), "warn"
    seen = prospect(spec, population)
    proves = seen.best >= spec.claim
    text = tr(BEST_NONE if seen.needed is None else BEST[proves]).format(
        n=f"{seen.drawn:,}",
        total=f"{population:,}",
        claim=texts.claimed(spec),
        best=texts.least(seen.best),
        needed="" if seen.needed is None else f"{seen.needed:,}",
        most=f"{MOST_ORDERS:,}",
    )
    return "\n".join([text, tr(BEST_STRATA)] if spec.by else [text]), "good" if proves else "warn"
