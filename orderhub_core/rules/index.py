"""What is known of some orders, for any number of rulebooks: prepared columns, and the truth of every condition that
was asked for. Kept between runs, a rulebook of which one rule changed costs that rule's conditions only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import bits, facts, signals
from orderhub_core.rules.bits import Bits, Bools, Numbers
from orderhub_core.rules.compile import (
    WORDS,
    Is,
    Node,
    OfLines,
    Program,
    Step,
    compared,
    expression,
    field_of,
    number,
    program,
)  # fmt: skip
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.tree import Condition, Not, Op

ENCODED_FROM = 20_000
"""Rows from which on it pays to look up a text's words once."""
KEPT = 1_024
"""Conditions whose truth is remembered: of a million orders each takes an eighth of a megabyte."""


class Level:
    """Orders, or their lines: columns made when they are first asked for, and the truth of leaves over them."""

    def __init__(self, height: int, make: Callable[[Sequence[Field]], Iterable[pl.Series]]) -> None:
        self.height, self._make = height, make
        self.columns: dict[str, pl.Series] = {}
        self.known: dict[Node, Bits] = {}
        self._encoded: dict[str, facts.Encoded] = {}
        self._measured: dict[str, facts.Measured] = {}

    def column(self, field: Field) -> pl.Series:
        self.prepare([field])
        return self.columns[field.column]

    def prepare(self, fields: Iterable[Field]) -> None:
        """Make the columns of these fields that are not made yet."""
        asked = {field.column: field for field in fields}
        missing = [field for name, field in asked.items() if name not in self.columns]
        if not missing:
            return
        for field, made in zip(missing, self._make(missing), strict=True):
            self.columns[field.column] = column = made.alias(field.column)
            if field.kind not in WORDS:
                self._measured[field.column] = facts.measured(column)
            elif self.height >= ENCODED_FROM:
                self._encoded[field.column] = facts.encoded(column)

    def learn(self, leaves: Iterable[Is]) -> None:
        """Compute those that are not known yet: measures by arithmetic on arrays, texts by one expression each, of
        encoded ones over their words."""
        missing: defaultdict[str, list[Is]] = defaultdict(list)
        fields = {asked: field_of(asked.leaf) for asked in leaves if asked not in self.known}
        self.prepare(fields.values())
        for asked, field in fields.items():
            if field.column in self._measured:
                self.known[asked] = _compared(asked, field, self._measured[field.column])
            else:
                missing[field.column].append(asked)
        for column in missing.keys() & self._encoded.keys():
            own = missing.pop(column)
            words, codes = self._encoded[column]
            for asked, truth in zip(own, _truths(words, own), strict=True):
                self.known[asked] = bits.pack(np.take(truth.to_numpy(), codes))
        if missing:
            rest = list(chain.from_iterable(missing.values()))
            truths = _truths(pl.DataFrame([self.columns[column] for column in missing]), rest)
            self.known.update(zip(rest, map(bits.pack, truths), strict=True))

    def holds(self, made: Program) -> list[Bits]:
        """Of its roots. Its leaves are learnt first, and what else it asks for must be known."""
        self.learn(node for node in made.nodes if isinstance(node, Is))
        values: list[Bits] = []
        for node in made.nodes:
            values.append(self._combined(node, values) if isinstance(node, Step) else self.known[node])
        return [values[root] for root in made.roots]

    def _combined(self, step: Step, values: Sequence[Bits]) -> Bits:
        if not step.of:
            return bits.everywhere(self.height) if step.op == "and" else bits.nowhere(self.height)
        op = np.bitwise_and if step.op == "and" else np.bitwise_or
        return bits.joined(op, [values[number] for number in step.of])

    def forget(self, kept: set[Node]) -> None:
        """Make room where too much is remembered; what is asked for now stays."""
        for node in list(self.known)[: max(0, len(self.known) - KEPT)]:
            if node not in kept:
                del self.known[node]


def _compared(asked: Is, field: Field, column: facts.Measured) -> Bits:
    (op, values), height = (asked.leaf.op, asked.leaf.values), len(column.values)
    if op in (Op.IS_KNOWN, Op.IS_MISSING):
        known = bits.everywhere(height) if column.known is None else column.known
        return known if (op is Op.IS_KNOWN) == asked.wanted else known ^ bits.everywhere(height)
    truth = compared(asked.leaf, field.kind, column.values, [number(value) for value in values])
    sure = bits.pack(truth if asked.wanted else ~truth)
    return sure if column.known is None else sure & column.known


def _truths(frame: pl.DataFrame, asked: Sequence[Is]) -> list[pl.Series]:
    """Of texts, over the rows of a frame that has the columns; what is unknown is neither true nor false."""
    gaps = {column.name for column in frame if column.null_count()}
    sure = (_sure(each, field_of(each.leaf).column in gaps).alias(str(place)) for place, each in enumerate(asked))
    return facts.computed(frame, sure).get_columns()


@lru_cache(maxsize=4096)
def _sure(asked: Is, gaps: bool) -> pl.Expr:
    """Where it is known to be so. `gaps`: whether a value may be missing."""
    truth = expression(asked.leaf) if asked.wanted else ~expression(asked.leaf)
    return truth.fill_null(False) if gaps else truth


