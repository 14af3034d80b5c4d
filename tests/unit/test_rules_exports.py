"""Files that a rulebook decides on: what is amiss in them ends in one sentence, never in another decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.rules import rulebook
from orderhub_core.rules.exports import evaluate, read
from orderhub_core.rules.signals import SIGNALS

NOON = datetime(2026, 11, 11, 4, tzinfo=UTC)
ORDERS = pl.DataFrame(
    {"order_no": ["A", "B"], "total_minor": [100, 900], "province": ["浙江省", None], "paid_at": [NOON, NOON]},
    schema_overrides={"paid_at": INSTANT},
)
LINES = pl.DataFrame({"order_no": ["A", "A", "B"], "line_no": [7, 3, 5]})


def book(when, then, otherwise=""):
    told = f"otherwise = '{otherwise}'\n" if otherwise else ""
    draft = rulebook.read(
        f"[[groups]]\nname = 'g'\nmatch = 'first'\n{told}[[groups.rules]]\nname = 'r'\nwhen = '{when}'\nthen = '{then}'"
    )
    assert draft.mistakes == ()
    return draft.book


def reports(**changed):
    row = {"signal": "storm", "of": "", "subject": "", "number": 1, "since": NOON - timedelta(days=1), **changed}
    return pl.DataFrame([row], schema={name: SIGNALS[name] for name in row})


@pytest.fixture
def evaluated(tmp_path):
    """What a book decides on files of these frames."""

    def run(rules, orders=ORDERS, lines=LINES, signals=None):
        paths = {name: tmp_path / f"{name}.parquet" for name in ("orders", "lines", "signals")}
        frames = {"orders": orders, "lines": lines, "signals": signals}
        for name, frame in frames.items():
            if frame is not None:
                frame.write_parquet(paths[name])
        given = [paths[name] if frames[name] is not None else None for name in ("lines", "signals")]
        return evaluate(read(rules, paths["orders"], *given), rules)

    return run


@pytest.mark.parametrize("rules", [book("total >= 5", "gift F"), book("total >= 5", "tag x", "gift F")])
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (LINES.drop("line_no"), "no column 'line_no'"),
        (LINES.with_columns(line_no=pl.Series(["a", "b", "c"])), "'line_no' of the lines holds String, not whole num"),
        (LINES.with_columns(line_no=pl.Series([None, 2, 3])), "1 lines have no line_no"),
        (LINES.with_columns(line_no=pl.Series([2**33 + 1, 2, -1])), "2 lines have no line_no, or none from 0"),
    ],
)
def test_a_gift_needs_the_number_of_its_line_wherever_the_book_gives_it(evaluated, rules, lines, told):
    with pytest.raises(UserMistake, match=told):
        evaluated(rules, lines=lines)
    assert evaluated(rules, lines=None).decisions.filter(action="add_gift")["parent"].null_count() > 0


def test_a_gift_of_otherwise_goes_with_the_first_line(evaluated):
    made = evaluated(book("total >= 5", "tag x", "gift F")).decisions
    assert made.select("order_no", "rule", "parent").rows() == [("A", "otherwise", 3), ("B", "r", None)]


@pytest.mark.parametrize(
    ("when", "blind"),
    [("total >= 5", ()), ("not (category = 面膜)", ("r",)), ("total >= 5 or line_count > 1", ("r",))],
)
def test_rules_that_read_lines_are_named_where_none_are_given(tmp_path, when, blind):
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    LINES.with_columns(category=pl.lit("杯子")).write_parquet(tmp_path / "lines.parquet")
    for lines, expected in ((None, blind), (tmp_path / "lines.parquet", ())):
        assert read(book(when, "tag x"), tmp_path / "orders.parquet", lines).blind == expected


STORM = book("storm", "tag x")


@pytest.mark.parametrize(
    ("orders", "signals", "told"),
    [
        (ORDERS, None, "give them by --signals"),
        (ORDERS, reports(of="provincee"), "in 'of' stands .* 'provincee'; the nearest is 'province'"),
        (ORDERS.drop("province"), reports(of="province"), "'province'"),
        (ORDERS, reports(signal="stom"), "no signal 'stom'; the nearest is 'storm'"),
        (ORDERS, reports(since=None), "1 reports do not say since when"),
        (ORDERS.with_columns(paid_at=pl.lit("yesterday")), reports(), "'paid_at' of the orders holds String"),
        (ORDERS.with_columns(pl.col("paid_at").dt.replace_time_zone(None)), reports(), "instants with their time zone"),
        (ORDERS.drop("paid_at"), reports(), "no column 'paid_at': signals are looked up as of the payment"),
    ],
)
def test_signals_that_nobody_could_look_up_are_told(evaluated, orders, signals, told):
    with pytest.raises(UserMistake, match=told):
        evaluated(STORM, orders, signals=signals)


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        (reports(of="province", subject="浙江省"), ["A"]),
        (reports(), ["A", "B"]),
        (reports(of=None, subject=None), ["A", "B"]),
    ],
)
def test_a_report_holds_for_its_subject_or_for_all(evaluated, signals, expected):
    assert evaluated(STORM, signals=signals).decisions["order_no"].to_list() == expected


BOUGHT = pl.DataFrame(
    {
        "order_no": ["A", "B", "C"],
        "buyer_ref": ["ann", "ann", ""],
        "paid_at": [NOON, NOON + timedelta(hours=71), NOON],
        "paid_minor": [10_050, 1, 1],
    },
    schema_overrides={"paid_at": INSTANT},
)


def test_what_a_buyer_paid_before_is_computed_from_the_orders_of_the_file(evaluated):
    rules = book("buyer_gap_days < 3 and buyer_spent >= 100.50 and not buyer_first", "tag again")
    assert evaluated(rules, BOUGHT).decisions["order_no"].to_list() == ["B"]


def test_buyers_of_two_shops_are_two_buyers(evaluated):
    rules = book("buyer_first", "tag first")
    apart = BOUGHT.with_columns(shop=pl.Series(["north", "south", "north"]))
    assert evaluated(rules, apart).decisions["order_no"].to_list() == ["A", "B"]
    one = BOUGHT.with_columns(shop=pl.lit("north"))
    assert evaluated(rules, one).decisions["order_no"].to_list() == ["A"]


def test_a_column_of_that_name_says_it_in_their_stead_as_people_write_amounts(evaluated):
    orders = BOUGHT.drop("buyer_ref", "paid_minor").with_columns(
        买家累计实付=pl.Series([1.5, 100.0, None]), buyer_orders=pl.Series([0, 7, 9])
    )
    found = evaluated(book("buyer_spent >= 100 or buyer_orders > 8", "tag x"), orders)
    assert found.decisions["order_no"].to_list() == ["B", "C"]
    assert found.decisions["reason"].to_list() == ["buyer_spent 100 >= 100", "buyer_orders 9 > 8"]


@pytest.mark.parametrize(
    ("when", "orders", "told"),
    [
        ("buyer_first", BOUGHT.drop("buyer_ref"), "no column 'buyer_first' .首单., and none called 'buyer'"),
        ("buyer_spent > 1", BOUGHT.drop("paid_minor"), "none called 'paid_minor'"),
        ("buyer_refunds = 0", BOUGHT, "none called 'refunded_at'"),
        ("buyer_first", BOUGHT.with_columns(paid_at=pl.lit("noon")), "'paid_at' of the orders holds String, not inst"),
        ("buyer_first", BOUGHT.with_columns(pl.col("paid_at").dt.replace_time_zone(None)), "with their time zone"),
        ("buyer_spent > 1", BOUGHT.with_columns(paid_minor=pl.lit("1,00")), "'paid_minor' of the orders holds String"),
        ("buyer_first", BOUGHT.with_columns(buyer_ref=pl.lit(1.5)), "'buyer' of the orders holds Float64, not text"),
        ("buyer_first", BOUGHT.with_columns(buyer_first=pl.lit("yes")), "holds String, not true or false"),
    ],
)
def test_what_is_lacking_to_know_a_buyer_is_named(evaluated, when, orders, told):
    with pytest.raises(UserMistake, match=told):
        evaluated(book(when, "tag x"), orders)


LOADED = {"signal": "load", "of": "warehouse", "subject": "hangzhou", "number": 95}


def test_how_full_a_warehouse_was_is_told_by_a_file_of_signals(evaluated):
    rules = book("load(hangzhou) > 90", "assign guangzhou", "assign hangzhou")
    told = evaluated(rules, signals=reports(**LOADED)).decisions
    assert told["argument"].to_list() == ["guangzhou", "guangzhou"]
    assert told["reason"].to_list() == ["load(hangzhou) 95 > 90"] * 2
    other = evaluated(rules, signals=reports(**LOADED | {"subject": "attic"})).decisions
    assert other["argument"].to_list() == ["hangzhou", "hangzhou"]


def test_a_load_of_something_else_than_a_warehouse_is_refused(evaluated):
    with pytest.raises(UserMistake, match="load is told of each 'warehouse', and in 'of' stands 'province'"):
        evaluated(book("load(hangzhou) > 90", "tag x"), signals=reports(**LOADED | {"of": "province"}))


def test_signals_without_a_value_are_refused_with_the_columns_that_are_read(evaluated):
    told = reports(**LOADED).rename({"number": "value"})
    with pytest.raises(UserMistake, match=r"no column number; its columns are .*value.*, and signal, of, "):
        evaluated(book("load(hangzhou) > 90", "tag x"), signals=told)


def test_an_amount_that_stands_there_in_two_ways_is_refused(evaluated):
    both = ORDERS.with_columns(total=pl.lit("9.99").cast(pl.Float64))
    with pytest.raises(UserMistake, match="'total' means the same as another one; keep one"):
        evaluated(book("total >= 5", "tag x"), orders=both)
