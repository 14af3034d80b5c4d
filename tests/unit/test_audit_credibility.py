"""The credibility index against a plain recount, order by order, and against faults planted one at a time."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import frames
from orderhub_core.audit import report
from orderhub_core.audit.credibility import change, history, log
from orderhub_core.audit.credibility.index import DIMENSIONS, PARTS, Index, measure
from orderhub_core.audit.credibility.losses import losses, members
from orderhub_core.audit.credibility.sources import sources_of
from orderhub_core.model import Axis, Event
from orderhub_core.settings import Settings

NOW = 1_790_000_000_000_000
SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
RULE = json.dumps({"rule": "south", "version": "7"})
FIRST = {"payment": "unpaid", "fulfilment": "waiting", "logistics": "none", "after_sale": "none", "invoice": "none"}
STATES = {
    Event.PAID.value: ("unpaid", "paid"),
    Event.VOIDED.value: ("unpaid", "void"),
    Event.LOCKED.value: ("waiting", "locked"),
    Event.DELIVERED.value: ("none", "delivered"),
}


class Shop:
    """Frames made by hand: a hub as far as the index looks at one."""

    settings = Settings()

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.sightings: list[dict[str, Any]] = []

    def order(self, **rest: Any) -> int:
        number = len(self.orders) + 1
        plain = {"order_id": number, "shop": "a", "order_no": f"N{number}", "placed_at": NOW - DAY, "headline": "paid"}
        self.orders.append({**plain, **FIRST, **rest})
        return number

    def log(self, order_id: int, event: str, at: int = NOW - HOUR, *, delay_s: float = 1, **rest: Any) -> None:
        before, after = STATES.get(event, ("", ""))
        seq = len(self.events) + 1
        plain = {"seq": seq, "order_id": order_id, "event": event, "occurred_at": at, "before": before, "after": after}
        told = {"recorded_at": at + int(delay_s * SECOND), "outcome": "applied", "source": "a", "message": seq}
        self.events.append({**plain, **told, "rule": "", **rest})

    def show(self, touchpoint: str, order_id: int, status: str, at: int = NOW - HOUR, delay_s: float = 1) -> None:
        named = {"touchpoint": touchpoint, "shop": "a", "order_no": f"N{order_id}", "status": status}
        self.sightings.append({**named, "at": at, "seen_at": at + int(delay_s * SECOND)})

    def as_of(self) -> int:
        return NOW

    def frame(self, name: str) -> pl.DataFrame:
        schema = frames.SCHEMAS[name]
        rows = [{column: row.get(column) for column in schema} for row in getattr(self, name)]
        raw = {column: pl.Int64() if kind == frames.INSTANT else kind for column, kind in schema.items()}
        return pl.DataFrame(rows, schema=raw).cast(dict(schema))


@pytest.fixture
def shop() -> Shop:
    """Paid orders of which everything is well; the first of them opened the shop's log long ago."""
    made = Shop()
    for _ in range(4):
        number = made.order(payment="paid")
        long_ago = {"at": NOW - 2 * DAY, "delay_s": 0} if number == 1 else {}
        made.log(number, Event.PLACED.value, **long_ago)
        made.log(number, Event.PAID.value)
        for touchpoint in ("page", "wms"):
            made.show(touchpoint, number, "paid", **long_ago)
    return made


def causes(found: Index) -> set[tuple[str, str, str, str, str]]:
    numbers = found.orders["order_no"]
    rows = found.misses.select("order", "part", "source", "field", "cause").iter_rows()
    return {(numbers[order], *rest) for order, *rest in rows}  # type: ignore[misc]