class Index:
    """Of orders (columns of ORDERS; of buyers and signals what rules ask for) and their lines (columns of LINES).

    `zone`: in which times of day are meant. `reports`: SIGNALS. `at`: the column of the instant as of which an order is
    decided, for signals. Raises UserMistake from any question for what the frames do not have; `facts.check` tells
    before.
    """

    def __init__(
        self,
        orders: pl.DataFrame,
        lines: pl.DataFrame,
        *,
        zone: str,
        reports: signals.Reports | None = None,
        at: str = "paid_at",
    ) -> None:
        self.raw_orders, self.raw_lines, self.zone = orders, lines, zone
        self.reports, self.at = reports, at
        self.orders = Level(orders.height, self._of_orders)

    @cached_property
    def _placed(self) -> tuple[pl.DataFrame, Numbers]:
        """The lines that count, and of each the row of its order."""
        sold = self.raw_lines
        if "gift_of" in sold and sold["gift_of"].null_count() < sold.height:
            sold = sold.filter(pl.col("gift_of").is_null())
        return facts.placed(sold, self.raw_orders["order_id"])

    @property
    def place(self) -> Numbers:
        return self._placed[1]

    @cached_property
    def lines(self) -> Level:
        return Level(self._placed[0].height, self._of_lines)

    @cached_property
    def line_no(self) -> Numbers:
        numbers: Numbers = self._placed[0]["line_no"].to_numpy().astype(np.int64)
        return numbers

    @cached_property
    def first_line(self) -> Numbers:
        """Of each order the least number of a line; a number that none has where there is no line."""
        return self.least_line(np.arange(len(self.place)))

    def least_line(self, chosen: Numbers) -> Numbers:
        """Of each order the least number among these lines (rows of `place`)."""
        found = np.full(self.orders.height, NO_LINE)
        np.minimum.at(found, self.place[chosen], self.line_no[chosen])
        return found

    def holds(self, conditions: tuple[Condition, ...]) -> list[Bits]:
        """Of each condition the orders for which it is true."""
        made = program(conditions)
        self._learn([node for node in made.nodes if isinstance(node, OfLines)])
        found = self.orders.holds(made)
        self.orders.forget(set(made.nodes))
        return found

    def truths(self, conditions: tuple[Condition, ...]) -> list[pl.Series]:
        """Of each condition, per order: true, false or null for unknown."""
        height = self.orders.height
        found = [bits.unpack(some, height) for some in self.holds((*conditions, *map(Not, conditions)))]
        unknown = pl.Series([None], dtype=pl.Boolean).new_from_index(0, height)
        pairs = zip(found[: len(conditions)], found[len(conditions) :], strict=True)
        return [pl.Series(true).zip_with(pl.Series(true | false), unknown) for true, false in pairs]

    def of_lines(self, conditions: tuple[Condition, ...]) -> list[Bools]:
        """Of each condition on lines the lines of `place` for which it is true."""
        made = program(conditions, of_lines=True)
        found = self.lines.holds(made)
        self.lines.forget(set(made.nodes))
        return [bits.unpack(some, self.lines.height) for some in found]

    def _learn(self, asked: Sequence[OfLines]) -> None:
        missing = [some for some in asked if some not in self.orders.known]
        truths = self.of_lines(tuple(some.part for some in missing)) if missing else []
        for some, truth in zip(missing, truths, strict=True):
            found = np.zeros(self.orders.height, np.bool_)
            if some.which == "every":
                found[self.place] = True
            found[self.place[truth if some.which == "some" else ~truth]] = some.which == "some"
            self.orders.known[some] = bits.pack(found)

    def _of_orders(self, fields: Sequence[Field]) -> list[pl.Series]:
        summed = [field.column for field in fields if field.column in facts.TOTALS]
        made = facts.totals(summed, *self._placed, self.orders.height).to_dict() if summed else {}
        own = [field for field in fields if not field.is_reported and field.column not in made]
        columns = facts.columns(self.raw_orders, own, self.zone)
        made |= {field.column: column for field, column in zip(own, columns, strict=True)}
        return [self._signal(field) if field.is_reported else made[field.column] for field in fields]

    def _of_lines(self, fields: Sequence[Field]) -> list[pl.Series]:
        own = [field for field in fields if not field.is_reported]
        columns = iter(facts.columns(self._placed[0], own, self.zone))
        return [self._signal_of_lines(field) if field.is_reported else next(columns) for field in fields]

    def _signal(self, field: Field) -> pl.Series:
        own = signals.of(self.reports, field)
        if field.subject:  # whatever the order is
            told = own.filter(pl.col("of") == field.about, pl.col("subject") == field.subject)
            own = told.with_columns(of=pl.lit(""), subject=pl.lit(""))
        kind = "word" if field.kind in WORDS else "number"
        value = signals.as_of(self.raw_orders, self._instants, own, kind)
        return value.cast(pl.Boolean) if field.kind is Kind.FLAG else value

    def _signal_of_lines(self, field: Field) -> pl.Series:
        subject = self.lines.column(FIELDS[field.about])
        told = signals.of(self.reports, field)
        told = told.filter(pl.col("of") == field.about, pl.col("subject").is_in(subject.implode()))
        return signals.as_of(subject.to_frame(field.about), self._instants[self.place], told, "number")

    @cached_property
    def _instants(self) -> pl.Series:
        return self.raw_orders[self.at].cast(INSTANT)


NO_LINE = int(np.iinfo(np.int64).max)
