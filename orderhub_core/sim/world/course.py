"""What really happens to each order, and when: the truth that touchpoints then tell badly.

Every step follows another one after a span of its own; a fate is a table of such steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from orderhub_core.model import Event
from orderhub_core.sim.world.people import WAREHOUSES
from orderhub_core.sim.world.plan import DAY_S, FATE_RATES, HOUR_S, SECOND, Plan, Seconds

E = Event
FATES = ("normal", *FATE_RATES)
NEVER = -1
"""Stands in a column of instants where the event does not happen."""

DAY_CURVE = (25, 14, 8, 5, 4, 6, 14, 28, 46, 64, 78, 74, 70, 62, 60, 62, 64, 62, 66, 84, 112, 124, 104, 58)
"""Relative arrivals per hour of the local day."""
SHANGHAI_S = 8 * HOUR_S
"""Asia/Shanghai is UTC+8 all the year."""


class Span(NamedTuple):
    """Log-normal around `typical_s`, kept between `least_s` and `most_s`."""

    typical_s: float
    spread: float
    least_s: float
    most_s: float


class Step(NamedTuple):
    event: Event
    after: Event
    span: Span


UNPAID = (Step(E.VOIDED, E.PLACED, Span(1800, 0, 1800, 1800)),)
SALE = (
    Step(E.PAID, E.PLACED, Span(45, 1.1, 3, 1790)),
    Step(E.LOCKED, E.PAID, Span(1200, 0.8, 20, 6 * HOUR_S)),
    Step(E.LABELLED, E.LOCKED, Span(1.5 * HOUR_S, 0.7, 60, 12 * HOUR_S)),
    Step(E.SHIPPED, E.LABELLED, Span(2.5 * HOUR_S, 0.6, 300, 18 * HOUR_S)),
    Step(E.COLLECTED, E.SHIPPED, Span(3.5 * HOUR_S, 0.6, 600, 24 * HOUR_S)),
    Step(E.MOVED, E.COLLECTED, Span(5 * HOUR_S, 0.5, 900, 30 * HOUR_S)),
    Step(E.OUT_FOR_DELIVERY, E.MOVED, Span(40 * HOUR_S, 0.45, 6 * HOUR_S, 6 * DAY_S)),
    Step(E.DELIVERED, E.OUT_FOR_DELIVERY, Span(3 * HOUR_S, 0.6, 600, 14 * HOUR_S)),
    Step(E.SETTLED, E.DELIVERED, Span(8.3 * DAY_S, 0.1, 7 * DAY_S, 10 * DAY_S)),
)
REFUND = (
    Step(E.REFUND_AGREED, E.AFTER_SALE_APPLIED, Span(1800, 0.8, 60, 8 * HOUR_S)),
    Step(E.REFUNDED, E.REFUND_AGREED, Span(120, 0.8, 5, 3600)),
    Step(E.AFTER_SALE_REFUNDED, E.REFUNDED, Span(3, 0.4, 1, 10)),
)
REFUND_BEFORE_SHIPPING = (*REFUND, Step(E.CANCELLED, E.AFTER_SALE_REFUNDED, Span(60, 0.6, 5, 900)))
INTERCEPTION = (
    Step(E.INTERCEPTED, E.AFTER_SALE_APPLIED, Span(600, 0.5, 60, 1700)),
    Step(E.REFUND_AGREED, E.INTERCEPTED, Span(9 * HOUR_S, 0.6, HOUR_S, 3 * DAY_S)),
    *REFUND[1:],
)
RETURN = (
    Step(E.AFTER_SALE_APPLIED, E.DELIVERED, Span(2 * DAY_S, 0.7, HOUR_S, 6.5 * DAY_S)),
    Step(E.RETURN_AGREED, E.AFTER_SALE_APPLIED, Span(4 * HOUR_S, 0.7, 300, 2 * DAY_S)),
    Step(E.RETURN_SENT, E.RETURN_AGREED, Span(20 * HOUR_S, 0.6, HOUR_S, 5 * DAY_S)),
    Step(E.RETURN_STARTED, E.RETURN_SENT, Span(4 * HOUR_S, 0.5, 600, 24 * HOUR_S)),
    Step(E.RETURNED, E.RETURN_STARTED, Span(2.5 * DAY_S, 0.4, 12 * HOUR_S, 8 * DAY_S)),
    Step(E.REFUND_AGREED, E.RETURNED, Span(4 * HOUR_S, 0.7, 300, 2 * DAY_S)),
    *REFUND[1:],
)
STALLS = ((E.LOCKED, 0.2), (E.LABELLED, 0.4), (E.SHIPPED, 0.4))
"""The step that a stuck order never takes."""
SALE_EVENTS = tuple(step.event for step in SALE)
_STEPS = (*UNPAID, *SALE, *REFUND_BEFORE_SHIPPING, *INTERCEPTION, *RETURN)
OCCURRING = tuple(event for event in Event if event in {E.PLACED, *(step.event for step in _STEPS)})
"""The events of this world in causal order."""


class Course(NamedTuple):
    """`at` holds one column of instants (seconds UTC) per event of OCCURRING; `fate` is an index in FATES."""

    fate: Seconds
    at: dict[Event, Seconds]


def arrivals(plan: Plan) -> Seconds:
    """Instants of placing in ascending order: `plan.orders` draws between start and end, by the day curve or evenly."""
    first_s, last_s = -(-plan.start // SECOND), plan.end // SECOND
    hours = np.arange(first_s // HOUR_S, last_s // HOUR_S + 1)
    edges = np.clip(np.append(hours, hours[-1] + 1) * HOUR_S, first_s, last_s + 1)
    rate = np.ones(len(hours)) if plan.steady else np.array(DAY_CURVE)[(hours + SHANGHAI_S // HOUR_S) % 24]
    load = np.concatenate([[0.0], np.cumsum(rate * np.diff(edges))])
    draws = np.sort(plan.dice("arrivals").random(plan.orders)) * load[-1]
    placed: Seconds = np.interp(draws, load, edges).astype(np.int64)
    return np.minimum(placed, last_s)


def course(plan: Plan, placed: Seconds, warehouse: Seconds) -> Course:
    """The instants of all events of all orders, and each order's fate."""
    fate = _fates(plan)
    at = {event: np.full(plan.orders, NEVER, dtype=np.int64) for event in OCCURRING}
    at[E.PLACED] = placed
    _walk(plan, at, np.flatnonzero(fate == FATES.index("unpaid")), UNPAID)
    paying = np.flatnonzero(fate != FATES.index("unpaid"))
    _walk(plan, at, paying, SALE[:3])
    _outage(plan, at, warehouse, fate)
    _walk(plan, at, paying, SALE[3:])
    _stall(plan, at, fate)
    _stop(plan, at, np.flatnonzero(fate == FATES.index("refunded")), E.PAID, E.SHIPPED, REFUND_BEFORE_SHIPPING)
    _stop(plan, at, np.flatnonzero(fate == FATES.index("intercepted")), E.SHIPPED, E.COLLECTED, INTERCEPTION)
    returned = np.flatnonzero(fate == FATES.index("returned"))
    at[E.SETTLED][returned] = NEVER
    _walk(plan, at, returned, RETURN)
    return Course(fate, at)


