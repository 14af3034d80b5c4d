"""What the hub knew at a past moment: orders rebuilt from its log, sightings from the messages that it still has.

An order's instants are the least that the log's entries of that time tell, for a fact that is corrected is entered
again. A sighting holds until a newer one takes its place: what was last seen before the moment stood then. What was
seen again since is read anew from the touchpoint's messages; where those have expired, nobody knows what it showed,
and the order gets a row that says nothing.

A message counts from when it was received. One that waited or was parked at the moment and was applied since counts
as known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.flows.context import Source
from orderhub_core.fold import FACT_COLUMNS
from orderhub_core.frames import INSTANT, SIGHTINGS
from orderhub_core.model import Decoded, Sighting
from orderhub_core.store import history
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Message

KEY = ["shop", "order_no"]

Decode = Callable[[str, bytes], Decoded]


@dataclass(frozen=True, eq=False)
class Past:
    """`orders`: `shop`, `order_no` and the instants of `fold.FACT_COLUMNS`. `sightings`: as in `frames.SIGHTINGS`,
    status and at null where nobody knows what was shown."""

    orders: pl.DataFrame
    sightings: pl.DataFrame
    unknown: dict[str, int] = field(default_factory=dict)
    """Per touchpoint the orders of which nobody knows what it showed."""
    undated: int = 0
    """Orders of which the log says nothing; they count as known at any moment."""


class Said(NamedTuple):
    """What is left of a touchpoint's messages."""

    messages: Iterable[Message]
    decode: Decode | None
    """None where the settings do not name the touchpoint any more."""
    expired: int | None
    """When the newest message came whose body is gone (microseconds UTC)."""


class Frames(Protocol):
    """A hub, or a snapshot of one."""

    def frame(self, name: str) -> pl.DataFrame: ...
    def as_of(self) -> int: ...


@runtime_checkable
class Messages(Protocol):
    """Where messages are still to be had."""

    store: Store

    def source(self, name: str) -> Source: ...


def of(hub: Frames, at: int) -> Past:
    """What a hub knew at `at` (microseconds UTC). A snapshot holds no messages: what was seen again since is unknown.

    Raises UserMistake for a moment that is still to come.
    """
    if at > hub.as_of():
        raise UserMistake("--as-of names a moment that is still to come: name a past one, or leave it out for now")
    place = hub if isinstance(hub, Messages) else None
    nothing = Said((), None, at)
    return rebuilt(hub.frame, at, lambda name: nothing if place is None else _said(place, name, at))


def demand_news(known: Past, hub: Frames, at: int, zone: str) -> None:
    """Raises UserMistake where a hub that knows orders now had not heard of any at `at`, nor of a touchpoint."""
    if known.sightings.height or known.orders.height > known.undated:
        return
    first = pl.concat([hub.frame("events")["recorded_at"], hub.frame("sightings")["seen_at"]]).min()
    if not isinstance(first, datetime):
        return
    then, begun = (f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" for moment in (_instant(at), first))
    raise UserMistake(
        "at {then} the hub had seen nothing; its first record is of {begun} ({zone}): name a later moment",
        then=then,
        begun=begun,
        zone=zone,
    )


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e6, UTC)


def _said(hub: Messages, name: str, until: int) -> Said:
    try:
        decode = hub.source(name).decode
    except OrderHubError:
        return Said((), None, until)
    return Said(history.said(hub.store, name, until), decode, history.newest_expired(hub.store, name, until))


def rebuilt(frame: Callable[[str], pl.DataFrame], at: int, asked: Callable[[str], Said]) -> Past:
    """What was known at `at` (microseconds UTC), from the frames as they are now and what `asked` tells."""
    orders, undated = _orders(frame("orders"), frame("events"), at)
    seen = frame("sightings")
    then, since = pl.col("seen_at").cast(pl.Int64) <= at, pl.col("seen_at").cast(pl.Int64) > at
    parts, unknown = [seen.filter(then)], {}
    for (name,), newer in seen.filter(since).partition_by("touchpoint", as_dict=True).items():
        # An order that was not there yet was not shown; the audit does not ask for it.
        wanted = newer.select(KEY).join(orders.select(*KEY, "placed_at"), on=KEY)
        if wanted.is_empty():  # else all of its messages would be read for nothing
            continue
        told, nobody_knows = _before(str(name), wanted, asked(str(name)))
        parts += [told, nobody_knows]
        unknown[str(name)] = nobody_knows.height
    return Past(orders, pl.concat(parts), {name: count for name, count in sorted(unknown.items()) if count}, undated)


def _orders(orders: pl.DataFrame, events: pl.DataFrame, at: int) -> tuple[pl.DataFrame, int]:
    """The orders that the log tells of by then, and how many it never tells of."""
    facts = [
        pl.col("occurred_at").filter(pl.col("event") == event).min().alias(column)
        for event, column in FACT_COLUMNS.items()
    ]
    told = events.lazy().filter(pl.col("recorded_at").cast(pl.Int64) <= at).group_by("order_id").agg(facts).collect()
    named = orders.select("order_id", *KEY)
    silent = named.join(events.select("order_id"), on="order_id", how="anti").select("order_id")
    known = pl.concat([told, silent.with_columns(pl.lit(None, INSTANT).alias(name) for name in FACT_COLUMNS.values())])
    return named.join(known, on="order_id", maintain_order="left").drop("order_id"), silent.height


def _before(name: str, wanted: pl.DataFrame, left: Said) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a touchpoint showed of these orders (SIGHTINGS), and rows that say nothing for those nobody knows of."""
    keys = set(wanted.select(KEY).rows())
    shown = _shown(name, keys, left)
    told = pl.DataFrame(
        list(shown.values()),
        schema=pl.Schema({**SIGHTINGS, "at": pl.Int64(), "seen_at": pl.Int64()}),
        orient="row",
    ).cast(dict(SIGHTINGS))  # type: ignore[arg-type]  # polars' stubs want columns of one kind
    rest = wanted.join(told.select(KEY), on=KEY, how="anti")
    # A message that is gone cannot have told of an order that was placed after it came.
    placed = pl.col("placed_at").cast(pl.Int64)
    lost = rest.filter(placed.is_null() | (placed <= left.expired)) if left.expired is not None else rest.clear()
    nothing = lost.select(touchpoint=pl.lit(name), shop="shop", order_no="order_no")
    return told, nothing.with_columns(
        pl.lit(None, kind).alias(column) for column, kind in SIGHTINGS.items() if column not in nothing.columns
    )


Row = tuple[str, str, str, str, int, int]


def _shown(name: str, keys: set[tuple[str, str]], left: Said) -> dict[tuple[str, str], Row]:
    """Of some orders the newest row among the messages, as `absorb` takes them."""
    newest: dict[tuple[str, str], Row] = {}
    if left.decode is None:
        return newest
    for message in left.messages:
        try:
            seen = left.decode(message.kind, message.body)
        except OrderHubError:
            continue
        if isinstance(seen, Sighting) and (key := (seen.shop, seen.order_no)) in keys:
            at = message.received_at if seen.at is None else seen.at
            if key not in newest or at >= newest[key][4]:
                newest[key] = (name, *key, seen.status, at, message.received_at)
    return newest