def test_where_all_is_well_the_index_is_100(shop: Shop) -> None:
    found = measure(shop)
    assert found.value == 100
    assert losses(found).is_empty()
    assert {part: share.of for part, share in found.parts.items()} == {
        "freshness": 4 * 2 + 4 * 2,
        "consistency": 4,
        "traceability": 4 * 2 + 4 + 4,
    }


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({"delay_s": 91}, ("freshness", "a", "logistics", "late")),
        ({"delay_s": -91}, ("freshness", "a", "logistics", "ahead")),
        ({"source": ""}, ("traceability", "", "logistics", "no_source")),
        ({"source": None}, ("traceability", "", "logistics", "no_source")),
        ({"message": 0}, ("traceability", "a", "logistics", "no_message")),
        ({"message": None}, ("traceability", "a", "logistics", "no_message")),
    ],
)
def test_a_planted_fault_of_an_entry_costs_its_order_and_no_other(
    shop: Shop, planted: dict[str, Any], told: tuple[str, ...]
) -> None:
    shop.orders[2]["logistics"] = "delivered"
    shop.log(3, Event.DELIVERED.value, **planted)
    assert causes(measure(shop)) == {("N3", *told)}


@pytest.mark.parametrize("rule", ["", None, "{}", "{", '{"rule":"south"}', '{"rule":"","version":"7"}', "[1]"])
def test_a_decision_without_rule_or_version_cannot_be_traced(shop: Shop, rule: str | None) -> None:
    decided = {"outcome": "decided", "source": "rules", "delay_s": 0}
    shop.log(2, "rule.assign_warehouse", rule=RULE, **decided)
    shop.log(3, "rule.assign_warehouse", rule=rule, **decided)
    assert causes(measure(shop)) == {("N3", "traceability", "rules", "decision", "no_rule")}


def test_a_state_that_no_entry_leads_to_is_found(shop: Shop) -> None:
    shop.orders[1]["fulfilment"] = "locked"
    shop.orders[2]["payment"] = "unpaid"
    assert causes(measure(shop)) == {
        ("N2", "traceability", "", "fulfilment", "unreached"),
        ("N3", "traceability", "", "payment", "unreached"),
    }


def test_a_state_that_follows_from_all_facts_together_is_traced(shop: Shop) -> None:
    """Locked needs a payment: it was refused, and holds since the payment came, which is another axis' entry."""
    number = shop.order(payment="paid", fulfilment="locked")
    shop.log(number, Event.PLACED.value)
    shop.log(number, Event.LOCKED.value, NOW - HOUR + 9, after="waiting", outcome="refused")
    shop.log(number, Event.PAID.value, NOW - HOUR + 5)
    for touchpoint in ("page", "wms"):
        shop.show(touchpoint, number, "locked")
    assert causes(measure(shop)) == set()
    shop.events[-1]["event"] = Event.VOIDED.value
    assert ("N5", "traceability", "", "fulfilment", "unreached") in causes(measure(shop))


def test_an_order_without_a_log_is_found(shop: Shop) -> None:
    number = shop.order()
    for touchpoint in ("page", "wms"):
        shop.show(touchpoint, number, "pending_payment")
    assert causes(measure(shop)) == {("N5", "traceability", "", "order", "no_log")}


def test_entries_of_nobody_s_order_count_for_nobody(shop: Shop) -> None:
    before = measure(shop)
    shop.log(0, "audit.reviewed", outcome="reviewed", source="")
    shop.log(99, Event.PAID.value, source="")
    assert measure(shop).parts == before.parts


def test_touchpoints_that_disagree_or_say_nothing_cost_consistency(shop: Shop) -> None:
    shop.sightings[2]["status"] = "delivered"
    shop.sightings[4]["status"] = ""
    shop.sightings[6]["status"] = "quux"
    told = {(number, cause) for number, part, _, _, cause in causes(measure(shop)) if part == "consistency"}
    assert told == {("N2", "conflict"), ("N3", "not_comparable"), ("N4", "unknown_word")}


def test_a_touchpoint_without_times_of_its_own_is_not_fresh(shop: Shop) -> None:
    shop.sightings[3] |= {"at": NOW - HOUR + 7, "seen_at": NOW - HOUR + 7}
    shop.sightings[4] |= {"at": None}
    told = {(number, *rest) for number, part, *rest in causes(measure(shop)) if part == "freshness"}
    assert told == {("N2", "wms", "status", "untimed"), ("N3", "page", "status", "untimed")}


