"""The pretend warehouse: takes an order once per idempotency key, and lets it be read back."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Name = tuple[str, str, int]
"""Shop, order number, and of one that goes in several parcels the parcel's."""


class Dock:
    """Orders live in memory, by (shop, order_no, parcel), as long as the process does."""

    def __init__(self, name: str, *, secret: str, stock: Mapping[str, int] | None = None) -> None:
        """`stock`: pieces by SKU; None: it tells nobody."""
        self._name, self._secret, self.stock = name, secret, None if stock is None else dict(stock)
        self._keys: dict[str, Name] = {}
        self.orders: dict[Name, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        return [
            Route(f"/{self._name}/orders", self._take, methods=["POST"]),
            Route(f"/{self._name}/orders/{{order_no}}", self._show, methods=["GET"]),
            Route(f"/{self._name}/stock", self._count, methods=["GET"]),
        ]

    async def _take(self, request: Request) -> Response:
        if not self._proven(request):
            return _refusal(401, "who are you?")
        key = request.headers.get("idempotency-key", "")
        try:
            body = json.loads(await request.body())
            name = (str(body["shop"]), str(body["order_no"]), int(body.get("parcel", 1)))
            marks = {"marks": dict(body["marks"])} if "marks" in body else {}
            of = {"parcel": name[2], "parcels": int(body["parcels"])} if "parcels" in body else {}
            packed = {"pack_with": list(body["pack_with"])} if "pack_with" in body else {}
            order = {"shop": name[0], "order_no": name[1], "lines": list(body["lines"]), **marks, **of, **packed}
        except (ValueError, KeyError, TypeError):
            return _refusal(400, 'the body is {"shop", "order_no", "lines": [...]}')
        if not key or not order["lines"]:
            return _refusal(422, "an Idempotency-Key and at least one line are needed")
        if self._keys.setdefault(key, name) != name:
            return _refusal(409, "this Idempotency-Key was used for another order")
        held = self.orders.setdefault(name, order)
        if held != order:
            return _refusal(409, "this order is here already, with other lines")
        return JSONResponse(held, status_code=201 if held is order else 200)

    async def _show(self, request: Request) -> Response:
        if not self._proven(request):
            return _refusal(401, "who are you?")
        asked = request.query_params
        parcel = asked.get("parcel", "1")
        number = int(parcel) if parcel.isdecimal() else 0
        held = self.orders.get((asked.get("shop", ""), request.path_params["order_no"], number))
        return JSONResponse(held) if held else _refusal(404, "no such order here")

    async def _count(self, request: Request) -> Response:
        if not self._proven(request):
            return _refusal(401, "who are you?")
        if self.stock is None:
            return _refusal(404, "nobody counts here")
        return JSONResponse({"stock": [{"sku": sku, "on_hand": n} for sku, n in self.stock.items()]})

    def _proven(self, request: Request) -> bool:
        expected = f"Bearer {self._secret}".encode()
        return hmac.compare_digest(expected, request.headers.get("authorization", "").encode())


def _refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
