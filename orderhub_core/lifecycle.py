"""The lifecycle: one table of transitions per axis, guards that name the missing fact, and nothing else.

Laws of this module
  1. Everything that decides a state lives here, in `TRANSITIONS`, `GUARDS` and `HEADLINES`.
  2. `settle` is a function of the *set* of facts: any permutation, duplication or batching ends in one state.
  3. Older news never overwrites newer facts. An event behind the present state is history (`late`); steps
     that we must have missed are inferred along `OBSERVABLE` edges; an impossible claim is `refused`.
  4. A refusal is typed, names what is missing, and changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, cast

from orderhub_core.errors import IllegalTransition, MissingFact
from orderhub_core.model import AfterSale, Axis, Event, Fulfilment, Headline, Invoice, Logistics, Payment, State

E, P, F, L, A, V = Event, Payment, Fulfilment, Logistics, AfterSale, Invoice

TRANSITIONS: dict[Axis, dict[State, dict[Event, State]]] = {
    Axis.PAYMENT: {
        P.UNPAID: {E.DEFERRED: P.DEFERRED, E.PAID: P.PAID, E.VOIDED: P.VOID},
        P.DEFERRED: {E.PAID: P.PAID, E.VOIDED: P.VOID},
        P.PAID: {E.PARTLY_REFUNDED: P.PARTLY_REFUNDED, E.REFUNDED: P.REFUNDED, E.SETTLED: P.SETTLED},
        P.PARTLY_REFUNDED: {
            E.PARTLY_REFUNDED: P.PARTLY_REFUNDED,
            E.REFUNDED: P.REFUNDED,
            E.SETTLED: P.SETTLED,
        },
        P.SETTLED: {E.PARTLY_REFUNDED: P.PARTLY_REFUNDED, E.REFUNDED: P.REFUNDED},
        P.REFUNDED: {},
        # Money may arrive after the order was voided (a slow bank): then it is there, whatever we wished.
        P.VOID: {E.PAID: P.PAID},
    },
    Axis.FULFILMENT: {
        F.WAITING: {
            E.DESIGN_STARTED: F.DESIGNING,
            E.PRODUCTION_STARTED: F.PRODUCING,
            E.RAN_SHORT: F.SHORT,
            E.LOCKED: F.LOCKED,
            E.INTERCEPTED: F.INTERCEPTED,
            E.CANCELLED: F.CANCELLED,
        },
        F.DESIGNING: {
            E.PRODUCTION_STARTED: F.PRODUCING,
            E.INTERCEPTED: F.INTERCEPTED,
            E.CANCELLED: F.CANCELLED,
        },
        F.PRODUCING: {
            E.RAN_SHORT: F.SHORT,
            E.LOCKED: F.LOCKED,
            E.INTERCEPTED: F.INTERCEPTED,
            E.CANCELLED: F.CANCELLED,
        },
        F.SHORT: {E.LOCKED: F.LOCKED, E.INTERCEPTED: F.INTERCEPTED, E.CANCELLED: F.CANCELLED},
        F.LOCKED: {
            E.RAN_SHORT: F.SHORT,
            E.LABELLED: F.LABELLED,
            E.INTERCEPTED: F.INTERCEPTED,
            E.CANCELLED: F.CANCELLED,
        },
        F.LABELLED: {
            E.PARTLY_SHIPPED: F.PARTLY_SHIPPED,
            E.SHIPPED: F.SHIPPED,
            E.INTERCEPTED: F.INTERCEPTED,
            E.CANCELLED: F.CANCELLED,
        },
        F.PARTLY_SHIPPED: {
            E.PARTLY_SHIPPED: F.PARTLY_SHIPPED,
            E.SHIPPED: F.SHIPPED,
            E.INTERCEPTED: F.INTERCEPTED,
        },
        F.SHIPPED: {E.INTERCEPTED: F.INTERCEPTED},
        F.INTERCEPTED: {E.CANCELLED: F.CANCELLED},
        F.CANCELLED: {},
    },
    Axis.LOGISTICS: {
        L.NONE: {E.COLLECTED: L.COLLECTED},
        L.COLLECTED: {E.MOVED: L.IN_TRANSIT, E.RETURN_STARTED: L.RETURNING, E.LOST: L.LOST},
        L.IN_TRANSIT: {
            E.MOVED: L.IN_TRANSIT,
            E.OUT_FOR_DELIVERY: L.OUT_FOR_DELIVERY,
            E.RETURN_STARTED: L.RETURNING,
            E.LOST: L.LOST,
        },
        L.OUT_FOR_DELIVERY: {
            E.MOVED: L.IN_TRANSIT,
            E.DELIVERED: L.DELIVERED,
            E.REFUSED: L.REFUSED,
            E.RETURN_STARTED: L.RETURNING,
            E.LOST: L.LOST,
        },
        L.DELIVERED: {E.RETURN_STARTED: L.RETURNING},
        L.REFUSED: {E.RETURN_STARTED: L.RETURNING},
        L.RETURNING: {E.RETURNED: L.RETURNED, E.LOST: L.LOST},
        L.RETURNED: {},
        L.LOST: {E.MOVED: L.IN_TRANSIT, E.DELIVERED: L.DELIVERED},
    },
    Axis.AFTER_SALE: {
        A.NONE: {E.AFTER_SALE_APPLIED: A.APPLIED},
        A.APPLIED: {
            E.RETURN_AGREED: A.AWAITING_RETURN,
            E.REFUND_AGREED: A.REFUNDING,
            E.AFTER_SALE_REFUNDED: A.REFUNDED,
            E.AFTER_SALE_REJECTED: A.REJECTED,
            E.AFTER_SALE_CLOSED: A.CLOSED,
        },
        A.AWAITING_RETURN: {E.RETURN_SENT: A.RETURNING, E.AFTER_SALE_CLOSED: A.CLOSED},
        A.RETURNING: {
            E.REFUND_AGREED: A.REFUNDING,
            E.AFTER_SALE_REFUNDED: A.REFUNDED,
            E.AFTER_SALE_REJECTED: A.REJECTED,
            E.AFTER_SALE_CLOSED: A.CLOSED,
        },
        A.REFUNDING: {E.AFTER_SALE_REFUNDED: A.REFUNDED, E.AFTER_SALE_CLOSED: A.CLOSED},
        A.REFUNDED: {E.AFTER_SALE_APPLIED: A.APPLIED},  # of the rest, perhaps: an order may have several cases
        A.REJECTED: {E.AFTER_SALE_APPLIED: A.APPLIED, E.AFTER_SALE_CLOSED: A.CLOSED, E.REFUND_AGREED: A.REFUNDING},
        A.CLOSED: {E.AFTER_SALE_APPLIED: A.APPLIED},
    },
    Axis.INVOICE: {
        V.NONE: {E.INVOICE_REQUESTED: V.REQUESTED, E.INVOICE_ISSUED: V.ISSUED},
        V.REQUESTED: {E.INVOICE_ISSUED: V.ISSUED, E.INVOICE_VOIDED: V.VOID},
        V.ISSUED: {E.INVOICE_VOIDED: V.VOID},
        V.VOID: {E.INVOICE_ISSUED: V.ISSUED},
    },
}

OBSERVABLE = frozenset(
    {
        E.PAID,
        E.LOCKED,
        E.LABELLED,
        E.COLLECTED,
        E.MOVED,
        E.OUT_FOR_DELIVERY,
        E.RETURN_STARTED,
        E.AFTER_SALE_APPLIED,
        E.RETURN_AGREED,
        E.RETURN_SENT,
        E.REFUND_AGREED,
    }
)
"""Steps that may be inferred when a later claim implies them. Nothing that moves money back or stops an order is."""

STOPPING = frozenset({E.INTERCEPTED, E.CANCELLED})
"""After these, work on the order is no old news: a cancelled order that ships is a contradiction."""

RANK: dict[str, int] = {event.value: rank for rank, event in enumerate(Event)}
"""Platform timestamps are often whole seconds: of two facts with one instant, the earlier in `Event` came first."""


class Given(NamedTuple):
    """What a guard may ask about, besides the events."""

    tracking_no: bool = False
    label: bool = False
    secured: bool = False
    """Whether it is paid, or agreed that it is paid later; filled in by `settle` from the payment axis."""


GUARDS: dict[Event, tuple[tuple[str, Callable[[Given], bool]], ...]] = {
    E.LOCKED: (("a payment, made or deferred", lambda given: given.secured),),
    E.LABELLED: (
        ("a tracking number", lambda given: given.tracking_no),
        ("a printed label", lambda given: given.label),
    ),
}

Outcome = Literal["applied", "late", "refused"]


class Step(NamedTuple):
    """What became of one event: the states of its axis before and after; None where it has none."""

    event: Event
    before: State | None
    after: State | None
    outcome: Outcome
    inferred: tuple[Event, ...] = ()
    reason: str = ""


class Settled(NamedTuple):
    payment: Payment
    fulfilment: Fulfilment
    logistics: Logistics
    after_sale: AfterSale
    invoice: Invoice
    steps: tuple[Step, ...]

    @property
    def contradictions(self) -> int:
        return sum(step.outcome == "refused" for step in self.steps)


INITIAL: dict[Axis, State] = {axis: next(iter(table)) for axis, table in TRANSITIONS.items()}
PAID_STATES = frozenset({P.PAID, P.SETTLED, P.PARTLY_REFUNDED, P.REFUNDED})
SECURED_STATES = PAID_STATES | {P.DEFERRED}
OWED_STATES = SECURED_STATES - {P.REFUNDED}
"""The buyer is to get what was ordered, or what is left of it."""
DUE_STATES = OWED_STATES - {P.SETTLED}
"""Of what is still to be sent: rules decide on it."""


def axis_of(event: Event) -> Axis | None:
    """The axis an event moves; None where it says that the order exists, or where and whether it is to go."""
    name = event.value.partition(".")[0]
    return None if name == "order" else Axis(name)


def advance(axis: Axis, state: State, event: Event, given: Given) -> State:
    """The state after a command. Raises IllegalTransition or MissingFact; either way nothing has changed."""
    after = TRANSITIONS[axis][state].get(event)
    if after is None:
        raise IllegalTransition(f"{axis.value} is {state.value}: {event.value} is not possible from there")
    for fact, holds in GUARDS.get(event, ()):
        if not holds(given):
            raise MissingFact(event.value, fact)
    return after


@lru_cache(maxsize=4096)
def catch_up(axis: Axis, state: State, claimed: Event) -> tuple[Event, ...]:
    """The shortest run of observable events that we must have missed, if a source says `claimed`.

    Raises IllegalTransition, changing nothing, when no such run leads to a state where `claimed` is possible.
    """
    queue: deque[tuple[State, tuple[Event, ...]]] = deque([(state, ())])
    seen = {state}
    while queue:
        at, run = queue.popleft()
        if claimed in TRANSITIONS[axis][at]:
            return run
        for event, after in TRANSITIONS[axis][at].items():
            if event in OBSERVABLE and after not in seen:
                seen.add(after)
                queue.append((after, (*run, event)))
    raise IllegalTransition(f"{axis.value} is {state.value}: {claimed.value} cannot follow")


@lru_cache(maxsize=4096)
def is_behind(axis: Axis, state: State, event: Event) -> bool:
    """True for old news: `event` leads to a state before the present one, and nothing stopped the order between."""
    starts = {edges[event] for edges in TRANSITIONS[axis].values() if event in edges}
    reached, queue = set(starts), deque(starts)
    while queue:
        for edge, after in TRANSITIONS[axis][queue.popleft()].items():
            if after not in reached and edge not in STOPPING:
                reached.add(after)
                queue.append(after)
    return state in reached


def in_order(facts: Mapping[str, int]) -> tuple[str, ...]:
    """The events of a fact set in causal order: by instant, then by rank."""
    if len(set(facts.values())) == len(facts):
        return tuple(sorted(facts, key=facts.__getitem__))
    return tuple(sorted(facts, key=lambda event: (facts[event], RANK[event])))


@lru_cache(maxsize=65_536)
def settle(events: tuple[str, ...], given: Given = Given()) -> Settled:  # noqa: B008 (a NamedTuple is immutable)
    """Fold events, already in causal order, into the five axes. Total: what is impossible is a refused step."""
    states = dict(INITIAL)
    steps: list[Step] = []
    # Payment settles first, because the guards of the other axes ask for it.
    by_axis = sorted(events, key=lambda event: event.partition(".")[0] != Axis.PAYMENT.value)
    for name in by_axis:
        event = Event(name)
        axis = axis_of(event)
        if axis is None:
            steps.append(Step(event, None, None, "applied"))
            continue
        given = given._replace(secured=states[Axis.PAYMENT] in SECURED_STATES)
        step = _take(axis, states[axis], event, given)
        states[axis] = step.after or states[axis]
        steps.append(step)
    return Settled(
        cast(Payment, states[Axis.PAYMENT]),
        cast(Fulfilment, states[Axis.FULFILMENT]),
        cast(Logistics, states[Axis.LOGISTICS]),
        cast(AfterSale, states[Axis.AFTER_SALE]),
        cast(Invoice, states[Axis.INVOICE]),
        tuple(steps),
    )


def _take(axis: Axis, state: State, event: Event, given: Given) -> Step:
    try:
        missed = catch_up(axis, state, event)
        reached = state
        for between in missed:
            reached = TRANSITIONS[axis][reached][between]
        after = advance(axis, reached, event, given)
    except IllegalTransition as refusal:
        if is_behind(axis, state, event):
            return Step(event, state, state, "late")
        return Step(event, state, state, "refused", reason=str(refusal))
    except MissingFact as refusal:
        return Step(event, state, state, "refused", reason=str(refusal))
    return Step(event, state, after, "applied", missed)


OPEN_AFTER_SALE = frozenset({A.APPLIED, A.AWAITING_RETURN, A.RETURNING, A.REFUNDING})
ON_THE_WAY = frozenset({L.COLLECTED, L.IN_TRANSIT, L.OUT_FOR_DELIVERY, L.REFUSED, L.RETURNING, L.LOST})

HEADLINES: tuple[tuple[Headline, Callable[[Settled], bool]], ...] = (
    (Headline.CANCELLED, lambda s: s.payment is P.VOID),
    (Headline.REFUNDED, lambda s: s.payment is P.REFUNDED),
    (Headline.CANCELLED, lambda s: s.fulfilment is F.CANCELLED),
    (Headline.INTERCEPTED, lambda s: s.fulfilment is F.INTERCEPTED),
    (Headline.RETURNED, lambda s: s.logistics is L.RETURNED),
    (Headline.AFTER_SALE, lambda s: s.after_sale in OPEN_AFTER_SALE),
    (Headline.COMPLETED, lambda s: s.payment is P.SETTLED),
    (Headline.DELIVERED, lambda s: s.logistics is L.DELIVERED),
    (Headline.IN_TRANSIT, lambda s: s.logistics in ON_THE_WAY),
    (Headline.SHIPPED, lambda s: s.fulfilment is F.SHIPPED),
    (Headline.PARTLY_SHIPPED, lambda s: s.fulfilment is F.PARTLY_SHIPPED),
    (Headline.LABELLED, lambda s: s.fulfilment is F.LABELLED),
    (Headline.LOCKED, lambda s: s.fulfilment is F.LOCKED),
    (Headline.SHORT, lambda s: s.fulfilment is F.SHORT),
    (Headline.PRODUCING, lambda s: s.fulfilment is F.PRODUCING),
    (Headline.DESIGNING, lambda s: s.fulfilment is F.DESIGNING),
    (Headline.PAID, lambda s: s.payment in PAID_STATES),
    (Headline.ACCEPTED, lambda s: s.payment is P.DEFERRED),
)
"""The first that holds is the headline; where none does, the order waits for its payment."""


@lru_cache(maxsize=65_536)
def headline(settled: Settled) -> Headline:
    return next((word for word, holds in HEADLINES if holds(settled)), Headline.PENDING_PAYMENT)
