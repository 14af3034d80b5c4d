"""The rule lab against plain Python, one order at a time: what two books want, what each rule is worth, who is near."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_oracle import conditions, lines_frame, order_lists, orders_frame, truth

from orderhub_core import frames
from orderhub_core.errors import UserMistake
from orderhub_core.rules import rulebook
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import asked, board, comparing, loads, parcels, tables, thresholds, traffic
from orderhub_core.rules.lab import result as lab_result
from orderhub_core.rules.lab import texts as lab_texts
from orderhub_core.rules.lab.missed import missed_gifts, spoke
from orderhub_core.rules.lab.wants import Want
from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Not, Op, Rule, Rulebook

MANY = settings(max_examples=80, deadline=None)
ZONE = "Asia/Shanghai"
START = datetime(2026, 11, 11, tzinfo=UTC)
ONCE = ("assign_warehouse", "split", "merge", "carrier", "work_order")
ACTIONS = [
    Action("assign_warehouse", "hz"),
    Action("assign_warehouse", "gz"),
    Action("split", "category"),
    Action("split", "never"),
    Action("tag", "vip"),
    Action("add_gift", "GIFT", 2),
    Action("add_gift", "GIFT", 3),
    Action("priority", "50"),
    Action("priority", "-50"),
    Action("hold", "risk"),
    Action("approve", "boss"),
]
some_actions = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True)


@st.composite
def books(draw, version):
    groups = []
    for name in ("one", "two"):
        match = draw(st.sampled_from(["first", "all"]))
        whens = draw(st.lists(conditions, max_size=4))
        rules = tuple(Rule(f"{name}-{n}", when, tuple(draw(some_actions))) for n, when in enumerate(whens))
        otherwise = tuple(draw(some_actions)) if match == "first" and draw(st.booleans()) else ()
        groups.append(Group(name, match, rules, otherwise))
    return Rulebook(version, tuple(groups), ZONE)


def index_of(orders):
    frame = orders_frame(orders).with_columns(
        order_no=pl.col("order_id").cast(pl.String), placed_at="paid_at", currency=pl.lit("CNY")
    )
    return Index(frame, lines_frame(orders), zone=ZONE)


def plain(order_id, **told):
    """An order of which only what is told matters."""
    usual = {"order_id": order_id, "platform": "a", "shop": "a", "province": "", "total_minor": order_id}
    return usual | {"paid_at": None, "lines": []} | told


# --- the plain reading ------------------------------------------------------------------------------------------------


def acting(order, book):
    """(group, rule, actions) that act on an order, in the order of the book."""
    for group in book.groups:
        holding = [rule for rule in group.rules if truth(rule.when, order, ZONE) is True]
        for rule in holding[:1] if group.match == "first" else holding:
            yield group.name, rule.name, rule.then
        if group.match == "first" and not holding and group.otherwise:
            yield group.name, "otherwise", group.otherwise


def wants(order, book):
    """{(verb, argument): amount}"""
    found: Counter = Counter()
    once: dict = {}
    for _, _, then in acting(order, book):
        for verb, argument, quantity in ((a.verb, a.argument, a.quantity) for a in then):
            if verb in ONCE:
                if verb in ("split", "merge") and argument == "never":
                    once[verb] = argument
                once.setdefault(verb, argument)
            elif verb == "priority":
                found[verb, ""] += int(argument)
            elif verb == "add_gift":
                found[verb, argument] += quantity
            else:
                found[verb, argument] = 1
    return {**{want: n for want, n in found.items() if n}, **dict.fromkeys(once.items(), 1)}


def of_verb(wanted, verb):
    return next((argument for known, argument in wanted if known == verb), "")


# --- comparing --------------------------------------------------------------------------------------------------------


@MANY
@given(order_lists, books("old"), books("new"))
def test_a_comparison_says_what_reading_both_books_order_by_order_says(orders, old, new):
    told = comparing.compare(index_of(orders), old, new)
    before, after = ([wants(order, book) for order in orders] for book in (old, new))
    pairs = list(zip(before, after, strict=True))

    for verb in ("assign_warehouse", "split"):
        moves = Counter((of_verb(one, verb), of_verb(other, verb)) for one, other in pairs)
        assert {(f, t): n for f, t, n, _ in told.matrix(verb).iter_rows()} == dict(moves)
        worth = Counter()
        for order, (one, other) in zip(orders, pairs, strict=True):
            worth[of_verb(one, verb), of_verb(other, verb)] += order["total_minor"] or 0
        assert {(f, t): n for f, t, _, n in told.matrix(verb).iter_rows()} == dict(worth)
        for cell in moves:
            rows = [n for n, (one, other) in enumerate(pairs) if (of_verb(one, verb), of_verb(other, verb)) == cell]
            assert told.cell(verb, *cell).tolist() == rows

    expected = {}
    for want in {want for side in (*before, *after) for want in side}:
        amounts = [(one.get(want, 0), other.get(want, 0)) for one, other in pairs]
        expected[want] = (
            sum(a != 0 for a, _ in amounts), sum(b != 0 for _, b in amounts),
            sum(b > a for a, b in amounts), sum(b < a for a, b in amounts),
            sum(a for a, _ in amounts), sum(b for _, b in amounts),
        )  # fmt: skip
    found = {(verb, argument): tuple(rest) for verb, argument, *rest in told.differences().iter_rows()}
    assert {want: figures for want, figures in found.items() if any(figures)} == expected
    for want, figures in expected.items():
        for place, which in ((2, "won"), (3, "lost")):
            assert len(told.rows(Want(*want), which)) == figures[place]

    apart = [n for n, (one, other) in enumerate(pairs) if one != other]
    changed = np.unpackbits(told.changed, count=len(orders)).nonzero()[0].tolist()
    assert changed == apart
    counted = {verb: sum({w: n for w, n in one.items() if w[0] == verb} != {w: n for w, n in other.items()
               if w[0] == verb} for one, other in pairs) for verb in {want[0] for want in expected}}  # fmt: skip
    assert {verb: n for verb, n in told.changed_by_verb().items() if n} == {v: n for v, n in counted.items() if n}


@MANY
@given(order_lists, books("old"), books("new"))
def test_the_orders_of_a_cell_are_told_with_all_that_both_books_want(orders, old, new):
    told = comparing.compare(index_of(orders), old, new)
    frame = told.told(np.arange(len(orders)))
    for name, book in (("before", old), ("after", new)):
        for verb in {column.rpartition("_")[0] for column in frame.columns if column.endswith("_before")}:
            for order, words in zip(orders, frame[f"{verb}_{name}"], strict=True):
                mine = sorted((argument, n) for (known, argument), n in wants(order, book).items() if known == verb)
                if verb == "priority":
                    assert words == ", ".join(str(n) for _, n in mine)
                else:
                    assert words == ", ".join(f"{argument} × {n}" if n > 1 else argument for argument, n in mine)


def test_orders_of_several_currencies_have_no_sum():
    orders = [plain(n, total_minor=5)
              for n in (1, 2)]  # fmt: skip
    index = index_of(orders)
    mixed = Index(index.raw_orders.with_columns(currency=pl.Series(["CNY", "USD"])), index.raw_lines, zone=ZONE)
    book = Rulebook("v", (Group("routing", "first", (), (Action("assign_warehouse", "hz"),)),))
    assert comparing.compare(index, Rulebook(), book).matrix().rows() == [("", "hz", 2, 10)]
    assert comparing.compare(mixed, Rulebook(), book).matrix().rows() == [("", "hz", 2, None)]


def test_a_book_of_another_zone_needs_an_index_of_its_own():
    with pytest.raises(ValueError, match="zone"):
        comparing.compare(index_of([]), Rulebook(), Rulebook(zone="UTC"))


# --- traffic ----------------------------------------------------------------------------------------------------------


def without(book, name):
    """The book without a rule, or without a group's `otherwise`."""
    group, rule = name
    return msgspec.structs.replace(
        book,
        groups=tuple(
            msgspec.structs.replace(
                each,
                rules=tuple(r for r in each.rules if each.name != group or r.name != rule),
                otherwise=() if rule == "otherwise" and each.name == group else each.otherwise,
            )
            for each in book.groups
        ),
    )


