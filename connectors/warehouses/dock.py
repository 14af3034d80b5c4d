"""A warehouse that takes orders over a small JSON interface.

    POST {url}/{warehouse}/orders              {"shop", "order_no", "lines": [{"sku", "quantity", "gift_of"}],
                                                "marks": {"carrier", "tags": [], "priority"}, those that are said,
                                                "parcel", "parcels": of one that goes in several,
                                                "pack_with": [{"shop", "order_no"}], those it goes in one parcel with}
    GET  {url}/{warehouse}/orders/{order_no}?shop=     the same shape, or 404; of one that goes in several &parcel=
    GET  {url}/{warehouse}/stock               {"stock": [{"sku", "on_hand", "safety"}], "at": an ISO-8601 instant};
                                               `safety` and `at` may be left out, and 404 says that it tells no stock

`Idempotency-Key` names the hand-over: the same key twice is one order there; what no header can hold is percent-encoded
behind `utf-8''`. `Authorization: Bearer {secret}`.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import msgspec

from connectors._kit import http
from connectors._kit.echo import refusal
from orderhub_core.effects import Companion, Marks, PushToWarehouse, WarehouseLine
from orderhub_core.errors import NobodyThere, RefusedByTarget, UserMistake
from orderhub_core.ports import Counted
from orderhub_core.settings import Endpoint


class Handover(msgspec.Struct, omit_defaults=True):
    shop: str
    order_no: str
    lines: tuple[WarehouseLine, ...]
    marks: Marks | None = None
    parcel: int | None = None
    parcels: int | None = None
    """Both of an order that goes in several."""
    pack_with: tuple[Companion, ...] = ()


class Lying(msgspec.Struct):
    sku: str
    on_hand: int
    safety: int | None = None


class Stock(msgspec.Struct):
    stock: tuple[Lying, ...]
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


STOCK = msgspec.json.Decoder(Stock)
HANDOVER = msgspec.json.Decoder(Handover)


class Dock:
    """ports.Warehouse."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._name = endpoint.id
        if not (secret := endpoint.secret()):
            raise UserMistake("{id}: a dock needs secret_env (or secret_file) in its settings", id=endpoint.id)
        headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        self._link = http.client(endpoint.url, endpoint.timeout_s, endpoint.id, headers)

    def push(self, effect: PushToWarehouse, key: str) -> None:
        """Raises RefusedByTarget when the warehouse holds this order already with other lines."""
        parcel, parcels = (effect.parcel, effect.parcels) if effect.parcels > 1 else (None, None)
        asked = Handover(
            effect.shop, effect.order_no, effect.lines, _said(effect.marks), parcel, parcels, effect.pack_with
        )
        body = msgspec.json.encode(asked)
        headers = {"idempotency-key": sendable(key)}
        request = self._link.build_request("POST", f"{effect.warehouse}/orders", content=body, headers=headers)
        http.ask(self._link, request, self._name)

    def holds(self, effect: PushToWarehouse) -> bool:
        path = f"{effect.warehouse}/orders/{quote(effect.order_no, safe='')}"
        of = {"parcel": effect.parcel} if effect.parcels > 1 else {}
        request = self._link.build_request("GET", path, params={"shop": effect.shop, **of})
        response = http.ask(self._link, request, self._name, absent_ok=True)
        if response.status_code == 404:
            return False
        try:
            held = HANDOVER.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedByTarget(
                "{who}: its answer about order {order} cannot be read ({why})",
                who=self._name,
                order=effect.order_no,
                why=refusal(error),
            ) from None
        if effect.parcels > 1 and held.parcels is None:
            raise RefusedByTarget(
                "{who} knows no parcels: order {order} goes in {parcels}, and its answer says nothing of that. See"
                " there what has arrived, and let no rule split what goes to this warehouse",
                who=self._name,
                order=effect.order_no,
                parcels=effect.parcels,
            )
        # A warehouse that does not tell how an order is marked, or what it is packed with, has it all the same.
        marked = held.marks is None or _told(held.marks) == _told(effect.marks)
        together = not held.pack_with or set(held.pack_with) == set(effect.pack_with)
        parcel = (held.parcel or 1, held.parcels or 1)
        named = (held.shop, held.order_no, *parcel)
        same = named == (effect.shop, effect.order_no, effect.parcel, effect.parcels)
        return same and marked and together and Counter(held.lines) == Counter(effect.lines)

    def stock(self, warehouse: str) -> Counted:
        request = self._link.build_request("GET", f"{warehouse}/stock")
        response = http.ask(self._link, request, self._name, absent_ok=True)
        if response.status_code == 404:
            raise NobodyThere("{who} tells nobody what it has", who=self._name)
        try:
            told = STOCK.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedByTarget(
                "{who}: its answer about its stock cannot be read ({why})", who=self._name, why=refusal(error)
            ) from None
        at = None if told.at is None else round(told.at.timestamp() * 1_000_000)
        return Counted(at, [(one.sku, one.on_hand, one.safety) for one in told.stock])


def sendable(key: str) -> str:
    """As a header can hold it, which knows no letters but ASCII: an order's number may have any."""
    if key.isascii() and key.isprintable() and key == key.strip():
        return key
    return f"utf-8''{quote(key, safe='')}"


def _said(marks: Marks) -> Marks | None:
    return marks if marks != Marks() else None


def _told(marks: Marks) -> tuple[str, frozenset[str], int]:
    return marks.carrier, frozenset(marks.tags), marks.priority


def connect(endpoint: Endpoint) -> Dock:
    return Dock(endpoint)
