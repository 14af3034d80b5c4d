"""Whatever arrives, decoding answers with an observation or with Unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from damage import damaged, is_read_or_refused, with_junk
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels import _douyin_order, _douyin_push
from orderhub_core.errors import Unreadable

DECODERS = {"order": _douyin_order.decode, "push": _douyin_push.decode}
GOLDEN = [
    (path.stem.partition("-")[0], json.loads(path.read_text())["message"])
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_changed_value_is_read_or_refused(data: st.DataObject) -> None:
    kind, message = data.draw(st.sampled_from(GOLDEN))
    if kind == "push" and data.draw(st.booleans()):
        message = {**message, "data": json.dumps(with_junk(data, json.loads(message["data"])))}
    else:
        message = with_junk(data, message)
    assert is_read_or_refused(DECODERS[kind], json.dumps(message).encode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    kind, message = data.draw(st.sampled_from(GOLDEN))
    assert is_read_or_refused(DECODERS[kind], damaged(data, message))


@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=60))
def test_noise_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"."):
        DECODERS[kind](body)
