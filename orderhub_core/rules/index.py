"""What is known of some orders, for any number of rulebooks: prepared columns, and the truth of every condition that
was asked for. Kept between runs, a rulebook of which one rule changed costs that rule's conditions only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, reduce
from operator import and_, or_

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import facts, signals, wording
from orderhub_core.rules.compile import WORDS, Node, Program, Some, Step, expression, field_of, program
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.tree import Condition, Leaf

ENCODED_FROM = 20_000
"""Rows from which on it pays to look up a text's words once."""
KEPT = 1_024
"""Conditions whose truth is remembered: of a million orders each takes a quarter of a megabyte at most."""


class Level:
    """Orders, or their lines: columns made when they are first asked for, and the truth of leaves over them."""

    def __init__(self, height: int, make: Callable[[Sequence[Field]], Iterable[pl.Series]]) -> None:
        self.height, self._make = height, make
        self.columns: dict[str, pl.Series] = {}
        self.known: dict[Node, pl.Series] = {}
        self._words: dict[str, list[str] | None] = {}

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
            words = field.kind in WORDS and self.height >= ENCODED_FROM
            column = facts.encoded(made) if words else made
            self.columns[field.column] = column.alias(field.column)
            self._words[field.column] = column.dtype.categories.to_list() if isinstance(column.dtype, pl.Enum) else None

    def learn(self, leaves: Iterable[Leaf]) -> None:
        """Compute the truth of leaves that is not known yet, all of it in one pass."""
        missing = [leaf for leaf in leaves if leaf not in self.known]
        if not missing:
            return
        fields = {field.column: field for field in map(field_of, missing)}
        self.prepare(fields.values())
        asked = [
            expression(leaf, self._words[field_of(leaf).column]).alias(str(number))
            for number, leaf in enumerate(missing)
        ]
        self.known.update(
            zip(missing, pl.DataFrame([self.columns[name] for name in fields]).select(asked).get_columns(), strict=True)
        )

    def truths(self, made: Program) -> list[pl.Series]:
        """Of its roots. Its leaves are learnt first, and what else it asks for must be known."""
        self.learn(node for node in made.nodes if isinstance(node, Leaf))
        values: list[pl.Series] = []
        for node in made.nodes:
            values.append(self._combined(node, values) if isinstance(node, Step) else self.known[node])
        return [values[root] for root in made.roots]

    def _combined(self, step: Step, values: Sequence[pl.Series]) -> pl.Series:
        parts = [values[number] for number in step.of]
        if not parts:
            return pl.Series([step.op == "and"]).new_from_index(0, self.height)
        if step.op == "not":
            return ~parts[0]
        return reduce(and_ if step.op == "and" else or_, parts)

    def forget(self, kept: set[Node]) -> None:
        """Make room where too much is remembered; what is asked for now stays."""
        for node in list(self.known)[: max(0, len(self.known) - KEPT)]:
            if node not in kept:
                del self.known[node]


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
        reports: pl.DataFrame | None = None,
        at: str = "paid_at",
    ) -> None:
        self.raw_orders, self.raw_lines, self.zone = orders, lines, zone
        self.reports, self.at = reports, at
        self.orders = Level(orders.height, self._of_orders)
        self._line_words: dict[str, pl.Series] = {}

    @cached_property
    def _placed(self) -> tuple[pl.DataFrame, facts.Array]:
        """The lines that count, and of each the row of its order."""
        sold = self.raw_lines.filter(pl.col("gift_of").is_null()) if "gift_of" in self.raw_lines else self.raw_lines
        rows = self.raw_orders.select("order_id").with_row_index("place")
        placed = sold.join(rows, on="order_id", how="inner", maintain_order="left")
        return placed.drop("place"), placed["place"].to_numpy().astype(np.int64)

    @property
    def place(self) -> facts.Array:
        return self._placed[1]

    @cached_property
    def lines(self) -> Level:
        sold = self._placed[0]
        return Level(sold.height, lambda fields: sold.select(facts.of_lines(field) for field in fields).get_columns())

    @cached_property
    def line_no(self) -> facts.Array:
        numbers: facts.Array = self._placed[0]["line_no"].to_numpy().astype(np.int64)
        return numbers

    @cached_property
    def first_line(self) -> facts.Array:
        """Of each order the least number of a line; a number that none has where there is no line."""
        return self.least_line(np.arange(len(self.place)))

    def least_line(self, chosen: facts.Array) -> facts.Array:
        """Of each order the least number among these lines (rows of `place`)."""
        found = np.full(self.orders.height, NO_LINE)
        np.minimum.at(found, self.place[chosen], self.line_no[chosen])
        return found

    def line_words(self, field: Field) -> pl.Series:
        """Of each order what its lines have there, each value once, in words; null where none has any."""
        if field.column not in self._line_words:
            told = pl.DataFrame([self.lines.column(field)])
            told = told.select(words=wording.column(field, self.zone), place=pl.Series(self.place)).drop_nulls()
            each = told.group_by("place", maintain_order=True).agg(pl.col("words").unique().sort())
            every = pl.DataFrame({"place": np.arange(self.orders.height, dtype=np.int64)})
            joined = every.join(each, on="place", how="left", maintain_order="left")
            self._line_words[field.column] = joined.select(pl.col("words").list.join(", ")).to_series()
        return self._line_words[field.column]

    def holds(self, conditions: tuple[Condition, ...]) -> list[pl.Series]:
        """Where each of them is true; false also where that is unknown."""
        return [truth.fill_null(False) if truth.null_count() else truth for truth in self.truths(conditions)]

    def truths(self, conditions: tuple[Condition, ...]) -> list[pl.Series]:
        """Of each condition, per order: true, false or null for unknown."""
        made = program(conditions)
        self._learn([node for node in made.nodes if isinstance(node, Some)])
        found = self.orders.truths(made)
        self.orders.forget(set(made.nodes))
        return found

    def of_lines(self, conditions: tuple[Condition, ...]) -> list[pl.Series]:
        """Of each condition on lines, per line of `place`: true, false or null for unknown."""
        made = program(conditions, of_lines=True)
        found = self.lines.truths(made)
        self.lines.forget(set(made.nodes))
        return found

    def _learn(self, asked: Sequence[Some]) -> None:
        missing = [some for some in asked if some not in self.orders.known]
        truths = self.of_lines(tuple(some.part for some in missing)) if missing else []
        for some, truth in zip(missing, truths, strict=True):
            self.orders.known[some] = self._some(truth)

    def _some(self, truth: pl.Series) -> pl.Series:
        """Whether some line has it: unknown where none has, and of one that is unknown, or there is no line."""
        found = np.zeros(self.orders.height, bool)
        unknown = self._lineless.copy()
        found[self.place[truth.fill_null(False).to_numpy()]] = True
        if truth.null_count():
            unknown[self.place[truth.is_null().to_numpy()]] = True
        unknown &= ~found
        made = pl.Series(found)
        if not unknown.any():
            return made
        nothing = pl.Series([None], dtype=pl.Boolean).new_from_index(0, self.orders.height)
        return nothing.zip_with(pl.Series(unknown), made)

    @cached_property
    def _lineless(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.bincount(self.place, minlength=self.orders.height) == 0

    def _of_orders(self, fields: Sequence[Field]) -> list[pl.Series]:
        summed = [field.column for field in fields if field.column in facts.TOTALS]
        totals = facts.totals(summed, *self._placed, self.orders.height) if summed else pl.DataFrame()
        plain = [f for f in fields if f.level != "signal" and f.column not in facts.TOTALS]
        made = self.raw_orders.select(facts.of_orders(field, self.zone) for field in plain) if plain else totals
        return [
            totals[field.column]
            if field.column in summed
            else self._signal(field)
            if field.level == "signal"
            else made[field.column]
            for field in fields
        ]

    def _signal(self, field: Field) -> pl.Series:
        kind = "word" if field.kind in WORDS else "number"
        reports = signals.SIGNALS.to_frame() if self.reports is None else self.reports
        own = reports.filter(pl.col("signal") == field.column)
        value = signals.as_of(self.raw_orders, self.raw_orders[self.at].cast(INSTANT), own, kind)
        return value.cast(pl.Boolean) if field.kind is Kind.FLAG else value


NO_LINE = np.iinfo(np.int64).max
