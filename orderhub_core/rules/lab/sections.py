"""What the rule lab tells besides its matrices: tables under their titles, the same in the app and in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    file: Callable[[], pl.DataFrame]
    """What `shown` tells, with ids in place of names."""
    kind: str = ""
    note: str = ""
    nothing: str = ""
    """What it means that it is empty; where this is, too, it is left out."""


def _told(
    title: str, rows: pl.DataFrame, told: Callable[..., pl.DataFrame], words: Words, *rest: str
) -> Section:  # fmt: skip
    return Section(title, told(rows, words=words), rows, partial(told, rows, words=words.plain), *rest)


def cells(rows: pl.DataFrame, verb: str, words: Words) -> Section:
    """Of MATRIX of a verb."""
    return _told(words.tr("Its cells"), rows, partial(tables.matrix_table, verb=verb), words, "cell")


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
        _told(tr("Won and lost"), changed, tables.differences, words, "difference"),
        _told(tr("Warehouses"), found.overloads, tables.overloads, words),
        _told(tr("Promises"), found.promises, tables.promises, words),
        _told(tr("Parcels"), found.splits, tables.splits, words),
        _told(tr("Freight"), priced, tables.freight, words),
        _told(tr("The draft's rules with these orders"), hits.rules, tables.rules, words, "rule"),
        _told(tr("Rules that take orders from others"), hits.shadows, tables.shadows, words),
        _told(tr("Rules that want different things"), hits.overlaps, tables.overlaps, words, "overlap"),
        _told(tr("Not covered"), hits.uncovered, tables.uncovered, words, "uncovered"),
        _told(tr("Near a threshold"), close, tables.cliffs, words, "cliff", tr(NEAR)),
    ]
    if late is not None:
        late_told = partial(tables.missed, zone=words.speech.zone)
        ours, older = late.filter("known"), late.filter(~pl.col("known"))
        note = tr(MISSED) if aged else f"{tr(MISSED)} {tr(ANY_AGE)}"
        every.append(_told(tr("Gifts that past orders have missed"), ours, late_told, words, "", note, tr(NONE_MISSED)))
        every.append(_told(tr("Orders that are older than the rule"), older, late_told, words, "", tr(OLDER)))
    return [one for one in every if one.rows.height or one.nothing]
