"""Touchpoints of the pretend world lie exactly where the answer key says, and the audit finds it out."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from orderhub_core.audit.report import audit
from orderhub_core.audit.verdicts import CONSISTENT
from orderhub_core.sim.world import BIG_SHOPS, Plan, World, build
from orderhub_core.sim.world.touchpoints import LATE_S, TOUCHPOINTS

DAY = 86_400_000_000
START = 1_756_656_000_000_000  # 2025-09-01T00:00:00+08:00
PLAN = Plan(seed=11, orders=20_000, start=START, end=START + 10 * DAY, shops=BIG_SHOPS)


@pytest.fixture(scope="module")
def world() -> World:
    return build(PLAN)


class TestTouchpoints:
    def test_the_answer_key_explains_every_difference_from_honesty(self, world: World) -> None:
        """Honest showings + planted faults = the showings of this world, row by row."""
        honest = build(msgspec.structs.replace(PLAN, late=0, twice=0, never=0, wrong=0))
        assert honest.planted.height == 0
        faults = world.planted.with_columns(pl.col("touchpoint", "event", "fault").cast(pl.String))
        key = ["touchpoint", "order_no", "event"]
        assert not faults.select(key).is_duplicated().any()
        told = rows_with_events(honest).join(faults.drop("at"), on=key, how="left")
        shown = told.filter(pl.col("fault").ne_missing("never")).with_columns(
            visible_at=pl.col("visible_at") + pl.duration(seconds=pl.when(fault="late").then("delay_s").otherwise(0))
        )
        second = told.filter(fault="twice").with_columns(
            visible_at=pl.col("visible_at") + pl.duration(seconds=pl.col("delay_s"))
        )
        expected = pl.concat([shown, second])
        columns = ["touchpoint", "shop", "order_no", "at", "visible_at"]
        actual = world.sightings.with_columns(pl.col("touchpoint", "shop", "status").cast(pl.String))
        assert_frame_equal(
            expected.select(*columns).sort(columns), actual.select(*columns).sort(columns), check_row_order=True
        )
        paired = expected.join(actual.unique(["touchpoint", "order_no", "at"]), on=["touchpoint", "order_no", "at"])
        false = paired.filter(pl.col("status") != pl.col("status_right"))
        assert set(false.select(key).iter_rows()) == set(faults.filter(fault="wrong").select(key).iter_rows())
        for touchpoint, right, shown_word in false.select("touchpoint", "status", "status_right").iter_rows():
            stages = list(TOUCHPOINTS[touchpoint].words.values())
            assert abs(stages.index(right) - stages.index(shown_word)) > 1, "a neighbour would look like a lag"

    def test_faults_come_at_the_rates_of_the_plan(self, world: World) -> None:
        words = {(name, event.value) for name, voice in TOUCHPOINTS.items() for event in voice.words}
        told = pl.DataFrame(sorted(words), schema=["touchpoint", "event"], orient="row").join(
            world.timeline.select(pl.col("event").cast(pl.String)), on="event"
        )
        chances = dict(told.group_by("touchpoint").len().iter_rows())
        planted = world.planted.group_by("touchpoint", "fault").len()
        for touchpoint, fault, count in planted.iter_rows():
            expected = chances[touchpoint] * getattr(PLAN, fault)
            assert abs(count - expected) < 5 * expected**0.5, "five standard deviations of a rare draw"
        assert planted.height == 12

    def test_a_planted_delay_is_longer_than_any_normal_lag(self, world: World) -> None:
        assert max(voice.lag_s[1] for voice in TOUCHPOINTS.values()) < LATE_S[0]
        late = world.planted.filter(fault="late")["delay_s"]
        assert late.is_between(*LATE_S).all()
        assert world.planted.filter(pl.col("fault").is_in(["never", "wrong"]))["delay_s"].max() == 0

    def test_what_is_known_is_the_newest_visible_row(self, world: World) -> None:
        as_of = START + 6 * DAY
        shown: dict[tuple[str, str], tuple[str, int, int]] = {}
        rows = world.sightings.select(
            "touchpoint", "order_no", "status", pl.col("at").to_physical(), pl.col("visible_at").to_physical()
        )
        for touchpoint, order_no, status, at, visible_at in rows.iter_rows():
            before = shown.get((touchpoint, order_no))
            if visible_at <= as_of and (before is None or at > before[1]):
                shown[touchpoint, order_no] = (status, at, visible_at)
        known = world.until(as_of)["sightings"].select(
            "touchpoint", "order_no", "status", pl.col("at").to_physical(), pl.col("seen_at").to_physical()
        )
        assert {(row[0], row[1]): row[2:] for row in known.iter_rows()} == shown
        assert known.height == len(shown)


class TestAudited:
    """The audit was written apart from the world: what the one plants, the other must find, and nothing else."""

    AS_OF = PLAN.end + 60 * DAY

    def judged(self, world: World) -> pl.DataFrame:
        known = world.until(self.AS_OF)
        shown = {name: known["sightings"].filter(touchpoint=name) for name in TOUCHPOINTS}
        return audit(shown, as_of=self.AS_OF, population=known["orders"]).orders

    def test_honest_touchpoints_are_never_accused(self) -> None:
        found = self.judged(build(msgspec.structs.replace(PLAN, late=0, twice=0, never=0, wrong=0)))
        assert set(found["verdict"]) <= set(CONSISTENT)

    def test_whoever_is_accused_has_a_planted_fault_that_still_shows(self, world: World) -> None:
        accused = set(self.judged(world).filter(~pl.col("verdict").is_in(CONSISTENT))["order_no"])
        words = [(name, event.value) for name, voice in TOUCHPOINTS.items() for event in voice.words]
        told = pl.DataFrame(words, schema=["touchpoint", "event"], orient="row").join(
            world.timeline.with_columns(pl.col("event").cast(pl.String)), on="event"
        )
        last = told.sort("at").unique(["touchpoint", "order_no"], keep="last")
        lies = world.planted.filter(pl.col("fault").is_in(["never", "wrong"]))
        lies = lies.with_columns(pl.col("touchpoint", "event").cast(pl.String))
        guilty = set(last.join(lies, on=["touchpoint", "order_no", "event"], how="semi")["order_no"])
        assert accused <= guilty
        assert len(accused) > len(guilty) / 2


def rows_with_events(world: World) -> pl.DataFrame:
    """Sightings with the event behind each word; a touchpoint's words are its own one by one."""
    words = [(name, word, event.value) for name, voice in TOUCHPOINTS.items() for event, word in voice.words.items()]
    table = pl.DataFrame(words, schema=["touchpoint", "status", "event"], orient="row")
    return world.sightings.with_columns(pl.col("touchpoint", "shop", "status").cast(pl.String)).join(
        table, on=["touchpoint", "status"], validate="m:1"
    )
