"""How long touchpoints take is learned, faults do not teach it away; who was wrong in clear cases names the unclear."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from orderhub_core.audit import selftest
from orderhub_core.audit.lag import DEFAULT_LAG_S, LEAST_LAG_S, allowance
from orderhub_core.audit.report import audit
from orderhub_core.frames import INSTANT

NOW = 1_790_000_000_000_000
SECOND, HOUR = 1_000_000, 3_600_000_000


@pytest.mark.parametrize(("low", "high"), [(2, 20), (60, 900), (120, 1500), (3_600, 10_800)])
@pytest.mark.parametrize("late_share", [0.0, 0.03, 0.15])
def test_late_rows_do_not_teach_the_allowance_away(low, high, late_share):
    dice = np.random.default_rng(5)
    delays = dice.uniform(low, high, 4_000)
    late = dice.random(4_000) < late_share
    delays[late] += 3_600 * 12 * np.exp(dice.standard_normal(late.sum()))
    lag = allowance(delays)
    assert lag.learned
    assert max(LEAST_LAG_S, 0.97 * high) <= lag.allowed_s <= max(LEAST_LAG_S, 3 * high)


def test_few_observations_teach_nothing():
    assert allowance(np.full(199, 5.0)).allowed_s == DEFAULT_LAG_S
    assert not allowance(np.array([])).learned


def orders(size: int, crm_delay_s: int, behind: int) -> dict[str, pl.DataFrame]:
    """Orders shipped at even times; the CRM takes so long, and has not yet heard of the last `behind`."""
    shipped = NOW - np.arange(size) * 60 * SECOND - 5 * SECOND
    word = np.where(np.arange(size) < behind, "paid", "shipped")
    at = np.where(np.arange(size) < behind, shipped - 24 * HOUR, shipped + crm_delay_s * SECOND)
    numbers = [str(number) for number in range(size)]
    page = pl.DataFrame({"order_no": numbers, "status": ["shipped"] * size, "at": shipped})
    crm = pl.DataFrame({"order_no": numbers, "status": word, "at": at})
    return {"page": page.cast({"at": INSTANT}), "crm": crm.cast({"at": INSTANT})}


def test_a_touchpoint_that_always_takes_two_hours_is_lagging_and_says_until_when():
    report = audit(orders(600, 2 * 3_600, behind=100), as_of=NOW)
    assert report.calibration.lag("crm").allowed_s == 2 * 3_600 * 1.25
    assert report.by_verdict()["lagging"] == 100
    first = report.problems.filter(order_no="0").row(0, named=True)
    assert first["heals_at"].timestamp() == pytest.approx(NOW / 1e6 - 5 + 2 * 3_600 * 1.25)
    assert audit(orders(600, 60, behind=100), as_of=NOW).by_verdict()["conflict"] == 98


def test_the_hubs_own_facts_say_when_news_began():
    frames = orders(600, 2 * 3_600, behind=0)
    facts = frames["page"].select("order_no", shop=pl.lit(""), shipped_at=pl.col("at") - pl.duration(hours=1))
    report = audit(frames, as_of=NOW, population=facts)
    assert report.calibration.lag("page").allowed_s == 3_600 * 1.25
    assert report.calibration.lag("crm").allowed_s == 3 * 3_600 * 1.25


def test_a_record_of_being_wrong_names_where_the_words_alone_do_not():
    size = 400
    numbers = [str(number) for number in range(size)]
    good = pl.DataFrame({"order_no": numbers, "status": ["delivered"] * size})
    bad = good.with_columns(status=pl.when(pl.int_range(pl.len()) < 60).then(pl.lit("paid")).otherwise("status"))
    two = pl.DataFrame({"order_no": ["x"], "status": ["delivered"]})
    frames = {
        "page": pl.concat([good, two]),
        "crm": pl.concat([bad, two.with_columns(status=pl.lit("paid"))]),
        "wms": pl.concat([good, two.with_columns(status=pl.lit("??"))]),
    }
    suspect = audit(frames).problems.filter(order_no="x", verdict="conflict")["probably_wrong"].to_list()
    assert suspect == ["crm"]
    few = {name: frame.tail(1) for name, frame in frames.items()}
    assert audit(few).problems.filter(verdict="conflict")["probably_wrong"].to_list() == [""]


def test_shipped_without_a_carriers_scan_is_forged_even_without_times():
    def shown(courier: str | None) -> tuple[str, str]:
        frames = {
            "taobao": pl.DataFrame({"order_no": ["1"], "status": ["卖家已发货"]}),
            "erp": pl.DataFrame({"order_no": ["1"], "status": ["待审核"]}),
            "courier": pl.DataFrame(
                {"order_no": ["1"] if courier else [], "status": [courier] if courier else []},
                schema={"order_no": pl.String, "status": pl.String},
            ),
        }
        return audit(frames).problems.filter(verdict="conflict").select("probably_wrong", "cause").row(0)

    assert shown(None) == ("taobao", "forged_progress")
    assert shown("已签收") != ("taobao", "forged_progress")


@pytest.mark.parametrize("seed", [3, 11])
def test_the_self_test_meets_its_bars(seed):
    result = selftest.run(seed, orders=12_000, rate=0.015)
    assert {(one.kind, one.trio) for one in result.outcomes} == {
        (kind.name, trio) for kind in selftest.KINDS for trio in selftest.TRIOS
    }
    assert all(one.planted == 180 for one in result.outcomes)
    assert [one for one in result.outcomes if min(one.recall, one.precision) < 0.99] == []
    assert result.equal_without_knowledge == 0
    assert result.false_alarms == 0


def test_the_self_test_sees_an_audit_that_is_blind(monkeypatch):
    """An engine that finds nothing, or excuses everything, does not pass its own examination."""
    blind = audit
    monkeypatch.setattr(
        selftest,
        "audit",
        lambda frames, **options: blind({name: next(iter(frames.values())) for name in frames}, **options),
    )
    result = selftest.run(3, orders=4_000, rate=0.01)
    assert not result.passed()
    assert result.equal_without_knowledge > 0