@MANY
@given(order_lists, books("v"))
def test_the_traffic_of_every_rule_is_what_reading_the_book_with_and_without_it_says(orders, book):
    index = index_of(orders)
    told = traffic.traffic(index, book)
    acts = [list(acting(order, book)) for order in orders]
    for group, rule, holds, acting_on, worth, finding, _ in told.rules.iter_rows():
        mine = [any((g, r) == (group, rule) for g, r, _ in one) for one in acts]
        assert acting_on == sum(mine)
        assert np.unpackbits(traffic.hit_rows(index, book, group, rule), count=len(orders)).tolist() == mine
        smaller = without(book, (group, rule))
        assert worth == sum(wants(order, book) != wants(order, smaller) for order in orders)
        if rule != "otherwise":
            when = next(r.when for g in book.groups for r in g.rules if (g.name, r.name) == (group, rule))
            assert holds == sum(truth(when, order, ZONE) is True for order in orders)
            expected = "never_hit" if not holds else "shadowed" if not acting_on else "" if worth else "worthless"
            assert finding == expected
    names = [(g.name, r.name) for g in book.groups for r in g.rules]
    assert [row[:2] for row in told.rules.iter_rows() if row[1] != "otherwise"] == names


@MANY
@given(order_lists, books("v"))
def test_shadows_overlaps_and_the_uncovered_are_counted_order_by_order(orders, book):
    index = index_of(orders)
    told = traffic.traffic(index, book)
    shadows, overlaps, nobody, silent = Counter(), Counter(), Counter(), 0
    for order in orders:
        silent += not list(acting(order, book))
        meeting, opposed = [], []
        for group in book.groups:
            holding = [rule for rule in group.rules if truth(rule.when, order, ZONE) is True]
            if group.match == "first":
                nobody[group.name] += not holding
                shadows.update((group.name, rule.name, holding[0].name) for rule in holding[1:])
            meeting += [(group, rule.name, rule.then, n == 0 or group.match == "all") for n, rule in enumerate(holding)]
            if group.match == "first" and not holding and group.otherwise:
                meeting.append((group, "otherwise", group.otherwise, True))
        for place, (group, rule, then, acts) in enumerate(meeting):
            for before_group, before, first, before_acts in meeting[:place]:
                together = group is before_group and group.match == "first"
                if together or (acts and before_acts):
                    opposed += [(group.name, rule, before_group.name, before, verb, argument)
                                for verb, argument in firsts(first).items()
                                if firsts(then).get(verb, argument) != argument]  # fmt: skip
        overlaps.update(opposed)
    assert {row[:3]: row[3] for row in told.shadows.iter_rows()} == dict(shadows)
    assert {(*row[:5], row[6]): row[5] for row in told.overlaps.iter_rows()} == dict(overlaps)
    *groups, whole = told.uncovered.iter_rows()
    assert {group: n for group, n, _ in groups} == {g.name: nobody[g.name] for g in book.groups if g.match == "first"}
    assert whole == ("", silent, False)
    for group, n, _ in told.uncovered.iter_rows():
        assert np.unpackbits(traffic.uncovered_rows(index, book, group), count=len(orders)).sum() == n


