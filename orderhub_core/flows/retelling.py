"""The life of an order as it is told: the log's entries, and between them what the log has no entry for."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from orderhub_core.effects import Notify, OrderProduction, PushToWarehouse
from orderhub_core.flows.allotting import NOT_GRANTED
from orderhub_core.flows.rows import notify_key, push_key, work_key
from orderhub_core.store import unlogged
from orderhub_core.store.base import Store
from orderhub_core.store.unlogged import Done, Refused

Entry = dict[str, Any]
"""A row of `frames.EVENTS` with its `detail`; `seq` and `message` are None of what the log has no entry for."""
_json = msgspec.json.Encoder(order="deterministic").encode


def life(store: Store, orders: pl.DataFrame, events: pl.DataFrame) -> list[Entry]:
    """Of these orders (of `frames.ORDERS`) with their `events`, in the order in which the hub came to know it."""
    details = store.details_of(orders["order_id"])
    logged = [{**entry, "detail": details.get(entry["seq"], "")} for entry in events.sort("seq").iter_rows(named=True)]
    beside = [entry for order in orders.iter_rows(named=True) for entry in _beside(store, order)]
    beside.sort(key=_known_at)
    return list(heapq.merge(logged, beside, key=_known_at))


def why(entry: Entry) -> str:
    """Of a gift that was not granted: what there was left of it, in English."""
    told: str = msgspec.json.decode(entry["detail"])["why"]
    return told


def _known_at(entry: Entry) -> datetime:
    at: datetime = entry["recorded_at"]
    return at


def _beside(store: Store, order: dict[str, Any]) -> Iterator[Entry]:
    number, shop, order_no = order["order_id"], order["shop"], order["order_no"]
    for one in unlogged.refused(store, number):
        yield _entry(number, "gift.refused", one.at, one.sku, "ungranted", "rules", _why(one))
    keys = [push_key(shop, order_no, parcel + 1) for parcel in range(max(1, unlogged.parcels(store, number)))]
    notices = [notify_key(channel, rule, shop, order_no) for channel, rule in unlogged.told(store, number)]
    for performed in unlogged.done(store, [*keys, work_key(shop, order_no), *notices]):
        if not _is_empty(performed):
            event, detail = _deed(performed)
            yield _entry(number, event, performed.at, performed.effect.target, "done", "hub", detail)


def _is_empty(one: Done) -> bool:
    """Nothing was left of that parcel, and nobody was told."""
    return isinstance(one.effect, PushToWarehouse) and one.effect.parcels > 1 and not one.effect.lines


def _deed(one: Done) -> tuple[str, dict[str, Any]]:
    """What it is called, and what to know of it."""
    tries = {"tries": one.tries} if one.tries > 1 else {}
    match one.effect:
        case PushToWarehouse(parcel=parcel, parcels=parcels, pack_with=others):
            which = {"parcel": parcel, "parcels": parcels} if parcels > 1 else {}
            beside = {"packed_with": [other.order_no for other in others]} if others else {}
            return "hub.handed_over", which | beside | tries
        case OrderProduction(number=number):
            return "hub.ordered_production", {"number": number} | tries
        case Notify():
            return "hub.notified", tries
    raise AssertionError(f"no order is known to ask for {one.effect}")


def _why(one: Refused) -> dict[str, Any]:
    return {"why": one.reason.rpartition(NOT_GRANTED)[2], "rule": one.rule, "version": one.version}


def _entry(order_id: int, event: str, at: int, what: str, outcome: str, source: str, detail: dict[str, Any]) -> Entry:
    moment = datetime.fromtimestamp(at / 1e6, UTC)
    return {
        "seq": None, "order_id": order_id, "event": event, "occurred_at": moment, "recorded_at": moment, "before": "",
        "after": what, "outcome": outcome, "source": source, "message": None, "rule": "",
        "detail": _json(detail).decode() if detail else "",
    }  # fmt: skip
