"""Two rulebooks decide on the same orders: who goes elsewhere, and what is won and lost.

Deciding twice on one kept `Index` is two calls of the function that decides live; what it costs is a book's conditions
that were not asked before.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from orderhub_core.rules import bits
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.bits import Bits, Numbers
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import wants
from orderhub_core.rules.lab.wants import Choice, Want, Wanted, wanted
from orderhub_core.rules.tree import Rulebook

MATRIX = pl.Schema({"from": pl.String(), "to": pl.String(), "orders": pl.Int64(), "amount_minor": pl.Int64()})
"""Of one verb, e.g. the warehouse: how many orders go from what the one book wants to what the other does, and what
these orders are worth. Empty: nothing is wanted. `amount_minor` is null where amounts are not known, or the orders are
of several currencies."""
DIFFERENCES = pl.Schema(
    {
        "verb": pl.String(),
        "argument": pl.String(),
        "before": pl.Int64(),
        "after": pl.Int64(),
        "won": pl.Int64(),
        "lost": pl.Int64(),
        "amount_before": pl.Int64(),
        "amount_after": pl.Int64(),
    }
)
"""Of each thing that either book wants: of how many orders; how many more it is wanted of, or more of it (won), and of
how many no longer, or less of it (lost). `amount_*`: pieces of a gift, points of priority; else the orders again."""
WON, LOST = "won", "lost"
ONCE = tuple(name for name, verb in VERBS.items() if verb.once)
"""The verbs of which a matrix can be drawn: the warehouse first."""
_SHOWN = ("order_id", "shop", "order_no", "platform", "province", "placed_at", "paid_at", "total_minor")


def compare(index: Index, before: Rulebook, after: Rulebook) -> Comparison:
    """Raises UserMistake for what a book asks and the orders do not have."""
    return Comparison(index, wanted(index, before), wanted(index, after))


class Comparison:
    """Of the orders of an index. A book that stays the same need not be asked again: its `Wanted` may be kept."""

    def __init__(self, index: Index, before: Wanted, after: Wanted) -> None:
        self.index, self.before, self.after = index, before, after
        self._choices: dict[str, tuple[Choice, Choice]] = {}

    @property
    def orders(self) -> int:
        return self.before.height

    @cached_property
    def changed(self) -> Bits:
        """The orders of which anything else is wanted."""
        return wants.changed(self.before, self.after)

    def changed_by_verb(self) -> dict[str, int]:
        """How many orders, of every verb that either book has."""
        verbs = {want.verb for want in (*self.before.planes, *self.after.planes)}
        return {verb: wants.count(wants.changed(self.before, self.after, verb)) for verb in VERBS if verb in verbs}

    def choices(self, verb: str) -> tuple[Choice, Choice]:
        """What both want of a verb that can be carried out once, in the same words."""
        if verb not in self._choices:
            words = sorted({*self.before.arguments(verb), *self.after.arguments(verb)})
            self._choices[verb] = (wants.choice(self.before, verb, words), wants.choice(self.after, verb, words))
        return self._choices[verb]

    def matrix(self, verb: str = ONCE[0]) -> pl.DataFrame:
        """MATRIX, those that stay as well; the largest first."""
        before, after = self.choices(verb)
        words = len(before.words)
        cells = before.codes * words + after.codes
        orders = np.bincount(cells, minlength=words * words)
        worth = self._worth
        # Floats hold cents exactly up to 90 trillion yuan.
        amounts = None if worth is None else np.bincount(cells, worth, words * words).astype(np.int64)
        found = np.flatnonzero(orders)
        frame = pl.DataFrame(
            {
                "from": [before.words[cell // words] for cell in found],
                "to": [before.words[cell % words] for cell in found],
                "orders": orders[found],
                "amount_minor": None if amounts is None else amounts[found],
            },
            schema=MATRIX,
        )
        return frame.sort("orders", "from", "to", descending=[True, False, False])

    @cached_property
    def _worth(self) -> Numbers | None:
        orders = self.index.raw_orders
        if "total_minor" not in orders or ("currency" in orders and orders["currency"].drop_nulls().n_unique() > 1):
            return None
        worth: Numbers = orders["total_minor"].cast(pl.Int64).fill_null(0).to_numpy()
        return worth

    def cell(self, verb: str, before: str, after: str) -> Numbers:
        """The rows of the orders in a cell of the matrix."""
        one, other = self.choices(verb)
        if not {before, after} <= set(one.words):
            return np.zeros(0, np.int64)
        inside = (one.codes == one.words.index(before)) & (other.codes == other.words.index(after))
        return np.flatnonzero(inside)

    def differences(self) -> pl.DataFrame:
        """DIFFERENCES, in the order of verbs."""
        wanted = {*self.before.planes, *self.after.planes}
        places = {verb: place for place, verb in enumerate(VERBS)}
        told = [self._difference(want) for want in sorted(wanted, key=lambda want: (places[want.verb], want.argument))]
        return pl.DataFrame(told, schema=DIFFERENCES, orient="row")

    def _difference(self, want: Want) -> tuple[str, str, int, int, int, int, int, int]:
        before, after = self.before.of(want), self.after.of(want)
        won, lost = (wants.count(self.where(want, which)) for which in (WON, LOST))
        orders = (wants.count(side.somehow(want)) for side in (self.before, self.after))
        return (*want, *orders, won, lost, wants.total(before), wants.total(after))  # type: ignore[return-value]  # two of each

    def where(self, want: Want, which: Literal["won", "lost"] | str) -> Bits:
        """The orders of which it is wanted more (won) or less (lost) than before."""
        before, after = self.before.of(want), self.after.of(want)
        if which == LOST:
            before, after = after, before
        if len(before) == len(after) == 1:
            return after[0] & ~before[0]
        height = self.orders
        return bits.pack(wants.amounts(after, height) > wants.amounts(before, height))

    def rows(self, want: Want, which: Literal["won", "lost"] | str) -> Numbers:
        return np.flatnonzero(bits.unpack(self.where(want, which), self.orders))

    def told(self, rows: Numbers) -> pl.DataFrame:
        """What both books want of these orders: what tells the order, and of each verb in use VERB_before and
        VERB_after, as text."""
        orders = self.index.raw_orders
        shown = orders[rows].select(name for name in _SHOWN if name in orders)
        verbs = [verb for verb in VERBS if any(want.verb == verb for want in (*self.before.planes, *self.after.planes))]
        sides = {"before": self.before, "after": self.after}
        return shown.with_columns(
            _words(side, verb, rows).alias(f"{verb}_{name}") for verb in verbs for name, side in sides.items()
        )


def _words(side: Wanted, verb: str, rows: Numbers) -> pl.Series:
    """Everything that is wanted of a verb, in one text; empty where nothing is."""
    told: list[pl.Series] = []
    for argument in side.arguments(verb):
        amounts = wants.amounts(side.of(Want(verb, argument)), side.height)[rows]
        told.append(_word(verb, argument, pl.Series(amounts)))
    if not told:
        return pl.Series([""]).new_from_index(0, len(rows))
    frame = pl.DataFrame([one.alias(str(place)) for place, one in enumerate(told)])
    return frame.select(pl.concat_str(pl.all(), separator=", ", ignore_nulls=True)).to_series()


def _word(verb: str, argument: str, amounts: pl.Series) -> pl.Series:
    """Null where it is not wanted."""
    one = pl.when(pl.lit(verb != "priority")).then(pl.lit(argument)).otherwise(pl.col("n").cast(pl.String))
    many = pl.format("{} × {}", pl.lit(argument), "n") if verb != "priority" else one
    told = pl.when(pl.col("n") == 1).then(one).when(pl.col("n") != 0).then(many)
    return amounts.alias("n").to_frame().select(told).to_series()