def test_what_happened_before_the_hub_knew_its_source_is_history(shop: Shop) -> None:
    number = shop.order(payment="paid")
    shop.log(number, Event.PAID.value, NOW - 3 * DAY, delay_s=2 * 86_400)
    shop.show("wms", number, "paid", NOW - 3 * DAY, delay_s=2 * 86_400)
    found = measure(shop)
    assert found.history == 2
    assert not any(part == "freshness" for _, part, *_ in causes(found))


def test_a_source_that_is_silent_longer_than_ever_spoils_its_open_orders() -> None:
    made = Shop()
    for hour in range(30, 10, -1):
        number = made.order(headline="completed" if hour == 20 else "paid")
        made.log(number, Event.PLACED.value, NOW - hour * HOUR, delay_s=0)
    told = causes(measure(made))
    assert {number for number, part, *_, cause in told if (part, cause) == ("freshness", "silent")} == {
        f"N{number}" for number in range(1, 21) if number != 11
    }
    made.log(3, "order.content", NOW - 60 * SECOND, outcome="changed")
    assert not any(cause == "silent" for *_, cause in causes(measure(made)))


def test_a_night_as_quiet_as_any_before_is_no_silence() -> None:
    made = Shop()
    for hour in (30, 29, 9, 8):
        made.log(made.order(), Event.PLACED.value, NOW - hour * HOUR)
    assert not any(cause == "silent" for *_, cause in causes(measure(made)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), min_size=1, max_size=40))
