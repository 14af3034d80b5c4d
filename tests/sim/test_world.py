"""The pretend world keeps its promises: repeatable, plausible, lawful by the lifecycle's tables."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from orderhub_core import frames, lifecycle
from orderhub_core.errors import UserMistake
from orderhub_core.model import Event, Headline
from orderhub_core.sim.world import BIG_SHOPS, Plan, World, build
from orderhub_core.sim.world.course import DAY_CURVE, OCCURRING
from orderhub_core.store import snapshot

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 1_756_656_000 * SECOND  # 2025-09-01T00:00:00+08:00
PLAN = Plan(seed=11, orders=20_000, start=START, end=START + 10 * DAY, shops=BIG_SHOPS)
FRAMES = ("orders", "lines", "persons", "moments", "timeline", "sightings", "planted")
TAKEN = lifecycle.Given(tracking_no=True, label=True)


@pytest.fixture(scope="module")
def world() -> World:
    return build(PLAN)


def digest(world: World) -> str:
    found = hashlib.sha256()
    for name in FRAMES:
        found.update(getattr(world, name).write_csv().encode())
    return found.hexdigest()


def facts_of(world: World, as_of: int, order_ids: list[int]) -> dict[int, dict[str, int]]:
    """Each order's events until `as_of`, read from the timeline."""
    heard = world.timeline.filter(
        pl.col("order_id").is_in(order_ids), pl.col("at") <= pl.lit(as_of).cast(frames.INSTANT)
    ).select("order_id", pl.col("event").cast(pl.String), pl.col("at").to_physical())
    facts: dict[int, dict[str, int]] = {}
    for order_id, event, at in heard.iter_rows():
        assert event not in facts.setdefault(order_id, {}), "an event happens once"
        facts[order_id][event] = at
    return facts


