"""A reading of rules in plain Python, one order at a time: what the engine is held against."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from orderhub_core import frames
from orderhub_core.rules.buyers import HISTORY
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.tree import (
    Action,
    Either,
    Every,
    Group,
    Leaf,
    Lines,
    Not,
    Op,
    Rule,
    Rulebook,
)  # fmt: skip

INSTANTS = [datetime(2026, 11, 11, hour, minute, tzinfo=UTC) for hour, minute in ((0, 0), (12, 30), (15, 59), (16, 0))]
TEXTS = ["", "浙江省", "广东省", "a", "ab"]


# --- three-valued truth: True, False, None for unknown ----------------------------------------------------------------


def both(values):
    values = list(values)
    return False if False in values else None if None in values else True


def either(values):
    values = list(values)
    return True if True in values else None if None in values else False


def negated(value):
    return None if value is None else not value


def compare(op, own, values, wraps):
    first = values[0]
    match op:
        case Op.IS:
            return own == first
        case Op.IS_NOT:
            return own != first
        case Op.LESS:
            return own < first
        case Op.AT_MOST:
            return own <= first
        case Op.MORE:
            return own > first
        case Op.AT_LEAST:
            return own >= first
        case Op.AMONG:
            return own in values
        case Op.NOT_AMONG:
            return own not in values
        case Op.CONTAINS:
            return first in own
        case Op.STARTS_WITH:
            return own[: len(first)] == first
        case Op.WITHIN:
            low, high = values
            return (own >= low or own < high) if wraps and low > high else low <= own < high
    raise AssertionError(op)


def leaf_truth(leaf, own):
    if leaf.op is Op.IS_KNOWN:
        return own is not None
    if leaf.op is Op.IS_MISSING:
        return own is None
    if own is None:
        return None
    return compare(leaf.op, own, leaf.values, FIELDS[leaf.field].kind == "time of day")


def known(value):
    return None if value == "" else value


def of_64_bits(number):
    """A number that frames can hold; a larger one is missing."""
    return number if -(2**63) <= number < 2**63 else None


def line_value(field, line):
    column = FIELDS[field].column
    if column == "amount_minor" and column not in line:
        return of_64_bits(line["quantity"] * line["price_minor"])
    return known(line.get(column, ""))


def line_truth(condition, line):
    match condition:
        case Leaf(field):
            return leaf_truth(condition, line_value(field, line))
        case Every(parts):
            return both(line_truth(part, line) for part in parts)
        case Either(parts):
            return either(line_truth(part, line) for part in parts)
        case Not(part):
            return negated(line_truth(part, line))
    raise AssertionError(condition)


def own_value(field, order, zone):
    sold = [line for line in order["lines"] if line["gift_of"] is None]
    column = FIELDS[field].column
    if column in order:
        return known(order[column])
    for name in ("paid_at", "placed_at"):
        at = order.get(name)
        if column in (f"{name}_minutes", f"{name}_weekday"):
            local = at and at.astimezone(ZoneInfo(zone))
            return local and (local.hour * 60 + local.minute if column.endswith("minutes") else local.isoweekday())
    if not sold:
        return None
    match column:
        case "line_count":
            return len(sold)
        case "piece_count":
            return sum(line["quantity"] for line in sold)
        case "sku_count":
            return len({line["sku"] for line in sold})
        case "goods_minor":
            return of_64_bits(sum(line["quantity"] * line["price_minor"] for line in sold))
    raise AssertionError(field)


def truth(condition, order, zone="Asia/Shanghai"):
    sold = [line for line in order["lines"] if line["gift_of"] is None]
    match condition:
        case Leaf(field) if FIELDS[field].level == "line":
            return truth(Lines("some", condition), order, zone)
        case Leaf(field):
            return leaf_truth(condition, own_value(field, order, zone))
        case Every(parts):
            return both(truth(part, order, zone) for part in parts)
        case Either(parts):
            return either(truth(part, order, zone) for part in parts)
        case Not(part):
            return negated(truth(part, order, zone))
        case Lines() if not sold:
            return None
        case Lines("some", part):
            return either(line_truth(part, line) for line in sold)
        case Lines("every", part):
            return both(line_truth(part, line) for line in sold)
        case Lines("no", part):
            return negated(either(line_truth(part, line) for line in sold))
    raise AssertionError(condition)


def decisions(orders, book):
    """(order_id, group, rule, action, argument) in the order of groups, rules and actions."""
    found = []
    for order in orders:
        for group in book.groups:
            holding = [rule for rule in group.rules if truth(rule.when, order, book.zone) is True]
            if group.match == "first":
                otherwise = Rule("otherwise", Every(), group.otherwise)
                holding = holding[:1] or [otherwise]
            for rule in holding:
                found += [(order["order_id"], group.name, rule.name, a.verb, a.argument) for a in rule.then]
    return found


# --- frames -----------------------------------------------------------------------------------------------------------

ORDER_COLUMNS = {
    name: frames.ORDERS[name] for name in ("order_id", "platform", "shop", "province", "total_minor", "paid_at")
}


def orders_frame(orders):
    told = {name: kind for name, kind in HISTORY.items() if not orders or any(name in order for order in orders)}
    rows = [
        (*(order[name] for name in ORDER_COLUMNS), *(order.get(name) for name in told)) for order in orders
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={**ORDER_COLUMNS, **told}, orient="row")


def lines_frame(orders):
    rows = [
        tuple(line.get(name, order["order_id"] if name == "order_id" else "") for name in frames.LINES)
        for order in orders
        for line in order["lines"]
    ]
    return pl.DataFrame(rows, schema=frames.LINES, orient="row")


# --- strategies -------------------------------------------------------------------------------------------------------

texts = st.sampled_from(TEXTS)
wanted_texts = st.sampled_from([*TEXTS[1:], "省", "b", "nowhere"])
amounts = st.sampled_from([0, 1, 99, 100, 29_900])
MOST_PIECES = 2**31 - 1
"""As many as a line's column holds."""
DEAREST = 10**14
prices = amounts | st.just(DEAREST)
line_values = st.fixed_dictionaries(
    {
        "sku": texts,
        "category": texts | st.none(),
        "quantity": st.sampled_from([1, 2, 99, MOST_PIECES]),
        "price_minor": prices,
        "gift_of": st.sampled_from([None, None, None, 1]),
    }
)
order_lists = st.lists(
    st.fixed_dictionaries(
        {
            "platform": texts,
            "shop": texts,
            "province": texts | st.none(),
            "total_minor": amounts | st.none(),
            "paid_at": st.none() | st.sampled_from(INSTANTS),
            "buyer_orders": st.sampled_from([0, 1, 2]) | st.none(),
            "buyer_spent_minor": amounts | st.none(),
            "buyer_first": st.booleans() | st.none(),
            "lines": st.lists(line_values, max_size=3).map(
                lambda lines: [{"line_no": n, **line} for n, line in enumerate(lines, 1)]
            ),
        }
    ),
    max_size=6,
).map(lambda orders: [{"order_id": n, **order} for n, order in enumerate(orders, 1)])

