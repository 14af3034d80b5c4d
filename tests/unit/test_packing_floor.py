"""The packing floor of a hub against a plain reading of its orders, and a box while it is packed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core import frames
from orderhub_core.flows.packing import Off
from orderhub_core.i18n import translator
from orderhub_core.packing import board, checks, floor

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def order(number: int, **known: Any) -> dict[str, Any]:
    given = {"order_id": number, "shop": "s", "order_no": f"A{number}", "warehouse": "w1", "payment": "paid"}
    return dict.fromkeys(frames.ORDERS) | given | {"fulfilment": "waiting", "paid_at": NOW - timedelta(hours=1)} | known


def line(number: int, line_no: int, sku: str, gift_of: int | None = None, quantity: int = 1) -> dict[str, Any]:
    own = {"order_id": number, "line_no": line_no, "sku": sku, "quantity": quantity, "gift_of": gift_of}
    return dict.fromkeys(frames.LINES) | own


def known(
    orders: list[dict[str, Any]],
    lines: list[dict[str, Any]],
    left: list[tuple[str, str, int]],
    parcels: tuple[tuple[int, int, int, str], ...] = (),
    held: tuple[tuple[str, str, int | None], ...] = (),
    packs: tuple[tuple[int, str, str], ...] = (),
    subtracted: tuple[tuple[int, str], ...] = (),
) -> floor.Known:
    return floor.known(
        floor.present(pl.DataFrame(orders, schema=frames.ORDERS), NOW_US),
        pl.DataFrame(lines, schema=frames.LINES),
        pl.DataFrame(left, schema=floor.LEFT, orient="row"),
        pl.DataFrame(parcels, schema=floor.PARCELS, orient="row"),
        pl.DataFrame(held, schema=floor.HELD, orient="row"),
        pl.DataFrame(packs, schema=floor.PACKS, orient="row"),
        pl.DataFrame(subtracted, schema=floor.SUBTRACTED, orient="row"),
    )


def told(found: floor.Known) -> dict[tuple[str, str], str]:
    table = floor.table(found, NOW_US)
    return {(row["shop"], row["order_no"]): row["verdict"] for row in table.iter_rows(named=True)}


def test_orders_with_one_number_in_two_shops_are_two():
    found = known(
        [order(1, order_no="X"), order(2, shop="t", order_no="X", paid_at=NOW)],
        [line(1, 1, "GIFT", 1), line(2, 1, "GIFT", 1)],
        [("w1", "GIFT", -1)],  # two are promised and one lies there
    )
    assert told(found) == {("s", "X"): "go", ("t", "X"): "hold"}


def test_each_parcel_of_an_order_is_a_box_of_its_own_in_its_own_warehouse():
    lines = [line(1, 1, "A"), line(1, 2, "B"), line(1, 3, "NEW"), line(1, 1_000, "GIFT", 2), line(2, 1, "A")]
    parcels = ((1, 1, 1, "w1"), (1, 2, 2, "w2"), (1, 3, 1, "w1"), (1, 1_000, 2, "w2"))
    found = known([order(1), order(2)], lines, [("w1", "OTHER", 9), ("w2", "GIFT", -1)], parcels)
    assert {row["order_no"]: row["warehouse"] for row in found.orders.iter_rows(named=True)} == {
        "A1/1": "w1", "A1/2": "w2", "A2": "w1"
    }  # fmt: skip
    assert told(found)["s", "A1/2"] == "hold", "what was promised to it does not lie there"

    def lacking(box: str, *codes: str) -> set[str]:
        return set(floor.boxed(found, box, list(codes), NOW_US)["sku"].drop_nulls())

    assert (lacking("A1/1"), lacking("A1/2"), lacking("A2")) == ({"A", "NEW"}, {"B", "GIFT"}, {"A"})
    assert lacking("A1/2", "B", "GIFT") == set()


def test_a_box_says_which_other_orders_go_in_it():
    packs = ((1, "s", "A2"), (1, "t", "B7"), (2, "s", "A1"))
    found = known([order(1), order(2), order(3)], [line(1, 1, "A"), line(3, 1, "A")], [], packs=packs)
    assert [floor.beside(found, name) for name in ("A1", "A2", "A3")] == [[("A1", "A2, B7")], [("A2", "A1")], []]
    assert board.together([("A1", "A2, B7")], translator("zh")) == [("A1 与 A2, B7 装在同一个包裹里。", "info")]


def test_who_scans_what_is_said_to_have_left_is_told_so_beside_what_belongs_in_the_box():
    orders = [order(1, shipped_at=NOW - timedelta(minutes=90), tracking_no="SF1"), order(2)]
    found = known(orders, [line(1, 1, "A"), line(2, 1, "A")], [])
    assert [board.sent(floor.sent(found, name), NOW_US, translator("zh")) for name in ("A2", "A1")] == [
        [], [("A1 据报 1.5 小时前已发货：确认还在手上再装箱。", "warn")],
    ]  # fmt: skip
    assert floor.sent(found, "SF1") == floor.sent(found, "A1")


def test_what_is_held_is_no_keeper_s_yet_and_its_pieces_do_not_lie_there():
    orders, lines = [order(1), order(2)], [line(1, 1, "FREE", 1), line(2, 1, "FREE", 1)]
    assert told(known(orders, lines, [("w1", "FREE", -1)], held=(("s", "A1", None),))) == {("s", "A2"): "hold"}
    assert told(known(orders, lines, [("w1", "FREE", 0)], held=(("s", "A1", None),))) == {("s", "A2"): "go"}
    parts = ((1, 1, 1, "w1"), (1, 2, 2, "w2"))
    found = known(orders[:1], [line(1, 1, "A"), line(1, 2, "B")], [], parts, held=(("s", "A1", 2),))
    assert found.orders["order_no"].to_list() == ["A1/1"]
    assert found.lines["sku"].to_list() == ["A"]


@pytest.mark.parametrize(
    ("left", "subtracted", "there", "aside"),
    [
        (-1, ((1, "w1"),), 0, 2),  # two lie there, and both are A1's, which is held
        (-2, ((1, "w1"),), 0, 1),  # one lies there
        (-3, ((1, "w1"),), 0, 0),  # none does
        (-1, (), 0, 0),  # A1 found too little and waits for the next report: nothing is kept for it
    ],
)
def test_what_lies_there_for_orders_that_are_held_is_told(left, subtracted, there, aside):
    orders = [order(1), order(2, paid_at=NOW - timedelta(hours=2))]
    lines = [line(1, 1, "FREE", 1, quantity=2), line(2, 1, "FREE", 1)]
    found = known(orders, lines, [("w1", "FREE", left)], held=(("s", "A1", None),), subtracted=subtracted)
    table = floor.table(found, NOW_US)
    rows = table.filter(pl.col("verdict") == "hold").select("order_no", "needed", "there", "aside").rows()
    assert rows == [("A2", 1, there, aside)]
    said = board.faults(table, "before_packing", translator("en"))["What is wrong"].item()
    assert ("more lie there, kept for orders that are held" in said) == bool(aside)


def test_a_warehouse_that_reports_no_stock_has_every_gift_and_nobody_is_asked_where_none_does():
    orders, lines = [order(1), order(2, warehouse="w2")], [line(1, 1, "GIFT", 1), line(2, 1, "GIFT", 1)]
    assert told(known(orders, lines, [("w1", "OTHER", 5)])) == {("s", "A1"): "hold", ("s", "A2"): "go"}
    assert told(known(orders, lines, [])) == {}


def test_who_is_sent_without_a_number_is_told_after_a_quarter_of_an_hour_and_for_three_days():
    ago = {1: 14, 2: 15, 3: 60, 4: 60 * 24 * 3 + 1, 5: 20, 6: 20}
    orders = [order(n, shipped_at=NOW - timedelta(minutes=m), fulfilment="shipped") for n, m in ago.items()]
    orders[2]["tracking_no"], orders[4]["delivered_at"], orders[5]["payment"] = "SF1", NOW, "refunded"
    assert told(known(orders, [], [])) == {
        ("s", "A1"): "wait", ("s", "A2"): "alert", ("s", "A3"): "ok", ("s", "A6"): "alert",
    }  # fmt: skip


STATES = st.tuples(
    st.sampled_from(["unpaid", "paid", "partly_refunded", "refunded", "settled"]),
    st.sampled_from(["waiting", "cancelled", "intercepted", "shipped"]),
    st.sampled_from(["w1", "w2", None]),
    st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.integers(1, 3)), max_size=3),
    st.booleans(),
)


@given(st.lists(STATES, max_size=8), st.dictionaries(st.sampled_from("AB"), st.integers(-4, 6), min_size=1))
def test_gifts_go_to_whoever_paid_first_out_of_what_lies_there(states, left):
    """Against a plain reading: all that is promised still lies there, and is given out in the order of payment."""
    orders, lines, waiting = [], [], []
    for number, (payment, fulfilment, warehouse, wanted, sent) in enumerate(states, 1):
        shipped = NOW - timedelta(minutes=1) if sent else None
        orders.append(order(number, payment=payment, fulfilment=fulfilment, warehouse=warehouse, shipped_at=shipped,
                            paid_at=NOW - timedelta(minutes=number)))  # fmt: skip
        lines += [line(number, n, sku, 1 if gift else None, pieces) for n, (sku, gift, pieces) in enumerate(wanted, 1)]
        if payment in ("paid", "partly_refunded", "settled") and fulfilment in ("waiting", "shipped") and not sent:
            waiting.append((number, warehouse, wanted))
    there = {sku: n + sum(pieces for _, place, wanted in waiting if place == "w1" for one, _, pieces in wanted
                          if one == sku) for sku, n in left.items()}  # fmt: skip
    there = {sku: max(n, 0) for sku, n in there.items()}
    expected = {}
    for number, place, wanted in reversed(waiting):
        needs: dict[str, int] = {}
        for sku, gift, pieces in wanted:
            needs[sku] = needs.get(sku, 0) + pieces * gift
        needs = {sku: n for sku, n in needs.items() if n}
        if needs:
            fits = place != "w1" or all(there.get(sku, 0) >= n for sku, n in needs.items())
            expected[f"A{number}"] = "go" if fits else "hold"
            if fits and place == "w1":
                there = {sku: n - needs.get(sku, 0) for sku, n in there.items()}
    table = floor.table(known(orders, lines, [("w1", sku, n) for sku, n in left.items()]), NOW_US)
    first = table.filter(pl.col("stage") == "before_packing")
    assert dict(first.select("order_no", pl.col("verdict").cast(pl.String)).iter_rows()) == expected


@pytest.mark.parametrize(
    ("box", "codes", "said"),
    [
        ("", "BODY", ["Scan the box, then everything that goes into it."]),
        ("A1", "", ["to be packed: 1 × BODY", "to be packed, a gift: 1 × POUCH"]),
        ("A1", "BODY", ["fail: the gift POUCH is missing: 0 of 1 scanned"]),
        ("A1", "BODY\nPOUCH", ["A1 (s): everything is in the box."]),
        ("SF1", "BODY，POUCH BODY", ["fail: BODY does not belong there: 2 scanned, 1 needed"]),
        ("A1", "A1 SF1 BODY POUCH", ["A1 (s): everything is in the box."]),
        ("A1", "BODY POUCH 1", ["fail: 1 does not belong there: 1 scanned, 0 needed"]),
        ("A2", "BODY", ["No order has that order or tracking number."]),
    ],
)
def test_a_box_is_told_what_it_lacks(box, codes, said):
    found = known([order(1, tracking_no="SF1")], [line(1, 1, "BODY"), line(1, 2, "POUCH", 1)], [])
    scans = board.scanned(codes)
    told = board.box(box, floor.boxed(found, box, scans, NOW_US), scans, [], translator("en"))
    assert [text for text, _ in told] == said


UNTOLD = "fail: nobody has told what is in this order; do not pack it: import the report of its items"


@pytest.mark.parametrize("codes", ["", "X", "A1 X Y"])
def test_of_an_order_without_lines_it_is_told_that_nobody_knows_what_is_in_it(codes):
    found, scans = known([order(1)], [], []), board.scanned(codes)
    told = board.box("A1", floor.boxed(found, "A1", scans, NOW_US), scans, [], translator("en"))
    assert told == [(UNTOLD, "bad")]


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Off("s", "A1", "paid", "kept back by ann: the buyer phoned", False), "A1 (s) is held, do not pack it"),
        (Off("s", "A1", "cancelled", "", False), "A1 (s) is not to be packed: cancelled"),
        (Off("s", "A1", "intercepted", "", False), "A1 (s) is not to be packed: intercepted"),
    ],
)
@pytest.mark.parametrize("codes", ["", "BODY", "BODY POUCH"])
def test_what_was_kept_back_or_cancelled_since_the_floor_was_looked_at_is_not_packed(now, why, codes):
    orders = [order(1), order(2, shop="t", order_no="A1")]
    found = known(orders, [line(1, 1, "BODY"), line(1, 2, "POUCH"), line(2, 1, "BODY"), line(2, 2, "POUCH")], [])
    scans, tr = board.scanned(codes), translator("en")
    boxes = floor.boxed(found, "A1", scans, NOW_US)
    (stopped, *others) = board.box("A1", boxes, scans, [now], tr)
    assert stopped[1] == "bad" and stopped[0].startswith(why)
    alone = floor.boxed(known(orders[1:], [line(2, 1, "BODY"), line(2, 2, "POUCH")], []), "A1", scans, NOW_US)
    assert others == board.box("A1", alone, scans, [], tr), "the other shop's box is told as ever"


def test_tiles_count_orders_not_faults():
    found = known([order(1)], [line(1, 1, "G1", 1), line(1, 2, "G2", 1)], [("w1", "OTHER", 1)])
    table = floor.table(found, NOW_US)
    assert table.height == 2
    tiles = {name: value for name, value, _, _ in board.tiles(table, found.orders, translator("en"))}
    assert (tiles["Wait for a gift"], tiles["To be packed"]) == ("1", "1")
    assert set(board.faults(table, "before_packing", translator("zh")).columns) == {"订单号", "店铺", "仓库", "问题"}
    assert table.schema == floor.TABLE
    assert table.schema["stage"] == checks.STAGES


def test_who_has_waited_how_long_is_told_in_spans():
    hours = {1: 0, 2: 0.99, 3: 1, 4: 23, 5: 24, 6: 47, 7: 48, 8: 5_000}
    orders = [order(n, paid_at=NOW - timedelta(hours=h)) for n, h in hours.items()]
    orders += [order(9, shipped_at=NOW, fulfilment="shipped"), order(10, paid_at=None)]
    told = board.ages(known(orders, [], []).orders, NOW_US, str)
    assert told["orders"].to_list() == [2, 1, 0, 1, 2, 2]
    assert told["late"].to_list() == [False] * 4 + [True] * 2


def test_what_is_to_be_packed_is_told_by_its_name():
    named = [line(1, 1, "CUP") | {"name": "杯子"}, line(1, 2, "LID") | {"name": ""}]
    found = known([order(1)], named, [])
    tr = translator("zh")
    assert board.box("A1", floor.boxed(found, "A1", [], NOW_US), [], [], tr) == [
        ("待装箱：CUP（杯子） × 1", "info"), ("待装箱：LID × 1", "info"),
    ]  # fmt: skip
    (lacks, *_) = board.box("A1", floor.boxed(found, "A1", ["LID"], NOW_US), ["LID"], [], tr)
    assert lacks == ("不通过：少了主品 CUP（杯子）：需 1 件，扫到 0 件", "bad")


def test_a_sku_is_called_what_the_latest_order_calls_it():
    lines = [line(2, 1, "CUP") | {"name": "new"}, line(1, 1, "CUP") | {"name": "old"}, line(3, 1, "CUP")]
    found = known([order(1), order(2), order(3)], lines, [])
    assert set(floor.boxed(found, "A1", [], NOW_US)["name"]) == {"new"}
