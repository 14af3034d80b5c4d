"""A pretend platform on a real loopback port, for tests that talk HTTP to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import polars as pl
import pytest
from ports import free_port
from pretend import APP_KEY, DAY, SECRETS, SHOP, SHOP_ID, Sandbox, Wire, listening

from connectors.sandbox import server
from connectors.sandbox.server import SECOND, Config, Shop
from orderhub_core.sim.world import Plan, World, build


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setitem(os.environ, name, value)


@pytest.fixture(scope="session")
def end() -> int:
    """The last instant of the world: a whole second, one minute ago."""
    return (time.time_ns() // 1000 // SECOND - 60) * SECOND


@pytest.fixture(scope="session")
def world(end: int) -> World:
    return build(Plan(seed=7, orders=700, start=end - 20 * DAY, end=end))


@contextmanager
def pretending(
    world: World, clock: Wire, time_now: Callable[[], int] = server.wall, **fields: Any
) -> Iterator[Sandbox]:
    config = Config(
        plan=world.plan,
        shops={SHOP: Shop(APP_KEY, "TEST_SHOP_SECRET", SHOP_ID)},
        touchpoint_secret_env="TEST_DESK_SECRET",
        warehouse_secret_env="TEST_DOCK_SECRET",
        **fields,
    )
    with listening(server.app(world, config, SECRETS, clock=clock, time_now=time_now)) as url:
        yield Sandbox(url)


@pytest.fixture(scope="session")
def sandbox(world: World, end: int) -> Iterator[Sandbox]:
    """One for all tests that only read, at the world's end."""
    with pretending(world, Wire(end)) as running:
        yield running


@pytest.fixture
def start(world: World, end: int) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox of the test's own; keyword arguments are its clocks and fields of its Config."""
    with ExitStack() as stack:

        def begin(*, clock: Wire | None = None, **fields: Any) -> Sandbox:
            return stack.enter_context(pretending(world, clock or Wire(end), **fields))

        yield begin


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def truth(world: World, end: int) -> dict[str, dict[str, int]]:
    """order_no: event: microseconds, of the shop under test, up to the world's end."""
    own = world.orders.filter(pl.col("shop") == SHOP).select("order_no")
    rows = world.timeline.join(own, on="order_no").with_columns(
        pl.col("event").cast(pl.String), pl.col("at").dt.epoch("us")
    )
    told: dict[str, dict[str, int]] = {order_no: {} for order_no in own["order_no"]}
    for order_no, event, at in rows.select("order_no", "event", "at").filter(pl.col("at") <= end).iter_rows():
        told[order_no][event] = at
    return told
