"""What goes on outside, as of the instant at which an order is decided: intervals, subjects, overlaps."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_oracle import both, either, lines_frame, negated, orders_frame

from orderhub_core.rules.decide import decide
from orderhub_core.rules.explain import explain
from orderhub_core.rules.index import Index
from orderhub_core.rules.signals import SIGNALS
from orderhub_core.rules.tree import Action, Group, Leaf, Lines, Not, Op, Rule, Rulebook

START = datetime(2026, 11, 11, tzinfo=UTC)
BUSY = Leaf("livestream_audience", Op.MORE, (5_000,))


def at(minute):
    return None if minute is None else START + timedelta(minutes=minute)


def reports_frame(reports, signal="livestream_audience"):
    rows = [
        (signal, "shop" if shop else "", shop, value, None, at(since), at(until))
        for shop, value, since, until in reports
    ]
    return pl.DataFrame(rows, schema=SIGNALS, orient="row")


def order(number, shop, minute):
    return {"order_id": number, "platform": "douyin", "shop": shop, "province": "", "total_minor": 1} | {
        "paid_at": at(minute), "lines": []
    }  # fmt: skip


def value_of(reports, shop, minute):
    """The report that began last of those that hold: of the shop, else of all."""
    if minute is None:
        return None
    for subject in (shop, ""):
        holding = [
            (since, place, value)
            for place, (of, value, since, until) in enumerate(reports)
            if of == subject and since <= minute and (until is None or minute < until)
        ]
        if holding and subject is not None and max(holding)[2] is not None:
            return max(holding)[2]
    return None


minutes = st.integers(0, 12)
report_lists = st.lists(
    st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from([100, 5_001, 9_000]), minutes, st.none() | minutes),
    max_size=8,
)
asked = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.none() | minutes), min_size=1, max_size=6)


@settings(deadline=None, max_examples=150)
@given(report_lists, asked)
def test_the_value_is_that_of_the_report_that_began_last_and_still_holds(reports, some):
    orders = [order(n, *each) for n, each in enumerate(some, 1)]
    index = Index(orders_frame(orders), lines_frame(orders), zone="UTC", reports=reports_frame(reports))
    (busy,) = index.truths((BUSY,))
    values = [value_of(reports, *each) for each in some]
    assert busy.to_list() == [None if value is None else value > 5_000 for value in values]


def test_a_storm_sends_orders_elsewhere_while_it_lasts_and_not_knowing_of_one_is_not_that_there_is_none():
    storm = Leaf("storm", Op.IS, (True,))
    rules = (
        Rule("away", storm, (Action("assign_warehouse", "inland"),)),
        Rule("calm", Not(storm), (Action("tag", "x"),)),
    )
    book = Rulebook("v", (Group("g", "first", rules),))
    reports = reports_frame([("a", 1, 5, 10), ("a", 0, 10, 20)], "storm")
    orders = [order(n, "a", minute) for n, minute in enumerate((4, 5, 9, 10, 20), 1)]
    made = decide(orders_frame(orders), lines_frame(orders), book, reports=reports)
    assert dict(made.select("order_id", "rule").iter_rows()) == {2: "away", 3: "away", 4: "calm"}


def test_without_reports_nothing_is_known():
    orders = [order(1, "a", 3)]
    book = Rulebook("v", (Group("g", "all", (Rule("r", BUSY, (Action("tag", "x"),)), Rule("n", Not(BUSY), ()))),))
    assert decide(orders_frame(orders), lines_frame(orders), book).is_empty()


@pytest.mark.parametrize("value", [0, 1])
def test_flags_are_numbers_that_are_zero_or_one(value):
    orders = [order(1, "a", 3)]
    index = Index(
        orders_frame(orders), lines_frame(orders), zone="UTC", reports=reports_frame([("", value, 0, None)], "storm")
    )
    assert index.truths((Leaf("storm", Op.IS, (True,)),))[0].to_list() == [bool(value)]


@settings(deadline=None, max_examples=100)
@given(report_lists, asked)
def test_the_load_of_a_warehouse_is_what_was_reported_of_it_whichever_order_asks(reports, some):
    orders = [order(n, *each) for n, each in enumerate(some, 1)]
    told = reports_frame(reports, "load").filter(pl.col("of") != "").with_columns(of=pl.lit("warehouse"))
    others = [
        reports_frame(reports, "livestream_audience"),
        told.with_columns(signal=pl.lit("stock"), of=pl.lit("sku")),
    ]
    index = Index(orders_frame(orders), lines_frame(orders), zone="UTC", reports=pl.concat([told, *others]))
    asks = (Leaf("load(a)", Op.MORE, (5_000,)), Leaf("stock(b)", Op.MORE, (5_000,)), BUSY)
    named = [one for one in reports if one[0]]
    for truth, subject in zip(index.truths(asks), ("a", "b"), strict=False):
        values = [value_of(named, subject, minute) for _, minute in some]
        assert truth.to_list() == [None if value is None else value > 5_000 for value in values]


skus = st.sampled_from(["a", "b", "c", ""])
bought = st.lists(st.tuples(st.none() | minutes, st.lists(skus, max_size=3)), min_size=1, max_size=6)
SCARCE = Leaf("sku_stock", Op.AT_MOST, (5_000,))


def stock_frame(reports):
    own = reports_frame([one for one in reports if one[0]], "stock").with_columns(of=pl.lit("sku"))
    others = reports_frame([("", 1, 0, None), ("a", 1, 0, None)], "stock").with_columns(of=pl.lit("warehouse"))
    return pl.concat([own, others, reports_frame([("a", 1, 0, None)], "load").with_columns(of=pl.lit("sku"))])


def buying(number, minute, some):
    line = {"category": None, "quantity": 1, "price_minor": 1, "gift_of": None}
    lines = [line | {"line_no": place, "sku": sku} for place, sku in enumerate(some, 1)]
    return order(number, "a", minute) | {"lines": lines}


@settings(deadline=None, max_examples=150)
@given(report_lists, bought)
def test_the_stock_of_a_line_is_what_was_reported_of_its_own_sku_when_the_order_was_paid(reports, some):
    orders = [buying(n, *each) for n, each in enumerate(some, 1)]
    index = Index(orders_frame(orders), lines_frame(orders), zone="UTC", reports=stock_frame(reports))
    named = [one for one in reports if one[0]]
    values = [[value_of(named, sku, minute) for sku in own] for minute, own in some]
    silent, short, ample = Leaf("sku_stock", Op.IS_MISSING), Lines("every", SCARCE), Lines("no", SCARCE)
    truths = [truth.to_list() for truth in index.truths((SCARCE, silent, short, ample))]
    scarce = [[None if value is None else value <= 5_000 for value in own] for own in values]
    assert truths == [
        [either(own) if own else None for own in scarce],
        [any(value is None for value in own) if own else None for own in values],
        [both(own) if own else None for own in scarce],
        [negated(either(own)) if own else None for own in scarce],
    ]


@settings(deadline=None, max_examples=100)
@given(report_lists, st.lists(st.tuples(st.none() | minutes, st.sampled_from("abc")), min_size=1, max_size=6))
def test_of_an_order_of_one_line_its_stock_is_that_of_the_sku_by_name(reports, some):
    orders = [buying(n, minute, [sku]) for n, (minute, sku) in enumerate(some, 1)]
    index = Index(orders_frame(orders), lines_frame(orders), zone="UTC", reports=stock_frame(reports))
    own, *named = index.truths((SCARCE, *(Leaf(f"stock({sku})", SCARCE.op, SCARCE.values) for sku in "abc")))
    assert own.to_list() == [named["abc".index(sku)][place] for place, (_, sku) in enumerate(some)]


def test_a_missing_stock_is_never_met_and_the_why_says_so():
    rules = {"short": SCARCE, "not": Not(SCARCE), "silent": Leaf("sku_stock", Op.IS_MISSING)}
    book = Rulebook("v", (Group("g", "all", tuple(Rule(n, w, (Action("tag", n),)) for n, w in rules.items())),))
    orders = [buying(1, 5, ["a", "b"]), buying(2, 5, ["b"])]
    told = stock_frame([("a", 9_000, 0, None)])
    made = decide(orders_frame(orders), lines_frame(orders), book, reports=told)
    assert list(made.select("order_id", "rule", "reason").iter_rows()) == [
        (1, "silent", "some line: sku_stock is missing (sku_stock: a 9000, b none)"),
        (2, "silent", "some line: sku_stock is missing (sku_stock: b none)"),
    ]
    one = [frame.filter(order_id=2) for frame in (orders_frame(orders), lines_frame(orders))]
    short, *_ = explain(*one, book, reports=told).answers
    assert (short.outcome, short.lacks[0].missing, short.lacks[0].own) == ("unknown", True, {"sku_stock": None})


def test_without_reports_or_lines_nothing_is_known_of_any_stock():
    orders = [buying(1, 5, ["a"]), buying(2, 5, [])]
    index = Index(orders_frame(orders), lines_frame(orders), zone="UTC")
    scarce, silent = index.truths((SCARCE, Leaf("sku_stock", Op.IS_MISSING)))
    assert (scarce.to_list(), silent.to_list()) == ([None, None], [True, None])


def test_what_is_not_reported_of_a_warehouse_is_neither_met_nor_unmet():
    told = reports_frame([("b", 9_000, 0, None)], "load").with_columns(of=pl.lit("warehouse"))
    full = Leaf("load(a)", Op.MORE, (90,))
    book = Rulebook("v", (Group("g", "all", tuple(Rule(n, when, (Action("tag", n),)) for n, when in
                    {"full": full, "not": Not(full), "silent": Leaf("load(a)", Op.IS_MISSING)}.items())),))  # fmt: skip
    orders = [order(1, "a", 5)]
    made = decide(orders_frame(orders), lines_frame(orders), book, reports=told)
    assert made["rule"].to_list() == ["silent"]