def firsts(then):
    found: dict = {}
    for action in then:
        if action.verb in ONCE:
            found.setdefault(action.verb, action.argument)
    return found


def test_planted_dead_shadowed_and_contradicting_rules_are_found():
    order = plain(1, platform="douyin", province="浙江省", total_minor=30_000)
    dear, all_of_it = Leaf("total", Op.AT_LEAST, (20_000,)), Leaf("total", Op.AT_LEAST, (10_000,))
    book = Rulebook("v", (
        Group("routing", "first", (
            Rule("wide", all_of_it, (Action("assign_warehouse", "hz"),)),
            Rule("narrow", dear, (Action("assign_warehouse", "gz"),)),
            Rule("elsewhere", Leaf("province", Op.IS, ("西藏自治区",)), (Action("assign_warehouse", "cd"),)),
        )),
        Group("tags", "all", (
            Rule("dear", dear, (Action("tag", "dear"),)), Rule("dear-again", all_of_it, (Action("tag", "dear"),)),
        )),
    ))  # fmt: skip
    told = traffic.traffic(index_of([order]), book)
    findings = {rule: (finding, other) for _, rule, *_, finding, other in told.rules.iter_rows()}
    assert findings == {"wide": ("", ""), "narrow": ("shadowed", "wide"), "elsewhere": ("never_hit", ""),
                        "dear": ("worthless", ""), "dear-again": ("worthless", "")}  # fmt: skip
    assert told.overlaps.rows() == [("routing", "narrow", "routing", "wide", "assign_warehouse", 1, "hz")]


