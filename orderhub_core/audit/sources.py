"""One touchpoint's rows, made ready to be compared: keys, update times, and its fields as numbers or texts.

Words are dictionary-encoded once: what costs is done per distinct word, not per row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.blocks import BLOCK, blocks, taken
from orderhub_core.audit.fields import Field, Kind
from orderhub_core.frames import INSTANT

KEY = ["shop", "order_no"]
STATUS = "status"
RAW = "raw "
"""`raw <field>` holds the cells as written where `<field>` holds them read: unreadable is not the same as empty."""

NEVER = np.iinfo(np.int64).min
"""An instant that nobody knows."""

Instants = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Words:
    codes: npt.NDArray[np.integer]
    """Per row the position of its word in `words`; the last position for a null."""
    words: pl.Series

    def texts(self, rows: npt.NDArray[np.integer]) -> pl.Series:
        return self.words.gather(self.codes[rows])


@dataclass(frozen=True, eq=False)
class Source:
    name: str
    scans: bool
    """Does it know what the carrier has scanned?"""
    keys: pl.DataFrame
    status: Words
    at: Instants | None
    """When the touchpoint updated the row, microseconds UTC."""
    values: dict[str, pl.Series]
    """The other fields, read: Int64 for money and quantities, instants as microseconds, else String."""
    raw: dict[str, pl.Series]


def source(name: str, frame: pl.DataFrame | pl.LazyFrame, fields: Iterable[Field], *, scans: bool = False) -> Source:
    """Make a touchpoint's frame ready. Only the columns that are compared are read from a LazyFrame."""
    named = {field.name: field for field in fields}
    present = frame.collect_schema().names()
    wanted = [column for column in (*KEY, STATUS, "at", *named, *(RAW + field for field in named)) if column in present]
    wanted = list(dict.fromkeys(wanted))
    rows = frame[wanted] if isinstance(frame, pl.DataFrame) else frame.select(wanted).collect()
    if rows.height < BLOCK:  # what is asked of each piece would cost more than putting them together
        rows = rows.rechunk()
    shop = rows["shop"] if "shop" in present else pl.Series("shop", [None]).new_from_index(0, rows.height)
    carried = [field for field in named if field != STATUS and field in present]
    return Source(
        name=name,
        scans=scans,
        keys=pl.DataFrame([shop, rows["order_no"].cast(pl.String)]),
        status=encoded(
            rows[STATUS] if STATUS in present else pl.repeat(None, rows.height, dtype=pl.String, eager=True)
        ),
        at=_micros(rows, "at"),
        values={field: _read(rows[field], named[field].kind) for field in carried},
        raw={field: rows[RAW + field if RAW + field in present else field].cast(pl.String) for field in carried},
    )


def encoded(texts: pl.Series) -> Words:
    texts = texts.cast(pl.String)
    for shift in range(0, 64 - _SLICE + 1, _SLICE // 4):
        known = _by_hash(texts, shift)
        if known is not None:
            return known
    words = texts.unique().drop_nulls().sort()
    codes = texts.cast(pl.Enum(words)).to_physical().fill_null(words.len()).to_numpy()
    return Words(codes, words.extend(pl.Series([None], dtype=pl.String)))


_FEW, _SLICE = 200, 16
_AT_ONCE = 500
"""Rows of which new words are learned: all of a block would be sorted for the sake of a dozen."""


def _by_hash(texts: pl.Series, shift: int) -> Words | None:
    """Each word is read once; from then on 16 bits of its hash find its code, and all 64 bits prove it. None where
    there are many words, or two with the same 16 bits."""
    hashes, codes = np.zeros(1 << _SLICE, dtype=np.uint64), np.zeros(1 << _SLICE, dtype=np.uint8)
    words: list[str | None] = []
    result = np.empty(texts.len(), dtype=np.uint8)
    for block in blocks(texts.len()):
        told = texts[block].hash().to_numpy()
        slots = (told >> np.uint64(shift)).astype(np.uint16)
        while len(strange := np.flatnonzero(hashes[slots] != told)[:_AT_ONCE]):
            new, first = np.unique(told[strange], return_index=True)
            places = slots[strange[first]]
            words += texts[block].gather(strange[first]).to_list()
            if len(words) > _FEW or hashes[places].any() or len(np.unique(places)) < len(places):
                return None
            hashes[places], codes[places] = new, np.arange(len(words) - len(new), len(words))
        result[block] = codes[slots]
    return _sorted(result, words)


def _sorted(codes: npt.NDArray[np.uint8], words: list[str | None]) -> Words:
    """The same with the words in their order, and null after them."""
    order = sorted(range(len(words)), key=lambda code: (words[code] is None, words[code] or ""))
    known = [word for word in words if word is not None]
    told = pl.Series([*sorted(known), None], dtype=pl.String)
    return Words(taken(np.argsort(order).astype(np.uint8), codes), told)


def _micros(rows: pl.DataFrame, column: str) -> Instants | None:
    if column not in rows.columns or rows[column].null_count() == rows.height:
        return None
    result, at = np.empty(rows.height, dtype=np.int64), 0
    for piece in rows[column].cast(INSTANT).to_physical().get_chunks():
        result[at : at + len(piece)] = (piece.fill_null(NEVER) if piece.null_count() else piece).to_numpy()
        at += len(piece)
    return result


def _read(cells: pl.Series, kind: Kind) -> pl.Series:
    if kind is Kind.INSTANT:
        return cells.cast(INSTANT).cast(pl.Int64)
    return cells.cast(pl.Int64) if kind in (Kind.MONEY, Kind.QUANTITY) else cells.cast(pl.String)
