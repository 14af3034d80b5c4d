"""The direct channel's edge: the proof of a delivery, how it is split, and the answer to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channels.direct import MOST_EVENTS, Direct, connect, sign
from orderhub_core.errors import BadClock, BadSignature, Busy, RefusedByTarget, Stop, TooLarge, Unreadable, UserMistake
from orderhub_core.model import Observation
from orderhub_core.settings import Endpoint

NOW = 1_794_326_400
EVENT = b'{"id":"SO-1:1","order_no":"SO-1","at":"2026-11-11T00:00:00+08:00"}'
SIGNED = {
    "x-orderhub-timestamp": "1794326400",
    # printf '1794326400.%s' "$event" | openssl dgst -sha256 -hmac oldsecret
    "x-orderhub-signature": "v1=820c61ebfedc6c381f505674ef752df11bc4169767a66d1ca04f8effd27cf705",
}
DOCS = Path(__file__).parents[2] / "docs" / "direct.md"


def shop(secret: str, clock: float = NOW) -> Direct:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "DIRECT_SECRET", secret)
        return Direct(Endpoint(id="site", connector="direct", secret_env="DIRECT_SECRET"), lambda: clock)


def proof(body: bytes, secret: str = "newsecret", at: object = NOW) -> dict[str, str]:
    text = f"{at}.".encode() + body
    signature = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return {"x-orderhub-timestamp": str(at), "x-orderhub-signature": f"v1={signature}"}


@pytest.fixture
def channel() -> Direct:
    return shop("newsecret\noldsecret\n")


def test_a_delivery_signed_by_openssl_is_proven(channel: Direct) -> None:
    (message,) = channel.unpack(SIGNED, EVENT)
    assert (message.source, message.message_id, message.kind, message.body) == ("site", "SO-1:1", "event", EVENT)
    assert message.key == "SO-1"
    assert sign(EVENT, "oldsecret", NOW) == SIGNED


@pytest.mark.parametrize("secret", ["newsecret", "oldsecret"])
def test_both_secrets_of_a_rotation_prove(channel: Direct, secret: str) -> None:
    assert channel.unpack(proof(EVENT, secret), EVENT)


@pytest.mark.parametrize("off", [-301, 301])
def test_a_delivery_outside_the_window_is_refused(channel: Direct, off: int) -> None:
    with pytest.raises(BadClock, match="site"):
        channel.unpack(proof(EVENT, at=NOW + off), EVENT)
    assert channel.unpack(proof(EVENT, at=NOW + off - off // 301), EVENT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        proof(EVENT, "newsecret oldsecret"),
        proof(EVENT, ""),
        {**proof(EVENT), "x-orderhub-timestamp": str(NOW + 1)},
        {**proof(EVENT), "x-orderhub-signature": ""},
        {**proof(EVENT), "x-orderhub-signature": proof(EVENT)["x-orderhub-signature"].removeprefix("v1=")},
        {**proof(EVENT), "x-orderhub-signature": "é" * 67},
    ],
)
def test_an_unproven_delivery_is_refused_whatever_it_says_of_the_time(channel: Direct, headers: dict[str, str]) -> None:
    """Who lacks the secret is told the same, in time or not."""
    answers = set()
    for at in (headers.get("x-orderhub-timestamp", ""), "0", str(NOW - 301), f"{NOW}000", "nonsense"):
        with pytest.raises(BadSignature, match="secret") as refusal:
            channel.unpack({**headers, "x-orderhub-timestamp": at}, EVENT)
        answers.add((type(refusal.value), channel.answer(refusal.value)))
    assert answers == {(BadSignature, (401, b'{"message":"signature not valid; see docs/direct.md"}'))}


@pytest.mark.parametrize("at", ["", f"+{NOW}", f" {NOW}", f"{NOW}000", f"{NOW}.0", "１７９４３２６４００", NOW - 900])
def test_who_has_the_secret_and_not_the_time_is_told_that(channel: Direct, at: object) -> None:
    with pytest.raises(BadClock, match="clock") as refusal:
        channel.unpack(proof(EVENT, at=at), EVENT)  # type: ignore[arg-type]
    status, body = channel.answer(refusal.value)
    assert (status, b"timestamp" in body) == (401, True)


@given(st.integers(0, len(EVENT) - 1), st.integers(1, 255))
def test_no_byte_of_the_body_can_be_changed(position: int, flip: int) -> None:
    body = bytearray(EVENT)
    body[position] ^= flip
    with pytest.raises(BadSignature):
        shop("newsecret").unpack(proof(EVENT), bytes(body))


@given(st.integers(0, 66), st.integers(1, 127))
def test_no_byte_of_the_signature_can_be_changed(position: int, flip: int) -> None:
    headers = proof(EVENT)
    signature = bytearray(headers["x-orderhub-signature"].encode())
    signature[position] ^= flip
    with pytest.raises(BadSignature):
        shop("newsecret").unpack({**headers, "x-orderhub-signature": signature.decode("latin-1")}, EVENT)


def events(count: int) -> list[dict[str, str]]:
    return [
        {"id": f"e{n}", "order_no": f"SO-{n}", "at": "2026-11-11T00:00:00Z", "note": "两行\n"} for n in range(count)
    ]


def as_array(some: list[dict[str, str]]) -> bytes:
    return json.dumps(some, indent=1).encode()


def as_lines(some: list[dict[str, str]]) -> bytes:
    return b"\r\n".join(json.dumps(event, ensure_ascii=False).encode() for event in some) + b"\n\n"


@pytest.mark.parametrize("written", [as_array, as_lines])
def test_a_batch_is_split_into_its_events_in_order(channel: Direct, written) -> None:  # type: ignore[no-untyped-def]
    body = written(events(5))
    messages = channel.unpack(proof(body), body)
    assert [json.loads(message.body) for message in messages] == events(5)
    assert [(message.message_id, message.key) for message in messages] == [(f"e{n}", f"SO-{n}") for n in range(5)]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_event_may_be_written_over_several_lines(channel: Direct, indent: int | None) -> None:
    body = json.dumps(events(1)[0], indent=indent).encode()
    assert [message.body for message in channel.unpack(proof(body), body)] == [body]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id":"a","order_no":"A"},{"no":"head"},7,{"id":"b","order_no":"B"}]',
        b'{"id":"a","order_no":"A"}\n{"no":"head"}\n7\n{"id":"b","order_no":"B"}',
    ],
)
def test_an_event_without_an_id_costs_its_neighbours_nothing(channel: Direct, body: bytes) -> None:
    messages = channel.unpack(proof(body), body)
    assert [message.message_id.partition(":")[0] for message in messages] == ["a", "unreadable", "unreadable", "b"]
    assert len({message.message_id for message in messages}) == 4
    assert channel.unpack(proof(body), body) == messages


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'"text"', b"[1,", b'{"id":\n "x",\n "order_no"', b"\xff\xfe", b"[" * 100_000]
)
def test_a_proven_body_nobody_can_split_is_kept_whole(channel: Direct, body: bytes) -> None:
    (message,) = channel.unpack(proof(body), body)
    assert message.body == body
    assert message.message_id.startswith("unreadable:")
    with pytest.raises(Unreadable):
        channel.decode(message.kind, message.body)


def test_a_warehouse_s_id_is_as_short_as_any_that_a_store_indexes(channel: Direct) -> None:
    event = b'{"id":"a","order_no":"A","at":"2026-01-01T10:00:00Z","content":{"warehouse":"%s"}}'
    told = channel.decode("event", event % (b"w" * 200))
    assert isinstance(told, Observation) and told.content is not None and told.content.warehouse == "w" * 200
    with pytest.raises(Unreadable, match="warehouse"):
        channel.decode("event", event % (b"w" * 201))


@pytest.mark.parametrize("line", [b'  {"id":"L1","sku":"A"}', b'{"id":"L1","order_no":"SO-9"}\n{"id":"L2"}'])
def test_an_event_over_several_lines_with_a_wrong_field_is_not_torn_into_others(channel: Direct, line: bytes) -> None:
    """Its lines would take ids that are not theirs, and the event that has one of them would be a conflict."""
    body = b'{\n"id": 77, "order_no": "SO-1",\n"content": {"lines": [\n' + line + b"\n]}}"
    (message,) = channel.unpack(proof(body), body)
    assert message.body == body
    assert message.message_id.startswith("unreadable:")


def test_lines_of_which_one_is_cut_off_are_kept_whole(channel: Direct) -> None:
    body = EVENT + b"\n" + EVENT[:-9]
    assert [message.body for message in channel.unpack(proof(body), body)] == [body]


@pytest.mark.parametrize(
    ("first", "between", "last"), [(b"[", b",", b"]"), (EVENT + b"\n", b"\n", b""), (b"", b"\n", b"\n")]
)
def test_more_events_than_one_delivery_may_have_are_refused_with_the_reason(
    channel: Direct, first: bytes, between: bytes, last: bytes
) -> None:
    def sent(count: int) -> bytes:
        return first + between.join(b"%d" % n for n in range(count)) + last

    full = sent(MOST_EVENTS - first.count(EVENT))
    assert channel.unpack(proof(full), full)
    over = sent(MOST_EVENTS + 1 - first.count(EVENT))
    with pytest.raises(TooLarge, match="site: 10001 events") as refusal:
        channel.unpack(proof(over), over)
    status, body = channel.answer(refusal.value)
    assert (status, json.loads(body)["message"]) == (
        413,
        "over 10000 events in one delivery; send fewer events at once",
    )


def test_one_event_of_very_many_lines_is_one_event(channel: Direct) -> None:
    body = b'{\n"id": 77,\n"order_no":\n' + b"\n".join(b"%d" % n for n in range(MOST_EVENTS + 1)) + b"\n}"
    assert [message.body for message in channel.unpack(proof(body), body)] == [body]


def test_an_empty_batch_is_proven_and_holds_nothing(channel: Direct) -> None:
    assert channel.unpack(proof(b"[]"), b"[]") == []


@given(st.binary(max_size=200))
def test_whatever_is_proven_is_kept_to_the_byte_or_split(body: bytes) -> None:
    channel = shop("newsecret")
    for message in channel.unpack(proof(body), body):
        assert message.body in body


def test_the_answer_says_what_to_do() -> None:
    channel = shop("newsecret")
    assert channel.answer(None)[0] == 200
    statuses = [channel.answer(failure)[0] for failure in (BadSignature("x"), TooLarge("x"), Busy("x"), Stop("x"))]
    assert statuses == [401, 413, 503, 503]
    assert all(json.loads(channel.answer(failure)[1])["message"] for failure in (None, BadSignature("x"), Busy("x")))


def test_there_is_nobody_to_ask(channel: Direct) -> None:
    assert list(channel.poll(0, 2**60)) == []
    assert not channel.fetches
    with pytest.raises(RefusedByTarget, match="SO-1"):
        channel.fetch("SO-1")


@pytest.mark.parametrize("secret", ["", " \n"])
def test_a_shop_without_a_secret_says_what_to_set(secret: str) -> None:
    with pytest.raises(UserMistake, match=r"site: .*secret_env"):
        shop(secret)
    with pytest.raises(UserMistake, match=r"site: .*secret_env"):
        connect(Endpoint(id="site", connector="direct"))


@pytest.fixture
def documented() -> Iterator[str]:
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (sending,) = [block for block in blocks if "curl" in block]
    yield sending


def test_the_documented_example_is_accepted(documented: str) -> None:
    """Word for word, with a curl that only shows what it would send."""
    script = "set -e\ncurl() { printf '%s\\0' \"$@\"; }\n" + documented
    sent = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")
    headers = dict(value.split(": ", 1) for option, value in pairwise(sent) if option == "-H")
    body = sent[sent.index("--data-binary") + 1].encode()
    secret = re.findall(r"secret='(.*)'", documented)[0]
    channel = shop(secret, clock=int(headers["x-orderhub-timestamp"]))
    (message,) = channel.unpack(headers, body)
    assert channel.decode(message.kind, message.body).content