# --- thresholds -------------------------------------------------------------------------------------------------------

measures = st.one_of(
    st.builds(
        lambda op, value: Leaf("total", op, (value,)),
        st.sampled_from([Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST]),
        st.sampled_from([90, 100, 1_000, 29_900]),
    ),
    st.builds(lambda op: Leaf("quantity", op, (2,)), st.sampled_from([Op.MORE, Op.AT_LEAST, Op.LESS])),
    st.just(Leaf("total", Op.WITHIN, (99, 29_900))),
)
SHAPES = [
    (lambda asked, rest: Every((rest, asked)), lambda rest: rest),
    (lambda asked, rest: Either((rest, asked)), lambda rest: rest),
    (lambda asked, rest: Every((rest, Not(asked))), lambda rest: rest),
]


def number_of(when, asked):
    from orderhub_core.rules.tree import leaves

    return max(n for n, leaf in enumerate(leaves(when)) if leaf is asked)


@MANY
@given(order_lists, measures, conditions, st.sampled_from([0, 1, 2]), st.sampled_from([0.05, 0.5]), conditions)
def test_a_cliff_holds_the_near_orders_for_which_the_threshold_decides(orders, asked, rest, shape, share, first):
    build = SHAPES[shape][0]
    when = build(asked, rest)
    ahead = Rule("ahead", first, (Action("tag", "b"),))
    book = Rulebook("v", (Group("g", "first", (ahead, Rule("r", when, (Action("tag", "a"),)))),), ZONE)
    number = number_of(when, asked)
    index = index_of(orders)
    told = {(leaf, end): (inside, outside) for _, rule, leaf, end, *_, inside, outside
            in thresholds.cliffs(index, book, thresholds.Near(share)).iter_rows() if rule == "r"}  # fmt: skip
    met, unmet = build(Every(), rest), build(Not(Every()), rest)
    for end, value in enumerate(asked.values):
        reach = max(1, round(value * share))
        decides = []
        for place, order in enumerate(orders):
            own = [order["total_minor"]] if asked.field == "total" else [
                line["quantity"] for line in order["lines"] if line["gift_of"] is None]  # fmt: skip
            near = any(v is not None and value - reach <= v <= value + reach for v in own)
            free = truth(first, order, ZONE) is not True
            if near and free and (truth(met, order, ZONE) is True) != (truth(unmet, order, ZONE) is True):
                decides.append((place, truth(when, order, ZONE) is True))
        assert told[number, end] == (sum(held for _, held in decides), sum(not held for _, held in decides))
        rows = thresholds.cliff_rows(index, book, "r", number, end, thresholds.Near(share))
        assert rows.tolist() == [place for place, _ in decides]


@MANY
@given(books("v"), st.data())
def test_a_moved_threshold_is_the_only_thing_that_changes(book, data):
    known = list(thresholds.thresholds(book))
    if not known:
        return
    one = data.draw(st.sampled_from(known))
    other = one.value + (timedelta(hours=1) if isinstance(one.value, datetime) else 1)
    moved = thresholds.with_threshold(book, one.rule, one.leaf, one.end, other)
    assert [m._replace(asked=None) for m in thresholds.thresholds(moved)] == [m._replace(asked=None) for m in known]
    for before, after in zip(known, thresholds.thresholds(moved), strict=True):
        if (before.rule, before.leaf) != (one.rule, one.leaf):
            assert before == after
        elif before.end == one.end:
            assert after.value == other or len(before.asked.values) == 2
    assert (
        thresholds.with_threshold(moved, one.rule, one.leaf, one.end, one.value) == book or len(one.asked.values) == 2
    )


def book_of(when, then="标记 a"):
    draft = rulebook.read(f'[[groups]]\nname = "g"\nmatch = "all"\n[[groups.rules]]\nname = "r"\nwhen = "{when}"\n'
                          f'then = "{then}"\n')  # fmt: skip
    assert not draft.mistakes
    return draft.book


