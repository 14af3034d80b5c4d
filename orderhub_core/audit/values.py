"""Fields compared by their values: who tells the same, within the tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.fields import Field, Kind
from orderhub_core.audit.scene import Scene
from orderhub_core.audit.sources import NEVER, Instants, Source
from orderhub_core.audit.verdicts import ABSENT, BLANK, CONFLICT, KNOWN, NOTHING, STRANGE, Flags, Verdicts, value_cells
from orderhub_core.audit.window import NO_MOMENTS, Moments, Window, moments, sooner
from orderhub_core.audit.words import STAGES, Stage, bits, same

_DONE = STAGES.index(Stage.COMPLETED)


def carriers(sources: list[Source], field: Field) -> list[int]:
    """The touchpoints that have the field at all."""
    return [place for place, source in enumerate(sources) if field.name in source.values]


def cells(seen: Scene, field: Field, lags: Instants, as_of: int | None) -> tuple[Verdicts, Moments]:
    """Verdict per touchpoint × order (NOTHING for touchpoints without the field), and when time may change it."""
    sources, size = list(seen.sources), seen.aligned.size
    carry = carriers(sources, field)
    result = np.full((len(sources), size), NOTHING, dtype=np.int8)
    codes, exact = _codes(seen, field, carry)
    blank = _may_be_blank(seen, field, carry, codes)
    own = value_cells(codes, exact, may_be_blank=blank)
    turns = NO_MOMENTS
    torn = np.flatnonzero((own == CONFLICT).any(axis=0))
    if as_of is not None and len(torn):
        part = seen.take(torn)
        at = np.stack([part.at(place) for place in carry])
        late, turned = _behind(at, lags[carry], as_of)
        turns = moments(turned, torn)
        own[:, torn] = value_cells(codes[:, torn], exact[torn], may_be_blank=blank[:, torn], late=late)
    result[carry] = own
    return result, turns


def _may_be_blank(seen: Scene, field: Field, carry: list[int], codes: npt.NDArray[np.int8]) -> Flags:
    """Where nothing need be said: by the touchpoint's own word the field is not due, or it is empty everywhere."""
    if field.optional:
        return np.broadcast_to(((codes == ABSENT) | (codes == BLANK)).all(axis=0), codes.shape)
    if field.due is None:
        return np.zeros(codes.shape, dtype=np.bool_)
    due = np.uint32(bits(STAGES[STAGES.index(field.due) : _DONE + 1]))
    common = seen.story.common()
    not_due = seen.story.known & ((seen.story.means & ~due) != 0) & ((common == 0) | ((common & ~due) != 0))
    flags: Flags = not_due[carry].take(seen.numbers, axis=1)
    return flags


def _behind(at: Instants, lags: Instants, as_of: int) -> tuple[Flags, Instants]:
    """Is this row older than young news of another? And when that changes next."""
    window = Window(as_of, lags)
    late = np.zeros(at.shape, dtype=np.bool_)
    turns = np.full(at.shape[1], NEVER)
    for one in range(len(at)):
        for other in range(len(at)):
            late[one] |= (at[one] != NEVER) & (at[one] < at[other]) & window.young(at[other], lags[one])
            turns = sooner(turns, window.turn(at[other], lags[one]))
    return late, turns


def _codes(seen: Scene, field: Field, carry: list[int]) -> tuple[npt.NDArray[np.int8], Flags]:
    """Codes of `value_cells`, and whether all values are exactly the same."""
    shown = [_aligned(seen, field, place) for place in carry]
    kind = np.stack([kind for kind, _ in shown])
    values = [value for _, value in shown]
    speaking = kind == KNOWN
    codes = kind.astype(np.int8)
    exact = np.ones(codes.shape[1], dtype=np.bool_)
    free = speaking.copy()
    for one, value in enumerate(values):
        first = free[one].copy()
        for other in range(one, len(values)):
            near, same_value = _near(value, values[other], field)
            joins = first & free[other] & near
            codes[other][joins] = KNOWN + one
            free[other] &= ~joins
            exact &= same_value | ~(speaking[one] & speaking[other])
    return codes, exact


def _near(one: pl.Series, other: pl.Series, field: Field) -> tuple[Flags, Flags]:
    equal = (one == other).fill_null(False).to_numpy()
    if field.kind is Kind.IDENTITY or not field.reach:
        return equal, equal
    return ((one - other).abs() <= field.reach).fill_null(False).to_numpy(), equal


def _aligned(seen: Scene, field: Field, place: int) -> tuple[npt.NDArray[np.int64], pl.Series]:
    """What a touchpoint says of each order: its kind, and the value."""
    source, rows = seen.sources[place], seen.aligned.rows[place]
    value, raw = source.values[field.name], source.raw[field.name]
    plain = _tidy(value, field, seen.meanings.lexicon.blank) if field.kind is Kind.IDENTITY else value
    empty = raw.is_null() | (raw.str.strip_chars().str.to_lowercase().is_in(list(seen.meanings.lexicon.blank)))
    kind = np.where(plain.is_not_null().to_numpy(), KNOWN, np.where(empty.to_numpy(), BLANK, STRANGE))
    at = pl.Series(np.where(rows < 0, len(value), rows))
    shown = (
        plain.extend(pl.Series([None], dtype=plain.dtype))
        if plain is not value
        else pl.concat([value, pl.Series(value.name, [None], dtype=value.dtype)])
    )
    return np.append(kind, ABSENT)[rows], shown.gather(at)


def _tidy(value: pl.Series, field: Field, blank: frozenset[str]) -> pl.Series:
    """Spellings that are the same value become one; what says nothing becomes null."""
    spelled = value.unique().drop_nulls().to_frame("raw").with_columns(plain=same(pl.col("raw")))
    names = {
        _same(spelling): _same(name) for name, spellings in field.aliases.items() for spelling in (name, *spellings)
    }
    spelled = spelled.with_columns(
        plain=pl.when(~pl.col("plain").is_in(list(blank))).then(pl.col("plain").replace(names))
    )
    return value.to_frame("raw").join(spelled, on="raw", how="left", maintain_order="left")["plain"]


def _same(text: str) -> str:
    return str(pl.Series([text]).to_frame("t").select(same(pl.col("t"))).item())
