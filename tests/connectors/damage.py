"""What may come instead of a message: junk in the place of a value, damaged bytes. And what a decoder may answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from connectors._kit import bounds
from orderhub_core.errors import Unreadable
from orderhub_core.model import Event, Observation, OfNoOrder

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.just({}),
    st.sampled_from(["2026-11-11T00:00:00Z", "1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "a\0b", "x" * 300]),
)
EVENTS = {event.value for event in Event}


def with_junk(data: st.DataObject, message: Any) -> Any:
    """With junk in the place of one value, or of all of it."""
    return _replaced(message, data.draw(st.sampled_from(_places(message))), data.draw(JUNK))


def damaged(data: st.DataObject, message: Any) -> bytes:
    """Its bytes, a few of them others, cut off somewhere."""
    body = bytearray(json.dumps(message, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    return bytes(body[: data.draw(st.integers(0, len(body)))])


def is_read_or_refused(decode: Callable[[bytes], Observation | OfNoOrder], body: bytes) -> bool:
    """Refused with a reason, or understood as what can be stored: the gate that every other connector uses agrees, and
    it comes back from its bytes as it was. Any other exception passes through."""
    try:
        seen = decode(body)
    except Unreadable as reason:
        return bool(str(reason))
    if isinstance(seen, OfNoOrder):
        return True
    again = msgspec.json.decode(msgspec.json.encode(seen), type=Observation)
    return bool(bounds.storable(seen) is seen and seen.order_no and set(seen.facts) <= EVENTS and again == seen)


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value stands in nested JSON."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


def _replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = node.copy()
    copy[path[0]] = _replaced(node[path[0]], path[1:], value)
    return copy
