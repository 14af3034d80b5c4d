"""A touchpoint that shows orders over a small JSON interface: customer page, service desk, warehouse screen.

    GET  {url}/{name}/orders?page=&since=&size=&until=    rows that entered its feed in [since, until)
    POST {url}/{name}/lookup   {"order_nos": [...]}        what it shows now; unknown orders are left out

Both answer {"total": n, "rows": [{"shop", "order_no", "status", "updated_at"}]}; instants are ISO-8601 with an
offset, pages count from 0. The header `x-desk-sign` is the hex hmac-sha256, under the touchpoint's secret, of method,
path with query, and body (where there is one), joined by newlines. `name` is `options.name`, else the touchpoint's id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta

from connectors._kit import bounds, http
from connectors._kit.echo import echoed
from connectors._kit.paging import Page, walk
from orderhub_core.errors import RefusedByTarget, Unreadable
from orderhub_core.model import RawMessage, Sighting
from orderhub_core.settings import Endpoint

PAGE_SIZE = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Meta(min_length=1, max_length=bounds.ORDER_NO_MAX, pattern=NO_NUL)]
Word = Annotated[str, Meta(max_length=bounds.KEY_MAX, pattern=NO_NUL)]


class Row(msgspec.Struct, gc=False):
    shop: Name
    order_no: Name
    status: Word
    updated_at: Word = ""


class Rows(msgspec.Struct):
    rows: list[msgspec.Raw]
    total: int = 0


ROW, ROWS = msgspec.json.Decoder(Row), msgspec.json.Decoder(Rows)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(kind: str, body: bytes) -> Sighting:
    try:
        row = ROW.decode(body)
    except UNREADABLE as error:
        raise Unreadable("not a row of a desk: {error}", error=error) from None
    return Sighting(row.shop, row.order_no, row.status, instant(row.updated_at))


class Desk:
    """ports.Touchpoint. A row shown twice is one message: its id is what it says.

    So a touchpoint that names no update times cannot tell that an order came back to an earlier status: its feed
    numbers no rows, and that row looks like the earlier one.
    """

    decode = staticmethod(decode)

    def __init__(self, endpoint: Endpoint) -> None:
        self._name, self._secret = endpoint.id, endpoint.secret()
        self._path = endpoint.options.get("name", endpoint.id)
        self._link = http.client(endpoint.url, endpoint.timeout_s, endpoint.id)

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        window = {"since": text(since), "size": str(PAGE_SIZE), "until": text(until)}

        def read(number: int) -> Page[RawMessage]:
            query = {"page": str(number), **window}
            return self._ask(self._link.build_request("GET", f"{self._path}/orders", params=query))

        yield from walk(read, PAGE_SIZE, read(0), self._name)

    def clock(self) -> int | None:
        return self._link.clock

    def look(self, order_nos: list[str]) -> list[RawMessage]:
        """Asked for in portions that the touchpoint accepts."""
        found: list[RawMessage] = []
        for start in range(0, len(order_nos), PAGE_SIZE):
            body = msgspec.json.encode({"order_nos": order_nos[start : start + PAGE_SIZE]})
            found += self._ask(self._link.build_request("POST", f"{self._path}/lookup", content=body)).rows
        return found

    def _ask(self, request: httpx.Request) -> Page[RawMessage]:
        request.headers["x-desk-sign"] = signature(self._secret, request)
        response = http.ask(self._link, request, self._name)
        try:
            answer = ROWS.decode(response.content)
        except UNREADABLE as error:
            raise RefusedByTarget(
                "{who}: {where} did not answer with rows ({error})",
                who=self._name,
                where=http.place(request),
                error=error,
            ) from None
        return Page([self._message(bytes(row)) for row in answer.rows], answer.total)

    def _message(self, row: bytes) -> RawMessage:
        try:
            head = ROW.decode(row)
        except UNREADABLE:
            return RawMessage(self._name, f"unreadable:{hashlib.blake2b(row, digest_size=16).hexdigest()}", "row", row)
        said = f"{head.order_no}:{head.updated_at}:{head.status}"
        return RawMessage(self._name, f"{head.shop}:{said}", "row", row)


def signature(secret: str, request: httpx.Request) -> str:
    parts = [request.method.encode(), request.url.raw_path, request.content]
    return hmac.new(secret.encode(), b"\n".join(filter(None, parts)), hashlib.sha256).hexdigest()


def text(at: int) -> str:
    return (EPOCH + at * MICROSECOND).isoformat()


def instant(said: str) -> int | None:
    """Microseconds UTC; None where the touchpoint names no time. Raises Unreadable."""
    if not said:
        return None
    try:
        at = (datetime.fromisoformat(said) - EPOCH) // MICROSECOND
    except (ValueError, TypeError, OverflowError):
        raise Unreadable("updated_at {said!r} is no ISO-8601 instant with an offset", said=echoed(said)) from None
    return bounds.instant(at, "updated_at")


def connect(endpoint: Endpoint) -> Desk:
    return Desk(endpoint)
