"""A shop whose messages are what they mean, as JSON, and its rulebook."""

from __future__ import annotations

import msgspec
from small_rules import one_of, rulebook, total_from

from orderhub_core.errors import Unreadable
from orderhub_core.flows.context import Source
from orderhub_core.model import Decoded, Observation, Review, Sighting

SHOP = "shop-1"
BOOK = rulebook(
    default="hangzhou",
    routing={("onesies-south", "guangzhou"): one_of("category", "连体衣")},
    gifts={("over-100", "GIFT-1"): total_from(10_000)},
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
