"""The story of an order as it is told: the log's entries, between them what the log has no entry for, and what is still
to be done."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from unicodedata import normalize

import msgspec
import polars as pl

from orderhub_core import frames
from orderhub_core.effects import Notify, OrderProduction, PushToWarehouse, WarehouseLine
from orderhub_core.flows import holding
from orderhub_core.flows.allotting import NOT_GRANTED
from orderhub_core.flows.rows import fetch_key, notify_key, push_key, work_key
from orderhub_core.store import aside, unlogged
from orderhub_core.store.base import Store
from orderhub_core.store.unlogged import Decided, Done

Entry = dict[str, Any]
"""A row of `frames.EVENTS` with its `detail`, JSON; `seq` and `message` are None of what the log has no entry for. With
`quantity` and `reason` of what rules decided, and of a gift the SKU that it `goes_with`; None of all else."""
HANDED_OVER, PRODUCED, NOTIFIED = "hub.handed_over", "hub.ordered_production", "hub.notified"
ASKED = "hub.asked"
_json = msgspec.json.Encoder(order="deterministic").encode


NUMBERS = ("order_no", "tracking_no")
SHORTEST_PART, MOST_LIKE = 4, 20
"""Of a number, what is looked for in others; and how many orders, or parked messages, are told."""


class Frames(Protocol):
    def frame(self, name: str) -> pl.DataFrame: ...


class Story(NamedTuple):
    """What is known of the orders of one number."""

    orders: pl.DataFrame
    """Of `frames.ORDERS`, by shop: several may have one number."""
    lines: pl.DataFrame
    """Of `frames.LINES`."""
    life: list[Entry]
    ahead: list[dict[str, Any]]
    """As of `ahead`; none of a snapshot, which does not know."""
    kept: list[int]
    """Numbers of those that are `holding.kept_unsent`; none of a snapshot."""
    parked: list[tuple[int, str]]
    """Where there is no such order: the newest messages that wait for a person and seem to speak of it, and why they
    wait."""
    like: pl.DataFrame
    """Where there is none: orders of which what was asked for is a part of the number. Also where there are too many,
    for what stands in place of a parcel's number may be any order's."""


def story(place: Frames, store: Store | None, asked: str) -> Story:
    """Of the orders that have this number, or whose parcel has it, however it was copied. Without a store: as far as
    frames tell it."""
    asked = asked.encode(errors="replace").decode()  # half a character is none that a frame can hold
    numbers = {asked.strip(), number := normalize("NFKC", asked).strip().strip("'")}
    known, bare = place.frame("orders"), _bare(number)
    orders = known.filter(pl.col("order_no").is_in(numbers) | pl.col("tracking_no").is_in(numbers)).sort("shop")
    if store and orders.is_empty():
        orders = known.filter(pl.col("order_id").is_in(unlogged.sent_as(store, {*numbers, bare}))).sort("shop")
    if orders.is_empty() and bare:
        orders = known.filter(pl.any_horizontal(_upper(name) == bare for name in NUMBERS)).sort("shop")
    if orders.height > MOST_LIKE:
        return Story(orders.clear(), frames.empty("lines"), [], [], [], [], _newest(orders))
    mine = pl.col("order_id").is_in(orders["order_id"].implode())
    lines, events = place.frame("lines").filter(mine), place.frame("events").filter(mine)
    told, todo = life(store, orders, events), ahead(store, orders) if store else []
    kept = [head.order_id for head in holding.kept_unsent(store, orders["order_id"])] if store else []
    lost = orders.is_empty() and number
    return Story(
        orders, lines.sort("line_no"), told, todo, kept,
        aside.naming(store, number)[:MOST_LIKE] if store and lost else [],
        _like(known, number, bare) if lost else orders.clear(),
    )  # fmt: skip


def _bare(number: str) -> str:
    """Without what labels and chats put around it, and fingers into it: `Order: 1234 5678`, `#1234`, `sf1234`."""
    return re.sub(r"\s+", "", number.rpartition(":")[2]).lstrip("#").upper()


def _upper(name: str) -> pl.Expr:
    return pl.col(name).str.to_uppercase()


def _like(orders: pl.DataFrame, *parts: str) -> pl.DataFrame:
    """Of the first of these that is a part of any."""
    found = orders.clear()
    for part in dict.fromkeys(part.upper() for part in parts if len(part) >= SHORTEST_PART):
        if found.is_empty():
            there = [_upper(name).str.contains(part, literal=True) for name in NUMBERS]
            found = _newest(orders.filter(pl.any_horizontal(there)))
    return found


def _newest(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.sort("placed_at", descending=True, nulls_last=True).head(MOST_LIKE)


def life(store: Store | None, orders: pl.DataFrame, events: pl.DataFrame) -> list[Entry]:
    """Of these orders (of `frames.ORDERS`) with their `events`, in the order in which the hub came to know it.
    Without a store, what the log has of it."""
    if store is None:
        return [_reasoned({**entry, "detail": entry["rule"]}, (), {}) for entry in events.sort("seq").to_dicts()]
    details = store.details_of(orders["order_id"])
    decided = {order: unlogged.decided(store, order) for order in orders["order_id"]}
    earned = {order: unlogged.earned(store, order) for order in orders["order_id"]}
    logged = [
        _reasoned(
            {**entry, "detail": details.get(entry["seq"], "")}, decided[entry["order_id"]], earned[entry["order_id"]]
        )
        for entry in events.sort("seq").iter_rows(named=True)
    ]
    beside = [
        entry for order in orders.iter_rows(named=True) for entry in _beside(store, order, decided[order["order_id"]])
    ]
    beside.sort(key=_known_at)
    return list(heapq.merge(logged, beside, key=_known_at))


def _reasoned(entry: Entry, decided: Sequence[Decided], earned: Mapping[tuple[str, str], str]) -> Entry:
    """Of what rules decided, how much and why, and of a gift what it goes with: the log has which rule it was."""
    detail = msgspec.json.decode(entry["detail"]) if entry["outcome"] == "decided" else {}
    named = (entry["event"].removeprefix("rule."), entry["after"], detail.get("rule"))
    own = [one for one in decided if (one.action, one.argument, one.rule) == named]
    said = next((one for one in own if one.parcel == detail.get("parcel", one.parcel)), None)
    parent = earned.get((str(detail.get("rule")), entry["after"])) if named[0] == "add_gift" else None
    return {**entry, "quantity": said and said.quantity, "reason": said and said.reason, "goes_with": parent}


def why(entry: Mapping[str, Any]) -> str:
    """Of a gift that was not granted: what there was left of it, in English."""
    told: str = msgspec.json.decode(entry["detail"])["why"]
    return told


def _known_at(entry: Entry) -> datetime:
    at: datetime = entry["recorded_at"]
    return at


def _beside(store: Store, order: dict[str, Any], decided: Sequence[Decided]) -> Iterator[Entry]:
    number = order["order_id"]
    for one in decided:
        if one.action == "add_gift" and not one.quantity:
            yield _entry(number, "gift.refused", one.at, one.argument, "ungranted", "rules", _why(one))
    for performed in unlogged.done(store, list(_keys(store, order, decided))):
        if not _is_empty(performed):
            event, detail = _deed(performed)
            yield _entry(number, event, performed.at, performed.effect.target, "done", "hub", detail)


def _keys(store: Store, order: dict[str, Any], decided: Sequence[Decided]) -> dict[str, tuple[str, int]]:
    """Of what is done for an order, what each is called and which parcel it is of (0: the order). What the hub asks its
    shop about it is nothing that is done for it."""
    number, shop, order_no = order["order_id"], order["shop"], order["order_no"]
    parcels = max(1, unlogged.parcels(store, number))
    pushes = {push_key(shop, order_no, one): one if parcels > 1 else 0 for one in range(1, parcels + 1)}
    notices = [notify_key(one.argument, one.rule, shop, order_no) for one in decided if one.action == "notify"]
    return {
        **{key: (HANDED_OVER, parcel) for key, parcel in pushes.items()},
        work_key(shop, order_no): (PRODUCED, 0),
        **dict.fromkeys(notices, (NOTIFIED, 0)),
    }


def ahead(store: Store, orders: pl.DataFrame) -> list[dict[str, Any]]:
    """What is intended for these orders (of `frames.ORDERS`) and not done: `event`, as `life` calls it once it is, or
    ASKED, of their shop, what they are now; `target`; `parcel`, 0 for the order; `state` (waiting, failing, leased or
    person); `done`, whether it was performed and a person is asked what now; `tries`; `next_at`, null where nobody
    tries it; `note`, how the last try ended or why it waits."""
    found = []
    for order in orders.iter_rows(named=True):
        keys = _keys(store, order, unlogged.decided(store, order["order_id"]))
        keys[fetch_key(order["shop"], order["order_no"])] = ASKED, 0
        for one in unlogged.ahead(store, list(keys)):
            (event, parcel), due = keys[one.key], one.state in ("waiting", "failing")
            told = {"event": event, "target": one.target, "parcel": parcel, "state": one.state}
            told |= {"done": one.done, "tries": one.tries}
            next_at = datetime.fromtimestamp(one.next_at / 1e6, UTC) if due else None
            found.append({"order_no": order["order_no"], "shop": order["shop"], **told, "next_at": next_at})
            found[-1]["note"] = one.note
    return found


def _is_empty(one: Done) -> bool:
    """Nothing was left of that parcel, and nobody was told."""
    return isinstance(one.effect, PushToWarehouse) and one.effect.parcels > 1 and not one.effect.lines


def _deed(one: Done) -> tuple[str, dict[str, Any]]:
    """What it is called, and what to know of it."""
    tries = {"tries": one.tries} if one.tries > 1 else {}
    match one.effect:
        case PushToWarehouse(parcel=parcel, parcels=parcels, pack_with=others, lines=lines, marks=marks):
            which = {"parcel": parcel, "parcels": parcels} if parcels > 1 else {}
            beside = {"packed_with": [other.order_no for other in others]} if others else {}
            said = {"carrier": marks.carrier, "tags": list(marks.tags), "priority": marks.priority}
            marked = {name: mark for name, mark in said.items() if mark}
            return HANDED_OVER, _goods(lines) | which | beside | marked | tries
        case OrderProduction(number=number, lines=lines):
            return PRODUCED, {"number": number} | _goods(lines) | tries
        case Notify():
            return NOTIFIED, tries
    raise AssertionError(f"no order is known to ask for {one.effect}")


def _goods(lines: Sequence[WarehouseLine]) -> dict[str, Any]:
    return {"goods": [f"{line.sku} × {line.quantity}" for line in lines]} if lines else {}


def _why(one: Decided) -> dict[str, Any]:
    return {"why": one.reason.rpartition(NOT_GRANTED)[2], "rule": one.rule, "version": one.version}


def _entry(order_id: int, event: str, at: int, what: str, outcome: str, source: str, detail: dict[str, Any]) -> Entry:
    moment = datetime.fromtimestamp(at / 1e6, UTC)
    return {
        "seq": None, "order_id": order_id, "event": event, "occurred_at": moment, "recorded_at": moment, "before": "",
        "after": what, "outcome": outcome, "source": source, "message": None, "rule": "",
        "detail": _json(detail).decode() if detail else "", "quantity": None, "reason": None,
        "goes_with": None,
    }  # fmt: skip
