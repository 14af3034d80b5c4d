"""What a touchpoint's own word means: the set of stages at which it may rightly be shown.

Words are compared through stages, never as text: "待发货" on a page and "locked" in a warehouse are both right
while the goods are reserved. The tables stand in `words.toml`; a user's mapping may add words and touchpoints.
A word that stands in no table means nothing here: it is reported, never guessed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import msgspec
import polars as pl

from orderhub_core.errors import UserMistake

EVERYWHERE = "*"


class Stage(StrEnum):
    """The places of an order's life that touchpoints tell apart: the headlines, and finer ones around the parcel."""

    PENDING_PAYMENT = "pending_payment"
    ACCEPTED = "accepted"
    PAID = "paid"
    DESIGNING = "designing"
    PRODUCING = "producing"
    SHORT = "short"
    LOCKED = "locked"
    LABELLED = "labelled"
    PACKED = "packed"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    AFTER_SALE = "after_sale"
    INTERCEPTED = "intercepted"
    RETURNED = "returned"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


STAGES = tuple(Stage)
_PATH = STAGES[: STAGES.index(Stage.COMPLETED) + 1]


def _between(first: Stage, last: Stage) -> tuple[Stage, ...]:
    return STAGES[STAGES.index(first) : STAGES.index(last) + 1]


# Which stages an order may have come from when it leaves the straight path.
_COMES_FROM = {
    Stage.COMPLETED: (Stage.AFTER_SALE,),
    Stage.AFTER_SALE: _between(Stage.ACCEPTED, Stage.COMPLETED),
    Stage.INTERCEPTED: _between(Stage.ACCEPTED, Stage.OUT_FOR_DELIVERY),
    Stage.RETURNED: _between(Stage.SHIPPED, Stage.INTERCEPTED),
    Stage.REFUNDED: _between(Stage.ACCEPTED, Stage.RETURNED),
    Stage.CANCELLED: (*_between(Stage.PENDING_PAYMENT, Stage.PACKED), Stage.AFTER_SALE, Stage.INTERCEPTED),
}


def bits(stages: Iterable[Stage]) -> int:
    """A set of stages as an integer, one bit per stage."""
    return sum(1 << STAGES.index(stage) for stage in set(stages))


def _reached_from(stage: Stage) -> int:
    ahead = _PATH[_PATH.index(stage) + 1 :] if stage in _PATH else ()
    return bits((*ahead, *(later for later, origins in _COMES_FROM.items() if stage in origins)))


LATER = {stage: _reached_from(stage) for stage in STAGES}
"""For each stage, the stages an order may legally show afterwards."""


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    means: tuple[Stage, ...]
    still: tuple[Stage, ...] = ()
    unclear: bool = False


class Tables(msgspec.Struct, frozen=True):
    """The file's shape. Other top-level tables of a user's mapping belong to its reader, not to the audit."""

    words: dict[str, dict[str, tuple[Stage, ...] | Word]] = {}
    blank: tuple[str, ...] = ()
    absent: dict[str, tuple[Stage, ...]] = {}


class Lexicon(msgspec.Struct, frozen=True, dict=True, eq=False):
    """One is equal to itself only, so that what was looked up in it can be remembered by it."""

    tables: Mapping[str, Mapping[str, Word]]
    blank: frozenset[str]
    absent: Mapping[str, int]
    """For a touchpoint, the stages (bits) at which it need not know an order."""

    def frame(self, touchpoint: str) -> pl.DataFrame:
        """One row per known word: `word` (as `same` writes it), `stage` (for people), `means`, `mask`, `later`
        (bits, UInt32) and `unclear`. `mask` is every stage at which the word is right; `later` what may follow."""
        if touchpoint not in self._frames:
            self._frames[touchpoint] = self._frame(touchpoint)
        return self._frames[touchpoint]

    def silent(self, spelled: pl.Expr) -> pl.Expr:
        """Is a cell, as `same` writes it, as good as empty? Never null."""
        return spelled.is_null() | spelled.is_in(list(self.blank))

    @cached_property
    def _frames(self) -> dict[str, pl.DataFrame]:
        return {}

    def _frame(self, touchpoint: str) -> pl.DataFrame:
        words = {**self.tables.get(EVERYWHERE, {}), **self.tables.get(touchpoint, {})}
        rows = [
            (
                text,
                " … ".join(dict.fromkeys((word.means[0], word.means[-1]))),
                bits(word.means),
                bits((*word.means, *word.still)),
                _union(LATER[stage] for stage in word.means),
                word.unclear,
            )
            for text, word in words.items()
        ]
        schema = {"word": pl.String, "stage": pl.String, "means": pl.UInt32, "mask": pl.UInt32, "later": pl.UInt32}
        return pl.DataFrame(rows, schema={**schema, "unclear": pl.Boolean}, orient="row")


def same(text: pl.Expr) -> pl.Expr:
    """Spellings that are the same word: case, width, surrounding blanks, `_` or `-` for a blank."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[_\-\s]+", " ").str.strip_chars()


@lru_cache
def default() -> Lexicon:
    """The words this version knows."""
    return lexicon({})


def lexicon(mapping: Mapping[str, Any], *, absent: bool = True) -> Lexicon:
    """The known words and a mapping's own (`[words.<touchpoint>]`, `blank`, `[absent]`), which win.

    With `absent=False` our own list of orders a touchpoint need not know is left out: every missing row counts.
    Raises UserMistake naming the word whose stages are not stages.
    """
    ours = msgspec.convert(_shipped(), Tables)
    try:
        theirs = msgspec.convert(dict(mapping), Tables)
    except msgspec.ValidationError as error:
        raise UserMistake("mapping: {error}; stages are: {stages}", error=error, stages=tuple(STAGES)) from None
    tables: dict[str, dict[str, Word]] = {}
    for source in (ours, theirs):
        for touchpoint, words in source.words.items():
            tables.setdefault(touchpoint, {}).update(_words(touchpoint, words))
    known_absent = {**(ours.absent if absent else {}), **theirs.absent}
    return Lexicon(
        tables=tables,
        blank=frozenset(_same_texts((*ours.blank, *theirs.blank))),
        absent={touchpoint: bits(stages) for touchpoint, stages in known_absent.items()},
    )


def _words(touchpoint: str, words: Mapping[str, tuple[Stage, ...] | Word]) -> dict[str, Word]:
    read = [entry if isinstance(entry, Word) else Word(means=entry) for entry in words.values()]
    for text, word in zip(words, read, strict=True):
        if not word.means:
            raise UserMistake(
                "mapping: [words.{touchpoint}] {text!r} means no stage; stages are: {stages}",
                touchpoint=touchpoint,
                text=text,
                stages=tuple(STAGES),
            )
    return dict(zip(_same_texts(words), read, strict=True))


def _same_texts(texts: Iterable[str]) -> list[str]:
    column = pl.Series("word", list(texts), dtype=pl.String).to_frame().select(same(pl.col("word")))
    return column["word"].to_list()


def _shipped() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