def test_an_end_of_a_range_stops_at_the_other_one():
    book = book_of("订单金额 在 100 到 200")
    assert next(thresholds.thresholds(thresholds.with_threshold(book, "r", 0, 0, 90_000))).asked.values == (
        19_999,
        20_000,
    )
    assert next(thresholds.thresholds(thresholds.with_threshold(book, "r", 0, 1, 0))).asked.values == (10_000, 10_001)


def test_a_threshold_that_is_not_there_is_refused():
    with pytest.raises(UserMistake, match="'r' has no threshold at condition 3"):
        thresholds.with_threshold(book_of("订单金额 满 100"), "r", 2, 0, 5)


def test_a_slider_goes_in_round_steps_over_what_the_orders_have_and_meets_the_present_value():
    orders = [plain(n, total_minor=100 * n, paid_at=START + timedelta(hours=n)) for n in range(1, 1_001)]
    index = index_of(orders)
    for when in ("订单金额 满 299", "订单金额 满 5000", "付款时间 早于 2026-11-25", "付款时刻 早于 20:00"):
        (one,) = thresholds.thresholds(book_of(when))
        first, last, step = thresholds.scale(index, one)
        own = thresholds.number(one.value)
        assert first <= own <= last and (own - first) % step == (last - first) % step == 0
        assert (last - first) / step <= 210 or one.kind == "time of day"
        # Wherever the slider stands, the book has that value; where it stood first, it is the same book.
        book, ends, scale = book_of(when), board.slider(thresholds.scale(index, one), one), thresholds.scale(index, one)
        words = board.words(book, "en")
        assert board.moved(book, one, scale, ends["value"], words)[0] == book
        for place, wanted in (("start", first), ("stop", last)):
            (there,) = thresholds.thresholds(board.moved(book, one, scale, ends[place], words)[0])
            assert thresholds.number(there.value) == wanted
        unit = 60_000_000 if one.kind == "instant" else 1
        assert str(step // unit).rstrip("0") in ("1", "2", "5")


# --- missed gifts -----------------------------------------------------------------------------------------------------


@MANY
@given(order_lists, books("v"), st.lists(st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 5])), max_size=6))
def test_a_gift_is_missed_where_the_rules_give_more_than_the_gift_lines_have(orders, book, added):
    for number, pieces in added:
        for order in orders:
            if order["order_id"] == number:
                order["lines"].append({"line_no": 1_000 + len(order["lines"]), "sku": "GIFT", "category": "",
                                       "quantity": pieces, "price_minor": 0, "gift_of": 1})  # fmt: skip
    expected = []
    for order in orders:
        due = wants(order, book).get(("add_gift", "GIFT"), 0)
        has = sum(line["quantity"] for line in order["lines"] if line["gift_of"] is not None and line["sku"] == "GIFT")
        givers = [rule for _, rule, then in acting(order, book) for a in then if a.verb == "add_gift"]
        if due > has:
            expected.append((order["order_id"], "GIFT", due, has, due - has, ", ".join(givers)))
    told = missed_gifts(index_of(orders), book)
    assert told.select("order_id", "sku", "due", "given", "missing", "rules").rows() == expected
    assert told["reason"].null_count() == 0


def test_what_a_rule_could_not_have_known_is_no_gift_that_was_missed():
    """Two rules give the same gift; one of them decides from the second order on, and again not at the third."""

    def rule(name, pieces):
        return Rule(name, Leaf("total", Op.AT_LEAST, (0,)), (Action("add_gift", "GIFT", pieces),))

    old, new = rule("old", 1), rule("new", 2)
    was = Rulebook(groups=(Group("g", "all", (old,)),))
    now = Rulebook(groups=(Group("g", "all", (old, new)),))
    micros = [round((START + timedelta(hours=n)).timestamp() * 1e6) for n in range(3)]
    gift = {"line_no": 1_001, "sku": "GIFT", "category": "", "price_minor": 0, "gift_of": 1}
    given = ([], [gift | {"quantity": 1}], [gift | {"quantity": 2}])
    orders = [plain(n + 1, paid_at=START + timedelta(hours=n), lines=given[n]) for n in range(3)]
    past = [spoke(0, was), spoke(micros[1], now), spoke(micros[2], was)]
    told = missed_gifts(index_of(orders), now, past)
    columns = ("order_id", "known", "rules", "due", "given", "missing")
    assert told.select(columns).rows() == [
        (1, True, "old", 1, 0, 1), (1, False, "new", 2, 0, 2),
        (2, True, "old, new", 3, 1, 2),
        (3, False, "new", 2, 1, 1),
    ]  # fmt: skip
    assert missed_gifts(index_of(orders), now)["known"].all(), "nobody knows"
    assert missed_gifts(index_of(orders), now, [spoke(micros[2] + 1, now)])["known"].any() is False


