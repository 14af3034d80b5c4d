"""Touchpoints and warehouses against their pretend twins, over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import polars as pl
import pytest
from pretend import DAY, Sandbox, Wire

from connectors.channels import douyin
from connectors.sandbox.server import SECOND
from connectors.touchpoints import desk
from connectors.warehouses import dock
from orderhub_core.effects import Companion, PushToWarehouse, WarehouseLine
from orderhub_core.errors import BadCredentials, OtherwiseThere, RefusedByTarget, Unreachable, Unreadable
from orderhub_core.settings import Endpoint
from orderhub_core.sim.world import World

Start = Callable[..., Sandbox]
LINES = (WarehouseLine("ROMPER-01", 1), WarehouseLine("FREE-04", 2, gift_of="ROMPER-01"))
ORDER = PushToWarehouse("douyin-main", "6921458730912345671", "hangzhou", LINES)
BESIDE = (Companion("mini", "7"), Companion("douyin-main", "8"))


@pytest.mark.parametrize("name", ["page", "crm", "wms"])
def test_the_feed_tells_every_row_the_world_shows(sandbox: Sandbox, world: World, end: int, name: str) -> None:
    touchpoint = desk.connect(sandbox.desk(name))
    told = [touchpoint.decode(m.kind, m.body) for m in touchpoint.poll(world.plan.start, end + SECOND)]
    rows = world.sightings.filter(pl.col("touchpoint") == name, pl.col("visible_at").dt.epoch("us") <= end)
    expected = rows.select("shop", "order_no", "status", pl.col("at").dt.epoch("us")).rows()
    assert len(told) > desk.PAGE_SIZE
    assert sorted((s.shop, s.order_no, s.status, s.at) for s in told) == sorted(expected)


def test_a_row_shown_twice_is_one_message(sandbox: Sandbox, world: World, end: int) -> None:
    messages = list(desk.connect(sandbox.desk("page")).poll(world.plan.start, end + SECOND))
    distinct = world.sightings.filter(pl.col("touchpoint") == "page", pl.col("visible_at").dt.epoch("us") <= end)
    expected = distinct.unique(["shop", "order_no", "status", "at"]).height
    assert len({message.message_id for message in messages}) == expected < len(messages)


def test_a_lookup_shows_the_newest_readable_row_and_leaves_unknown_orders_out(
    start: Start, world: World, end: int
) -> None:
    clock = Wire(end - 5 * DAY)
    touchpoint = desk.connect(start(clock=clock).desk("crm"))
    readable = world.sightings.filter(pl.col("touchpoint") == "crm", pl.col("visible_at").dt.epoch("us") <= clock.now)
    newest = readable.sort("at").unique(["shop", "order_no"], keep="last").head(600)
    asked = [*newest["order_no"], "0"]
    shown = {s.order_no: s.at for s in (touchpoint.decode(m.kind, m.body) for m in touchpoint.look(asked))}
    assert shown == dict(newest.select("order_no", pl.col("at").dt.epoch("us")).rows())


def test_whoever_is_polled_tells_how_late_it_is_there(sandbox: Sandbox, end: int) -> None:
    for source in (desk.connect(sandbox.desk("page")), douyin.connect(sandbox.shop())):
        assert source.clock() is None
        began = time.time_ns() // 1_000
        list(source.poll(end, end + SECOND))
        assert began - 3 * SECOND <= (source.clock() or 0) <= time.time_ns() // 1_000


def test_a_desk_with_another_secret_is_for_a_person(sandbox: Sandbox) -> None:
    touchpoint = desk.connect(sandbox.desk("page", secret_env="TEST_DOCK_SECRET"))
    with pytest.raises(BadCredentials, match=r"page: .*401"):
        touchpoint.look(["1"])
    with pytest.raises(BadCredentials, match=r"page: .*401"):
        list(touchpoint.poll(0, SECOND))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"shop":"s","order_no":"1","status":"x","updated_at":"yesterday"}', b'{"shop":1}']
)
def test_an_unreadable_row_says_why(sandbox: Sandbox, body: bytes) -> None:
    with pytest.raises(Unreadable):
        desk.connect(sandbox.desk("page")).decode("row", body)


def test_an_order_handed_over_twice_is_one_order(start: Start) -> None:
    warehouse = dock.connect(start().dock())
    assert not warehouse.holds(ORDER)
    warehouse.push(ORDER, "key-1")
    warehouse.push(ORDER, "key-1")
    warehouse.push(ORDER, "key-2")
    assert warehouse.holds(ORDER)


def test_reading_back_compares_the_lines(start: Start) -> None:
    warehouse = dock.connect(start().dock())
    warehouse.push(ORDER, "key-1")
    shuffled = PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES[::-1])
    without_gift = PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES[:1])
    other_shop = PushToWarehouse("douyin-outlet", ORDER.order_no, ORDER.warehouse, LINES)
    assert [warehouse.holds(effect) for effect in (shuffled, without_gift, other_shop)] == [True, False, False]
    with pytest.raises(OtherwiseThere, match="409"):
        warehouse.push(without_gift, "key-2")


def test_parcels_of_an_order_are_taken_and_read_back_one_by_one(start: Start) -> None:
    warehouse = dock.connect(start().dock())
    first, second = (
        PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, (line,), parcel=number, parcels=2)
        for number, line in enumerate(LINES, 1)
    )
    warehouse.push(first, "key-1")
    assert [warehouse.holds(effect) for effect in (first, second, ORDER)] == [True, False, False]
    warehouse.push(second, "key-2")
    warehouse.push(second, "key-2")
    assert [warehouse.holds(effect) for effect in (first, second)] == [True, True]
    with pytest.raises(OtherwiseThere, match="409"):
        warehouse.push(ORDER, "key-3")
    with pytest.raises(OtherwiseThere, match="409"):
        warehouse.push(first, "key-2")


def test_what_an_order_is_packed_with_is_told_and_read_back(start: Start) -> None:
    warehouse = dock.connect(start().dock())
    packed, fewer = (
        PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES, pack_with=some)
        for some in (BESIDE, BESIDE[:1])
    )
    warehouse.push(packed, "key-1")
    assert warehouse.holds(packed)
    assert not warehouse.holds(fewer)


def test_a_warehouse_that_does_not_tell_what_is_packed_together_has_it_all_the_same(
    answering: Callable[[bytes], str],
) -> None:
    lines = b'[{"sku": "ROMPER-01", "quantity": 1}]'
    url = answering(b'{"shop": "douyin-main", "order_no": "6921458730912345671", "lines": ' + lines + b"}")
    silent = dock.connect(Endpoint("hangzhou", "dock", url=url, secret_env="TEST_DOCK_SECRET"))
    assert silent.holds(PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES[:1], pack_with=BESIDE))


def test_a_warehouse_that_knows_no_parcels_is_told_of_at_once(answering: Callable[[bytes], str]) -> None:
    """It took the first and may have put the second with it: nothing that trying again would mend."""
    lines = b'[{"sku": "ROMPER-01", "quantity": 1}]'
    url = answering(b'{"shop": "douyin-main", "order_no": "6921458730912345671", "lines": ' + lines + b"}")
    warehouse = dock.connect(Endpoint("hangzhou", "dock", url=url, secret_env="TEST_DOCK_SECRET"))
    half = PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES[:1], parcel=1, parcels=2)
    with pytest.raises(RefusedByTarget, match="knows no parcels"):
        warehouse.holds(half)
    assert warehouse.holds(PushToWarehouse(ORDER.shop, ORDER.order_no, ORDER.warehouse, LINES[:1]))


def test_a_key_names_one_order_only(start: Start) -> None:
    warehouse = dock.connect(start().dock())
    warehouse.push(ORDER, "key-1")
    other = PushToWarehouse(ORDER.shop, "6921458730912345672", ORDER.warehouse, LINES)
    with pytest.raises(OtherwiseThere, match="409"):
        warehouse.push(other, "key-1")
    assert not warehouse.holds(other)


@pytest.mark.parametrize("number", ["补单-1001", "Zürich 7", "a\tb", "1 ", "é"])
def test_an_order_is_handed_over_whatever_letters_its_number_has(start: Start, number: str) -> None:
    """Its key stands in a header, which knows no letters but ASCII."""
    warehouse = dock.connect(start().dock())
    order, other = (PushToWarehouse("小程序", one, ORDER.warehouse, LINES) for one in (number, f"{number}2"))
    for _ in range(2):
        warehouse.push(order, f"push:小程序:{number}")
    assert warehouse.holds(order)
    with pytest.raises(OtherwiseThere, match="409"):
        warehouse.push(other, f"push:小程序:{number}")
    warehouse.push(other, f"push:小程序:{number}2")
    assert warehouse.holds(other)


def test_a_dock_that_cannot_be_used_says_who_and_where(sandbox: Sandbox, nobody: str) -> None:
    with pytest.raises(BadCredentials, match=r"hangzhou: .*401"):
        dock.connect(sandbox.dock(secret_env="TEST_DESK_SECRET")).push(ORDER, "k")
    with pytest.raises(Unreachable, match=f"hangzhou: cannot reach {nobody}"):
        dock.connect(sandbox.dock(url=nobody)).push(ORDER, "k")
    with pytest.raises(RefusedByTarget, match="404"):
        dock.connect(sandbox.dock()).push(PushToWarehouse("s", "1", "atlantis", LINES), "k")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """Starts a server that answers every question with the same bytes; gives its address."""
    monkeypatch.setenv("TEST_DOCK_SECRET", "s")
    servers: list[HTTPServer] = []

    def begin(body: bytes) -> str:
        class Box(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        servers.append(HTTPServer(("127.0.0.1", 0), Box))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()
