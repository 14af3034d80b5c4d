"""A table and a mapping to what the file claims, and to a reason for every row it cannot claim."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.files import (
    REFUSED,
    Mapping,
    Reading,
    decode,
    load_mapping,
    observe,
    parse_table,
    read_table,
)
from orderhub_core.errors import Unreadable, UserMistake
from orderhub_core.model import Event, Line, Observation, Parcel, Person

REAL = os.environ.get("ORDERHUB_REAL_ORDERS")
T = "2026-01-0{} 08:00:00"
MAPPING = Mapping(
    name="shop-export",
    shop="shop",
    columns={
        "order_no": "no",
        "status": "status",
        "placed_at": "placed",
        "paid_at": "paid at",
        "shipped_at": "shipped",
        "delivered_at": "delivered",
        "updated_at": "updated",
        "promised_at": "promised",
        "total": "total",
        "discount": "discount",
        "receiver_name": "name",
        "receiver_phone": "phone",
        "province": "province",
        "payment_method": "pays",
        "tracking_no": "parcel",
        "carrier": "carrier",
        "sku": "sku",
        "product_name": "product",
        "quantity": "qty",
        "price": "price",
        "note": "note",
    },
    status={
        "new": "pending_payment",
        "taken on": "accepted",
        "paid": "paid",
        "shipped": "shipped",
        "delivered": "delivered",
        "closed": "cancelled",
        "billed": ["paid", "invoice.issued"],
        "returned goods": "refunded",
    },
)


def read(*rows: dict[str, str], mapping: Mapping = MAPPING) -> Reading:
    headings = list(dict.fromkeys(key for row in rows for key in row))
    table = pl.DataFrame(
        [{**dict.fromkeys(headings), **row} for row in rows], schema=dict.fromkeys(headings, pl.String)
    )
    return observe(table.with_columns(row_no=pl.int_range(2, len(rows) + 2)), mapping)


def claims(reading: Reading) -> list[Observation]:
    assert reading.refused.is_empty(), reading.refused.rows()
    return [decode(message.kind, message.body) for message in reading.messages]


def at(day: int) -> int:
    moment = dt.datetime(2026, 1, day, 8, tzinfo=ZoneInfo("Asia/Shanghai"))
    return int(moment.timestamp()) * 1_000_000


def order(no: str = "1", **cells: str) -> dict[str, str]:
    return {"no": no, "placed": T.format(1), **cells}


@pytest.mark.parametrize(
    ("cells", "facts"),
    [
        ({"status": "paid"}, {Event.DEFERRED: 3}),
        ({"status": "taken on", "pays": ""}, {Event.DEFERRED: 3}),
        ({"status": "shipped", "shipped": T.format(2)}, {Event.DEFERRED: 2, Event.SHIPPED: 2}),
        ({"status": "delivered", "delivered": T.format(2)},
         {Event.DEFERRED: 2, Event.PAID: 2, Event.SHIPPED: 2, Event.DELIVERED: 2}),
        ({"status": "paid", "paid at": T.format(2)}, {Event.DEFERRED: 2, Event.PAID: 2}),
        ({"status": "closed"}, {Event.VOIDED: 3, Event.CANCELLED: 3}),
        ({"status": "paid", "pays": "微信"}, {Event.PAID: 3}),
    ],
)  # fmt: skip
def test_what_is_paid_on_delivery_is_not_paid_before(cells: dict[str, str], facts: dict[Event, int]) -> None:
    (claim,) = claims(read(order(pays="货到付款", updated=T.format(3)) | cells))
    told = {event: day for event, day in claim.facts.items() if event != Event.PLACED}
    assert told == {event.value: at(day) for event, day in facts.items()}


def test_a_whole_row_becomes_an_observation() -> None:
    reading = read(
        order(
            **{"paid at": T.format(2)},
            status="shipped",
            shipped=T.format(3),
            updated=T.format(4),
            promised=T.format(5),
            total="¥1,234.50",
            discount="",
            name="张三",
            phone="'13800000000",
            province="浙江",
            parcel="'SF1",
            carrier="顺丰",
            note='say "hi",\n{"x":null}',
        )
    )
    (claim,) = claims(reading)
    assert claim.order_no == "1"
    assert claim.at == at(4)
    assert claim.facts == {Event.PLACED: at(1), Event.PAID: at(2), Event.SHIPPED: at(3)}
    assert claim.parcels == (Parcel("SF1", "顺丰"),)
    content = claim.content
    assert content is not None
    assert (content.total_minor, content.promised_at, content.currency) == (123450, at(5), "CNY")
    assert content.person == Person("张三", "13800000000")
    assert content.note == 'say "hi",\n{"x":null}'
    assert reading.message_rows == [2]
    assert reading.messages[0].source == "file:shop-export"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30))
def test_any_text_comes_through_the_body_unharmed(note: str) -> None:
    (claim,) = claims(read(order(note="x" + note + "x")))
    assert claim.content is not None
    assert claim.content.note == "x" + note + "x"


def test_the_message_of_a_row_does_not_depend_on_its_file() -> None:
    first, second = order("1", status="shipped", note=""), order("2", status="closed", note="n")
    alone, together = read(first).messages, read(second, first).messages
    assert alone[0] == together[1]
    assert alone[0].message_id.startswith("1:")
    assert read(order("1", status="paid")).messages[0].message_id != alone[0].message_id


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        ("new", {}),
        ("paid", {Event.PAID: 2}),
        ("billed", {Event.PAID: 2, Event.INVOICE_ISSUED: 2}),
        ("closed", {Event.CANCELLED: 2, Event.VOIDED: 2}),
        ("returned goods", {Event.PAID: 2, Event.REFUNDED: 2}),
        ("shipped", {Event.PAID: 2, Event.SHIPPED: 2}),
    ],
)
def test_a_status_word_states_facts_at_the_newest_instant_of_the_row(status: str, facts: dict[Event, int]) -> None:
    (claim,) = claims(read(order(status=status, updated=T.format(2), promised=T.format(9))))
    assert claim.facts == {Event.PLACED: at(1), **{event: at(day) for event, day in facts.items()}}


def test_a_cancelled_order_that_was_paid_gets_its_money_back() -> None:
    (claim,) = claims(read(order(status="closed", **{"paid at": T.format(2)})))
    assert claim.facts == {
        Event.PLACED: at(1),
        Event.PAID: at(2),
        Event.REFUNDED: at(2),
        Event.CANCELLED: at(2),
    }


def test_goods_that_went_are_not_cancelled_but_paid_back() -> None:
    cells = {"paid at": T.format(2), "shipped": T.format(3)}
    (claim,) = claims(read(order(status="closed", updated=T.format(4), **cells)))
    assert claim.facts == {
        Event.PLACED: at(1),
        Event.PAID: at(2),
        Event.SHIPPED: at(3),
        Event.REFUNDED: at(4),
    }


def test_a_time_of_cancelling_that_nothing_else_tells_is_not_lost() -> None:
    mapping = msgspec.structs.replace(MAPPING, columns={**MAPPING.columns, "cancelled_at": "cancelled"})
    (claim,) = claims(read(order(shipped=T.format(3), cancelled=T.format(4)), mapping=mapping))
    assert claim.facts[Event.CANCELLED] == at(4)


def test_an_unknown_time_of_payment_is_put_before_the_shipping() -> None:
    (claim,) = claims(read(order(status="delivered", shipped=T.format(3), delivered=T.format(6))))
    assert claim.facts[Event.PAID] == at(3)


def test_what_a_column_leaves_open_is_not_presupposed() -> None:
    """Cash on delivery: the file could have said that it was paid, and does not."""
    (claim,) = claims(read(order(status="shipped", shipped=T.format(3), **{"paid at": ""})))
    assert Event.PAID not in claim.facts


def test_times_in_an_impossible_order_are_claimed_as_they_stand() -> None:
    (claim,) = claims(read(order(shipped=T.format(5), delivered=T.format(3))))
    assert claim.facts == {Event.PLACED: at(1), Event.SHIPPED: at(5), Event.DELIVERED: at(3)}


def test_a_file_without_content_says_nothing_of_it() -> None:
    (claim,) = claims(read(order()))
    assert claim.content is None


@pytest.mark.parametrize("cells", [{}, {"promised": T.format(9)}, {"updated": ""}])
def test_without_an_update_time_a_row_is_as_old_as_the_newest_thing_it_tells(cells: dict[str, str]) -> None:
    (claim,) = claims(read(order(total="9", status="shipped", shipped=T.format(3), **cells)))
    assert (claim.at, claim.at_least) == (at(3) - 1, True), "whoever states a version of that instant knows better"


def test_an_update_time_is_the_version_itself() -> None:
    (claim,) = claims(read(order(total="9", updated=T.format(2), shipped=T.format(3))))
    assert (claim.at, claim.at_least) == (at(2), False)


def test_an_empty_cell_and_a_missing_column_state_nothing() -> None:
    (message,) = read(order(total="", discount="0", province="", name="", phone="", note="")).messages
    assert msgspec.json.decode(message.body)["content"] == {"currency": "CNY", "discount_minor": 0}


def test_a_file_without_amounts_states_no_currency() -> None:
    (message,) = read(order(total="", province="浙江")).messages
    assert msgspec.json.decode(message.body)["content"] == {"currency": "", "province": "浙江"}


def test_a_row_whose_cells_of_content_are_all_empty_has_none() -> None:
    one, two = read(order("1", total="9", name="张三"), order("2", total="", name="")).messages
    assert "content" in msgspec.json.decode(one.body)
    assert "content" not in msgspec.json.decode(two.body)


@pytest.mark.parametrize(
    ("field", "heading", "cell"),
    [
        ("receiver_name", "name", "张\0三丰"),
        ("receiver_phone", "phone", "1.38E+10"),
        ("receiver_phone", "phone", "1380013\0 8000"),
        ("receiver_address", "address", "文三路1号\0"),
        ("buyer", "buyer", "tb_wang\0"),
        ("note", "note", "call 13800138000\0"),
    ],
)
def test_what_is_a_persons_is_not_repeated_in_a_refusal(field: str, heading: str, cell: str) -> None:
    mapping = msgspec.structs.replace(MAPPING, columns={**MAPPING.columns, field: heading})
    (row,) = read(order(**{heading: cell}), mapping=mapping).refused.rows(named=True)
    assert row["column"] == heading
    assert set(row["value"]) <= {"*", " "}
    told = " ".join(str(value) for key, value in row.items() if key != "order_no")
    assert not any(part in told for part in ("张", "138", "8000", "文三", "wang", "1.38"))


def test_a_refusal_repeats_only_the_start_of_a_cell() -> None:
    (row,) = read(order(status="x" * 100_000)).refused.rows(named=True)
    assert len(row["value"]) == 40
    split = read(*(order("1", sku=str(n), status=f"{n}" + "x" * 1000) for n in range(50))).refused
    assert all(len(reason) < 500 for reason in split["reason"])
    assert split.height == 50


def test_rows_that_no_store_can_hold_are_refused_alone() -> None:
    bad = [
        order("9" * 65),
        order("2", sku="A", qty="3000000000"),
        order("3", total="999999999999999"),
        order("4", placed="9999-01-01 00:00:00"),
        order("5", product="a\0b", qty="1"),
    ]
    reading = read(order("good", sku="A", qty="1"), *bad)
    assert [message.message_id.split(":")[0] for message in reading.messages] == ["good"]
    assert reading.refused["row_no"].to_list() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("cells", "column", "value", "reason"),
    [
        ({"no": ""}, "no", None, "order number is missing"),
        ({"no": "4.83E+18"}, "no", "4.83E+18", "rounded"),
        ({"placed": "soon"}, "placed", "soon", "not a time"),
        ({"total": "-1"}, "total", "-1", "negative"),
        ({"total": "1.001"}, "total", "1.001", "more than 2 decimals"),
        ({"status": "shiped"}, "status", "shiped", "did you mean 'shipped'"),
        ({"status": "?"}, "status", "?", "does not know this status; add it under"),
        ({"placed": "0001-01-01 00:00:00"}, None, None, "no time column is filled"),
    ],
)
def test_a_refused_row_says_where_and_why(cells: dict[str, str], column: str, value: str, reason: str) -> None:
    reading = read(order("good"), {**order("bad"), **cells})
    assert [message.message_id.split(":")[0] for message in reading.messages] == ["good"]
    (row,) = reading.refused.rows(named=True)
    assert (row["row_no"], row["column"]) == (3, column)
    assert reason in row["reason"]
    assert (row["value"] or None) == value
    assert reading.refused.schema == REFUSED


def test_all_reasons_of_a_row_are_told_at_once() -> None:
    (row,) = read({"no": "1", "placed": "soon", "total": "much"}).refused.rows(named=True)
    assert (row["column"], row["value"]) == ("placed", "soon")
    assert row["reason"].startswith("this is not a time")
    assert "; total = 'much': this is not an amount" in row["reason"]
    assert "total" not in row["reason"].partition(";")[0]


def test_of_one_reason_in_two_columns_both_are_told() -> None:
    (row,) = read(order(total="-1", discount="-2")).refused.rows(named=True)
    assert row["reason"].count("negative") == 2
    assert (row["column"], row["value"]) == ("total", "-1")
    assert "; discount = '-2': " in row["reason"]


def test_a_person_s_cell_is_not_repeated_in_a_further_reason() -> None:
    (row,) = read(order(placed="soon", phone="1.3E+10")).refused.rows(named=True)
    assert row["column"] == "placed"
    assert "phone = '*******': " in row["reason"]
    assert "1.3E" not in row["reason"]


def test_every_row_is_claimed_or_refused() -> None:
    reading = read(order("1"), order("1", note="else"), order("2"), order(""), order("3", total="x"), order("2"))
    assert reading.rows == 6
    assert sorted([*reading.message_rows, *reading.refused["row_no"]]) == [2, 3, 4, 5, 6, 7]


wild = st.sampled_from(["", "1", "2", "3", "0", "-1", "4.8E+18", "x", "paid", "new", T.format(1), T.format(2), "1.001"])


@settings(max_examples=50)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(("no", "placed", "status", "total", "sku"), wild)), max_size=6))
def test_whatever_a_file_holds_no_order_is_lost_and_none_is_half(rows: list[dict[str, str]]) -> None:
    table = pl.DataFrame(rows, schema=dict.fromkeys(("no", "placed", "status", "total", "sku"), pl.String))
    table = table.with_columns(row_no=pl.int_range(2, len(rows) + 2, dtype=pl.Int64))
    for seen in (table, table.drop("sku")):
        reading = observe(seen, MAPPING)
        refused = set(reading.refused["row_no"].to_list())
        assert reading.refused["row_no"].is_unique().all()
        claimed = {claim.order_no for claim in (decode(message.kind, message.body) for message in reading.messages)}
        assert claimed.isdisjoint(row["no"] for number, row in enumerate(rows, start=2) if number in refused)
        assert claimed == {row["no"] for number, row in enumerate(rows, start=2) if number not in refused}
        if "sku" not in seen.columns:
            assert sorted([*refused, *reading.message_rows]) == table["row_no"].to_list()


def test_rows_that_disagree_on_an_order_are_all_refused_and_name_each_other() -> None:
    reading = read(order("1"), order("2"), order("1", note="else"))
    assert reading.refused.select("row_no", "reason").rows() == [
        (2, "order no 1 stands also in row 4, and says something else there"),
        (4, "order no 1 stands also in row 2, and says something else there"),
    ]


def test_a_row_repeated_word_for_word_is_the_same_message() -> None:
    first, second = read(order("1"), order("1")).messages
    assert first == second


def test_the_items_of_an_order_are_gathered() -> None:
    reading = read(
        order("1", sku="A", product="Tea", qty="2", price="1.50", parcel="SF1", total="9", shipped=T.format(3)),
        order("2", sku="", product="Cup", qty="1"),
        order("1", sku="B", product="", qty="1", price="", parcel="SF2", total="9", shipped=T.format(4)),
        order("1", sku="B", product="", qty="1", price="", parcel="SF2", total="9", shipped=T.format(4)),  # a copy
    )
    one, two = claims(reading)
    assert reading.message_rows == [2, 3]
    assert one.content is not None and two.content is not None
    assert one.content.lines == (Line(1, "A", "Tea", quantity=2, price_minor=150), Line(2, "B"))
    assert two.content.lines == (Line(1, "Cup", "Cup"),)
    assert one.parcels == (Parcel("SF1"), Parcel("SF2"))
    assert two.parcels == ()
    assert one.content.total_minor == 900
    assert one.facts[Event.SHIPPED] == at(4)  # shipped when the last parcel was


def test_amounts_of_items_are_summed_where_the_mapping_says_so() -> None:
    mapping = msgspec.structs.replace(MAPPING, money_per="line")
    reading = read(order("1", sku="A", total="9"), order("1", sku="B", total="1.5"), mapping=mapping)
    (claim,) = claims(reading)
    assert claim.content is not None
    assert claim.content.total_minor == 1050


def test_an_order_is_whole_or_refused() -> None:
    reading = read(order("1", sku="A", qty="1"), order("1", sku="B", qty="0"), order("2", sku="A", qty="1"))
    assert reading.refused.select("row_no", "reason").rows() == [
        (2, "another row of the same order is refused"),
        (3, "the quantity is less than 1"),
    ]
    assert len(reading.messages) == 1
    split = read(order("1", sku="A", status="new"), order("1", sku="B", status="paid"))
    assert set(split.refused["reason"]) == {"the rows of this order show different statuses: new, paid"}


@pytest.mark.parametrize("cell", ["", "-", "None", "#DIV/0!"])
def test_how_many_an_item_is_must_be_legible_where_the_file_has_a_column_for_it(cell: str) -> None:
    reading = read(order("1", sku="A", qty="2"), order("1", product="Tea", qty=cell), order("2", sku="A", qty="1"))
    assert [message.message_id.split(":")[0] for message in reading.messages] == ["2"]
    (whole, row) = reading.refused.rows(named=True)
    assert (row["row_no"], row["column"], row["value"] or "") == (3, "qty", cell)
    assert "quantity is missing" in row["reason"] or "a spreadsheet's error" in row["reason"]
    assert (whole["row_no"], whole["reason"]) == (2, "another row of the same order is refused")


def test_what_is_no_item_needs_no_quantity_and_a_file_without_the_column_counts_one_of_each() -> None:
    (freight, two) = claims(read(order("1", sku="", qty=""), order("2", sku="A", qty="2")))
    assert freight.content is not None and two.content is not None
    assert two.content.lines == (Line(1, "A", quantity=2),)
    (one,) = claims(read(order("1", sku="A")))
    assert one.content is not None and one.content.lines == (Line(1, "A"),)


def test_items_below_a_merged_order_number_keep_the_order_out_and_a_total_below_does_not() -> None:
    merged = [{"no": "", "placed": "", "sku": name, "qty": "2"} for name in "BC"]
    total = {"no": "", "placed": "", "sku": "", "qty": "5"}
    around = [order(no, sku="A", qty="1") for no in ("7", "8", "9")]
    reading = read(*around[:2], *merged, around[2], total)
    assert [message.message_id.split(":")[0] for message in reading.messages] == ["7", "9"]
    reasons = dict(reading.refused.select("row_no", "reason").rows())
    assert list(reasons) == [3, 4, 5, 7]
    assert reasons[3] == "another row of the same order is refused"
    assert all("where cells are merged, write it in every row" in reasons[row] for row in (4, 5))
    assert "merged" not in reasons[7]


def test_other_moneys() -> None:
    fen, yen = msgspec.structs.replace(MAPPING, money="fen"), msgspec.structs.replace(MAPPING, currency="JPY")
    for mapping, cell, minor in ((fen, "1250", 1250), (yen, "1250", 1250), (MAPPING, "12.5", 1250)):
        (claim,) = claims(read(order(total=cell), mapping=mapping))
        assert claim.content is not None
        assert claim.content.total_minor == minor
    assert "whole units" in read(order(total="12.5"), mapping=yen).refused["reason"][0]


def test_a_missing_heading_names_what_is_expected_and_what_is_there() -> None:
    told = "no column for placed_at: it may be headed placed by mapping 'shop-export'; the file has no, plaecd"
    with pytest.raises(UserMistake, match=rf"{told} \(did you mean 'placed'\?\)"):
        read({"no": "1", "plaecd": "2"})


def test_headings_forgive_blanks_case_and_marks() -> None:
    assert len(claims(read({" NO* ": "1", "Placed：": T.format(1)}))) == 1


def test_a_file_of_headings_only_claims_nothing() -> None:
    reading = observe(parse_table(b"no,placed,status,sku\n", "f"), MAPPING)
    assert (reading.rows, reading.messages, reading.refused.height) == (0, [], 0)
    assert observe(parse_table(b"no,placed,status\n", "f"), MAPPING).messages == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("row", b"{"),
        ("row", b'{"facts":{}}'),
        ("row", b'{"order_no":"\xff"}'),
        ("row", b'{"x":' + b"[" * 100_000),
        ("push", b"{}"),
    ],
)
def test_a_body_that_is_no_observation_is_unreadable(kind: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(kind, body)


@pytest.mark.skipif(not REAL, reason="ORDERHUB_REAL_ORDERS does not point to the real orders")
def test_the_real_orders_are_taken_in_as_they_are() -> None:
    table = read_table(Path(str(REAL)) / "orders.csv")
    reading = observe(table, load_mapping("olist"))
    found = claims(reading)
    assert reading.rows == table.height == len(found) == len({claim.order_no for claim in found})
    delivered = table.filter(pl.col("order_delivered_customer_date").is_not_null()).height
    assert sum(Event.DELIVERED in claim.facts for claim in found) >= delivered
    zone = ZoneInfo("America/Sao_Paulo")
    for claim, row in zip(found, table.iter_rows(named=True), strict=True):
        placed = dt.datetime.fromisoformat(row["order_purchase_timestamp"]).replace(tzinfo=zone)
        assert claim.facts[Event.PLACED] == int(placed.timestamp()) * 1_000_000
        cancelled, went = row["order_status"] == "canceled", row["order_delivered_carrier_date"] is not None
        assert (Event.CANCELLED in claim.facts) == (cancelled and not went)
        if cancelled and went:
            assert Event.REFUNDED in claim.facts


@pytest.mark.parametrize("items", [False, True])
def test_a_large_file_that_is_wrong_in_every_row_is_told_so_quickly(items: bool) -> None:
    rows = 40_000
    numbers = pl.int_range(2, rows + 2, eager=True)
    table = pl.DataFrame({"no": (numbers // 2).cast(pl.String), "placed": [T.format(1)] * rows, "row_no": numbers})
    other = (numbers % 2 == 0).replace_strict({True: "new", False: "paid"})
    split = table.with_columns(status=other, **({"sku": pl.lit("A")} if items else {}))
    unknown = split.with_columns(status=pl.lit("word ") + pl.col("row_no").cast(pl.String))
    for wrong in (split, unknown):
        assert observe(wrong, MAPPING).refused["row_no"].to_list() == numbers.to_list()


CASES = msgspec.structs.replace(
    MAPPING,
    columns={**MAPPING.columns, "after_sale": "case", "refunded": "back"},
    after_sale={"-": "none", "money is back": "after_sale.refunded", "withdrawn": "after_sale.closed",
                "*": "after_sale.applied"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "event"),
    [
        ("money is back", Event.AFTER_SALE_REFUNDED),
        ("withdrawn", Event.AFTER_SALE_CLOSED),
        ("whatever a platform thinks of", Event.AFTER_SALE_APPLIED),
        ("-", None),
        ("", None),
    ],
)
def test_a_word_of_a_case_is_an_event_of_it_and_any_other_word_an_open_one(cell: str, event: Event | None) -> None:
    (claim,) = claims(read(order("1", status="paid", case=cell), mapping=CASES))
    told = {fact for fact in claim.facts if fact.startswith("after_sale.")}
    assert told == ({event.value} if event else set())


def test_of_the_cases_of_an_order_s_rows_an_open_one_holds() -> None:
    rows = [
        order("1", sku=sku, status="paid", case=case) for sku, case in zip("ABC", ("-", "withdrawn", "?"), strict=True)
    ]
    for some in (rows, rows[::-1]):
        (claim,) = claims(read(*some, mapping=CASES))
        assert {fact for fact in claim.facts if fact.startswith("after_sale.")} == {Event.AFTER_SALE_APPLIED.value}


def test_without_any_other_word_one_that_nobody_knows_refuses_its_row() -> None:
    strict = msgspec.structs.replace(CASES, after_sale={"open": "after_sale.applied"})
    reading = read(order("1", case="opne"), order("2", case="open"), mapping=strict)
    assert reading.order_nos == ["2"]
    (reason,) = reading.refused["reason"]
    assert reason.startswith("mapping 'shop-export' does not know this word of a case (did you mean 'open'?)")


@pytest.mark.parametrize(
    ("status", "back", "told"),
    [("paid", "3", True), ("paid", "0.00", False), ("paid", "", False), ("shipped", "3", True), ("closed", "10", False),
     ("returned goods", "10", False)],
)  # fmt: skip
def test_money_that_went_back_is_told_where_no_word_says_that_the_order_is_over(
    status: str, back: str, told: bool
) -> None:
    (claim,) = claims(read(order("1", status=status, back=back, total="10", **{"paid at": T.format(2)}), mapping=CASES))
    assert (Event.PARTLY_REFUNDED.value in claim.facts) == told


def test_the_shipped_mapping_for_douyin_reads_its_after_sale_column() -> None:
    mapping = load_mapping("douyin-export")
    table = {
        "订单编号": "1",
        "订单状态": "待发货",
        "订单提交时间": T.format(1),
        "支付时间": T.format(2),
        "商家编码": "A",
    }
    for word, event in (("退款成功", "after_sale.refunded"), ("待商家处理", "after_sale.applied"), ("-", "")):
        (claim,) = claims(read({**table, "售后状态": word}, mapping=mapping))
        assert {fact for fact in claim.facts if fact.startswith("after_sale.")} == ({event} - {""})
