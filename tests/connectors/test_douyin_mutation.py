"""Whatever arrives, decoding answers with an observation or with Unreadable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels import _douyin_order, _douyin_push
from orderhub_core.errors import Unreadable
from orderhub_core.model import Event, Observation

DECODERS = {"order": _douyin_order.decode, "push": _douyin_push.decode}
GOLDEN = [
    (path.stem.partition("-")[0], json.loads(path.read_text())["message"])
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
]
EVENTS = {event.value for event in Event}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.just({}),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a value stands in nested JSON."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = node.copy()
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


def answers(kind: str, body: bytes) -> None:
    try:
        seen = DECODERS[kind](body)
    except Unreadable as reason:
        assert str(reason)
        return
    assert isinstance(seen, Observation)
    assert seen.order_no
    assert set(seen.facts) <= EVENTS
    # What was understood can be stored: instants fit 64 bits, text is valid UTF-8.
    assert all(0 < at < 2**63 for at in seen.facts.values())
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Observation) == seen


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_changed_value_is_read_or_refused(data: st.DataObject) -> None:
    kind, message = data.draw(st.sampled_from(GOLDEN))
    if kind == "push" and data.draw(st.booleans()):
        inner = json.loads(message["data"])
        inner = replaced(inner, data.draw(st.sampled_from(places(inner))), data.draw(JUNK))
        changed = {**message, "data": json.dumps(inner)}
    else:
        changed = replaced(message, data.draw(st.sampled_from(places(message))), data.draw(JUNK))
    answers(kind, json.dumps(changed).encode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    kind, message = data.draw(st.sampled_from(GOLDEN))
    body = bytearray(json.dumps(message, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answers(kind, bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=60))
def test_noise_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"."):
        DECODERS[kind](body)
