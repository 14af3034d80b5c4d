"""Faults planted in a pretend world at known rates: what the audit finds of them, and whom it leaves in peace.

The truth is one stage per order, from the world's timeline. A touchpoint is wrong where its word is not right at that
stage. That shows in an audit of the touchpoints alone only where their words leave no common story.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.report import Report, audit, spot
from orderhub_core.audit.words import EVERYWHERE, STAGES, Stage, default
from orderhub_core.entry.commands.audit import app
from orderhub_core.model import Event as E
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
LAG = 1_800_000_000
NAMES = ("page", "crm", "wms")
PLAN = Plan(seed=11, orders=12_000, start=NOW - 12 * DAY, end=NOW)

STAGE_AFTER = {
    E.PLACED: Stage.PENDING_PAYMENT,
    E.PAID: Stage.PAID,
    E.LOCKED: Stage.LOCKED,
    E.LABELLED: Stage.LABELLED,
    E.SHIPPED: Stage.SHIPPED,
    E.COLLECTED: Stage.COLLECTED,
    E.MOVED: Stage.IN_TRANSIT,
    E.OUT_FOR_DELIVERY: Stage.OUT_FOR_DELIVERY,
    E.DELIVERED: Stage.DELIVERED,
    E.SETTLED: Stage.COMPLETED,
    E.VOIDED: Stage.CANCELLED,
    E.AFTER_SALE_APPLIED: Stage.AFTER_SALE,
    E.REFUNDED: Stage.REFUNDED,
}


def right_at(name: str, text: str | None) -> set[Stage]:
    """The stages at which the touchpoint may show this word, or not know the order."""
    words = default()
    if text is None:
        return {stage for place, stage in enumerate(STAGES) if words.absent.get(name, 0) >> place & 1}
    word = words.tables.get(name, {}).get(text) or words.tables[EVERYWHERE][text]
    return {*word.means, *word.still}


class Scene(NamedTuple):
    report: Report
    frames: dict[str, pl.DataFrame]
    verdicts: dict[str, str]
    stages: dict[str, Stage]
    """The true stage of every order to which nothing happened within the allowed lag."""
    shown: dict[tuple[str, str], str]
    honest: dict[tuple[str, str], str]
    wronged: set[tuple[str, str]]
    """(order, touchpoint) with a row that never came or has a wrong word."""
    touched: set[str]

    def liars(self, words: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
        return {
            (no, name)
            for no, stage in self.stages.items()
            for name in NAMES
            if stage not in right_at(name, words.get((no, name)))
        }


@pytest.fixture(scope="module")
def scene() -> Scene:
    world = build(PLAN)
    frames = world.until(NOW)
    twin = build(msgspec.structs.replace(PLAN, late=0.0, twice=0.0, never=0.0, wrong=0.0)).until(NOW)
    named = {name: frames["sightings"].filter(pl.col("touchpoint") == name) for name in NAMES}
    report = audit(
        named, as_of=NOW, population=frames["orders"].select("shop", "order_no", *sorted(set(FACTS.values())))
    )
    happened = world.timeline.with_columns(pl.col("at").cast(pl.Int64)).filter(pl.col("at") <= NOW)
    moves = happened.filter(pl.col("event").cast(pl.String).is_in(list(STAGE_AFTER))).sort("at", maintain_order=True)
    last = moves.group_by("order_no").agg(pl.col("event", "at").last()).filter(pl.col("at") < NOW - LAG)
    planted = world.planted.with_columns(pl.col("fault", "touchpoint").cast(pl.String))
    return Scene(
        report=report,
        frames=frames,
        verdicts=dict(report.orders.select("order_no", pl.col("verdict").cast(pl.String)).iter_rows()),
        stages={no: STAGE_AFTER[E(event)] for no, event in last.select("order_no", "event").iter_rows()},
        shown=_words(frames["sightings"]),
        honest=_words(twin["sightings"]),
        wronged=set(
            planted.filter(pl.col("fault").is_in(["never", "wrong"])).select("order_no", "touchpoint").iter_rows()
        ),
        touched=set(planted["order_no"]),
    )


def _words(sightings: pl.DataFrame) -> dict[tuple[str, str], str]:
    return {(no, name): word for no, name, word in sightings.select("order_no", "touchpoint", "status").iter_rows()}


def test_the_word_tables_are_right_about_every_honest_touchpoint(scene):
    assert len(scene.stages) > 10_000
    assert scene.liars(scene.honest) == set()


def test_no_clean_order_is_a_finding_beyond_the_allowed_lag(scene):
    clean = scene.report.orders.filter(~pl.col("order_no").is_in(list(scene.touched)))
    assert clean.height > 4_000
    assert set(clean["verdict"].cast(pl.String).unique()) <= {"equal", "compatible", "lagging"}
    assert clean.filter(pl.col("verdict") == "lagging").height < 0.01 * clean.height


def test_lost_and_wrong_words_that_leave_no_common_story_are_found(scene):
    liars = scene.liars(scene.shown) & scene.wronged
    exposed = {no for no, _ in liars if not set.intersection(*(right_at(n, scene.shown.get((no, n))) for n in NAMES))}
    found = {no for no in exposed if scene.verdicts[no] not in ("equal", "compatible")}
    assert len(exposed) > 300
    assert len(found) >= 0.99 * len(exposed)
    # The rest tell a common, false story: only the hub's own truth could show that.
    everyone = {no for no, _ in liars}
    assert len(found) >= 0.88 * len(everyone)


def test_the_touchpoint_that_is_named_is_the_one_that_is_wrong(scene):
    liars: dict[str, list[str]] = {}
    for no, name in scene.liars(scene.shown):
        liars.setdefault(no, []).append(name)
    named = {no: name for no, name in scene.report.findings.select("order_no", "probably_wrong").iter_rows() if name}
    judged = [named[no] == names[0] for no, names in liars.items() if len(names) == 1 and no in named]
    assert len(judged) > 300
    assert sum(judged) >= 0.95 * len(judged)


def test_a_spot_check_says_of_its_orders_what_the_whole_audit_says(scene):
    drawn = spot(
        scene.frames["orders"],
        scene.frames["sightings"],
        size=300,
        seed=7,
        as_of=NOW,
        calibration=scene.report.calibration,
    )
    assert drawn.sample.height == 300
    assert all(scene.verdicts[no] == verdict for no, verdict in drawn.sample.select("order_no", "verdict").iter_rows())


def test_a_spot_check_leaves_out_what_is_placed_later(scene):
    then = NOW - 11 * DAY
    drawn = spot(scene.frames["orders"], scene.frames["sightings"], size=300, seed=7, as_of=then)
    placed = scene.frames["orders"].filter(pl.col("order_no").is_in(drawn.sample["order_no"].implode()))
    assert placed["placed_at"].cast(pl.Int64).max() <= then


def test_the_command_line_says_the_same_of_a_snapshot(scene, tmp_path, monkeypatch):
    snapshot.write(tmp_path / "snapshot", scene.frames, snapshot.Meta(as_of=NOW))
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "snapshot"))
    hub.connect.cache_clear()
    result = CliRunner().invoke(app, ["orders", "--seed", "7", "--json"], catch_exceptions=False)
    document = json.loads(result.stdout.splitlines()[-1])
    assert document["population"]["by_verdict"] == scene.report.by_verdict()
    drawn = spot(
        scene.frames["orders"],
        scene.frames["sightings"],
        size=100,
        seed=7,
        as_of=NOW,
        calibration=scene.report.calibration,
    )
    assert document["sample"]["consistent"] == drawn.sample_share().consistent
