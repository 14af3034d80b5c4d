"""Routing and gifts: first match, every gift, missing values never match; against a plain-Python reading."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import frames
from orderhub_core.errors import UserMistake
from orderhub_core.rules import book
from orderhub_core.rules.book import Book, Gift, Routing, When, minor
from orderhub_core.rules.decide import DECISIONS, decide

T = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 11, 21)]
SHOPS, PLATFORMS, PROVINCES = ["a", "b"], ["douyin", "taobao"], ["浙江省", "广东省", ""]
CATEGORIES, SKUS = ["连体衣", "面膜"], ["S1", "S2"]


def orders_frame(orders):
    columns = ("order_id", "shop", "platform", "province", "total_minor", "paid_at")
    return pl.DataFrame(
        [tuple(order[name] for name in columns) for order in orders],
        schema={name: frames.ORDERS[name] for name in columns},
        orient="row",
    )


def lines_frame(orders):
    rows = [
        (order["order_id"], number, sku, "", category, 1, 1, None)
        for order in orders
        for number, (sku, category) in enumerate(order["lines"], 1)
    ]
    return pl.DataFrame(rows, schema=frames.LINES, orient="row")


def holds(when, order):
    def among(wanted, values):
        return not wanted or any(value in ([wanted] if isinstance(wanted, str) else wanted) for value in values)

    return (
        among(when.shop, [order["shop"]])
        and among(when.platform, [order["platform"]])
        and among(when.province, [order["province"]])
        and among(when.category, [category for _, category in order["lines"]])
        and among(when.sku, [sku for sku, _ in order["lines"]])
        and (when.total_min is None or order["total_minor"] >= float(when.total_min) * 100)
        and (when.paid_from is None or (order["paid_at"] is not None and order["paid_at"] >= when.paid_from))
        and (when.paid_until is None or (order["paid_at"] is not None and order["paid_at"] < when.paid_until))
    )


def expected(orders, rules):
    found = set()
    for order in orders:
        routed = next((r for r in rules.routing if holds(r.when, order)), None)
        if routed:
            found.add((order["order_id"], routed.name, "assign_warehouse", routed.warehouse))
        elif rules.default_warehouse:
            found.add((order["order_id"], "default", "assign_warehouse", rules.default_warehouse))
        found |= {(order["order_id"], g.name, "add_gift", g.sku) for g in rules.gift if holds(g.when, order)}
    return found


def some(values):
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


whens = st.builds(
    When,
    shop=some(SHOPS),
    platform=some(PLATFORMS) | st.sampled_from(PLATFORMS),
    province=some(PROVINCES[:2]),
    category=some(CATEGORIES),
    sku=some(SKUS),
    total_min=st.none() | st.sampled_from(["1.00", "2.50"]),
    paid_from=st.none() | st.sampled_from(T),
    paid_until=st.none() | st.sampled_from(T),
)
books = st.builds(
    lambda routing, gifts, default: Book(
        "v",
        default,
        tuple(Routing(f"r{n}", f"w{n}", when) for n, when in enumerate(routing)),
        tuple(Gift(f"g{n}", f"G{n}", when=when) for n, when in enumerate(gifts)),
    ),
    st.lists(whens, max_size=3),
    st.lists(whens, max_size=3),
    st.sampled_from(["", "hangzhou"]),
)
order_lists = st.lists(
    st.fixed_dictionaries(
        {
            "shop": st.sampled_from(SHOPS),
            "platform": st.sampled_from(PLATFORMS),
            "province": st.sampled_from(PROVINCES),
            "total_minor": st.sampled_from([0, 99, 100, 250, 10_000]),
            "paid_at": st.none() | st.sampled_from(T),
            "lines": st.lists(st.tuples(st.sampled_from(SKUS), st.sampled_from(CATEGORIES)), max_size=3),
        }
    ),
    max_size=6,
).map(lambda orders: [{"order_id": n, **order} for n, order in enumerate(orders, 1)])


@settings(max_examples=150, deadline=None)
@given(order_lists, books)
def test_decisions_are_those_of_a_plain_reading(orders, rules):
    decisions = decide(orders_frame(orders), lines_frame(orders), rules)
    assert decisions.schema == DECISIONS
    found = [tuple(row) for row in decisions.select("order_id", "rule", "action", "argument").iter_rows()]
    assert len(found) == len(set(found))
    assert set(found) == expected(orders, rules)


def test_the_reason_shows_the_orders_own_values():
    order = {"order_id": 1, "shop": "a", "platform": "douyin", "province": "浙江省"}
    order |= {"total_minor": 12_345, "paid_at": T[0], "lines": [("S1", "连体衣")]}
    rules = Book("v", routing=(Routing("r", "w", When(platform="douyin", category="连体衣", total_min="99.00")),))
    (reason,) = decide(orders_frame([order]), lines_frame([order]), rules)["reason"]
    assert "platform = douyin" in reason
    assert "连体衣" in reason
    assert "123.45 >= 99.00" in reason


def test_the_reason_does_not_depend_on_what_else_is_decided_at_once():
    orders = [{"order_id": 1, "shop": "a", "platform": "douyin", "province": "浙江省", "paid_at": T[0]}]
    orders[0] |= {"total_minor": 77_081, "lines": [("S1", "连体衣"), ("S2", "卫衣")]}
    orders += [orders[0] | {"order_id": 2, "total_minor": 77_005}]
    when = When(category=["连体衣", "卫衣"], total_min="99.00")
    rules = Book("v", routing=(Routing("r", "w", when),))
    alone = [decide(orders_frame([order]), lines_frame([order]), rules)["reason"][0] for order in orders]
    assert decide(orders_frame(orders), lines_frame(orders), rules)["reason"].to_list() == alone
    assert "total 770.81 >= 99.00" in alone[0]
    assert "total 770.05 >= 99.00" in alone[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[routing]]\nname = "a"\nwarehous = "x"', "warehous"),
        ('[[gift]]\nname = "a"\nsku = "x"\n[[gift]]\nname = "a"\nsku = "y"', "'a' stands twice"),
        ("not toml at all [", "rulebook"),
        ('[[gift]]\nname = "a"\nsku = "x"\nwhen = { total_min = "a lot" }', "a lot"),
        ('[[gift]]\nname = "a"\nsku = "x"\nwhen = { paid_from = 2026-11-11T00:00:00 }', "zone"),
    ],
)
def test_a_wrong_rulebook_is_told_when_it_is_read(tmp_path, text, told):
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserMistake, match="rulebook") as mistake:
        book.load(path)
    assert told in str(mistake.value)


def test_amounts_are_exact():
    assert minor("0.29") == 29
    assert minor("299") == 29_900
