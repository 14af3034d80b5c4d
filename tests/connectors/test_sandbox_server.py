"""The pretend systems as one process: settings, health, and pushes that start with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pretend import APP_KEY, DAY, SECRETS, SHOP, SHOP_ID, Edge, Sandbox, Wire, listening

from connectors.sandbox import server
from connectors.sandbox.server import SECOND
from orderhub_core.errors import UserMistake
from orderhub_core.sim.world import World

Start = Callable[..., Sandbox]
CONFIG = """
port = 9000
hub_url = "http://127.0.0.1:8000"
touchpoint_secret_env = "DESK"

[plan]
seed = 1
orders = 10
start = 1763000000000000
end = 1763100000000000

[shops.douyin-main]
app_key = "34"
secret_env = "SHOP"
shop_id = "77001"

[faults]
drop = 0.1
"""


def test_a_settings_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(CONFIG)
    config = server.read(path)
    assert (config.port, config.plan.orders, config.faults.drop) == (9000, 10, 0.1)
    assert config.shops["douyin-main"].shop_id == "77001"


@pytest.mark.parametrize("text", ["port = ", "port = 1", CONFIG + "[wrong]", CONFIG.replace("10", "'ten'")])
def test_a_faulty_settings_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sandbox.toml"
    path.write_text(text)
    with pytest.raises(UserMistake, match=r"sandbox\.toml"):
        server.read(path)
    with pytest.raises(UserMistake, match=r"nowhere\.toml cannot be read"):
        server.read(tmp_path / "nowhere.toml")


def test_a_missing_secret_is_named(world: World) -> None:
    config = server.Config(plan=world.plan, shops={SHOP: server.Shop(APP_KEY, "NOT_SET", SHOP_ID)})
    with pytest.raises(UserMistake, match=r"douyin-main: .*NOT_SET"):
        server.app(world, config, SECRETS)


def test_it_is_healthy(sandbox: Sandbox) -> None:
    assert httpx.get(f"{sandbox.url}/healthz").json() == {"ok": True}


def test_pushes_begin_with_the_process(start: Start, end: int) -> None:
    """What happened before the start is there to be polled; what happens afterwards is pushed."""
    edge, clock = Edge(), Wire(end - DAY)
    with listening(edge.app) as hub:
        start(clock=clock, hub_url=hub)
        clock.now += 6 * 3600 * SECOND
        deadline = time.monotonic() + 10
        while not edge.kept and time.monotonic() < deadline:
            time.sleep(0.02)
    seen = [edge.channel.decode(message.kind, message.body) for message in edge.kept]
    assert seen
    assert all(end - DAY <= (found.at or end) <= clock.now for found in seen)