def test_past_orders_are_decided_on_as_they_were_when_they_were_paid():
    at = [START + timedelta(hours=n) for n in (3, 1, 2)]
    frame = frames.empty("orders").clear(4).with_columns(
        order_id=pl.Series([1, 2, 3, 4]), paid_at=pl.Series([*at, None], dtype=frames.INSTANT),
        payment=pl.Series(["settled", "refunded", "paid", "unpaid"], dtype=frames.PAYMENT),
        fulfilment=pl.Series(["shipped", "waiting", "cancelled", "waiting"], dtype=frames.FULFILMENT),
        warehouse=pl.lit("hz"), province=pl.lit("浙江省"),
    )  # fmt: skip
    then = asked.as_decided(frame)
    assert then.schema == frames.ORDERS
    assert then["order_id"].to_list() == [2, 3, 1], "who was paid, the oldest first"
    assert set(then.select("payment", "fulfilment", "warehouse", "province", "headline").rows()) == {
        ("paid", "waiting", None, "浙江省", "paid")
    }
    assert then["headline_at"].to_list() == sorted(at)
    assert asked.entitled(frame).to_list() == [1], "neither refunded nor cancelled nor unpaid"


# --- warehouses, promises, parcels, freight ---------------------------------------------------------------------------

timed = st.lists(
    st.tuples(st.sampled_from([0, 10, 59, 60, 150, 400]), st.integers(0, 4), st.sampled_from(["hz", "gz", ""])),
    max_size=30,
)


