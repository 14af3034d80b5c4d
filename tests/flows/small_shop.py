"""A shop whose messages are what they mean, as JSON, and its rulebook."""

from __future__ import annotations

import msgspec

from orderhub_core.errors import Unreadable
from orderhub_core.flows.absorb import Source
from orderhub_core.model import Decoded, Observation, Review, Sighting
from orderhub_core.rules.book import Book, Gift, Routing, When

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
