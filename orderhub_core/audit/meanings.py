"""The status words that touchpoints use, looked up: few meanings, and for every word which of them it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.sources import Source
from orderhub_core.audit.verdicts import ABSENT, BLANK, KNOWN, STRANGE, Story
from orderhub_core.audit.words import STAGES, Lexicon, same

_ROWS = pl.Schema({"means": pl.UInt32, "mask": pl.UInt32, "later": pl.UInt32, "unclear": pl.Boolean})
_SILENT = (ABSENT, BLANK, STRANGE)


@dataclass(frozen=True, eq=False)
class Meanings:
    """Per touchpoint. Meaning 0 is no row, 1 an empty cell, 2 a word that stands in no table."""

    codes: list[npt.NDArray[np.unsignedinteger]]
    """Per word (position in `Source.status.words`) its meaning."""
    kinds: list[npt.NDArray[np.int8]]
    """Per meaning what it is: ABSENT, BLANK, STRANGE or KNOWN."""
    rows: list[pl.DataFrame]
    """Per meaning `means`, `mask`, `later` (sets of stages as bits) and `unclear`."""
    need_not_know: npt.NDArray[np.uint32]
    lexicon: Lexicon
    words: list[pl.Series]
    """Per touchpoint its words as `same` writes them."""
    names: list[str]

    def stages(self, place: int) -> pl.Series:
        """Per word of a touchpoint its stage, for people; null where it has none."""
        known = self.lexicon.frame(self.names[place]).select("word", "stage")
        told = self.words[place].to_frame("word").join(known, on="word", how="left", maintain_order="left")
        return told.select(pl.when(~self.lexicon.silent(pl.col("word"))).then("stage")).to_series()

    def story(self, table: npt.NDArray[np.int64]) -> Story:
        """What combinations of meanings (touchpoint × combination) tell."""

        def picked(column: str, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
            own = (rows[column].to_numpy() for rows in self.rows)
            return np.stack([part[codes] for part, codes in zip(own, table, strict=True)]).astype(dtype)

        kind = np.stack([kinds[codes] for kinds, codes in zip(self.kinds, table, strict=True)])
        mask, means, later = (picked(column, np.uint32) for column in ("mask", "means", "later"))
        return Story(kind, mask, means, later, picked("unclear", np.bool_), self.need_not_know)  # type: ignore[arg-type]

    def entered(self) -> list[npt.NDArray[np.int8]]:
        """Per meaning the position in `lag.FACTS` of the stage that it begins with; -1 for none, for unclear words, and
        where another word of the touchpoint begins there and is narrower: then this one comes later."""
        begins = np.array([list(FACTS).index(stage) if stage in FACTS else -1 for stage in STAGES], dtype=np.int8)
        result = []
        for rows in self.rows:
            means = rows["means"].to_numpy().astype(np.int64)
            first = np.where(means == 0, 0, np.log2(np.maximum(means & -means, 1)).astype(np.int64))
            stages = np.bitwise_count(means)
            narrowest = np.full(len(STAGES), len(STAGES) + 1)
            np.minimum.at(narrowest, first[means != 0], stages[means != 0])
            vague = (means == 0) | rows["unclear"].to_numpy() | (stages > narrowest[first])
            result.append(np.where(vague, -1, begins[first]).astype(np.int8))
        return result


def meanings(sources: Sequence[Source], words: Lexicon) -> Meanings:
    looked_up = [_looked_up(source, words) for source in sources]
    return Meanings(
        codes=[codes for codes, _, _ in looked_up],
        kinds=[
            np.array([*_SILENT, *[KNOWN] * (rows.height - len(_SILENT))], dtype=np.int8) for _, rows, _ in looked_up
        ],
        rows=[rows for _, rows, _ in looked_up],
        need_not_know=np.array([words.absent.get(source.name, 0) for source in sources], dtype=np.uint32),
        lexicon=words,
        words=[spelled for _, _, spelled in looked_up],
        names=[source.name for source in sources],
    )


_LookedUp = tuple[npt.NDArray[np.unsignedinteger], pl.DataFrame, pl.Series]
_FEW = 1_000
_REMEMBERED = 64


def _looked_up(source: Source, words: Lexicon) -> _LookedUp:
    if source.status.words.len() > _FEW:
        return _meanings(source.name, source.status.words, words)
    return _remembered(source.name, tuple(source.status.words.to_list()), words)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(touchpoint: str, shown: tuple[str | None, ...], words: Lexicon) -> _LookedUp:
    """Later passes meet the same few words again."""
    return _meanings(touchpoint, pl.Series(shown, dtype=pl.String), words)


def _meanings(touchpoint: str, shown: pl.Series, words: Lexicon) -> _LookedUp:
    word = shown.to_frame("word").select(same(pl.col("word"))).to_series()
    found = word.to_frame("word").join(words.frame(touchpoint), on="word", how="left", maintain_order="left")
    found = found.with_columns(
        silent=pl.when(words.silent(pl.col("word")))
        .then(BLANK)
        .when(pl.col("mask").is_null())
        .then(STRANGE)
        .cast(pl.Int64)
    )
    known = found.filter(pl.col("silent").is_null()).select(*_ROWS).unique(maintain_order=True)
    silent = pl.DataFrame({name: [0] * len(_SILENT) for name in _ROWS}).cast(_ROWS)
    numbered = known.with_row_index("meaning", offset=len(_SILENT))
    codes = found.join(numbered, on=list(_ROWS), how="left", maintain_order="left").select(
        pl.coalesce("silent", "meaning")
    )
    smallest = np.min_scalar_type(len(silent) + len(known))
    return codes.to_series().to_numpy().astype(smallest), pl.concat([silent, known]), word
