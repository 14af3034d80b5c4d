"""What the rule lab tells besides its matrices: tables under their titles, the same in the app and in words."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.rules.lab import tables
from orderhub_core.rules.lab.parcels import FREIGHT
from orderhub_core.rules.lab.result import Result
from orderhub_core.rules.lab.texts import ANY_AGE, MISSED, NEAR, NONE_MISSED, OLDER, Words
from orderhub_core.rules.lab.traffic import Traffic


class Section(NamedTuple):
    """A table under its title. `kind`: what a row stands for, as in `Pick`; empty where it stands for no orders."""

    title: str
    shown: pl.DataFrame
    rows: pl.DataFrame
    """Those that `shown` tells, as the lab has them."""
    kind: str = ""
    note: str = ""
    nothing: str = ""
    """What it means that it is empty; where this is, too, it is left out."""


def cells(rows: pl.DataFrame, verb: str, words: Words) -> Section:
    """Of MATRIX of a verb."""
    return Section(words.tr("Its cells"), tables.matrix_table(rows, verb, words), rows, "cell")


def sections(
    found: Result,
    hits: Traffic,
    near: pl.DataFrame,
    words: Words,
    late: pl.DataFrame | None = None,
    *,
    aged: bool = True,
) -> list[Section]:
    """What is told of a comparison besides its matrices; `late`: MISSED. `aged`: it is known which rules decided
    when."""
    tr = words.tr
    changed = found.differences.filter((pl.col("won") > 0) | (pl.col("lost") > 0))
    close = near.filter(pl.col("just_in") + pl.col("just_out") > 0)
    priced = FREIGHT.to_frame() if found.freight is None else found.freight
    every = [
        Section(tr("Won and lost"), tables.differences(changed, words), changed, "difference"),
        Section(tr("Warehouses"), tables.overloads(found.overloads, words), found.overloads),
        Section(tr("Promises"), tables.promises(found.promises, tr), found.promises),
        Section(tr("Parcels"), tables.splits(found.splits, words), found.splits),
        Section(tr("Freight"), tables.freight(priced, words), priced),
        Section(tr("The draft's rules with these orders"), tables.rules(hits.rules, words), hits.rules, "rule"),
        Section(tr("Rules that take orders from others"), tables.shadows(hits.shadows, tr), hits.shadows),
        Section(
            tr("Rules that want different things"),
            tables.overlaps(hits.overlaps, words),
            hits.overlaps,
            "overlap",
        ),
        Section(tr("Not covered"), tables.uncovered(hits.uncovered, tr), hits.uncovered, "uncovered"),
        Section(tr("Near a threshold"), tables.cliffs(close, words), close, "cliff", tr(NEAR)),
    ]
    if late is not None:
        zone = words.speech.zone
        ours, older = late.filter("known"), late.filter(~pl.col("known"))
        told = tables.missed(ours, words, zone), tables.missed(older, words, zone)
        note = tr(MISSED) if aged else f"{tr(MISSED)} {tr(ANY_AGE)}"
        every.append(Section(tr("Gifts that past orders have missed"), told[0], ours, "", note, tr(NONE_MISSED)))
        every.append(Section(tr("Orders that are older than the rule"), told[1], older, "", tr(OLDER)))
    return [one for one in every if one.rows.height or one.nothing]
