"""The connector against the pretend platform, over real HTTP. Neither imports the other's signing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from pretend import DAY, SHOP, Sandbox, Wire

from connectors.channels import douyin
from connectors.sandbox.server import SECOND, wall
from orderhub_core.errors import BadCredentials, RefusedByTarget, Throttled, Unreachable
from orderhub_core.model import RawMessage
from orderhub_core.sim.world import World

Start = Callable[..., Sandbox]
Truth = dict[str, dict[str, int]]

OWN_INSTANT = {
    "order.placed",
    "payment.paid",
    "payment.voided",
    "payment.settled",
    "fulfilment.shipped",
    "logistics.collected",
    "logistics.moved",
    "logistics.out_for_delivery",
    "logistics.delivered",
    "logistics.return_started",
    "logistics.returned",
}
"""Events whose instant the platform tells; for the others its update time stands in."""


def polled(channel: douyin.Douyin, world: World) -> list[RawMessage]:
    return list(channel.poll(world.plan.start, world.plan.end + SECOND))


def test_polling_finds_every_order_and_tells_the_truth(sandbox: Sandbox, world: World, truth: Truth) -> None:
    channel = douyin.connect(sandbox.shop())
    messages = polled(channel, world)
    assert len(messages) > 3 * douyin.PAGE_SIZE
    seen = {found.order_no: found for found in (channel.decode(message.kind, message.body) for message in messages)}
    assert set(seen) == set(truth)
    for order_no, happened in truth.items():
        told = {event: at for event, at in seen[order_no].facts.items() if event in OWN_INSTANT}
        assert told == {event: at for event, at in happened.items() if event in OWN_INSTANT}
    refunded = {order_no for order_no, happened in truth.items() if "payment.refunded" in happened}
    assert {order_no for order_no, found in seen.items() if "payment.refunded" in found.facts} == refunded


def test_content_comes_through(sandbox: Sandbox, world: World, end: int) -> None:
    channel = douyin.connect(sandbox.shop())
    for row in world.orders.filter(shop=SHOP).tail(40).to_dicts():
        content = channel.decode("order", channel.fetch(row["order_no"]).body).content
        lines = world.lines.filter(order_no=row["order_no"]).sort("line_no").to_dicts()
        assert content is not None and content.lines is not None
        for field in ("total_minor", "freight_minor", "discount_minor", "buyer_ref", "province", "city", "note"):
            assert getattr(content, field) == row[field], field
        for field in ("sku", "name", "category", "quantity", "price_minor", "gift_of"):
            assert [getattr(line, field) for line in content.lines] == [line[field] for line in lines], field


def test_the_same_state_is_the_same_message_however_it_was_read(sandbox: Sandbox, world: World) -> None:
    channel = douyin.connect(sandbox.shop())
    messages = {message.message_id: message for message in polled(channel, world)}
    assert {message.message_id: message for message in polled(channel, world)} == messages
    some = next(iter(messages.values()))
    assert channel.fetch(channel.decode(some.kind, some.body).order_no) == some


def test_windows_that_meet_leave_no_order_out(sandbox: Sandbox, world: World, truth: Truth) -> None:
    channel = douyin.connect(sandbox.shop())
    edges = [*range(world.plan.start, world.plan.end, 3 * DAY + 123_457), world.plan.end + 1]
    parts = [list(channel.poll(since, until)) for since, until in pairwise(edges)]
    found = {channel.decode("order", message.body).order_no for part in parts for message in part}
    assert found == set(truth)


def test_a_list_too_long_to_page_is_read_in_halves(
    sandbox: Sandbox, world: World, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(douyin, "DEEPEST", 150)
    channel = douyin.connect(sandbox.shop())
    assert {channel.decode("order", message.body).order_no for message in polled(channel, world)} == set(truth)


def test_orders_that_change_while_we_page_are_not_lost(start: Start, world: World, end: int) -> None:
    """Time runs on while the pages are read: what stays in the window must come, what leaves it may."""
    clock = Wire(end - 10 * DAY)
    sandbox = start(clock=clock)
    channel = douyin.connect(sandbox.shop())
    since, until = world.plan.start, clock.now
    before = {message.message_id for message in channel.poll(since, until)}
    messages = []
    for message in channel.poll(since, until):
        messages.append(message)
        clock.now += 300 * SECOND
    moved = clock.now
    left = {message.message_id for message in channel.poll(since, until)}
    assert moved > until
    assert len(left) < len(before)
    assert left <= {message.message_id for message in messages}


def test_an_expired_token_is_renewed_in_the_middle_of_a_poll(
    start: Start, world: World, truth: Truth, end: int
) -> None:
    time_now = Wire(wall())
    sandbox = start(time_now=time_now, token_lifetime_s=60)
    channel = douyin.connect(sandbox.shop())
    found = set()
    for number, message in enumerate(channel.poll(world.plan.start, world.plan.end + SECOND)):
        found.add(channel.decode("order", message.body).order_no)
        if number % 90 == 0:
            time_now.now += 61 * SECOND
    assert found == set(truth)


def test_threads_share_one_shop_while_its_token_expires(start: Start, truth: Truth) -> None:
    time_now = Wire(wall())
    channel = douyin.connect(start(time_now=time_now, token_lifetime_s=60).shop())
    order_nos, gate = sorted(truth)[:40], threading.Barrier(8, timeout=10)

    def fetch(order_no: str) -> str:
        gate.wait()
        if order_no in order_nos[8::16]:
            time_now.now += 61 * SECOND
        return channel.decode("order", channel.fetch(order_no).body).order_no

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(fetch, order_nos)) == order_nos


def test_a_wrong_secret_is_for_a_person(sandbox: Sandbox) -> None:
    channel = douyin.connect(sandbox.shop(secret_env="TEST_DESK_SECRET"))
    with pytest.raises(BadCredentials, match=rf"{SHOP}: .*isv.signature-invalid, log_id [0-9a-f]+"):
        channel.fetch("1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"app_key": "999"}, "isv.app-id-invalid"),
        ({"options": {"shop_id": "999"}}, "no-authorization"),
        ({"options": {}}, "set options.shop_id"),
    ],
)
def test_wrong_settings_are_for_a_person(sandbox: Sandbox, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadCredentials, match=said):
        douyin.connect(sandbox.shop(**changes)).fetch("1")


def test_a_clock_eleven_minutes_off_is_refused_as_a_wrong_sign_in_is(start: Start) -> None:
    """So what was asked waits, and goes by itself once the clock is right."""
    sandbox = start(time_now=Wire(wall() + 660 * SECOND))
    with pytest.raises(BadCredentials, match=r"isv\.timestamp-invalid"):
        douyin.connect(sandbox.shop()).fetch("1")


def test_a_throttled_shop_waits(start: Start, truth: Truth) -> None:
    channel = douyin.connect(start(calls_per_s=3, time_now=Wire(wall())).shop())
    with pytest.raises(Throttled, match=r"isv\.traffic-limited"):
        for order_no in sorted(truth)[:5]:
            channel.fetch(order_no)


def test_an_unknown_order_is_refused_with_the_log_id(sandbox: Sandbox) -> None:
    with pytest.raises(RefusedByTarget, match=r"order-not-found, log_id [0-9a-f]+"):
        douyin.connect(sandbox.shop()).fetch("1")


def test_more_than_ninety_days_ago_is_an_error_not_a_short_list(sandbox: Sandbox, end: int) -> None:
    with pytest.raises(RefusedByTarget, match="90"):
        list(douyin.connect(sandbox.shop()).poll(end - 91 * DAY, end))


def test_nobody_there_names_the_shop_and_the_address(sandbox: Sandbox, nobody: str) -> None:
    channel = douyin.connect(sandbox.shop(url=f"{nobody}/douyin/{SHOP}"))
    with pytest.raises(Unreachable) as caught:
        list(channel.poll(0, SECOND))
    assert SHOP in str(caught.value)
    assert nobody in str(caught.value)
    assert "access_token" not in str(caught.value)
    assert "sign" not in str(caught.value)


def test_something_else_behind_the_address_is_said(sandbox: Sandbox) -> None:
    with pytest.raises(RefusedByTarget, match="404"):
        douyin.connect(sandbox.shop(url=sandbox.url)).fetch("1")
