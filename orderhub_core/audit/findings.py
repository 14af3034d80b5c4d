"""The inconsistent orders, one by one: what is wrong, who probably is, and what each touchpoint showed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit import blame
from orderhub_core.audit.align import picked
from orderhub_core.audit.blame import CAUSE, DUPLICATED, NOBODY, Suspects
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.engine import Judged
from orderhub_core.audit.scene import Scene
from orderhub_core.audit.sources import KEY, NEVER, STATUS
from orderhub_core.audit.verdicts import (
    COMPATIBLE,
    CONFLICT,
    DUPLICATE,
    LAGGING,
    VERDICT,
    VERDICTS,
    Verdicts,
)
from orderhub_core.frames import INSTANT

ROW = "order_no"
"""The field of a finding that concerns the whole row: the order stands there more than once."""


def findings(seen: Scene, judged: Judged, calibration: Calibration) -> pl.DataFrame:
    """One row per order and problem, worst first: `shop`, `order_no`, `verdict`, `field`, `probably_wrong` ("" when
    nothing tells), `cause`, `heals_at`, and the struct `values`, each touchpoint's raw text, null where it has none.

    `seen` and `judged` hold the same orders in the same order.
    """
    parts = [part for part in _parts(seen, judged, calibration) if part.height]
    if not parts:
        return _frame(seen, judged, np.zeros(0, dtype=np.int64), STATUS, np.zeros(0, dtype=np.int8), _nobody(0))
    fields = [STATUS, ROW, *(name for name in judged.fields if name != STATUS)]
    found = pl.concat(parts, how="vertical")
    rank = pl.col("field").replace_strict(fields, list(range(len(fields))), return_dtype=pl.Int64)
    return found.sort([pl.col("verdict").to_physical(), *KEY, rank], descending=[True, False, False, False])


def _parts(seen: Scene, judged: Judged, calibration: Calibration) -> Iterator[pl.DataFrame]:
    twice = np.flatnonzero(judged.twice.any(axis=0))
    who = blame.single(judged.twice[:, twice])
    yield _frame(
        seen.take(twice),
        judged,
        twice,
        STATUS,
        np.full(len(twice), DUPLICATE, dtype=np.int8),
        Suspects(who, np.full(len(twice), DUPLICATED)),
        shown=ROW,
    )
    for name, worst in judged.fields.items():
        for verdict in range(COMPATIBLE + 1, len(VERDICTS)):
            places = np.flatnonzero(worst == verdict)
            if len(places):
                part, cells = seen.take(places), judged.cells[name][:, places]
                suspects = _suspects(part, name, verdict, cells, calibration)
                yield _frame(part, judged, places, name, worst[places], suspects)


def _suspects(part: Scene, name: str, verdict: int, cells: Verdicts, calibration: Calibration) -> Suspects:
    if verdict not in (CONFLICT, LAGGING):
        return blame.rows(cells, verdict)
    if name == STATUS:
        return blame.status(part, cells, calibration)
    return blame.value(part, next(field for field in part.fields if field.name == name), cells, calibration)


def _nobody(size: int) -> Suspects:
    return Suspects(np.full(size, NOBODY), np.zeros(size, dtype=np.int64))


def _frame(
    part: Scene, judged: Judged, places: blame.Places, name: str, verdict: Verdicts, suspects: Suspects, shown: str = ""
) -> pl.DataFrame:
    names = [source.name for source in part.sources]
    heals = judged.heals.dense(len(judged.verdict))[places]
    told = judged.names.take(places).keys.with_columns(
        verdict=named(verdict, VERDICT),
        field=pl.lit(shown or name),
        probably_wrong=pl.Series(np.where(suspects.who == NOBODY, len(names), suspects.who)).replace_strict(
            list(range(len(names) + 1)), [*names, ""], return_dtype=pl.String
        ),
        cause=named(suspects.cause, CAUSE),
        heals_at=pl.Series(heals).set(pl.Series(heals == NEVER), None).cast(INSTANT),
    )
    raw = [_raw(part, place, name).alias(source.name) for place, source in enumerate(part.sources)]
    return told.with_columns(pl.DataFrame(raw).to_struct("values"))


def _raw(part: Scene, place: int, name: str) -> pl.Series:
    """What a touchpoint showed, as written."""
    source = part.sources[place]
    rows = part.aligned.rows[place]
    if name == STATUS:
        nothing = source.status.words.len() - 1
        return source.status.words.gather(picked(source.status.codes, rows, nothing))
    if name not in source.raw:
        return pl.repeat(None, len(rows), dtype=pl.String, eager=True)
    return source.raw[name].gather(pl.Series(rows).set(pl.Series(rows < 0), None))


def named(codes: npt.NDArray[np.integer], words: pl.Enum) -> pl.Series:
    """Positions in a closed list of words as those words; null for a position beyond its end."""
    known = pl.Series(codes.astype(np.uint8))
    return known.set(known >= len(words.categories), None).cat.to(words)