@MANY
@given(timed, st.integers(0, 3))
def test_queues_and_promises_follow_from_walking_hour_by_hour(asked, limit):
    orders = [
        plain(n, platform=place, paid_at=START + timedelta(minutes=minute))
        for n, (minute, _, place) in enumerate(asked, 1)
    ]
    promised = [START + timedelta(minutes=minute, hours=hours) for minute, hours, _ in asked]
    index = index_of(orders)
    index = Index(
        index.raw_orders.with_columns(promised_at=pl.Series(promised, dtype=pl.Datetime("us", "UTC"))),
        index.raw_lines, zone=ZONE,
    )  # fmt: skip
    rules = tuple(
        Rule(f"to-{place}", Leaf("channel", Op.IS, (place,)), (Action("assign_warehouse", place),))
        for place in ("hz", "gz")
    )
    book = Rulebook("v", (Group("routing", "first", rules),), ZONE)
    capacity = pl.DataFrame({"warehouse": ["hz"], "orders_per_hour": [limit]})
    told = loads.Loads(comparing.compare(index, Rulebook(), book), capacity)

    came = Counter((place, minute // 60) for minute, _, place in asked if place)
    hours = [minute // 60 for minute, *_ in asked]
    waits, waiting = {}, 0
    for hour in range(min(hours, default=0), max(hours, default=-1) + 1):
        waiting = max(0, waiting + came["hz", hour] - limit)
        waits[hour] = waiting
    rows = {(row["warehouse"], (row["hour"] - START) // timedelta(hours=1)): row for row in told.by_hour().to_dicts()}
    assert {key: row["after"] for key, row in rows.items() if row["after"]} == dict(came)
    assert all(row["before"] == 0 for row in rows.values())
    for (place, hour), row in rows.items():
        assert row["waits_after"] == (waits[hour] if place == "hz" else None)
    late = sum(
        place == "hz" and limit > 0 and waits[minute // 60] > 0
        and START + timedelta(hours=minute // 60 + 1 + waits[minute // 60] / limit) > promise
        for (minute, _, place), promise in zip(asked, promised, strict=True)
    )  # fmt: skip
    if asked:
        assert told.promises().rows() == [("held", 0, 0, 0, 0), ("queue", 0, late, late, 0)]
    if ("hz", min(hours, default=0)) in rows:
        (mine,) = told.overloads().filter(pl.col("warehouse") == "hz").to_dicts()
        assert mine["orders_after"] == sum(n for (place, _), n in came.items() if place == "hz")
        assert mine["peak_after"] == max((n for (place, _), n in came.items() if place == "hz"), default=0)
        assert mine["hours_over_after"] == sum(n > limit for (place, _), n in came.items() if place == "hz")
        assert mine["waits_after"] == max(waits.values())


def test_a_hold_and_an_approval_put_promises_at_risk_and_a_courier_hold_does_as_well():
    orders = [plain(n, paid_at=START) for n in (1, 2, 3, 4)]  # fmt: skip
    index = index_of(orders)
    index = Index(
        index.raw_orders.with_columns(promised_at=pl.Series([START, START, START, None])), index.raw_lines, zone=ZONE
    )
    actions = [Action("hold", "courier"), Action("approve", "boss"), Action("tag", "x"), Action("hold", "risk")]
    rules = [Rule(f"r-{n}", Leaf("total", Op.IS, (n,)), (action,)) for n, action in enumerate(actions, 1)]
    book = Rulebook("v", (Group("g", "all", tuple(rules)),), ZONE)
    assert loads.Loads(comparing.compare(index, book, Rulebook())).promises().row(0) == ("held", 2, 0, 0, 2)


def test_orders_that_lie_centuries_apart_are_refused():
    frame = pl.DataFrame({"paid_at": [datetime(1970, 1, 1, tzinfo=UTC), START]})
    with pytest.raises(UserMistake, match="days apart"):
        loads.hours(frame, ZONE)


def line(order_id, number, sku, category, quantity=1):
    return {"order_id": order_id, "line_no": number, "sku": sku, "name": "", "category": category,
            "quantity": quantity, "price_minor": 0, "gift_of": None}  # fmt: skip


@pytest.fixture
def sent():
    """Three orders: of two kinds, of one, and one whose weight nobody knows."""
    orders = [plain(n, province=province, paid_at=START, lines=lines)
              for n, province, lines in (
                  (1, "浙江省", [line(1, 1, "A", "cup"), line(1, 2, "B", "shirt", 2), line(1, 3, "C", "shirt")]),
                  (2, "广东省", [line(2, 1, "A", "cup", 3)]),
                  (3, "浙江省", [line(3, 1, "?", "cup")]),
              )]  # fmt: skip
    return index_of(orders)


def test_splits_are_counted_in_parcels_where_the_lines_say_how_many(sent):
    def book(how):
        return Rulebook(
            "v", (Group("g", "all", (Rule("r", Leaf("total", Op.AT_MOST, (2,)), (Action("split", how),)),)),)
        )

    told = parcels.splits(comparing.compare(sent, book("category"), book("sku")))
    assert told.rows() == [("", 1, 1, 1, 1), ("category", 2, 0, 3, 0), ("sku", 0, 2, 0, 4)]
    told = parcels.splits(comparing.compare(sent, Rulebook(), book("stock")))
    assert told.rows() == [("", 3, 1, 3, 1), ("stock", 0, 2, 0, None)]
    told = parcels.splits(comparing.compare(sent, book("sku at most 2"), book("stock at most 2")))
    assert told.rows() == [("", 1, 1, 1, 1), ("sku at most 2", 2, 0, 3, 0), ("stock at most 2", 0, 2, 0, None)]


@pytest.mark.parametrize(("language", "named"), [("en", "sku at most 2"), ("zh", "按SKU 最多 2")])
def test_how_many_parcels_a_rule_allows_is_told_in_the_lab(language, named):
    words = board.words(Rulebook(), language)
    rows = pl.DataFrame([("sku at most 2", 2, 0, 3, 0)], schema=parcels.SPLITS, orient="row")
    assert tables.splits(rows, words).row(0)[0] == named


def test_freight_is_the_tariff_of_the_warehouse_that_each_book_chooses(sent):
    prices = parcels.Prices(
        pl.DataFrame({"sku": ["A", "B", "C"], "weight_g": [400, 500, 100]}),
        pl.DataFrame({"warehouse": ["hz", "hz", "gz"], "province": ["浙江省", "广东省", "广东省"],
                      "zone": ["1", "2", "1"]}),
        pl.DataFrame({"warehouse": ["hz", "hz", "gz"], "zone": ["1", "2", "1"], "from_g": [0, 0, 0],
                      "base_minor": [500, 900, 300], "step_g": [1_000, 1_000, 0], "step_minor": [100, 200, 0]}),
    )  # fmt: skip

    def book(place):
        return Rulebook("v", (Group("routing", "first", (), (Action("assign_warehouse", place),)),))

    told = parcels.freights(comparing.compare(sent, book("hz"), book("gz")), prices)
    # Hangzhou: 1,500 g to zone 1 for 500 + 2 × 100; 1,200 g to zone 2 for 900 + 2 × 200. Guangzhou knows zone 1 only.
    assert told.rows() == [("gz", 0, 3, 0, 300, 0, 2), ("hz", 3, 0, 2_000, 0, 1, 0)]


def test_freight_of_an_order_that_is_split_is_that_of_each_of_its_parcels(sent):
    prices = parcels.Prices(
        pl.DataFrame({"sku": ["A", "B", "C"], "weight_g": [400, 500, 100]}),
        pl.DataFrame({"warehouse": ["hz", "hz"], "province": ["浙江省", "广东省"], "zone": ["1", "2"]}),
        pl.DataFrame({"warehouse": ["hz", "hz"], "zone": ["1", "2"], "from_g": [0, 0],
                      "base_minor": [500, 900], "step_g": [1_000, 1_000], "step_minor": [100, 200]}),
    )  # fmt: skip

    def book(*how):
        return Rulebook("v", (Group("routing", "first", (), (Action("assign_warehouse", "hz"), *how)),))

    split, stock = book(Action("split", "category")), book(Action("split", "stock"))
    whole = 500 + 2 * 100 + 900 + 2 * 200
    # The cup of 400 g and the shirts of 1,100 g; the other order has one kind of goods.
    apart = 500 + 100 + 500 + 2 * 100 + 900 + 2 * 200
    told = parcels.freights(comparing.compare(sent, book(), split), prices)
    assert told.rows() == [("hz", 3, 3, whole, apart, 1, 1)]
    told = parcels.freights(comparing.compare(sent, split, book(Action("split", "never"))), prices)
    assert told.rows() == [("hz", 3, 3, apart, whole, 1, 1)]
    told = parcels.freights(comparing.compare(sent, book(Action("split", "sku")), stock), prices)
    assert told.rows() == [("hz", 3, 3, 3 * (500 + 100) + 900 + 2 * 200, 0, 1, 3)]
    # Of three SKUs the last two together: 400 g, and twice 500 g with 100 g.
    told = parcels.freights(comparing.compare(sent, book(), book(Action("split", "sku at most 2"))), prices)
    assert told.rows() == [("hz", 3, 3, whole, apart, 1, 1)]
    told = parcels.freights(comparing.compare(sent, book(), book(Action("split", "stock at most 2"))), prices)
    assert told.rows() == [("hz", 3, 3, whole, 0, 1, 3)]


def test_every_field_that_has_thresholds_can_be_slid():
    assert {field.name for field in FIELDS.values() if field.kind in thresholds.KINDS} >= {
        "total",
        "placed_time",
        "quantity",
    }


def test_that_limits_of_gifts_are_not_counted_is_said_where_the_counts_stand():
    def book(*actions):
        return Rulebook("1", (Group("gifts", "all", (Rule("few", Leaf("total", Op.AT_LEAST, (1,)), actions),)),), ZONE)

    free, few = book(Action("add_gift", "GIFT")), book(Action("add_gift", "GIFT", total=9))
    assert not board.limits_gifts(free) and board.limits_gifts(free, few)
    figures = lab_result.Figures(
        orders=1, changed=0, moved=0, gifts_won=0, gifts_lost=0, pieces=(9, 9), held=(0, 0), held_won=0, held_lost=0,
        parcels=None, freight_minor=None, unpriced=(0, 0), hours_over=None, at_risk=None,
    )  # fmt: skip
    told = {
        limited: {tile[0]: tile[2] for tile in lab_texts.tiles(figures, str, limited=limited)} for limited in (0, 1)
    }
    assert "limits of gifts are not counted here" in told[1]["Pieces of gifts"]
    assert "limits" not in told[0]["Pieces of gifts"]
