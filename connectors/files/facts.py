"""From a row's times and its status word to facts: which event, at which instant.

A time column is a fact by itself. A status word states facts that may have no time of their own; then a time stands
in: that of the next step the row does know, else the newest instant in the row. So an order paid "some time before
it was shipped" is not made to look as if it had been paid after it.
"""

from __future__ import annotations

import polars as pl

from connectors.files.mapping import Mapping
from connectors.files.words import DEFERRED, TIMES
from orderhub_core.model import Event

_STEPS = tuple(TIMES.values())
_HANDED_OVER = (Event.PARTLY_SHIPPED, Event.SHIPPED, Event.COLLECTED, Event.MOVED, Event.DELIVERED)


def newest(present: set[str]) -> pl.Expr:
    """The newest instant that the row tells; a promise is no instant at which anything happened."""
    told = [field for field in (*TIMES, "updated_at") if field in present]
    return pl.max_horizontal(told) if told else pl.lit(None, dtype=pl.Int64)


def facts(orders: pl.DataFrame, mapping: Mapping) -> dict[Event, pl.Expr]:
    """Event to its instant (Int64 microseconds UTC, null where it did not happen), `order.placed` first and never null.

    Events come in the order of `model.Event`, so that a row's message is the same in whatever file it stands.
    `orders` has the time fields of `words.TIMES` that the file knows, `status` if it knows that, and one non-null
    instant in each row.
    """
    present = set(orders.columns)
    known = {event: pl.col(field) for field, event in TIMES.items() if field in present}
    stated: dict[Event, list[str]] = {Event.PLACED: []}
    if "status" in present:
        for word in orders["status"].drop_nulls().unique(maintain_order=True).to_list():
            for event in mapping.states(word) | (mapping.presupposes(word) - set(known)):
                stated.setdefault(event, []).append(word)
    instants = {event: _instant(event, stated, known, present) for event in {*stated, *known}}
    if "payment_method" in present:
        instants = _sent_first(instants, known)
    instants = (
        _end_of_handed_over(_end_of_unpaid(instants)) | _cases(orders, present) | _partly_refunded(instants, present)
    )
    return {event: instants[event] for event in Event if event in instants}


def _instant(event: Event, stated: dict[Event, list[str]], known: dict[Event, pl.Expr], present: set[str]) -> pl.Expr:
    stand_in = pl.coalesce(_next_known(event, known), newest(present))
    if event is Event.PLACED:  # the row exists, so the order was placed
        return pl.coalesce(known.get(event), stand_in) if event in known else stand_in
    if event not in stated:
        return known[event]
    implied = pl.when(pl.col("status").is_in(stated[event])).then(stand_in)
    return pl.coalesce(known[event], implied) if event in known else implied


def _cases(orders: pl.DataFrame, present: set[str]) -> dict[Event, pl.Expr]:
    """A case went on at some time until now."""
    if "after_sale" not in present:
        return {}
    told = orders["after_sale"].drop_nulls().unique().cast(pl.String).sort().to_list()
    return {Event(event): pl.when(pl.col("after_sale") == event).then(newest(present)) for event in told}


def _partly_refunded(instants: dict[Event, pl.Expr], present: set[str]) -> dict[Event, pl.Expr]:
    """Money that went back of an order of which no word says that it is over: what is left of it, a person knows."""
    if "refunded" not in present:
        return {}
    over = [instants[event].is_not_null() for event in (Event.REFUNDED, Event.VOIDED) if event in instants]
    back = pl.col("refunded") > 0
    return {Event.PARTLY_REFUNDED: pl.when(back & ~pl.any_horizontal(*over, False)).then(newest(present))}


def _next_known(event: Event, known: dict[Event, pl.Expr]) -> pl.Expr:
    later = _STEPS[_STEPS.index(event) + 1 :] if event in _STEPS else ()
    told = [known[step] for step in later if step in known]
    return pl.min_horizontal(told) if told else pl.lit(None, dtype=pl.Int64)


def _sent_first(instants: dict[Event, pl.Expr], known: dict[Event, pl.Expr]) -> dict[Event, pl.Expr]:
    """What is paid on delivery, or later, is paid when the file says so, or else as the buyer takes it."""
    if Event.PAID not in instants:
        return instants
    nothing = pl.lit(None, dtype=pl.Int64)
    word = pl.col("payment_method").str.strip_chars().str.to_lowercase()
    deferred, paid = word.is_in(DEFERRED).fill_null(False), known.get(Event.PAID, nothing)
    taken = [instants.get(event, nothing) for event in (Event.DELIVERED, Event.SETTLED)]
    return {
        **instants,
        Event.DEFERRED: pl.coalesce(
            instants.get(Event.DEFERRED, nothing), pl.when(deferred).then(instants[Event.PAID])
        ),
        Event.PAID: pl.when(deferred).then(pl.coalesce(paid, *taken)).otherwise(instants[Event.PAID]),
    }


def _end_of_unpaid(instants: dict[Event, pl.Expr]) -> dict[Event, pl.Expr]:
    """A word like "cancelled" voids the payment that was never made; where money had come, it went back."""
    if Event.VOIDED not in instants or Event.PAID not in instants:
        return instants
    voided, paid = instants[Event.VOIDED], instants[Event.PAID].is_not_null()
    returned = pl.when(paid).then(voided)
    refunded = instants.get(Event.REFUNDED)
    return {
        **instants,
        Event.VOIDED: pl.when(~paid).then(voided),
        Event.REFUNDED: returned if refunded is None else pl.coalesce(refunded, returned),
    }


def _end_of_handed_over(instants: dict[Event, pl.Expr]) -> dict[Event, pl.Expr]:
    """Goods that went can no longer be cancelled: where the money's end is told, that is what the word meant."""
    ends = [instants[event].is_not_null() for event in (Event.REFUNDED, Event.VOIDED) if event in instants]
    went = [instants[event].is_not_null() for event in _HANDED_OVER if event in instants]
    if Event.CANCELLED not in instants or not ends or not went:
        return instants
    mistaken = pl.any_horizontal(ends) & pl.any_horizontal(went)
    return {**instants, Event.CANCELLED: pl.when(~mistaken).then(instants[Event.CANCELLED])}
