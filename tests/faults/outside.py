"""The world outside the hub, in the process that is never killed: the platform's order calls, and a warehouse that
writes down every hand-over it ever got, keys and all, and is slow, absent or forgetful at times."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import uvicorn
from orders import APP_KEY, SHOP, SHOP_ID, Shop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from connectors.sandbox.douyin import Douyin

SECRETS = {
    "FAULTS_SHOP_SECRET": "shop-secret",
    "FAULTS_DOCK_SECRET": "dock-secret",
    "ORDERHUB_PEPPER": "a pepper that is long enough",
}
os.environ.update(SECRETS)
WAREHOUSES = ("east", "west")


def named(body: Mapping[str, Any]) -> str:
    """An order's number, and that of one of its parcels but the first."""
    number, parcel = str(body["order_no"]), int(body.get("parcel", 1))
    return number if parcel == 1 else f"{number}/{parcel}"


class Yard:
    """A warehouse without opinions: a key that it has not seen is another parcel sent, whoever's order it is for."""

    def __init__(self, dice: Random, *, trouble: float = 0.1) -> None:
        self.dice, self.trouble = dice, trouble
        self.sent: dict[str, Counter[str]] = {}
        """By order, or parcel of one: how often each key was handed over."""
        self.held: dict[str, dict[str, Any]] = {}
        self.wrong: list[str] = []

    async def take(self, request: Request) -> Response:
        luck = self.dice.random()
        if luck < self.trouble / 3:
            return JSONResponse({}, status_code=503)
        body = json.loads(await request.body())
        no, key = named(body), request.headers.get("idempotency-key", "")
        if not key:
            self.wrong.append(f"order {no} was handed over without a key")
        held = self.held.setdefault(no, body)
        self.sent.setdefault(no, Counter())[key] += 1
        if held != body:
            self.wrong.append(f"order {no} was handed over twice with different goods")
        if luck < 2 * self.trouble / 3:
            return JSONResponse({}, status_code=500)  # done, but nobody is told
        if luck < self.trouble:
            await asyncio.sleep(self.dice.uniform(0.01, 0.08))
        return JSONResponse(held, status_code=201)

    async def show(self, request: Request) -> Response:
        asked = {"order_no": request.path_params["order_no"], **request.query_params}
        held = self.held.get(named(asked))
        if held is None or self.dice.random() < self.trouble / 5:
            return JSONResponse({}, status_code=404)
        return JSONResponse(held)

    def routes(self) -> list[Route]:
        return [
            Route("/{name}/orders", self.take, methods=["POST"]),
            Route("/{name}/orders/{order_no}", self.show, methods=["GET"]),
        ]


class Outside:
    """Where the settings of a hub under test point to."""

    def __init__(self, seed: int) -> None:
        self.shop, self.yard = Shop(seed), Yard(Random(f"{seed}:yard"))
        self.url = ""

    def app(self) -> Starlette:
        def wall() -> int:
            return time.time_ns() // 1_000

        secret = SECRETS["FAULTS_SHOP_SECRET"]
        platform = Douyin(self.shop, app_key=APP_KEY, secret=secret, shop_id=SHOP_ID, clock=wall, wall=wall)  # type: ignore[arg-type]
        return Starlette(routes=[Mount("/douyin", routes=platform.routes()), Mount("/yard", routes=self.yard.routes())])

    def settings(self, batch: int) -> str:
        shop = f"""
rulebook = "rules.toml"
[limits]
batch = {batch}
attempts = 1000000
[[shops]]
id = "{SHOP}"
connector = "douyin"
app_key = "{APP_KEY}"
secret_env = "FAULTS_SHOP_SECRET"
url = "{self.url}/douyin"
options = {{ shop_id = "{SHOP_ID}" }}
"""
        yards = "".join(
            f'[[warehouses]]\nid = "{name}"\nconnector = "dock"\nurl = "{self.url}/yard"\n'
            f'secret_env = "FAULTS_DOCK_SECRET"\ntimeout_s = 2.0\n'
            for name in WAREHOUSES
        )
        return shop + yards


RULES = """
version = "faults-1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign east"
[[groups.rules]]
name = "zhejiang"
when = "province = 浙江省"
then = "assign west"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "over-300"
when = "total >= 300"
then = "gift GIFT-1"
[[groups]]
name = "parcels"
match = "all"
[[groups.rules]]
name = "apart"
when = "total >= 300"
then = "split sku"
"""


@contextmanager
def running(outside: Outside) -> Iterator[Outside]:
    """Answers on a free loopback port until the end of the block."""
    config = uvicorn.Config(outside.app(), host="127.0.0.1", port=0, log_level="critical", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the world outside did not start")
        time.sleep(0.005)
    outside.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield outside
    finally:
        server.should_exit = True
        thread.join(timeout=10)
