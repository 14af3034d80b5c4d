"""What a hub that misses nothing would know of a world at some instant: the frames of `frames.SCHEMAS`."""

from __future__ import annotations

import numpy as np
import polars as pl

from orderhub_core import lifecycle
from orderhub_core.frames import EVENTS, HEADLINE, INSTANT, LINES, ORDERS
from orderhub_core.model import AfterSale, Axis, Event, Fulfilment, Headline, Invoice, Logistics, Payment
from orderhub_core.sim.world.columns import chronological, seconds
from orderhub_core.sim.world.course import OCCURRING
from orderhub_core.sim.world.records import REACHED

E, H = Event, Headline
SET_BY: dict[Headline, tuple[Event, ...]] = {
    H.PENDING_PAYMENT: (E.PLACED,),
    H.PAID: (E.PAID,),
    H.LOCKED: (E.LOCKED,),
    H.LABELLED: (E.LABELLED,),
    H.SHIPPED: (E.SHIPPED,),
    H.IN_TRANSIT: (E.COLLECTED,),
    H.DELIVERED: (E.DELIVERED,),
    H.COMPLETED: (E.SETTLED,),
    H.AFTER_SALE: (E.AFTER_SALE_APPLIED,),
    H.INTERCEPTED: (E.INTERCEPTED,),
    H.RETURNED: (E.RETURNED,),
    H.REFUNDED: (E.REFUNDED,),
    H.CANCELLED: (E.VOIDED, E.CANCELLED),
}
"""The event that sets a headline in this world: the first of them that happened."""
ENUMS = {axis.value: dtype for axis in Axis if isinstance(dtype := ORDERS[axis.value], pl.Enum)}
CERTAIN_FROM = {E.LABELLED: ("carrier", "tracking_no"), E.PAID: ("warehouse",)}
"""Fields that a hub learns with an event; before it they are null."""


def orders_known(orders: pl.DataFrame, lines: pl.DataFrame, moments: pl.DataFrame, as_of: int) -> pl.DataFrame:
    """Orders placed until `as_of`, their axes and headline by the lifecycle's own tables."""
    happened = moments.lazy().select("order_id", *(_happened(event, as_of) for event in OCCURRING))
    items = lines.lazy().group_by("order_id").agg(item_count=pl.col("quantity").sum().cast(pl.Int32))
    axes = (
        _head(orders, "placed_at", as_of)
        .lazy()
        .join(happened, on="order_id", maintain_order="left")
        .join(items, on="order_id", how="left", maintain_order="left")
        .with_columns(
            *(_state(axis).alias(axis) for axis in ENUMS),
            *(
                pl.when(pl.col(event).is_not_null()).then(pl.col(field)).alias(field)
                for event, fields in CERTAIN_FROM.items()
                for field in fields
            ),
        )
        .collect()
    )
    return (
        axes.lazy()
        .join(_headlines(axes), on=list(ENUMS), how="left", maintain_order="left")
        .with_columns(
            deferred_at=pl.lit(None, INSTANT),
            paid_at=pl.col(E.PAID),
            shipped_at=pl.col(E.SHIPPED),
            collected_at=pl.col(E.COLLECTED),
            delivered_at=pl.col(E.DELIVERED),
            updated_at=pl.max_horizontal(OCCURRING),
            headline_at=pl.coalesce(
                pl.when(pl.col("headline") == word).then(pl.min_horizontal(events)) for word, events in SET_BY.items()
            ),
            paid_minor=pl.when(pl.col(E.PAID).is_not_null()).then("paid_minor").otherwise(0),
            currency=pl.lit("CNY"),
            contradictions=pl.lit(0, pl.Int32),
        )
        .select(ORDERS.names())
        .collect()
    )


def lines_known(lines: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Lines of the known orders, which are the first ones."""
    return lines.filter(pl.col("order_id") <= orders.height).select(LINES.names())


def events_known(timeline: pl.DataFrame, orders: pl.DataFrame, as_of: int) -> pl.DataFrame:
    """The log of a hub that hears of everything at once from the order's own shop, in a message for each event."""
    heard = _head(timeline, "at", as_of)
    return (
        heard.with_row_index("seq", 1)
        .select(
            pl.col("seq").cast(pl.Int64),
            "order_id",
            pl.col("event", "before", "after").cast(pl.String),
            occurred_at="at",
            recorded_at="at",
            outcome=pl.lit("applied"),
            source=orders["shop"].gather(heard["order_id"] - 1),
            message=pl.col("seq").cast(pl.Int64),
            rule=pl.lit(""),
        )
        .select(EVENTS.names())
    )


def sightings_known(sightings: pl.DataFrame, orders: pl.DataFrame, as_of: int) -> pl.DataFrame:
    """What each touchpoint shows of each order: the visible row of its newest update, seen when it first could be."""
    visible = _head(sightings, "visible_at", as_of)
    slot = visible["touchpoint"].to_physical().to_numpy().astype(np.int64) * orders.height
    slot += visible["order_id"].to_numpy() - 1
    # Of one row shown twice the first showing shall win, so it has to come last: the order of showing is reversed.
    oldest_first = visible.height - 1 - chronological(seconds(visible["at"])[::-1])
    shown = np.full(slot.max(initial=-1) + 1, -1)
    shown[slot[oldest_first]] = oldest_first  # numpy keeps the last value of a repeated position
    return visible[shown[shown >= 0]].select(
        pl.col("touchpoint", "shop").cast(pl.String),
        "order_no",
        pl.col("status").cast(pl.String),
        "at",
        seen_at="visible_at",
    )


def _head(frame: pl.DataFrame, at: str, as_of: int) -> pl.DataFrame:
    """The rows until `as_of` of a frame that is sorted by `at`; copies nothing."""
    return frame.head(frame[at].search_sorted(pl.Series([as_of]).cast(INSTANT), side="right").item())


def _instant(at: int) -> pl.Expr:
    return pl.lit(at).cast(INSTANT)


def _happened(event: Event, as_of: int) -> pl.Expr:
    return pl.when(pl.col(event) <= _instant(as_of)).then(pl.col(event)).alias(event)


def _state(axis: str) -> pl.Expr:
    """The state that the axis' last event reached; events of one axis never overtake each other in a world."""
    moved = [event for event in reversed(OCCURRING) if event.startswith(f"{axis}.")]
    reached = [pl.when(pl.col(event).is_not_null()).then(pl.lit(REACHED[event].value, ENUMS[axis])) for event in moved]
    return pl.coalesce(*reached, pl.lit(lifecycle.INITIAL[Axis(axis)].value, ENUMS[axis]))


def _headlines(axes: pl.DataFrame) -> pl.LazyFrame:
    """`lifecycle.headline` of every combination of states that occurs: few, however many the orders."""
    met = axes.select(list(ENUMS)).unique()
    words = [
        lifecycle.headline(
            lifecycle.Settled(
                Payment(payment),
                Fulfilment(fulfilment),
                Logistics(logistics),
                AfterSale(after_sale),
                Invoice(invoice),
                (),
            )
        ).value
        for payment, fulfilment, logistics, after_sale, invoice in met.iter_rows()
    ]
    return met.with_columns(pl.Series("headline", words, HEADLINE)).lazy()
