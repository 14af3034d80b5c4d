"""The pretend touchpoints: page, crm and wms show what the world's sightings say, as far as it can be read by now.

The feed is ordered by the instant at which a row appeared in it; a row that the world shows twice is in it twice.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderhub_core.sim.world import World

SECOND = 1_000_000
PAGE_SIZE = 500


class Desk:
    def __init__(self, world: World, name: str, *, secret: str, clock: Callable[[], int]) -> None:
        rows = world.sightings.filter(pl.col("touchpoint").cast(pl.String) == name).sort(
            "visible_at", maintain_order=True
        )
        self._rows = rows.select(
            pl.col("shop", "order_no", "status").cast(pl.String),
            updated_at=pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        )
        self._visible = rows["visible_at"].dt.epoch("us").to_numpy()
        self._updated = rows["at"].dt.epoch("us")
        self._name, self._secret, self._clock = name, secret, clock

    def routes(self) -> list[Route]:
        return [
            Route(f"/{self._name}/orders", self._feed, methods=["GET"]),
            Route(f"/{self._name}/lookup", self._lookup, methods=["POST"]),
        ]

    async def _feed(self, request: Request) -> Response:
        if not self._proven(request, b""):
            return _refusal(401, "x-desk-sign does not fit")
        query = request.query_params
        try:
            since, until = (_instant(query[bound]) for bound in ("since", "until"))
            page, size = int(query["page"]), int(query["size"])
        except (KeyError, ValueError):
            return _refusal(400, "since and until are ISO-8601 with an offset, page and size whole numbers")
        if page < 0 or not 1 <= size <= PAGE_SIZE:
            return _refusal(400, f"size is 1 to {PAGE_SIZE}, page counts from 0")
        first, last = np.searchsorted(self._visible, [since, min(until, self._clock() + 1)], "left")
        start, stop = first + page * size, min(last, first + (page + 1) * size)
        rows = self._rows[start:stop].to_dicts() if start < stop else []
        return JSONResponse({"total": max(0, int(last - first)), "rows": rows})

    async def _lookup(self, request: Request) -> Response:
        body = await request.body()
        if not self._proven(request, body):
            return _refusal(401, "x-desk-sign does not fit")
        try:
            asked = [str(order_no) for order_no in json.loads(body)["order_nos"]]
        except (ValueError, KeyError, TypeError):
            return _refusal(400, 'the body is {"order_nos": [...]}')
        if len(asked) > PAGE_SIZE:
            return _refusal(400, f"at most {PAGE_SIZE} order_nos")
        rows = self._shown(asked)
        return JSONResponse({"total": len(rows), "rows": rows})

    def _shown(self, asked: list[str]) -> list[dict[str, Any]]:
        """The row with the newest time of its own among those that can be read."""
        readable = int(np.searchsorted(self._visible, self._clock(), "right"))
        rows = self._rows.with_columns(at=self._updated)[:readable]
        newest = rows.filter(pl.col("order_no").is_in(asked)).sort("at", maintain_order=True)
        return newest.unique(["shop", "order_no"], keep="last", maintain_order=True).drop("at").to_dicts()

    def _proven(self, request: Request, body: bytes) -> bool:
        target = request.scope["raw_path"] + (
            b"?" + request.scope["query_string"] if request.scope["query_string"] else b""
        )
        text = request.method.encode() + b"\n" + target + (b"\n" + body if body else b"")
        expected = hmac.digest(self._secret.encode(), text, "sha256").hex()
        return hmac.compare_digest(expected.encode(), request.headers.get("x-desk-sign", "").encode())


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * SECOND)


def _refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
