"""Douyin shops (抖店): pushes proven and split, orders polled by update time, orders fetched whole.

`sign` is the request signature. Settings of a shop: `app_key`, the secret, `options.shop_id` (the shop's number,
for the token of a self-use app), and `url` where it is not the real platform.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from connectors._kit.bounds import KEY_MAX
from connectors._kit.echo import echoed
from connectors._kit.paging import Page, walk
from connectors.channels import _douyin_order, _douyin_push
from connectors.channels._douyin_api import Api, sign
from connectors.channels._douyin_words import SECOND, Id, Instant
from orderhub_core.errors import BadSignature, OrderHubError, RefusedByTarget, TooLarge, Unreadable, UserMistake
from orderhub_core.model import Observation, OfNoOrder, RawMessage
from orderhub_core.settings import Endpoint

__all__ = ["Douyin", "connect", "sign"]

PAGE_SIZE = 100
DEEPEST = 10_000
"""Rows of one list that may be paged through; a longer one is read as two halves of its window."""
MOST_PUSHES = 10_000
"""In one delivery; the platform sends a few. A body that is not large may hold a million, and each costs far more than
its bytes."""

DECODERS: dict[str, Callable[[bytes], Observation | OfNoOrder]] = {
    "push": _douyin_push.decode,
    "order": _douyin_order.decode,
}
REFUSALS: dict[type[OrderHubError], tuple[int, bytes]] = {
    BadSignature: (401, b'{"code":40041,"msg":"signature verification failed"}'),
    TooLarge: (413, b'{"code":40042,"msg":"body too large"}'),
}
SUCCESS = (200, b'{"code":0,"msg":"success"}')
TRY_AGAIN = (503, b'{"code":50000,"msg":"try again later"}')


MessageId = Annotated[str, Meta(max_length=KEY_MAX, pattern=r"^[^\x00]*$")]


class Head(msgspec.Struct, gc=False):
    tag: str | int
    msg_id: MessageId | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class OrderHead(msgspec.Struct, gc=False):
    order_id: Id
    update_time: Instant


class OrderList(msgspec.Struct):
    total: int
    shop_order_list: list[msgspec.Raw] | None = None


class OrderDetail(msgspec.Struct):
    shop_order_detail: msgspec.Raw


FETCHES = True
ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
HEAD, ORDER_HEAD = msgspec.json.Decoder(Head), msgspec.json.Decoder(OrderHead)
ORDER_LIST, ORDER_DETAIL = msgspec.json.Decoder(OrderList), msgspec.json.Decoder(OrderDetail)
NO_ORDER = b"null"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(kind: str, body: bytes) -> Observation | OfNoOrder:
    if kind not in DECODERS:
        raise Unreadable("message kind {kind} is new to us", kind=echoed(kind))
    return DECODERS[kind](body)


class Douyin:
    """ports.Channel of one shop. Raises UserMistake when the shop's key or secret is not set."""

    fetches = FETCHES
    decode = staticmethod(decode)

    def __init__(self, endpoint: Endpoint) -> None:
        self._shop, self._app_key, self._secret = endpoint.id, endpoint.app_key, endpoint.secret()
        if not (self._app_key and self._secret):
            raise UserMistake(
                "{shop}: a Douyin shop needs app_key and secret_env (or secret_file) in its settings", shop=self._shop
            )
        self._api = Api(endpoint)

    def unpack(self, headers: Mapping[str, str], body: bytes) -> list[RawMessage]:
        """As the port has it. Raises TooLarge for more than MOST_PUSHES."""
        self._prove(headers, body)
        try:
            items = ITEMS.decode(body)
        except UNREADABLE:
            return [RawMessage(self._shop, unreadable(body), "push", body)]
        if len(items) > MOST_PUSHES:
            text = "{shop}: {n} pushes in one delivery, and {most} are the most"
            raise TooLarge(text, shop=self._shop, n=len(items), most=MOST_PUSHES)
        return [message for item in items if (message := self._message(bytes(item)))]

    def answer(self, failure: OrderHubError | None) -> tuple[int, bytes]:
        return SUCCESS if failure is None else REFUSALS.get(type(failure), TRY_AGAIN)

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        """Whole seconds around the window: the platform knows no finer ones. An order may come twice, same id."""
        return self._window(since // SECOND, -(-until // SECOND))

    def clock(self) -> int | None:
        return self._api.clock()

    def fetch(self, order_no: str) -> RawMessage:
        data = self._api.call("/order/orderDetail", {"shop_order_id": order_no})
        try:
            shown = bytes(ORDER_DETAIL.decode(data).shop_order_detail)
        except UNREADABLE:
            shown = NO_ORDER
        if shown == NO_ORDER:
            raise RefusedByTarget("{shop}: Douyin shows no order {order_no}", shop=self._shop, order_no=order_no)
        return self._order(shown)

    def _prove(self, headers: Mapping[str, str], body: bytes) -> None:
        """`event-sign` covers the raw bytes. The platform assumes md5 where `sign-method` is not sent."""
        app, secret = self._app_key.encode(), self._secret.encode()
        text = app + body + secret
        if headers.get("sign-method", "md5").lower() == "hmac-sha256":
            expected = hmac.new(secret, text, hashlib.sha256).hexdigest()
        else:
            expected = hashlib.md5(text, usedforsecurity=False).hexdigest()
        same_app = hmac.compare_digest(headers.get("app-id", "").encode(), app)
        same_sign = hmac.compare_digest(headers.get("event-sign", "").lower().encode(), expected.encode())
        if not (same_app and same_sign):
            raise BadSignature(
                "{shop}: a push without a valid event-sign; is the shop's secret the current one?", shop=self._shop
            )

    def _message(self, item: bytes) -> RawMessage | None:
        try:
            head = HEAD.decode(item)
        except UNREADABLE:
            return RawMessage(self._shop, unreadable(item), "push", item)
        if (str(head.tag), str(head.msg_id)) == _douyin_push.TEST:
            return None
        return RawMessage(self._shop, str(head.msg_id) or unreadable(item), "push", item)

    def _window(self, start: int, end: int) -> Iterator[RawMessage]:
        first = self._page(start, end, 0)
        if first.total > DEEPEST and end - start > 1:
            middle = (start + end) // 2
            yield from self._window(start, middle)
            yield from self._window(middle, end)
            return
        rows = walk(lambda number: self._page(start, end, number), PAGE_SIZE, first, self._shop)
        yield from (self._order(row) for row in rows)

    def _page(self, start: int, end: int, number: int) -> Page[bytes]:
        window = {"update_time_start": start, "update_time_end": end, "order_by": "update_time", "order_asc": True}
        data = self._api.call("/order/searchList", {"page": number, "size": PAGE_SIZE, **window})
        try:
            answer = ORDER_LIST.decode(data)
        except UNREADABLE as error:
            raise RefusedByTarget(
                "{shop}: Douyin's order list cannot be read ({error})", shop=self._shop, error=error
            ) from None
        return Page([bytes(row) for row in answer.shop_order_list or ()], answer.total)

    def _order(self, row: bytes) -> RawMessage:
        """The same state twice is one message: the id is the order, its version and its very content."""
        try:
            head = ORDER_HEAD.decode(row)
        except UNREADABLE:
            return RawMessage(self._shop, f"order:{unreadable(row)}", "order", row)
        version = f"order:{head.order_id}:{head.update_time}:{digest(row)}"
        return RawMessage(self._shop, version, "order", row, str(head.order_id))


def digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def unreadable(body: bytes) -> str:
    """The id of a message that has none we can read: its content."""
    return f"unreadable:{digest(body)}"


def connect(endpoint: Endpoint) -> Douyin:
    return Douyin(endpoint)