def _fates(plan: Plan) -> Seconds:
    rates = [getattr(plan, name) for name in FATE_RATES]
    bounds = np.cumsum([1 - sum(rates), *rates])[:-1]
    return np.searchsorted(bounds, plan.dice("fates").random(plan.orders), side="right")


def _walk(plan: Plan, at: dict[Event, Seconds], rows: Seconds, steps: tuple[Step, ...]) -> None:
    for event, after, (typical_s, spread, least_s, most_s) in steps:
        chance = plan.dice("span", event, after).standard_normal(len(rows))
        span = np.clip(typical_s * np.exp(spread * chance), least_s, most_s)
        at[event][rows] = at[after][rows] + span.astype(np.int64)


def _outage(plan: Plan, at: dict[Event, Seconds], warehouse: Seconds, fate: Seconds) -> None:
    """No label is printed in the warehouse meanwhile; afterwards most are, some never (their fate is to be stuck)."""
    if plan.outage_warehouse not in WAREHOUSES:
        return
    dice, (first_s, after_s) = plan.dice("outage"), plan.outage_s
    here = warehouse == WAREHOUSES.index(plan.outage_warehouse)
    due = np.flatnonzero(here & (at[E.LABELLED] >= first_s) & (at[E.LABELLED] < after_s))
    at[E.LABELLED][due] = after_s + dice.integers(0, 4 * HOUR_S, len(due))
    given_up = due[(dice.random(len(due)) < plan.outage_stuck) & (fate[due] == FATES.index("normal"))]
    fate[given_up] = FATES.index("stuck")
    at[E.LABELLED][given_up] = NEVER


def _stall(plan: Plan, at: dict[Event, Seconds], fate: Seconds) -> None:
    rows = np.flatnonzero(fate == FATES.index("stuck"))
    stalls = [SALE_EVENTS.index(event) for event, _ in STALLS]
    stall = plan.dice("stalls").choice(stalls, len(rows), p=[share for _, share in STALLS])
    stall[at[E.LABELLED][rows] == NEVER] = SALE_EVENTS.index(E.LABELLED)
    for index, event in enumerate(SALE_EVENTS):
        at[event][rows[stall <= index]] = NEVER


def _stop(
    plan: Plan, at: dict[Event, Seconds], rows: Seconds, first: Event, last: Event, steps: tuple[Step, ...]
) -> None:
    """The buyer applies for a refund between two events; no later step of the sale happens."""
    share = plan.dice("stop", first).random(len(rows))
    span = at[last][rows] - at[first][rows] - 1
    applied = at[first][rows] + 1 + (share * span).astype(np.int64)
    for event in SALE_EVENTS:
        cut = at[event][rows] >= applied
        at[event][rows[cut]] = NEVER
    at[E.AFTER_SALE_APPLIED][rows] = applied
    _walk(plan, at, rows, steps)
