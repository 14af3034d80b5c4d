"""Why a rulebook decides on one order as it does: every condition of every rule with the order's own value, what the
rules that do not hold lack, and who came first where several hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import polars as pl

from orderhub_core.rules import needs
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.decide import decided
from orderhub_core.rules.dictionary import Field
from orderhub_core.rules.index import Index
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_condition
from orderhub_core.rules.language.values import written
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.of_parcels import on_orders, on_parcels, parcels
from orderhub_core.rules.reason import Piece, is_of_lines, pieces
from orderhub_core.rules.signals import Reports
from orderhub_core.rules.tree import Action, Condition, Either, Every, Group, Leaf, Lines, Not, Rule, Rulebook, leaves

Outcome = Literal["acts", "passed over", "fails", "unknown"]
"""A rule that is passed over holds, but an earlier one of its group acts. One is unknown where nothing that is known
denies it: it only lacks values."""


class Asked(NamedTuple):
    """A condition, and what the order answers to it."""

    condition: str
    """In words; of a condition on lines all of it."""
    own: Mapping[str, str | None]
    """The order's own values of the fields that it asks for, in words; None where there is none."""
    holds: bool | None
    wanted: bool
    """Whether the rule wants it to be true, or false."""

    @property
    def missing(self) -> bool:
        """Whether it is a value that is missing, and not another one."""
        return self.holds is None


class Answer(NamedTuple):
    """What became of one rule."""

    group: str
    rule: str
    then: tuple[Action, ...]
    outcome: Outcome
    conditions: tuple[Asked, ...]
    """All of them, from left to right."""
    lacks: tuple[Asked, ...]
    """The fewest that would have to be otherwise for it to hold."""
    before: str = ""
    """The rule that acts in its place."""
    parcel: int = 0
    """Of which of its order's several parcels it was asked; 0: of the order, or of the one that it goes in."""


class Explanation(NamedTuple):
    version: str
    values: Mapping[str, str | None]
    """Everything that the rulebook asks of the order, in words, and of its parcel, where it goes in one."""
    answers: tuple[Answer, ...]
    decisions: pl.DataFrame
    """DECISIONS of the order, as `decide` makes them, and the `parcel` that one is about; 0: the order."""


def explain(
    order: pl.DataFrame,
    lines: pl.DataFrame,
    book: Rulebook,
    *,
    language: Language = "en",
    reports: Reports | None = None,
) -> Explanation:
    """Of one order: a frame of one row, and its lines. The same index answers as when it is decided. Rules on parcels
    are asked of those that `of_parcels.parcels` makes of it."""
    if order.height != 1:
        raise ValueError(f"one order is explained at a time, not {order.height}")
    said = _said(Index(order, lines, zone=book.zone, reports=reports), on_orders(book), language)
    if not book.parcels:
        return said
    found = parcels(order, lines, said.decisions)
    several = found.of.height > 1
    answers, values, decisions = list(said.answers), dict(said.values), [said.decisions]
    for made, parcel in zip(found.orders["order_id"], found.of["parcel"], strict=True):
        own = pl.col("order_id") == made
        index = Index(found.orders.filter(own), found.lines.filter(own), zone=book.zone, reports=reports)
        more = _said(index, on_parcels(book), language, parcel)
        answers += [answer._replace(parcel=parcel * several) for answer in more.answers]
        values |= {} if several else more.values
        number = pl.lit(order["order_id"].item(), order["order_id"].dtype)
        decisions.append(more.decisions.with_columns(order_id=number))
    return Explanation(book.version, values, tuple(answers), pl.concat(decisions))


def _said(index: Index, book: Rulebook, language: Language, parcel: int = 0) -> Explanation:
    reading = _Reading(index, book, language)
    answers = tuple(answer for group in book.groups for answer in reading.group(group))
    made = decided(index, book).with_columns(parcel=pl.lit(parcel, pl.Int32))
    return Explanation(book.version, reading.values, answers, made)


class _Reading:
    """Of one order: its values, and the truth of all that the rulebook asks."""

    def __init__(self, index: Index, book: Rulebook, language: Language) -> None:
        self.language: Language = language
        self.speech = of_book(book)
        rules = [rule for group in book.groups for rule in group.rules]
        asked = tuple({piece.asked: None for rule in rules for piece in pieces(rule.when)})
        whens = tuple(rule.when for rule in rules)
        truths = index.truths((*asked, *whens))
        self.truths: dict[Condition, bool | None] = {
            condition: truth[0] for condition, truth in zip((*asked, *whens), truths, strict=True)
        }
        self.values = {field.name: self._own(index, field) for field, _ in needs.asked(book)}

    def group(self, group: Group) -> Iterator[Answer]:
        acting = ""
        for rule in group.rules:
            answer = self._answer(group, rule, acting)
            yield answer
            if group.match == "first" and answer.outcome == "acts":
                acting = rule.name
        if group.otherwise:
            yield Answer(group.name, OTHERWISE, group.otherwise, "passed over" if acting else "acts", (), (), acting)

    def _answer(self, group: Group, rule: Rule, acting: str) -> Answer:
        truth = self.truths[rule.when]
        outcome: Outcome = "unknown" if truth is None else "fails"
        if truth:
            outcome = "passed over" if acting else "acts"
        told = tuple(self._asked(piece) for piece in pieces(rule.when))
        lacks = tuple(self._asked(piece) for piece in self.lacking(rule.when) or ())
        return Answer(group.name, rule.name, rule.then, outcome, told, lacks, acting if truth else "")

    def _asked(self, piece: Piece) -> Asked:
        asked = (
            Lines("some", piece.asked) if is_of_lines(piece.asked) and isinstance(piece.asked, Leaf) else piece.asked
        )
        own = {leaf.field: self.values[leaf.field] for leaf in leaves(asked)}
        return Asked(print_condition(asked, self.speech, self.language), own, self.truths[piece.asked], piece.positive)

    def _own(self, index: Index, field: Field) -> str | None:
        """The order's value, or those that its lines have."""
        level = index.lines if field.level == "line" else index.orders
        found = level.column(field).drop_nulls().unique().sort().to_list()
        return ", ".join(written(value, field, self.speech, self.language) for value in found) or None

    def lacking(self, when: Condition, positive: bool = True) -> tuple[Piece, ...] | None:
        """The fewest pieces that would have to be otherwise for a condition to be true (or false); None where nothing
        would help."""
        match when:
            case Leaf() | Lines():
                return () if self.truths[when] is positive else (Piece(when, positive, True),)
            case Not(part):
                return self.lacking(part, not positive)
            case Every(parts) | Either(parts):
                each = [self.lacking(part, positive) for part in parts]
                return _all(each) if isinstance(when, Every) == positive else _least(each)
        raise TypeError(when)


def _all(each: Iterable[tuple[Piece, ...] | None]) -> tuple[Piece, ...] | None:
    found: dict[Piece, None] = {}
    for lacks in each:
        if lacks is None:
            return None
        found |= dict.fromkeys(lacks)
    return tuple(found)


def _least(each: Iterable[tuple[Piece, ...] | None]) -> tuple[Piece, ...] | None:
    return min((lacks for lacks in each if lacks is not None), key=len, default=None)
