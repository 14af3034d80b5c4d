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
from orderhub_core.audit.words import STAGES, Lexicon, Stage, bits, same

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
    kind, values = np.stack([kind for kind, _ in shown]), [value for _, value in shown]
    speaking = kind == KNOWN
    group, exact = _equals(values, speaking)
    if field.reach and not exact.all():
        apart = np.flatnonzero(~exact)
        numbers = np.stack([value.gather(apart).to_physical().cast(pl.Int64).fill_null(0) for value in values])
        group[:, apart] = _chained(numbers, speaking[:, apart], field.reach)
    return np.where(speaking, KNOWN + group, kind).astype(np.int8), exact


def _equals(values: list[pl.Series], speaking: Flags) -> tuple[npt.NDArray[np.int64], Flags]:
    """For each the first that tells exactly the same, and whether all do."""
    group = np.zeros(speaking.shape, dtype=np.int64)
    exact = np.ones(speaking.shape[1], dtype=np.bool_)
    free = speaking.copy()
    for one, value in enumerate(values):
        first = free[one].copy()
        for other in range(one, len(values)):
            equal = (value == values[other]).fill_null(False).to_numpy()
            joins = first & free[other] & equal
            group[other][joins] = one
            free[other] &= ~joins
            exact &= equal | ~(speaking[one] & speaking[other])
    return group, exact


def _chained(numbers: Instants, speaking: Flags, reach: int) -> npt.NDArray[np.int64]:
    """Groups of values, each of which has its next one within reach, whoever shows which."""
    lined_up = np.lexsort((numbers, ~speaking), axis=0)
    steps = np.diff(np.take_along_axis(numbers, lined_up, axis=0), axis=0).view(np.uint64)  # exact, however far apart
    steps[~np.take_along_axis(speaking, lined_up, axis=0)[1:]] = 0
    counted = np.zeros(numbers.shape, dtype=np.int64)
    np.cumsum(steps > reach, axis=0, out=counted[1:])
    group = np.empty_like(counted)
    np.put_along_axis(group, lined_up, counted, axis=0)
    return group


def _aligned(seen: Scene, field: Field, place: int) -> tuple[npt.NDArray[np.int64], pl.Series]:
    """What a touchpoint says of each order: its kind, and the value."""
    source, rows = seen.sources[place], seen.aligned.rows[place]
    value, raw = source.values[field.name], source.raw[field.name]
    plain = _tidy(value, field, seen.meanings.lexicon) if field.kind is Kind.IDENTITY else value
    kind = np.full(len(plain), KNOWN, dtype=np.int64)
    unread = np.flatnonzero(plain.is_null().to_numpy())
    kind[unread] = np.where(_silent(raw.gather(unread), seen.meanings.lexicon), BLANK, STRANGE)
    at = pl.Series(np.where(rows < 0, len(value), rows))
    shown = (
        plain.extend(pl.Series([None], dtype=plain.dtype))
        if plain is not value
        else pl.concat([value, pl.Series(value.name, [None], dtype=value.dtype)])
    )
    return np.append(kind, ABSENT)[rows], shown.gather(at)


def _silent(raw: pl.Series, words: Lexicon) -> Flags:
    return raw.to_frame("raw").select(words.silent(same(pl.col("raw")))).to_series().to_numpy()


def _tidy(value: pl.Series, field: Field, words: Lexicon) -> pl.Series:
    """Spellings that are the same value become one; what says nothing becomes null."""
    spelled = value.unique().drop_nulls().to_frame("raw").with_columns(plain=same(pl.col("raw")))
    names = {
        _same(spelling): _same(name) for name, spellings in field.aliases.items() for spelling in (name, *spellings)
    }
    spelled = spelled.with_columns(plain=pl.when(~words.silent(pl.col("plain"))).then(pl.col("plain").replace(names)))
    return value.to_frame("raw").join(spelled, on="raw", how="left", maintain_order="left")["plain"]


def _same(text: str) -> str:
    return str(pl.Series([text]).to_frame("t").select(same(pl.col("t"))).item())
