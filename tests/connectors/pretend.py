"""Words that tests of the pretend systems share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.channels import douyin
from connectors.sandbox.server import SECOND
from orderhub_core.errors import BadSignature, Busy, OrderHubError
from orderhub_core.model import RawMessage
from orderhub_core.settings import Endpoint

SECRETS = {
    "TEST_SHOP_SECRET": "shop-secret-1",
    "TEST_DESK_SECRET": "desk-secret-2",
    "TEST_DOCK_SECRET": "dock-secret-3",
}
APP_KEY, SHOP_ID, SHOP = "3400000000000000017", "77001", "douyin-main"
DAY = 86_400 * SECOND


class Wire:
    """Hands out the present instant, which a test may move."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """The address at which the application answers, on a port that was free."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none", lifespan="on")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the pretend platform did not start"
        time.sleep(0.005)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)


@dataclass
class Sandbox:
    """Settings that lead to a pretend platform."""

    url: str

    def shop(self, **changes: Any) -> Endpoint:
        fields: dict[str, Any] = {
            "id": SHOP,
            "connector": "douyin",
            "app_key": APP_KEY,
            "secret_env": "TEST_SHOP_SECRET",
            "url": f"{self.url}/douyin/{SHOP}",
            "options": {"shop_id": SHOP_ID},
        }
        return Endpoint(**{**fields, **changes})

    def desk(self, name: str, **changes: Any) -> Endpoint:
        fields = {"id": name, "connector": "desk", "secret_env": "TEST_DESK_SECRET", "url": f"{self.url}/touchpoints"}
        return Endpoint(**{**fields, **changes})

    def dock(self, **changes: Any) -> Endpoint:
        fields = {
            "id": "hangzhou",
            "connector": "dock",
            "secret_env": "TEST_DOCK_SECRET",
            "url": f"{self.url}/warehouses",
        }
        return Endpoint(**{**fields, **changes})


class Edge:
    """Proves and keeps what arrives; `trouble` answers the first deliveries with a failure."""

    def __init__(self, trouble: int = 0) -> None:
        self.channel = douyin.connect(
            Endpoint(id=SHOP, connector="douyin", app_key=APP_KEY, secret_env="TEST_SHOP_SECRET")
        )
        self.kept: list[RawMessage] = []
        self.refused, self.trouble = 0, trouble
        self.app = Starlette(routes=[Route(f"/hooks/{SHOP}", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        failure: OrderHubError | None = None
        try:
            if self.trouble:
                self.trouble -= 1
                raise Busy("full")
            self.kept += self.channel.unpack(request.headers, await request.body())
        except BadSignature as refusal:
            failure, self.refused = refusal, self.refused + 1
        except Busy as busy:
            failure = busy
        status, body = self.channel.answer(failure)
        return Response(body, status)