ORDERED = [Op.IS, Op.IS_NOT, Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST, Op.AMONG, Op.NOT_AMONG, Op.WITHIN]
WORDED = [Op.IS, Op.IS_NOT, Op.AMONG, Op.NOT_AMONG, Op.CONTAINS, Op.STARTS_WITH]


def leaves_of(field, ops, values):
    def filled(op):
        if op in (Op.IS_KNOWN, Op.IS_MISSING):
            return st.just(Leaf(field, op))
        count = (2, 2) if op is Op.WITHIN else (1, 3) if op in (Op.AMONG, Op.NOT_AMONG) else (1, 1)
        some = st.lists(values, min_size=count[0], max_size=count[1])
        return some.map(lambda chosen: Leaf(field, op, tuple(chosen)))

    return st.sampled_from([*ops, Op.IS_KNOWN, Op.IS_MISSING]).flatmap(filled)


order_leaves = st.one_of(
    leaves_of("shop", WORDED, wanted_texts),
    leaves_of("province", WORDED, wanted_texts),
    leaves_of("total", ORDERED, amounts),
    leaves_of("paid_at", ORDERED, st.sampled_from(INSTANTS)),
    leaves_of("paid_time", ORDERED, st.sampled_from([0, 480, 1230, 1439])),
    leaves_of("line_count", ORDERED, st.sampled_from([0, 1, 2])),
    leaves_of("total_quantity", ORDERED, st.sampled_from([1, 2, 3, 100, MOST_PIECES, 2 * MOST_PIECES])),
    leaves_of("sku_count", ORDERED, st.sampled_from([0, 1, 2])),
    leaves_of("goods_amount", ORDERED, st.sampled_from([0, 1, 198, 29_900, DEAREST, 99 * DEAREST])),
)
buyer_leaves = st.one_of(
    leaves_of("buyer_orders", ORDERED, st.sampled_from([0, 1, 2])),
    leaves_of("buyer_spent", ORDERED, amounts),
    leaves_of("buyer_first", [Op.IS, Op.IS_NOT], st.booleans()),
)
line_leaves = st.one_of(
    leaves_of("category", WORDED, wanted_texts),
    leaves_of("sku", WORDED, wanted_texts),
    leaves_of("quantity", ORDERED, st.sampled_from([0, 1, 2, 50])),
    leaves_of("line_amount", ORDERED, st.sampled_from([0, 1, 198, DEAREST])),
)


def grown(leaf):
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda parts: Every(tuple(parts)), st.lists(inner, max_size=3)),
            st.builds(lambda parts: Either(tuple(parts)), st.lists(inner, min_size=1, max_size=3)),
            st.builds(Not, inner),
        ),
        max_leaves=5,
    )


line_conditions = st.builds(Lines, st.sampled_from(["some", "every", "no"]), grown(line_leaves))
conditions = grown(order_leaves | buyer_leaves | line_leaves | line_conditions)
actions = st.sampled_from([Action("assign_warehouse", "hz"), Action("tag", "vip"), Action("add_gift", "GIFT", 2)])


def groups(name):
    return st.builds(
        lambda match, whens, then, otherwise: Group(
            name,
            match,
            tuple(Rule(f"{name}{n}", when, tuple(then)) for n, when in enumerate(whens)),
            tuple(otherwise) if match == "first" else (),
        ),
        st.sampled_from(["first", "all"]),
        st.lists(conditions, max_size=4),
        st.lists(actions, min_size=1, max_size=2, unique=True),
        st.lists(actions, max_size=1),
    )


books = st.builds(lambda one, two: Rulebook("v", (one, two)), groups("one"), groups("two"))
