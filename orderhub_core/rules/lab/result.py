"""Everything that the rule lab tells of a draft, once: what the app shows is what the command prints."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import bits
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.lab import parcels, thresholds, traffic, wants
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.loads import Loads, held_back
from orderhub_core.rules.lab.parcels import Prices
from orderhub_core.rules.lab.traffic import Traffic
from orderhub_core.rules.lab.wants import Want
from orderhub_core.rules.tree import Rulebook


class Figures(NamedTuple):
    """Counts of orders under both books, unless it says otherwise."""

    orders: int
    changed: int
    moved: int
    """To another warehouse."""
    gifts_won: int
    """Orders that get more pieces of some gift."""
    gifts_lost: int
    pieces: tuple[int, int]
    """Of gifts."""
    held: tuple[int, int]
    """That wait for a person: holds and approvals."""
    held_won: int
    held_lost: int
    parcels: tuple[int, int] | None
    """None where stock decides how many."""
    freight_minor: tuple[int, int] | None
    unpriced: tuple[int, int]
    hours_over: tuple[int, int] | None
    """Hours of all warehouses; None where no limit is known."""
    at_risk: tuple[int, int] | None
    """Promises; None where none is known."""


class Result(NamedTuple):
    """Of one comparison. Frames as in the modules that make them."""

    compared: Comparison
    figures: Figures
    differences: pl.DataFrame
    by_verb: dict[str, int]
    by_hour: pl.DataFrame
    overloads: pl.DataFrame
    promises: pl.DataFrame
    splits: pl.DataFrame
    freight: pl.DataFrame | None


def result(compared: Comparison, capacity: pl.DataFrame | None = None, prices: Prices | None = None) -> Result:
    loads = Loads(compared, capacity)
    differences, promises, splits = compared.differences(), loads.promises(), parcels.splits(compared)
    freight = None if prices is None else parcels.freights(compared, prices)
    overloads, by_verb = loads.overloads(), compared.changed_by_verb()
    figures = Figures(
        orders=compared.orders,
        changed=wants.count(compared.changed),
        moved=by_verb.get("assign_warehouse", 0),
        gifts_won=_gifts(compared, "won"),
        gifts_lost=_gifts(compared, "lost"),
        pieces=_pair(differences.filter(pl.col("verb") == "add_gift"), "amount_{}"),
        **_held(compared),
        parcels=None if splits.null_count().sum_horizontal()[0] else _pair(splits, "parcels_{}"),
        freight_minor=None if freight is None else _pair(freight, "cost_{}_minor"),
        unpriced=(0, 0) if freight is None else _pair(freight, "unpriced_{}"),
        hours_over=_pair(overloads, "hours_over_{}") if overloads["limit"].count() else None,
        at_risk=_pair(promises, "{}") if promises.height else None,
    )
    return Result(compared, figures, differences, by_verb, loads.by_hour(), overloads, promises, splits, freight)


def _pair(frame: pl.DataFrame, name: str) -> tuple[int, int]:
    """The sums of both books."""
    return int(frame[name.format("before")].sum()), int(frame[name.format("after")].sum())


def _gifts(compared: Comparison, which: str) -> int:
    gifts = [want for want in {*compared.before.planes, *compared.after.planes} if want.verb == "add_gift"]
    orders = [bits.nowhere(compared.orders), *(compared.where(want, which) for want in gifts)]
    return wants.count(bits.joined(np.bitwise_or, orders))


def _held(compared: Comparison) -> dict[str, Any]:
    before, after = held_back(compared.before), held_back(compared.after)
    return {
        "held": (wants.count(before), wants.count(after)),
        "held_won": wants.count(after & ~before),
        "held_lost": wants.count(before & ~after),
    }


class Pick(NamedTuple):
    """Orders that somebody wants to see, and what names them: of a `cell` of a matrix its verb and what both books
    want, of a `difference` verb, argument and `won` or `lost`, of a `rule` its group and itself, of what is `uncovered`
    the group, of an `overlap` group and rule, twice, of a `cliff` the rule; of those that `change` nothing."""

    kind: Literal["cell", "difference", "rule", "uncovered", "overlap", "cliff", "change"] = "change"
    keys: tuple[str, ...] = ()
    place: tuple[int, int] = (0, 0)
    """Of a threshold."""


def picked(found: Result, draft: Rulebook, pick: Pick) -> Numbers:
    """Their rows. Of what is no longer there, none."""
    compared, index, keys = found.compared, found.compared.index, pick.keys
    match pick.kind:
        case "cell":
            return compared.cell(*keys)
        case "difference":
            return compared.rows(Want(*keys[:2]), keys[2])
        case "rule":
            where = traffic.hit_rows(index, draft, *keys)
        case "uncovered":
            where = traffic.uncovered_rows(index, draft, *keys)
        case "overlap":
            where = traffic.together(index, draft, keys[:2], keys[2:])
        case "cliff":
            return thresholds.cliff_rows(index, draft, keys[0], *pick.place)
        case _:
            where = compared.changed
    return np.flatnonzero(bits.unpack(where, compared.orders))


def document(found: Result, rules: Traffic, cliffs: pl.DataFrame, *, verbs: tuple[str, ...]) -> dict[str, Any]:
    """As JSON, without the single hours."""
    frames = {
        "differences": found.differences,
        "overloads": found.overloads,
        "promises": found.promises,
        "splits": found.splits,
        "freight": found.freight,
        "rules": rules.rules,
        "shadows": rules.shadows,
        "overlaps": rules.overlaps,
        "uncovered": rules.uncovered,
        "cliffs": cliffs,
    }
    return {
        "before": found.compared.before.version,
        "after": found.compared.after.version,
        "figures": found.figures._asdict(),
        "changed": found.by_verb,
        "matrix": {verb: found.compared.matrix(verb).to_dicts() for verb in verbs},
        **{name: None if frame is None else frame.to_dicts() for name, frame in frames.items()},
    }
