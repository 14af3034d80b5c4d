"""A shop whose messages are what they mean, as JSON, and its rulebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fresh
import msgspec
from small_rules import one_of, rulebook, total_from

from orderhub_core.errors import Unreadable
from orderhub_core.flows.context import Context, Source
from orderhub_core.model import Decoded, Observation, Sighting
from orderhub_core.people import Review
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import homes

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


@contextmanager
def a_hub(folder: Path, book: Rulebook | None = None) -> Iterator[Context]:
    """An empty one on SQLite, for a test that needs several."""
    fresh.hub(folder)
    store = homes.open_store(homes.Home(folder))
    try:
        yield Context(store, source, book or Rulebook(), Pseudonyms(b"a pepper of some length"))
    finally:
        store.close()
