"""What the demonstration consists of: its world, its settings and its secrets. No processes here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import msgspec
import polars as pl

from orderhub_core import settings
from orderhub_core.rules.rulebook import read
from orderhub_core.sim.world import Plan

HOUR, DAY = 3_600_000_000, 86_400_000_000
HISTORY, AHEAD = 3 * DAY, 3 * DAY
ORDERS_PER_DAY = 3_600
"""An ordinary day of the shops this is for; one order every 24 seconds, and some ten events of each."""
RULEBOOK = Path(__file__).with_name("rulebook.toml")
SETTINGS = Path(__file__).with_name(settings.FILE_NAME)
WORLD_FILE, SANDBOX_FILE = "world.json", "sandbox.json"
SECRETS_FILE = "secrets.env"
SHOPS = {"douyin-main": "10001", "douyin-outlet": "10002"}
SECRETS = ("ORDERHUB_DEMO_SHOP_SECRET", "ORDERHUB_DEMO_DESK_SECRET", "ORDERHUB_DEMO_DOCK_SECRET")
FAULTS = {"seed": 7, "drop": 0.03, "repeat": 0.05, "delay": 0.05, "reorder": 0.10, "forge": 0.01}
"""Of all pushes: lost, repeated, late, overtaken, and accompanied by a forgery."""
WAREHOUSES = ("hangzhou", "guangzhou", "chengdu")
PLENTY = 100_000
"""Pieces."""


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


def keep(data: Path, given: dict[str, str]) -> Path:
    """A file that a shell reads, so that a command beside the demonstration can ask its platforms, too: they listen on
    this machine only, and have other secrets with the next start. Nobody else may read it."""
    path = data / SECRETS_FILE
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("".join(f"export {name}={value}\n" for name, value in given.items()), encoding="utf-8")
    return path


def stock(lines: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Of each warehouse plenty of all that is sold and given away, by SKU, so that nobody waits once it was asked."""
    actions = [
        one
        for group in read(RULEBOOK.read_text(encoding="utf-8")).book.groups
        for rule in group.rules
        for one in rule.then
    ]
    gifts = [one.argument for one in actions if one.verb == "add_gift"]
    told = dict.fromkeys([*lines["sku"].drop_nulls().unique().sort(), *gifts], PLENTY)
    return dict.fromkeys(WAREHOUSES, told)


def write(data: Path, world: Plan, ports: Ports, stock: Mapping[str, Mapping[str, int]]) -> Path:
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
        "stock": stock,
        "faults": FAULTS,
        "token_lifetime_s": 1_800.0,
    }
    path = data / SANDBOX_FILE
    path.write_bytes(msgspec.json.encode(sandbox))
    return path