def test_the_longest_silence_of_each_source_is_what_one_would_count(heard: list[tuple[int, int]]) -> None:
    made = Shop()
    order = made.order()
    for who, minute in heard:
        made.log(order, "order.content", NOW - DAY + minute * 60 * SECOND, delay_s=0, source=f"s{who}")
    for source in sources_of(log.read(made.frame("events"), pl.Series([order])), made.frame("sightings")):
        minutes = sorted({(NOW - DAY) // 60 // SECOND + at for who, at in heard if f"s{who}" == source.name})
        gaps = [later - sooner for sooner, later in pairwise(minutes)]
        assert source.longest == max(gaps, default=0) * 60 * SECOND


def test_a_clock_that_once_stood_at_1970_costs_no_memory() -> None:
    made = Shop()
    for at in (0, NOW - HOUR, NOW):
        made.log(made.order(), Event.PLACED.value, at, delay_s=0)
    told = log.read(made.frame("events"), pl.Series([1, 2, 3]))
    tracemalloc.start()
    (source,) = sources_of(told, made.frame("sightings"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.longest == (NOW - HOUR) // 60 // SECOND * 60 * SECOND
    assert most < 1_000_000


def slow(made: Shop, delays_s: dict[int, float], words: int = 60) -> Index:
    """A shop whose words came so late on each of the days, counted back from now."""
    made.log(made.order(), Event.PLACED.value, NOW - 30 * DAY, delay_s=0)
    for day, delay_s in delays_s.items():
        for number in range(words):
            made.log(made.order(), Event.PLACED.value, NOW - day * DAY + number * 60 * SECOND, delay_s=delay_s)
    made.events.sort(key=lambda row: row["recorded_at"])
    for seq, row in enumerate(made.events, 1):
        row["seq"] = seq
    return measure(made, targets=made.targets, polls=made.polls)


@pytest.mark.parametrize(
    ("delays_s", "given", "target_s", "basis", "fresh"),
    [
        ({3: 200}, {}, 600, "learned", 60),
        ({3: 200, 2: 900}, {}, 600, "learned", 60),  # it became slow: its bar stays
        ({3: 20}, {}, 90, "kind", 60),
        ({3: 200}, {"targets": {"a": 100}}, 100, "settings", 0),
        ({3: 200}, {"targets": {"a": 100, "a.order": 300}}, 300, "settings", 60),
        ({3: 20}, {"polls": {"a": 500}}, 1000, "polled", 60),
        ({3: 100_000}, {}, 86_400, "learned", 0),  # no more than a day is ever learned
    ],
)
def test_a_target_is_what_the_source_can_give(
    delays_s: dict[int, float], given: dict[str, Any], target_s: float, basis: str, fresh: int
) -> None:
    made = Shop()
    made.targets, made.polls = given.get("targets", {}), given.get("polls", {})
    (row,) = slow(made, delays_s).by_source.to_dicts()
    assert (row["target_s"], row["basis"], row["fresh"]) == (target_s, basis, fresh + 1)
    assert row["raw"] == 1 + 60 * sum(delay_s <= 90 for delay_s in delays_s.values())


def test_few_words_teach_nothing() -> None:
    made = Shop()
    made.targets, made.polls = {}, {}
    assert slow(made, {3: 200}, words=49).by_source["basis"].to_list() == ["kind"]


def test_a_part_that_cannot_be_checked_is_left_out_and_the_others_keep_their_proportions(shop: Shop) -> None:
    shop.sightings.clear()
    shop.log(1, Event.PAID.value, source="")
    found = measure(shop, weights={"freshness": 1.0, "consistency": 5.0, "traceability": 3.0})
    assert found.parts["consistency"].rate is None
    assert found.weights == {"freshness": 0.25, "traceability": 0.75}
    rates = {part: found.parts[part].rate for part in found.weights}
    assert found.value == pytest.approx(25 * rates["freshness"] + 75 * rates["traceability"])


def test_a_hub_without_orders_has_no_index() -> None:
    found = measure(Shop())
    assert (found.value, found.weights) == (None, {})
    assert losses(found).is_empty()
    assert found.days.is_empty()
    assert history.by_placing(found.orders, found.weights).is_empty()
    assert change.explained(found, pl.lit(True), pl.lit(True), "shop") is None


# -- against a plain recount

EVENTS = [*STATES, Event.PLACED.value, "order.content", "rule.gift", "audit.reviewed"]
OUTCOMES = {"order.content": "changed", "rule.gift": "decided", "audit.reviewed": "reviewed"}
TARGETS = {"a": 100.0, "a.payment": 50.0, "b": 10.0, "page": 30.0, "wms": 1_000.0}


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    made = Shop()
    names = st.sampled_from(["x", "y", None])
    for _ in range(draw(st.integers(1, 6))):
        states = {
            "payment": draw(st.sampled_from(["unpaid", "paid", "void"])),
            "fulfilment": draw(st.sampled_from(["waiting", "locked"])),
        }
        number = made.order(
            **states, warehouse=draw(names), carrier=draw(names), shop=draw(st.sampled_from(["a", "c"]))
        )
        made.orders[-1]["placed_at"] = NOW - draw(st.integers(0, 3)) * DAY
        for touchpoint in ("page", "wms"):
            if draw(st.booleans()):
                word = draw(st.sampled_from(["paid", "locked", "quux", ""]))
                made.show(touchpoint, number, word, NOW - 600 * SECOND, delay_s=draw(st.integers(-200, 200)))
                made.sightings[-1]["shop"] = made.orders[-1]["shop"]
    for _ in range(draw(st.integers(0, 25))):
        event = draw(st.sampled_from(EVENTS))
        made.log(
            draw(st.integers(0, len(made.orders) + 1)),
            event,
            NOW - draw(st.integers(1, 50)) * SECOND,
            delay_s=draw(st.integers(-120, 120)),
            outcome=OUTCOMES.get(event) or draw(st.sampled_from(["applied", "applied", "late", "refused"])),
            source=draw(st.sampled_from(["a", "a", "b", ""])),
            message=draw(st.sampled_from([0, 1, 2])),
            rule=draw(st.sampled_from(["", RULE])) if event == "rule.gift" else "",
        )
    return made


def recount(made: Shop) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """Checks per part, and failed ones by part, order, source, field and cause: the definitions, order by order.
    States are left out: what the log leads to is `fold`'s to say."""
    of: Counter[str] = Counter()
    wrong: Counter[tuple[str, ...]] = Counter()
    known = {row["order_id"]: row for row in made.orders}
    entries = [row for row in made.events if row["order_id"] in known]
    met: dict[str, int] = {}
    for row in entries:
        met[row["source"]] = min(row["recorded_at"], met.get(row["source"], NOW))
    last: dict[tuple[int, str], dict[str, Any]] = {}
    for row in entries:
        of["traceability"] += 1
        field = row["event"].partition(".")[0]
        name = {"rule": "decision", "audit": "review"}.get(field, field)
        fault = "no_source" if not row["source"] else "no_message" if row["message"] <= 0 else ""
        if not fault and row["outcome"] == "decided" and not row["rule"]:
            fault = "no_rule"
        if fault:
            wrong["traceability", known[row["order_id"]]["order_no"], row["source"], name, fault] += 1
        if row["outcome"] in ("applied", "changed") and name == field:
            last[row["order_id"], field] = row
    words = [
        (known[order]["order_no"], row["source"], field, row["occurred_at"], row["recorded_at"], met[row["source"]])
        for (order, field), row in last.items()
    ]
    seen = {name: [row for row in made.sightings if row["touchpoint"] == name] for name in ("page", "wms")}
    words += [
        (row["order_no"], name, "status", row["at"], row["seen_at"], min(other["seen_at"] for other in rows))
        for name, rows in seen.items()
        for row in rows
    ]
    for order_no, source, field, at, heard, first in words:
        if at < first:
            continue
        of["freshness"] += 1
        most = TARGETS.get(f"{source}.{field}", TARGETS.get(source, 90.0)) * SECOND
        if abs(heard - at) > most:
            wrong["freshness", order_no, source, field, "late" if heard > at else "ahead"] += 1
    if all(seen.values()):
        named = {name: made.frame("sightings").filter(pl.col("touchpoint") == name) for name in sorted(seen)}
        population = made.frame("orders").select("shop", "order_no", "placed_at")
        for _, number, verdict in report.audit(named, as_of=NOW, population=population).orders.iter_rows():
            of["consistency"] += 1
            if verdict not in ("equal", "compatible"):
                wrong["consistency", number, "", "status", verdict] += 1
    return of, wrong


def told(found: Index) -> Counter[tuple[str, ...]]:
    numbers, counted = found.orders["order_no"], Counter()
    for order, part, source, field, cause, _ in found.misses.iter_rows():
        if cause not in ("unreached", "no_log"):
            counted[part, numbers[order], "" if part == "consistency" else source, field, cause] += 1
    return counted


@settings(max_examples=150)
@given(shops())
def test_the_index_is_what_a_plain_recount_says(made: Shop) -> None:
    found = measure(made, targets=TARGETS)
    of, wrong = recount(made)
    assert told(found) == wrong
    assert (found.parts["freshness"].of, found.parts["consistency"].of) == (of["freshness"], of["consistency"])
    states = found.parts["traceability"].of - of["traceability"] - len(made.orders)
    assert 0 <= states <= len(Axis) * len(made.orders)
    for part, share in found.parts.items():
        assert share.of - share.good == found.misses.filter(pl.col("part") == part).height


@settings(max_examples=100)
@given(shops(), st.lists(st.sampled_from(DIMENSIONS), unique=True), st.tuples(*[st.integers(0, 3)] * 3))
def test_lost_points_add_up_and_lead_to_exactly_their_orders(made: Shop, by: list[str], weigh: tuple[int, ...]) -> None:
    found = measure(made, targets=TARGETS, weights=dict(zip(PARTS, weigh, strict=True)))
    lost = losses(found, by)
    assert (found.value is None) == (sum(weigh[PARTS.index(part)] for part in PARTS if found.parts[part].of) == 0)
    if found.value is not None:
        assert lost["points"].sum() + found.value == pytest.approx(100)
    place = {row["order_no"]: {name: row[name] or "" for name in DIMENSIONS} for row in full(made)}
    counted: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for order, *key in found.misses.select("order", "part", "source", "field", "cause").iter_rows():
        number = found.orders["order_no"][order]
        counted[(*key, *(place[number][name] for name in DIMENSIONS if name in by))][number] += 1
    assert len(counted) == lost.height
    for loss in lost.to_dicts():
        key = tuple(loss[name] for name in ("part", "source", "field", "cause", *(d for d in DIMENSIONS if d in by)))
        shown = members(found, loss)
        assert dict(shown.select("order_no", "checks").iter_rows()) == dict(counted[key])
        assert (loss["orders"], loss["checks"]) == (len(counted[key]), counted[key].total())


def full(made: Shop) -> Iterator[dict[str, Any]]:
    for row in made.orders:
        yield dict.fromkeys(DIMENSIONS) | row


@settings(max_examples=100)
@given(shops(), st.sampled_from(DIMENSIONS))
def test_a_change_is_the_sum_of_its_parts(made: Shop, by: str) -> None:
    found = measure(made, targets=TARGETS)
    recent = pl.col("placed_at") >= pl.lit(NOW - DAY).cast(frames.INSTANT)
    moved = change.explained(found, ~recent, recent, by)
    if moved is None:
        return
    assert moved.rows["points"].sum() == pytest.approx(moved.after - moved.before, abs=1e-9)
    assert moved.rows.height == moved.rows.select("group", "part").unique().height
    same = change.explained(found, recent, recent, by)
    assert same is not None and same.rows["points"].abs().max() == pytest.approx(0, abs=1e-9)


def two_warehouses(good: tuple[int, int], bad: tuple[int, int]) -> list[dict[str, Any]]:
    """Orders of a good warehouse and a bad one: how many, and how many of them have no message."""
    return [
        {"warehouse": name, "broken": number < broken}
        for name, (size, broken) in {"good": good, "bad": bad}.items()
        for number in range(size)
    ]


@pytest.mark.parametrize(
    ("then", "now", "mix", "rate"),
    [
        (((10, 0), (10, 5)), ((10, 0), (10, 0)), 0, 1),  # the bad one became good
        (((10, 0), (10, 5)), ((18, 0), (2, 1)), 1, 0),  # it got fewer orders
        (((10, 0), (0, 0)), ((5, 0), (5, 5)), -1, 0),  # a bad one came
    ],
)
def test_mix_and_rate_are_told_apart(then: Any, now: Any, mix: int, rate: int) -> None:
    made = Shop()
    for day, side in ((3, then), (0, now)):
        for row in two_warehouses(*side):
            number = made.order(warehouse=row["warehouse"], placed_at=NOW - day * DAY)
            made.log(number, Event.PLACED.value, message=0 if row["broken"] else 1)
    found = measure(made)
    recent = pl.col("placed_at") >= pl.lit(NOW - DAY).cast(frames.INSTANT)
    moved = change.explained(found, ~recent, recent, "warehouse")
    assert moved is not None
    assert [sign(moved.rows[name].sum()) for name in ("mix", "rate")] == [mix, rate]
    # Less of the bad is as good as more of the good: no group is praised or blamed for its size alone.
    assert {sign(points) for points in moved.rows["mix"] if sign(points)} <= {mix}


def sign(number: float) -> int:
    return 0 if abs(number) < 1e-9 else 1 if number > 0 else -1


def test_days_are_those_of_the_shop_s_clock_and_tell_how_soon_the_hub_heard() -> None:
    made = Shop()
    made.log(made.order(), Event.PLACED.value, NOW - 3 * DAY)
    midnight = NOW // DAY * DAY - 8 * HOUR  # in Shanghai
    for before, delay_s, rest in ((-1, 0, {}), (0, 200, {}), (1, 10, {"message": 0}), (2, 90, {})):
        made.log(made.order(), Event.PLACED.value, midnight + before * SECOND, delay_s=delay_s, **rest)
    rows = measure(made, zone="Asia/Shanghai").days.tail(2).drop("day").rows()
    assert rows == [(1, 1, 1, 1, 1), (3, 2, 2, 3, 2)]


def test_by_placing_the_orders_stand_as_they_stand_now(shop: Shop) -> None:
    shop.orders[3]["placed_at"] = NOW - 9 * DAY
    shop.sightings[-1]["status"] = "quux"
    found = measure(shop)
    old, new = history.by_placing(found.orders, found.weights).to_dicts()
    assert (old["orders"], old["consistency"], new["orders"], new["consistency"]) == (1, 0, 3, 1)
    assert (old["index"], new["index"]) == (pytest.approx(200 / 3), pytest.approx(100))
