"""A hub's flows over a real store, with messages made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from orderhub_core.errors import Unreadable
from orderhub_core.flows.absorb import Context, Source
from orderhub_core.model import Content, Decoded, Event, Line, Observation, Person, RawMessage, Review, Sighting
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.book import Book, Gift, Routing, When
from orderhub_core.store import homes
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home

SHOP = "shop-1"
BOOK = Book(
    version="v1",
    default_warehouse="hangzhou",
    routing=(Routing("onesies-south", "guangzhou", When(category=["连体衣"])),),
    gift=(Gift("over-100", "GIFT-1", when=When(total_min="100.00")),),
)
KINDS = {"order": Observation, "sighting": Sighting, "review": Review}


def decode(kind: str, body: bytes) -> Decoded:
    try:
        return msgspec.json.decode(body, type=KINDS[kind])
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None


def source(name: str) -> Source:
    if name == "nobody":
        raise Unreadable("no shop or touchpoint named 'nobody'")
    return Source(SHOP, "douyin", decode, live=name == "live")


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    opened = homes.open_store(home)
    yield opened
    opened.close()


@pytest.fixture
def context(store: Store) -> Context:
    return Context(store, source, BOOK, Pseudonyms(b"a pepper of some length"))


@pytest.fixture
def order() -> Callable[..., RawMessage]:
    """A message that claims events of an order: `order("A1", Event.PAID, at=5)`."""

    def make(
        order_no: str,
        *events: Event,
        at: int = 1,
        total: int = 0,
        category: str = "卫衣",
        origin: str = SHOP,
        **rest: object,
    ) -> RawMessage:
        content = None
        if total:
            content = Content(
                total_minor=total,
                paid_minor=total,
                buyer_ref="buyer",
                lines=(Line(1, "SKU-1", "name", category, 1, total),),
                person=Person("张三丰", "19900001234", "somewhere 5"),
            )
        seen = Observation(order_no, {event.value: at for event in events}, at, content, **rest)  # type: ignore[arg-type]
        body = msgspec.json.encode(seen)
        return RawMessage(origin, f"{order_no}:{hash(body)}", "order", body)

    return make
