"""Traceability: of all log entries of the orders, and of all states that the orders are in, the share that can be
traced.

An entry names its source (else `no_source`) and the message that caused it (`no_message`); a decision also its rule and
that rule's version (`no_rule`). A state is traced when the log leads to it (else `unreached`): the last entry that
moved its axis says so, or it follows from all the log's facts together, as `fold` derives it. An order without any
entry has `no_log`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from orderhub_core import lifecycle
from orderhub_core.audit.credibility.log import AXES, FIELDS, Codes, Flags, Log, Places, coded
from orderhub_core.fold import REPEATABLE
from orderhub_core.lifecycle import Given
from orderhub_core.model import Axis, Event
from orderhub_core.standing import standing

CAUSES = ("no_source", "no_message", "no_rule", "unreached", "no_log")
PARCEL = "order.parcel"
_BOXES = (Given(tracking_no=True), Given(tracking_no=True, label=True))
"""Whether the label was printed stands in the entry's detail, which no frame has: either may be."""


class Traced(NamedTuple):
    """Checks, failed ones one position each: of which order, source (-1: none) and field, and which of `CAUSES`."""

    of: Places
    """Checks per order."""
    order: Places
    source: Places
    field: Codes
    cause: Codes
    entries: Flags
    """Which entries of the log are traced."""


def trace(log: Log, orders: pl.DataFrame) -> Traced:
    """Check every entry, every state, and that every order has a log."""
    size = orders.height
    wrong = _evidence(log)
    bad = np.flatnonzero(wrong >= 0)
    entries = np.bincount(log.order, minlength=size)
    astray_order, astray_field, states = _states(log, orders)
    (bare,) = np.nonzero(entries == 0)
    rest = len(astray_order) + len(bare)
    causes = [CAUSES.index("unreached")] * len(astray_order) + [CAUSES.index("no_log")] * len(bare)
    return Traced(
        of=(entries + states + 1).astype(np.int32),
        order=np.concatenate([log.order[bad], astray_order, bare]).astype(np.int32),
        source=np.concatenate([log.source[bad], np.full(rest, -1)]).astype(np.int32),
        field=np.concatenate([log.field[bad], astray_field, np.zeros(len(bare))]).astype(np.int8),
        cause=np.concatenate([wrong[bad], causes]).astype(np.int8),
        entries=wrong < 0,
    )


def _evidence(log: Log) -> Codes:
    """Which of `CAUSES` is wrong with each entry; -1 where nothing is."""
    decided = pl.col("outcome") == "decided"
    lacking = {
        "no_source": pl.col("source").fill_null("") == "",
        "no_message": pl.col("message").fill_null(0) <= 0,
        "no_rule": decided & (pl.col("rule").fill_null("") == ""),
    }
    found = pl.coalesce(
        *(pl.when(missing).then(pl.lit(CAUSES.index(cause), pl.Int8)) for cause, missing in lacking.items()),
        pl.lit(-1, pl.Int8),
    )
    wrong: Codes = log.entries.select(found.alias("wrong"))["wrong"].to_numpy(writable=True)
    asked = np.flatnonzero((wrong < 0) & (log.entries["outcome"] == "decided").fill_null(False).to_numpy())
    wrong[asked[_ruleless(log.entries["rule"].gather(asked))]] = CAUSES.index("no_rule")
    return wrong


class _Cause(msgspec.Struct):
    rule: str
    version: str


def _ruleless(rules: pl.Series) -> Flags:
    """Which of these lacks the rule's name or its version. Few rules decide many orders: each is read once."""
    known = [text for text in rules.unique() if _names_its_rule(text)]
    found: Flags = (~rules.is_in(known)).to_numpy()
    return found


def _names_its_rule(text: str) -> bool:
    try:
        cause = msgspec.json.decode(text, type=_Cause)
    except msgspec.DecodeError:
        return False
    return bool(cause.rule and cause.version)