class TestRepeatable:
    def test_same_plan_same_world(self, world: World) -> None:
        again = build(PLAN)
        for name in FRAMES:
            assert_frame_equal(getattr(world, name), getattr(again, name))

    def test_another_process_builds_the_same_bytes(self) -> None:
        plan = Plan(seed=5, orders=700, start=START, end=START + DAY)
        script = f"from test_world import digest, build, Plan\nprint(digest(build({plan!r})))"
        env = {**os.environ, "PYTHONHASHSEED": "77", "POLARS_MAX_THREADS": "1"}
        told = subprocess.run(
            [sys.executable, "-c", script],
            env=env,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == digest(build(plan))

    def test_another_seed_is_another_world(self) -> None:
        plans = [Plan(seed=seed, orders=50, start=START, end=START + DAY) for seed in (1, 2)]
        first, second = (set(build(plan).orders["order_no"]) for plan in plans)
        assert not first & second

    def test_faults_do_not_change_the_truth(self, world: World) -> None:
        honest = build(msgspec.structs.replace(PLAN, late=0.2, twice=0.2, never=0.2, wrong=0.2))
        assert_frame_equal(world.timeline, honest.timeline)
        assert_frame_equal(world.orders, honest.orders)


class TestOrders:
    def test_numbers_look_like_a_platforms_and_are_unique(self) -> None:
        numbers = build(Plan(seed=3, orders=100_000, start=START, end=START + HOUR)).orders["order_no"]
        assert numbers.n_unique() == numbers.len()
        assert numbers.str.contains(r"^[1-9][0-9]{18}$").all()

    def test_arrivals_keep_to_the_plan_and_follow_the_day_curve(self, world: World) -> None:
        placed = world.orders["placed_at"]
        assert placed.is_sorted()
        assert placed.to_physical().is_between(PLAN.start, PLAN.end).all()
        hours = placed.dt.convert_time_zone("Asia/Shanghai").dt.hour().to_numpy()
        expected = np.array(DAY_CURVE) / sum(DAY_CURVE) * PLAN.orders
        chi_square = ((np.bincount(hours, minlength=24) - expected) ** 2 / expected).sum()
        assert chi_square < 60  # 23 degrees of freedom: one seed in thirty thousand

    def test_money_adds_up(self, world: World) -> None:
        goods = world.lines.group_by("order_no").agg(goods=(pl.col("quantity") * pl.col("price_minor")).sum())
        orders = world.orders.join(goods, on="order_no", validate="1:1")
        assert orders.height == PLAN.orders
        owed = pl.col("goods") + pl.col("freight_minor") - pl.col("discount_minor")
        assert orders.select((pl.col("total_minor") == owed).all() & (pl.col("total_minor") > 0).all()).item()
        paid = pl.when(pl.col("fate") == "unpaid").then(0).otherwise("total_minor")
        assert orders.select((pl.col("paid_minor") == paid).all()).item()

    def test_gifts_cost_nothing_and_name_a_sold_line(self, world: World) -> None:
        gifts = world.lines.filter(pl.col("category") == "赠品")
        assert gifts.height > 0
        assert gifts["price_minor"].max() == 0
        assert_frame_equal(gifts, world.lines.filter(pl.col("gift_of").is_not_null()))
        sold = world.lines.filter(pl.col("gift_of").is_null())
        named = gifts.join(sold, left_on=["order_id", "gift_of"], right_on=["order_id", "line_no"], validate="1:1")
        assert named.height == gifts.height

    def test_no_article_stands_twice_in_an_order(self, world: World) -> None:
        assert not world.lines.select("order_id", "sku").is_duplicated().any()
        assert world.lines["sku"].n_unique() == 60

    def test_persons_are_invented_and_stay_themselves(self, world: World) -> None:
        assert world.persons["phone"].str.contains(r"^1990000\d{4}$").all()
        known = world.persons.join(world.orders.select("order_no", "buyer_ref"), on="order_no")
        assert known.select("buyer_ref", "name", "phone", "address").n_unique() == known["buyer_ref"].n_unique()
        assert known["buyer_ref"].n_unique() < PLAN.orders

    def test_fates_come_at_the_rates_of_the_plan(self) -> None:
        plan = msgspec.structs.replace(PLAN, outage_warehouse="")
        counts = dict(build(plan).orders.group_by("fate").len().iter_rows())
        for fate in ("unpaid", "refunded", "stuck", "intercepted", "returned"):
            assert_share(counts[fate], plan.orders, getattr(plan, fate))

    def test_the_printer_outage_holds_labels_back_and_leaves_orders_stuck(self, world: World) -> None:
        first, after = (second * SECOND for second in PLAN.outage_s)
        printed = world.moments.select("order_id", at=pl.col(Event.LABELLED).to_physical()).join(
            world.orders.select("order_id", "warehouse", "fate"), on="order_id"
        )
        meanwhile = printed.filter(pl.col("at").is_between(first, after, closed="left"))
        assert set(meanwhile["warehouse"]) == {"hangzhou", "chengdu"}
        stuck = dict(printed.group_by("warehouse").agg((pl.col("fate") == "stuck").mean()).iter_rows())
        assert stuck["guangzhou"] > 1.2 * max(stuck["hangzhou"], stuck["chengdu"])


def assert_share(count: int, of: int, rate: float) -> None:
    """Within five standard deviations of a binomial draw."""
    assert abs(count - of * rate) < 5 * (of * rate * (1 - rate)) ** 0.5 + 1


class TestLawful:
    @pytest.mark.parametrize("after_days", [0.3, 4.0, 9.9, 14.0, 25.0, 60.0])
    def test_axes_and_headline_are_what_the_lifecycle_says(self, world: World, after_days: float) -> None:
        as_of = START + int(after_days * DAY)
        known = world.until(as_of)["orders"]
        sample = known.sample(min(500, known.height), seed=1)
        facts = facts_of(world, as_of, sample["order_id"].to_list())
        for row in sample.iter_rows(named=True):
            events = lifecycle.in_order(facts[row["order_id"]])
            settled = lifecycle.settle(events, TAKEN)
            assert [row[axis] for axis in ("payment", "fulfilment", "logistics", "after_sale", "invoice")] == [
                state.value for state in settled[:5]
            ]
            assert (row["headline"], micros(row["headline_at"])) == last_change(facts[row["order_id"]], events)
            assert micros(row["updated_at"]) == max(facts[row["order_id"]].values())

    def test_a_world_shows_every_headline_it_can(self) -> None:
        world, days = build(msgspec.structs.replace(PLAN, intercepted=0.05)), [0.5, 3.0, 9.9, 14.0, 25.0]
        seen = pl.concat([world.until(START + int(day * DAY))["orders"]["headline"] for day in days])
        rare = {Headline.ACCEPTED, Headline.DESIGNING, Headline.PRODUCING, Headline.SHORT, Headline.PARTLY_SHIPPED}
        assert set(seen) == {word.value for word in set(Headline) - rare}

    @settings(max_examples=25, deadline=None)
    @given(
        seed=st.integers(0, 2**63),
        orders=st.integers(0, 60),
        span=st.integers(0, 3 * DAY),
        rates=st.lists(st.floats(0, 0.2), min_size=5, max_size=5),
    )
    def test_no_order_ever_does_what_the_lifecycle_refuses(
        self, seed: int, orders: int, span: int, rates: list[float]
    ) -> None:
        fates = dict(zip(("unpaid", "refunded", "stuck", "intercepted", "returned"), rates, strict=True))
        plan = Plan(seed=seed, orders=orders, start=START, end=START + span)
        world = build(msgspec.structs.replace(plan, **fates))
        log = world.until(START + 90 * DAY)["events"]
        heard = log.select("order_id", "event", "before", "after").rows_by_key("order_id")
        assert len(heard) == orders
        for events in heard.values():
            steps = lifecycle.settle(tuple(event for event, *_ in events), TAKEN).steps
            assert all(step.outcome == "applied" and not step.inferred for step in steps)
            told = {(step.event.value, value(step.before), value(step.after)) for step in steps}
            assert told == set(events)

    def test_the_timeline_is_in_order_and_instants_are_whole_seconds(self, world: World) -> None:
        assert world.timeline["at"].is_sorted()
        assert (world.timeline["at"].to_physical() % SECOND == 0).all()
        assert set(world.timeline["event"]) == {event.value for event in OCCURRING}


def micros(when: object) -> int:
    return pl.Series([when], dtype=frames.INSTANT).to_physical().item()  # type: ignore[no-any-return]


def value(state: object) -> str | None:
    return None if state is None else str(state)


def last_change(facts: dict[str, int], events: tuple[str, ...]) -> tuple[str, int]:
    """The headline and since when, found by replaying every beginning of the order's life."""
    word, since = "", 0
    for end in range(1, len(events) + 1):
        now = lifecycle.headline(lifecycle.settle(events[:end], TAKEN)).value
        if now != word:
            word, since = now, facts[events[end - 1]]
    return word, since


class TestKnown:
    def test_frames_have_the_schemas_of_the_hub(self, world: World) -> None:
        for name, frame in world.until(START + 5 * DAY).items():
            assert frame.schema == frames.SCHEMAS[name], name

    def test_nothing_later_is_known(self, world: World) -> None:
        as_of = START + 5 * DAY + 1
        limit = pl.lit(as_of).cast(frames.INSTANT)
        known = world.until(as_of)
        assert known["orders"].height == world.orders.filter(pl.col("placed_at") <= limit).height
        instants = ["placed_at", "paid_at", "shipped_at", "collected_at", "delivered_at", "updated_at", "headline_at"]
        assert known["orders"].select((pl.col(instants) <= limit).all()).transpose().to_series().all()
        assert (known["events"]["occurred_at"].to_physical() <= as_of).all()
        assert (known["sightings"]["seen_at"].to_physical() <= as_of).all()
        assert known["lines"]["order_id"].n_unique() == known["orders"].height
        unlabelled = known["orders"].filter(pl.col("headline").is_in(["pending_payment", "paid", "locked"]))
        assert unlabelled.height > 0
        assert unlabelled["tracking_no"].null_count() == unlabelled.height

    def test_before_the_first_order_nothing_is_known(self, world: World) -> None:
        assert all(frame.height == 0 for frame in world.until(START - 1).values())

    def test_a_world_becomes_a_snapshot(self, world: World, tmp_path: Path) -> None:
        known = world.until(START + 5 * DAY)
        snapshot.write(tmp_path / "snapshot", known, snapshot.Meta(as_of=START + 5 * DAY))
        for name, frame in known.items():
            assert_frame_equal(snapshot.scan(tmp_path / "snapshot", name).collect(), frame)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"orders": -1}, "-1 orders"),
        ({"end": START - 1}, "start first"),
        ({"start": 0}, "between 2000 and 2037"),
        ({"shops": ()}, "at least one shop"),
        ({"shops": (("a", "douyin"), ("a", "pdd"))}, "an id of its own"),
        ({"late": 0.9, "wrong": 0.2}, "late, twice, never, wrong"),
        ({"unpaid": -0.1}, "unpaid, refunded"),
    ],
)
def test_a_plan_without_a_world_is_refused_in_a_sentence(change: dict[str, object], names: str) -> None:
    with pytest.raises(UserMistake, match=names):
        build(msgspec.structs.replace(PLAN, **change))


def test_a_steady_world_brings_orders_evenly_at_all_hours():
    day = 86_400_000_000
    plan = Plan(seed=3, orders=24_000, start=1_790_000_000_000_000, end=1_790_000_000_000_000 + day, steady=True)
    by_hour = build(plan).orders.group_by(pl.col("placed_at").dt.truncate("1h")).len()["len"].sort()[2:]
    assert by_hour.min() > 850
    assert by_hour.max() < 1_150
