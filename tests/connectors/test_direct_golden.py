"""The direct channel's events, word for word, against observations written by hand; whatever else arrives is
Unreadable with its reason."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from damage import damaged, is_read_or_refused, with_junk
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors._kit import bounds
from connectors.channels import _direct_event
from connectors.channels._direct_event import decode
from orderhub_core import model
from orderhub_core.errors import Unreadable
from orderhub_core.model import FIRST_ADDED_LINE, Event, Observation

FOLDER = Path(__file__).parent / "golden_direct"
GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
CREATED = GOLDEN["created"]["message"]
DOCS = (Path(__file__).parents[2] / "docs" / "direct.md").read_text(encoding="utf-8")
TOLD = _direct_event
PAIRS = [(TOLD.Content, model.Content), (TOLD.Line, model.Line), (TOLD.Parcel, model.Parcel)]
PAIRS += [(TOLD.Person, model.Person)]  # type: ignore[list-item]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_message(name: str) -> None:
    expected = msgspec.convert(GOLDEN[name]["observation"], Observation)
    assert decode(json.dumps(GOLDEN[name]["message"]).encode()) == expected
    assert decode(json.dumps(GOLDEN[name]["message"], ensure_ascii=False, indent=2).encode()) == expected


@pytest.mark.parametrize(("told", "ours"), PAIRS, ids=lambda kind: kind.__qualname__)
def test_fields_stand_in_the_order_of_the_model(told: type[msgspec.Struct], ours: type[msgspec.Struct]) -> None:
    """They are handed over by position."""
    assert told.__struct_fields__ == ours.__struct_fields__
    assert told.__struct_defaults__ == ours.__struct_defaults__


@pytest.mark.parametrize("event", list(Event))
def test_every_word_of_ours_is_understood_and_documented(event: Event) -> None:
    body = {**CREATED, "facts": {event.value: "2026-11-11T00:00:00Z"}}
    assert decode(json.dumps(body).encode()).facts == {event.value: 1_794_355_200_000_000}
    assert f"`{event.value}`" in DOCS


@pytest.mark.parametrize("kind", [TOLD.Event, *(told for told, _ in PAIRS)], ids=lambda kind: kind.__qualname__)
def test_every_field_is_documented(kind: type[msgspec.Struct]) -> None:
    table = set(re.findall(r"^\| `([\w.\[\]]+)`", DOCS, re.MULTILINE))
    prefix = {"Event": "", "Content": "content.", "Line": "content.lines[].", "Parcel": "parcels[]."}
    start = prefix.get(kind.__name__, "content.person.")
    assert {f"{start}{field}" for field in kind.__struct_fields__} <= table


def changed(**fields: Any) -> bytes:
    return json.dumps({**CREATED, **fields}).encode()


def content(**fields: Any) -> bytes:
    return changed(content={**CREATED["content"], **fields})


@pytest.mark.parametrize(("word", "kept"), [("RMB", "CNY"), ("rmb", "CNY"), ("¥", "CNY"), ("USD", "USD"), ("", "")])
def test_a_currency_has_one_word(word: str, kept: str) -> None:
    """Else what is said of one amount by two systems looks like two amounts."""
    told = decode(content(currency=word)).content
    assert told is not None and told.currency == kept


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is empty"),
        (b"[" * 100_000, "not an order event"),
        (b'{"id":"\xff"}', "not an order event"),
        (changed(facts={"payment.payed": "2026-11-11T00:00:00Z"}), r"'payment\.payed' is new to us"),
        (changed(facts={"payment.paid": "2026-11-11T00:00:00"}), "timezone"),
        (changed(facts={"payment.paid": 1_763_000_000}), r"\$\.facts"),
        (changed(facts={"payment.paid": "1970-01-01T00:00:00Z"}), "payment.paid lies outside the years"),
        (changed(at="2100-01-01T00:00:00.000001Z"), "at lies outside the years"),
        (changed(order_no=""), "order_no"),
        (changed(order_no="9" * 65), "order_no"),
        (changed(order_no=12), "order_no"),
        (changed(order_no="a\0b"), "NUL"),
        (changed(paid=True), "unknown field `paid`"),
        (changed(id="x" * 201), r"\$\.id"),
        (changed(parcels=[{"tracking_no": "9" * 201}]), "tracking_no"),
        (content(total_minor=-1), "total_minor"),
        (content(total_minor=128.5), "total_minor"),
        (content(total_minor="128"), "total_minor"),
        (content(total_minor=bounds.AMOUNT_MAX + 1), "total_minor"),
        (content(promised_at="2026-11-11"), "promised_at"),
        (content(lines=[{"line_no": 1}]), "sku"),
        (content(lines=[{"line_no": 1, "sku": "A", "quantity": 0}]), "quantity"),
        (content(lines=[{"line_no": FIRST_ADDED_LINE, "sku": "A"}]), r"<= 999 - at `\$\.content\.lines\[0\]\.line_no`"),
        (content(lines=[{"line_no": 1, "sku": "A", "gift_of": FIRST_ADDED_LINE}]), "gift_of"),
        (content(lines=[{"line_no": n, "sku": "A"} for n in (1, 2, 2)]), "two lines have the line_no 2"),
    ],
)
def test_an_unreadable_event_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(body)


def test_a_reason_repeats_no_person() -> None:
    name = "张三 19900001234"
    for body in (
        content(person={"phone": 19900001234}),
        changed(facts={"19900001234": "2026-11-11T00:00:00Z"}),
        content(person={name: "x"}),
        changed(**{name: 1}),
        content(lines=[{"line_no": 1, "sku": "A", name: 1}]),
        changed(**{f"x` - at `$.{name}`": 1}),
        changed(**{f"{name} unknown field `abc": 1}),
        changed(phone19900001234=1),
        changed(**{"k19900001234" * 500_000: 1}),
    ):
        with pytest.raises(Unreadable) as told:
            decode(body)
        assert "19900001234" not in str(told.value) and "张" not in str(told.value) and len(str(told.value)) < 200


def test_a_slip_in_the_name_of_a_field_is_told_with_its_place() -> None:
    with pytest.raises(Unreadable, match=r"unknown field `phon` - at `\$\.content\.person`$"):
        decode(content(person={"phon": "x"}))


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    seen = decode(content(note="C:\\u0000"))
    assert seen.content is not None
    assert seen.content.note == "C:\\u0000"


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_instants_are_exact_in_every_zone(wall: datetime, minutes: int) -> None:
    there = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    apart = there - datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 — an oracle of its own
    exact = (apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds
    assert decode(changed(at=there.isoformat())).at == exact


@settings(max_examples=400)
@given(st.data())
def test_a_changed_value_is_read_or_refused(data: st.DataObject) -> None:
    message = with_junk(data, GOLDEN[data.draw(st.sampled_from(sorted(GOLDEN)))]["message"])
    assert is_read_or_refused(decode, json.dumps(message).encode())


@settings(max_examples=300)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    message = GOLDEN[data.draw(st.sampled_from(sorted(GOLDEN)))]["message"]
    assert is_read_or_refused(decode, damaged(data, message))


@given(st.binary(max_size=60))
def test_noise_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"."):
        decode(body)


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 2)), max_size=20))
def test_what_an_order_is_told_to_be_is_read_anew_whatever_was_told_before(tellings: list[tuple[str, int]]) -> None:
    for order_no, note in tellings:
        seen = decode(changed(order_no=order_no, content={**CREATED["content"], "note": f"note {note}"}))
        assert seen.content is not None
        assert (seen.order_no, seen.content.note) == (order_no, f"note {note}")


def test_of_many_orders_only_the_last_are_kept() -> None:
    for number in range(_direct_event.SAME_AGAIN + 10):
        decode(changed(order_no=f"many-{number}"))
    assert len(_direct_event._kept) == _direct_event.SAME_AGAIN
