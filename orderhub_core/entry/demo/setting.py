"""What the demonstration consists of: its world, its settings and its secrets. No processes here."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import msgspec

from orderhub_core import settings
from orderhub_core.sim.world import Plan

HOUR, DAY = 3_600_000_000, 86_400_000_000
HISTORY, AHEAD = 3 * DAY, 3 * DAY
ORDERS_PER_DAY = 3_600
"""An ordinary day of the shops this is for; one order every 24 seconds, and some ten events of each."""
RULEBOOK = Path(__file__).with_name("rulebook.toml")
SETTINGS = Path(__file__).with_name(settings.FILE_NAME)
WORLD_FILE, SANDBOX_FILE = "world.json", "sandbox.json"
SHOPS = {"douyin-main": "10001", "douyin-outlet": "10002"}
SECRETS = ("ORDERHUB_DEMO_SHOP_SECRET", "ORDERHUB_DEMO_DESK_SECRET", "ORDERHUB_DEMO_DOCK_SECRET")
FAULTS = {"seed": 7, "drop": 0.03, "repeat": 0.05, "delay": 0.05, "reorder": 0.10, "forge": 0.01}
"""Of all pushes: lost, repeated, late, overtaken, and accompanied by a forgery."""


class Ports(NamedTuple):
    console: int
    sandbox: int


def clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1_000


def plan(now: int, seed: int) -> Plan:
    """A world that began three days ago and goes on for three more."""
    orders = round(ORDERS_PER_DAY * (HISTORY + AHEAD) / DAY)
    return Plan(seed=seed, orders=orders, start=now - HISTORY, end=now + AHEAD, outage_at=now - 20 * HOUR, steady=True)


def kept_plan(data: Path, now: int, seed: int) -> Plan:
    """The world of this folder, so that a second start goes on with the first one's orders; else a new one."""
    path = data / WORLD_FILE
    if path.exists():
        kept = msgspec.json.decode(path.read_bytes(), type=Plan)
        if kept.seed == seed and kept.start <= now < kept.end - HOUR:
            return kept
    return plan(now, seed)


def fresh_secrets() -> dict[str, str]:
    """New ones at every start: both sides of the demonstration get them through the environment."""
    return {name: secrets.token_hex(16) for name in SECRETS}


def write(data: Path, world: Plan, ports: Ports) -> Path:
    """Settings of the hub and of the sandbox. Returns the sandbox's file."""
    shop_secret, desk_secret, dock_secret = SECRETS
    base = f"http://127.0.0.1:{ports.sandbox}"
    (data / WORLD_FILE).write_bytes(msgspec.json.encode(world))
    (data / RULEBOOK.name).write_bytes(RULEBOOK.read_bytes())
    template = Template(SETTINGS.read_text(encoding="utf-8"))
    (data / settings.FILE_NAME).write_text(template.substitute(sandbox=base), encoding="utf-8")
    sandbox: dict[str, Any] = {
        "plan": world,
        "shops": {
            shop: {"app_key": f"demo-{number}", "secret_env": shop_secret, "shop_id": number}
            for shop, number in SHOPS.items()
        },
        "port": ports.sandbox,
        "hub_url": f"http://127.0.0.1:{ports.console}",
        "touchpoint_secret_env": desk_secret,
        "warehouse_secret_env": dock_secret,
        "faults": FAULTS,
        "token_lifetime_s": 1_800.0,
    }
    path = data / SANDBOX_FILE
    path.write_bytes(msgspec.json.encode(sandbox))
    return path
