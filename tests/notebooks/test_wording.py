"""Which figures the boards pick and what they call them, checked on small values made by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from orderhub_core import frames, i18n
from orderhub_core.audit import report
from orderhub_core.audit import texts as audit_texts
from orderhub_core.health import diagnosis
from orderhub_core.health import texts as health_texts
from orderhub_core.sim import results, scenario
from orderhub_core.sim import texts as sim_texts

EN, ZH = i18n.translator("en"), i18n.translator("zh")
ZONE = "Asia/Shanghai"
NOON = 1_762_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 4 * 3_600_000_000
"""12:00 in Shanghai."""


@pytest.mark.parametrize(
    ("hour", "said"), [(0, "00:00"), (20.5, "20:30"), (23.999, "00:00 +1 d"), (30.5, "06:30 +1 d"), (48, "00:00 +2 d")]
)
def test_an_hour_is_a_clock_time_and_days_later(hour: float, said: str) -> None:
    assert sim_texts.clock(hour, EN) == said


def test_the_rehearsals_tiles_tell_the_day_as_planned_and_what_help_changes() -> None:
    plan = scenario.Scenario(orders=400, runs=2)
    both = {on: results.figures(plan, results.rehearse(scenario.switched(plan, on), 1)) for on in (True, False)}
    for on in (True, False):
        tiles = sim_texts.tiles(scenario.switched(plan, on), both, EN)
        assert tiles[0][:2] == ("Most unfinished orders", f"{both[on].peak_backlog.mean:,.0f}")
        assert tiles[3] == ("Late, over 24 h", "0", "0 to 0 in 2 runs", "good")
        assert tiles[5][1] == f"takes {both[True].temporary_orders.mean:,.0f}"


def test_two_days_of_different_length_stand_side_by_side() -> None:
    def days(*hours: float) -> pl.DataFrame:
        return pl.DataFrame({"hour": hours}).with_columns(mean=pl.col("hour") * 10, low=0.0, high=0.0)

    both = sim_texts.compared({True: days(0.0, 0.5, 1.0), False: days(0.0, 0.5, 1.0, 1.5, 2.0)})
    table = sim_texts.hourly(both, EN)
    assert both.null_count().sum_horizontal().item() == 0
    assert table.rows() == [(0, 0, 0), (1, 10, 10), (2, 0, 20)]
    assert table.columns == ["Hour", "With it", "Without it"]


def test_the_busiest_minute_is_the_sum_over_all_kinds_and_of_equal_ones_the_latest() -> None:
    at = [datetime.fromtimestamp(NOON / 1e6 + 60 * minute, UTC) for minute in (-9, -9, -5, -3)]
    rows = pl.DataFrame({"minute": at, "axis": ["order", "payment", "order", "order"], "events": [1, 2, 2, 3]})
    tiles = health_texts.tiles(rows, NOON, ZONE, EN)
    assert [tile[:3] for tile in tiles] == [
        ("Events in the last hour", "8", f"As of {datetime.fromtimestamp(NOON / 1e6, UTC):%Y-%m-%d} 12:00:00"),
        ("Busiest minute", "3", "at 11:57"),
    ]
    assert health_texts.tiles(rows.clear(), NOON, ZONE, ZH)[1] == ("最忙的一分钟", "0", "", "plain")


def test_a_healthy_shop_has_no_cards(empty_diagnosis: diagnosis.Diagnosis) -> None:
    assert health_texts.cards(empty_diagnosis, EN) == health_texts.ranked(empty_diagnosis, EN) == []
    assert health_texts.summary(empty_diagnosis, ZONE, EN).endswith("0 of 0 orders open, 0 overdue, 0 at risk.")


@pytest.fixture
def empty_diagnosis() -> diagnosis.Diagnosis:
    return diagnosis.diagnose(frames.empty("orders"), NOON)


@pytest.fixture
def audited() -> report.Report:
    """Two orders agree, two do not."""
    page = pl.DataFrame({"order_no": ["1", "2", "3", "4"], "status": ["delivered", "shipped", "delivered", "shipped"]})
    crm = pl.DataFrame({"order_no": ["1", "2", "3"], "status": ["delivered", "shipped", "paid"]})
    return report.audit({"page": page, "crm": crm})


def test_chinese_sentences_are_joined_without_blanks(audited: report.Report) -> None:
    for finding in audited.findings.to_dicts():
        assert " " not in audit_texts.why(finding, ZH)
        assert ".." not in audit_texts.why(finding, EN)
