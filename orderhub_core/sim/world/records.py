"""The long frames of a world: one row per event, per showing, per planted fault."""

from __future__ import annotations

import numpy as np
import polars as pl

from orderhub_core import lifecycle
from orderhub_core.model import STATES, Event, State
from orderhub_core.sim.world.columns import chronological, instant, words
from orderhub_core.sim.world.course import NEVER, Course
from orderhub_core.sim.world.plan import FAULT_RATES, Codes
from orderhub_core.sim.world.touchpoints import FAULTS, NAMES, WORDS, Told

EVENT_WORDS = pl.Enum([event.value for event in Event])
STATE_WORDS = pl.Enum(list(dict.fromkeys(state.value for states in STATES.values() for state in states)))
STATE_CODES = {word: code for code, word in enumerate(STATE_WORDS.categories)}
REACHED: dict[Event, State] = {
    event: after
    for table in lifecycle.TRANSITIONS.values()
    for edges in table.values()
    for event, after in edges.items()
}
"""The state to which each event leads, from wherever it is possible."""


def timeline(truth: Course, order_no: pl.Series) -> pl.DataFrame:
    """order_id, order_no, event, before, after, at; before and after are null for `order.placed`."""
    size = len(order_no)
    state = {axis: np.full(size, STATE_CODES[start], np.int8) for axis, start in lifecycle.INITIAL.items()}
    rows, codes, befores, afters, times = [], [], [], [], []
    for event, at in truth.at.items():
        row = np.flatnonzero(at != NEVER).astype(np.int32)
        axis = lifecycle.axis_of(event)
        before, after = np.full(len(row), -1, np.int8), -1
        if axis is not None:
            before, after = state[axis][row], STATE_CODES[REACHED[event]]
            state[axis][row] = after
        rows.append(row)
        codes.append(np.full(len(row), list(Event).index(event), np.int8))
        befores.append(before)
        afters.append(np.full(len(row), after, np.int8))
        times.append(at[row])
    row, at = np.concatenate(rows), np.concatenate(times)
    order = chronological(at)

    def sorted_words(parts: list[Codes], kind: pl.Enum) -> pl.Series:
        return words(np.concatenate(parts)[order], kind)

    row = row[order]
    return pl.DataFrame(
        {
            "order_id": row.astype(np.int64) + 1,
            "order_no": order_no.gather(row),
            "event": sorted_words(codes, EVENT_WORDS),
            "before": sorted_words(befores, STATE_WORDS),
            "after": sorted_words(afters, STATE_WORDS),
            "at": instant(at[order]),
        }
    )


def sightings(told: Told, orders: pl.DataFrame) -> pl.DataFrame:
    """touchpoint, shop, order_id, order_no, status, at, visible_at: what can be read, and from when on."""
    late, twice, never = (told.fault == FAULT_RATES.index(kind) for kind in ("late", "twice", "never"))
    fact = np.concatenate([np.flatnonzero(~never), np.flatnonzero(twice)])
    visible_s = told.at_s + np.where(late, told.delay_s, 0)
    visible_s = np.concatenate([visible_s[~never], told.at_s[twice] + told.delay_s[twice]])
    order = chronological(visible_s)
    fact, visible_s = fact[order], visible_s[order]
    row = told.row[fact]
    shops = orders["shop"].cast(pl.Enum(orders["shop"].unique().sort()))
    return pl.DataFrame(
        {
            "touchpoint": words(told.touchpoint[fact], NAMES),
            "shop": shops.gather(row),
            "order_id": row.astype(np.int64) + 1,
            "order_no": orders["order_no"].gather(row),
            "status": words(told.word[fact], WORDS),
            "at": instant(told.at_s[fact]),
            "visible_at": instant(visible_s),
        }
    )


def planted(told: Told, order_no: pl.Series) -> pl.DataFrame:
    """touchpoint, order_no, event, fault, at, delay_s: the answer key, sorted by at."""
    fact = np.flatnonzero(told.fault >= 0)
    fact = fact[chronological(told.happened_s[fact])]
    return pl.DataFrame(
        {
            "touchpoint": words(told.touchpoint[fact], NAMES),
            "order_no": order_no.gather(told.row[fact]),
            "event": words(told.event[fact], EVENT_WORDS),
            "fault": words(told.fault[fact], FAULTS),
            "at": instant(told.happened_s[fact]),
            "delay_s": told.delay_s[fact],
        }
    )