def _states(log: Log, orders: pl.DataFrame) -> tuple[Places, Codes, Places]:
    """Orders and fields whose state the log does not lead to, and how many states of each order were looked at: those
    that are not the first of their axis, and those that the log tells of."""
    last = log.last_of(orders.height)
    looked_at = np.zeros(orders.height, np.int32)
    order, field = [], []
    for axis in Axis:
        place = FIELDS.index(axis.value)
        codes, words = coded(orders[axis.value].cast(pl.String))
        at = last[:, place]
        told = at >= 0
        # Where the log says nothing, it leaves the axis as it begins. A state that no order is in is none of `words`.
        ends = np.array([_place(words, state) for state in (*log.afters, lifecycle.INITIAL[axis].value)])
        first = ends[-1]
        reached = ends[np.where(told, log.after[at] if len(log.after) else 0, len(log.afters))]
        looked_at += told | (codes != first)
        (astray,) = np.nonzero(reached != codes)
        order.append(astray)
        field.append(np.full(len(astray), place))
    found = pl.DataFrame({"order": np.concatenate(order), "field": np.concatenate(field)}, schema_overrides=_KEY)
    found = found.join(_derived(log, orders, found["order"].unique()), on=["order", "field"], how="anti")
    return found["order"].to_numpy(), found["field"].cast(pl.Int8).to_numpy(), looked_at


_KEY = {"order": pl.Int32, "field": pl.Int32}


def _place(words: list[str], word: str) -> int:
    return words.index(word) if word in words else -1


def _derived(log: Log, orders: pl.DataFrame, asked: pl.Series) -> pl.DataFrame:
    """`order` and `field` of these orders whose state follows from all the facts that the log has of the order.

    A fact may move another axis than its own: a payment that comes late makes good what needed it. Orders with the same
    facts in the same order of time are derived once.
    """
    rows = log.entries.select("event", "occurred_at").with_columns(order=pl.Series(log.order))
    rows = rows.filter(pl.col("order").is_in(asked.implode()))
    boxed = rows.filter(pl.col("event") == PARCEL).select("order", boxed=True).unique()
    again = pl.col("event").is_in(list(REPEATABLE))
    rank = pl.col("event").replace_strict(lifecycle.RANK, return_dtype=pl.Int32)
    histories = (
        rows.filter(pl.col("event").is_in([event.value for event in Event]))
        .group_by("order", "event")
        .agg(pl.when(again.first()).then(pl.col("occurred_at").max()).otherwise(pl.col("occurred_at").min()))
        .sort("order", "occurred_at", rank)
        .group_by("order", maintain_order=True)
        .agg(pl.col("event").str.join("|"))
        .join(boxed, on="order", how="left")
        .with_columns(pl.col("boxed").fill_null(False))
    )
    kinds = histories.select("event", "boxed").unique()
    ends = pl.DataFrame(
        [
            (*kind, FIELDS.index(axis), state)
            for kind in kinds.iter_rows()
            for given in (_BOXES if kind[1] else (Given(),))
            for axis, state in zip(AXES, standing(tuple(kind[0].split("|")), given).states, strict=True)
        ],
        schema={"event": pl.String, "boxed": pl.Boolean, "field": pl.Int32, "state": pl.String},
        orient="row",
    )
    now = (
        orders.select(pl.col(AXES).cast(pl.String))
        .with_row_index("order")
        .with_columns(pl.col("order").cast(pl.Int32))
        .join(histories, on="order", how="inner")
        .unpivot(AXES, index=["order", "event", "boxed"], variable_name="axis", value_name="state")
        .with_columns(field=pl.col("axis").replace_strict({axis: FIELDS.index(axis) for axis in AXES}))
        .with_columns(pl.col("field").cast(pl.Int32))
    )
    return now.join(ends, on=["event", "boxed", "field", "state"], how="semi").select("order", "field")
