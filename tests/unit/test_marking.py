"""What rules on parcels say, against a plain reading of each parcel as an order of its own."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_oracle import Every, Rule, conditions, grown, leaves_of, lines_frame, order_lists, orders_frame, truth

from orderhub_core.flows.allotting import Settled
from orderhub_core.flows.counters import Made
from orderhub_core.flows.marking import marked
from orderhub_core.flows.parcelling import Part
from orderhub_core.fold import Head
from orderhub_core.model import Line
from orderhub_core.rules.buyers import HISTORY
from orderhub_core.rules.decide import Decision, decided
from orderhub_core.rules.exports import Exported, evaluate
from orderhub_core.rules.index import Index
from orderhub_core.rules.of_parcels import on_parcels, whole
from orderhub_core.rules.tree import Action, Group, Op, Rulebook
from orderhub_core.store.unit import Message

MANY = settings(max_examples=150, deadline=None)
PLACES = ("hangzhou", "guangzhou")
MESSAGE = Message(1, "shop", "m", "order", 0, b"{}")
of_parcel = st.one_of(
    leaves_of("warehouse", [Op.IS, Op.IS_NOT, Op.AMONG], st.sampled_from(PLACES)),
    leaves_of("parcels", [Op.IS, Op.LESS, Op.AT_LEAST], st.sampled_from([1, 2, 3])),
)
marks = st.sampled_from([Action("tag", "vip"), Action("carrier", "sf"), Action("priority", "5")])
asked = grown(of_parcel | conditions)


@st.composite
def groups(draw, name):
    match = draw(st.sampled_from(["first", "all"]))
    rules = [
        Rule(f"{name}{n}", when, tuple(draw(st.lists(marks, min_size=1, max_size=2, unique=True))))
        for n, when in enumerate(draw(st.lists(asked, max_size=3)))
    ]
    return Group(name, match, tuple(rules), tuple(draw(st.lists(marks, max_size=1))) if match == "first" else ())


books = st.builds(lambda one, two: Rulebook("v", parcels=(one, two)), groups("one"), groups("two"))


@st.composite
def parted(draw, orders):
    """Of each order where its lines go: a number and a place each, or nothing where it goes whole."""
    found = []
    for order in orders:
        count = draw(st.integers(1, max(1, len(order["lines"]))))
        places = [draw(st.sampled_from(PLACES)) for _ in range(count)]
        numbers = list(range(1, count + 1)) + [draw(st.integers(1, count)) for _ in range(len(order["lines"]) - count)]
        several = count > 1
        found.append(
            tuple(Part(line["line_no"], no, places[no - 1]) for line, no in zip(order["lines"], numbers, strict=False))
            if several else ()
        )  # fmt: skip
    return found


def head(order):
    at = order["paid_at"]
    made = Head(order["order_id"], order["shop"], order["platform"], f"A{order['order_id']}")
    made.province, made.total_minor = order["province"] or "", order["total_minor"]
    made.paid_at = None if at is None else int(at.timestamp() * 1_000_000)
    return made


def line(one):
    rest = {name: one[name] for name in ("quantity", "price_minor", "gift_of")}
    return Line(one["line_no"], one["sku"], category=one["category"] or "", **rest)


def plainly(order, parts, place, book):
    """(parcel, group, rule, action, argument), by the oracle."""
    if parts:
        numbers = sorted({part.parcel for part in parts})
        own = {
            no: [one for one in order["lines"] if (one["line_no"], no) in {part[:2] for part in parts}]
            for no in numbers
        }
        goes = {part.parcel: part.warehouse for part in parts}
    else:
        numbers, own, goes = [1], {1: order["lines"]}, {1: place}
    for no in numbers:
        parcel = {**order, "lines": own[no], "warehouse": goes[no], "parcels": len(numbers)}
        for group in book.parcels:
            holding = [rule for rule in group.rules if truth(rule.when, parcel, book.zone) is True]
            if group.match == "first":
                holding = holding[:1] or [Rule("otherwise", Every(), group.otherwise)]
            yield from ((no, group.name, rule.name, a.verb, a.argument) for rule in holding for a in rule.then)


@MANY
@given(order_lists, books, st.data())
def test_each_parcel_is_read_as_an_order_of_its_own(orders, book, data):
    parts = data.draw(parted(orders))
    places = [data.draw(st.sampled_from([*PLACES, "nearest"])) for _ in orders]
    made = [
        Made(head(order), [Decision("g", "r", "assign_warehouse", place, 1, None, "")], book,
             [line(one) for one in order["lines"]], MESSAGE)
        for order, place in zip(orders, places, strict=True)
    ]  # fmt: skip
    settled = [Settled(one.decisions, parts=own) for one, own in zip(made, parts, strict=True)]
    read = {order["order_id"]: {name: order.get(name) for name in HISTORY} for order in orders}
    found = marked(made, settled, read, lambda *_: pl.DataFrame())
    for order, own, place, done in zip(orders, parts, places, found, strict=True):
        told = [(no, one.group, one.rule, one.action, one.argument) for no, one in done.of_parcels]
        assert told == list(plainly(order, own, None if place == "nearest" else place, book))


@MANY
@given(order_lists, groups("one"))
def test_of_orders_that_go_whole_rules_on_parcels_say_what_rules_on_orders_do(orders, group):
    frame, lines = orders_frame(orders), lines_frame(orders)
    beside = frame.with_columns(warehouse=pl.lit("hangzhou"), parcels=pl.lit(1, pl.Int64))
    zone = "Asia/Shanghai"
    said = decided(Index(beside, lines, zone=zone), Rulebook("v", (group,)))
    none = decided(Index(frame, lines, zone=zone), Rulebook("v"))
    as_parcels = whole(frame.with_columns(warehouse=pl.lit("hangzhou")), none)
    assert decided(Index(as_parcels, lines, zone=zone), on_parcels(Rulebook("v", parcels=(group,)))).equals(said)


def test_an_order_that_goes_whole_leaves_from_where_a_rule_sends_it_first():
    """In files: else from where it stands."""
    orders = pl.DataFrame({"order_id": [1, 2, 3, 4], "warehouse": ["old", "old", "", None], "goes": ["x"] * 4})
    wishes = [(1, "assign_warehouse", "new"), (1, "assign_warehouse", "later"), (2, "assign_warehouse", "nearest"),
              (2, "assign_warehouse", "later"), (4, "tag", "new")]  # fmt: skip
    decisions = pl.DataFrame(wishes, schema=["order_id", "action", "argument"], orient="row")
    placed = whole(orders, decisions)
    assert placed["warehouse"].to_list() == ["new", "old", "", None]
    assert (placed["parcels"].to_list(), placed.columns[-2:]) == ([1] * 4, ["goes", "parcels"])
    assert whole(orders.drop("warehouse"), decisions)["warehouse"].to_list() == ["new", None, None, None]


def by_kind(order, column, most):
    """Where each line goes, plainly: kinds in the order of their first lines, those beyond the most with the last;
    gifts with what they are given for."""
    kinds, numbers = [], {}
    lines = sorted(order["lines"], key=lambda line: line["line_no"])
    for line in lines:
        if line["gift_of"] is None:
            kind = line[column] or ""
            kinds += [] if kind in kinds else [kind]
            numbers[line["line_no"]] = min(kinds.index(kind) + 1, most)
    own = {line["line_no"]: numbers.get(line["line_no"], numbers.get(line["gift_of"], 1)) for line in lines}
    return tuple(Part(line_no, no, "hangzhou") for line_no, no in own.items()) if len({*own.values()}) > 1 else ()


@MANY
@given(order_lists, groups("one"), st.sampled_from(["category", "sku"]), st.sampled_from([None, 2, 3]))
def test_in_files_each_kind_that_a_rule_splits_by_is_a_parcel_of_its_own(orders, group, column, limit):
    way = column if limit is None else f"{column} at most {limit}"
    split = Group("split", "all", (Rule("apart", Every(()), (Action("split", way),)),))
    book = Rulebook("v", groups=(split,), parcels=(group,))
    frame = orders_frame(orders).with_columns(
        warehouse=pl.lit("hangzhou"), order_no=pl.col("order_id").cast(pl.String), parcel=pl.lit("a column of the file")
    )
    found = evaluate(Exported(frame, lines_frame(orders), None, 0), book).decisions.filter(pl.col("parcel") > 0)
    told = [row[1:] for row in found.select("order_no", "parcel", "group", "rule", "action", "argument").rows()]
    assert told == [
        said for order in orders for said in plainly(order, by_kind(order, column, limit or 10), "hangzhou", book)
    ]
    assert found["order_no"].to_list() == [
        str(order["order_id"])
        for order in orders
        for _ in plainly(order, by_kind(order, column, limit or 10), "hangzhou", book)
    ]
