"""All pretend systems of one world behind one port.

    /douyin/{shop}/...            order and token calls; set a shop's url to this
    /touchpoints/{name}/...       page, crm, wms; set a touchpoint's url to /touchpoints
    /warehouses/{id}/...          set a warehouse's url to /warehouses
    /healthz

`python -m connectors.sandbox.server --config FILE` with the fields of `Config` as TOML or JSON. Secrets never stand
in the file: `..._env` names environment variables.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec
import polars as pl
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from connectors.sandbox.douyin import TOKEN_S, Douyin
from connectors.sandbox.ledger import Ledger
from connectors.sandbox.pushes import Faults, Pusher
from connectors.sandbox.touchpoints import Desk
from connectors.sandbox.warehouse import Dock
from orderhub_core.errors import UserMistake
from orderhub_core.sim.world import Plan, World, build

SECOND = 1_000_000


class Shop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app_key: str
    secret_env: str
    shop_id: str


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    plan: Plan
    shops: dict[str, Shop] = {}
    """By shop id; the platform's other shops are not served."""
    host: str = "127.0.0.1"
    port: int = 8801
    hub_url: str = ""
    """Pushes go to {hub_url}/hooks/{shop}; empty: the platform never pushes."""
    touchpoint_secret_env: str = ""
    warehouse_secret_env: str = ""
    stock: dict[str, dict[str, int]] = {}
    """By warehouse pieces by SKU; those that are not named tell nobody what they have."""
    faults: Faults = Faults()
    token_lifetime_s: float = TOKEN_S
    calls_per_s: int = 0
    """Per shop; 0: no limit."""


def wall() -> int:
    return time.time_ns() // 1000


def app(
    world: World,
    config: Config,
    secrets: Mapping[str, str],
    *,
    clock: Callable[[], int] = wall,
    time_now: Callable[[], int] = wall,
) -> Starlette:
    """The application. `clock` says how much of the world has happened, `time_now` times signatures and tokens.

    Pushes begin at the instant of starting: what happened before is there to be polled.
    """
    platforms = {shop_id: _platform(world, config, secrets, shop_id, clock, time_now) for shop_id in config.shops}
    routes: list[BaseRoute] = [Mount(f"/douyin/{name}", routes=shop.routes()) for name, shop in platforms.items()]
    desk_secret, dock_secret = (
        secrets.get(name, "") for name in (config.touchpoint_secret_env, config.warehouse_secret_env)
    )
    desks = [Desk(world, name, secret=desk_secret, clock=clock) for name in _names(world.sightings["touchpoint"])]
    docks = [Dock(name, secret=dock_secret, stock=config.stock.get(name)) for name in _names(world.orders["warehouse"])]
    routes.append(Mount("/touchpoints", routes=[route for desk in desks for route in desk.routes()]))
    routes.append(Mount("/warehouses", routes=[route for dock in docks for route in dock.routes()]))

    @contextlib.asynccontextmanager
    async def pushing(_: Starlette) -> AsyncIterator[None]:
        pushers = [_pusher(shop, config, name, clock()) for name, shop in platforms.items() if config.hub_url]
        tasks = [asyncio.create_task(pusher.run(clock)) for pusher in pushers]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return Starlette(routes=[Route("/healthz", _healthy), *routes], lifespan=pushing)


def _names(words: pl.Series) -> list[str]:
    return words.cast(pl.String).unique().sort().to_list()


def _platform(
    world: World,
    config: Config,
    secrets: Mapping[str, str],
    shop_id: str,
    clock: Callable[[], int],
    time_now: Callable[[], int],
) -> Douyin:
    shop = config.shops[shop_id]
    if not secrets.get(shop.secret_env):
        raise UserMistake(
            "{shop_id}: set the environment variable {secret_env} to this pretend shop's secret",
            shop_id=shop_id,
            secret_env=shop.secret_env,
        )
    return Douyin(
        Ledger(world, shop_id),
        app_key=shop.app_key,
        secret=secrets[shop.secret_env],
        shop_id=shop.shop_id,
        clock=clock,
        wall=time_now,
        token_lifetime_s=config.token_lifetime_s,
        calls_per_s=config.calls_per_s,
    )


def _pusher(shop: Douyin, config: Config, name: str, now: int) -> Pusher:
    return Pusher(
        shop.ledger,
        app_key=shop.app_key,
        secret=shop.secret,
        shop_id=shop.shop_id,
        url=f"{config.hub_url.rstrip('/')}/hooks/{name}",
        faults=config.faults,
        since=now / SECOND,
    )


async def _healthy(_: Request) -> Response:
    return JSONResponse({"ok": True})


def serve(world: World, config: Config, secrets: Mapping[str, str], *, clock: Callable[[], int] = wall) -> None:
    """Runs until interrupted."""
    uvicorn.run(
        app(world, config, secrets, clock=clock), host=config.host, port=config.port, log_level="warning", ws="none"
    )


def read(path: Path) -> Config:
    """Raises UserMistake."""
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=Config)
    except OSError as error:
        raise UserMistake("{path} cannot be read ({why})", path=path, why=error.strerror) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserMistake(
            "{path}: {error}; the fields are those of Config in connectors/sandbox/server.py", path=path, error=error
        ) from None


def main() -> int:
    parser = argparse.ArgumentParser(prog="connectors.sandbox.server", description="Pretend platforms on this machine.")
    parser.add_argument("--config", type=Path, required=True, help="TOML or JSON file")
    try:
        config = read(parser.parse_args().config)
        serve(build(config.plan), config, os.environ)
    except UserMistake as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
