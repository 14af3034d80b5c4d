"""Machine against people: counts one can check by hand, intervals by simulation, disputes in plain sight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from orderhub_core.audit.agreement import (
    Table,
    agreement,
    between_reviewers,
    confusion,
    disagreements,
    judgements,
)
from orderhub_core.audit.sampling import interval
from orderhub_core.audit.verdicts import VERDICT

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
EQUAL, CONFLICT = "equal", "conflict"


def sample(*verdicts: str) -> pl.DataFrame:
    numbers = [str(number) for number in range(len(verdicts))]
    return pl.DataFrame({"shop": "s", "order_no": numbers}, schema={"shop": pl.String, "order_no": pl.String}).select(
        pl.all(), verdict=pl.Series(verdicts, dtype=VERDICT)
    )


def reviews(*rows: tuple[int, str, bool | None]) -> pl.DataFrame:
    """In the order in which they were given."""
    return pl.DataFrame(
        [("s", str(n), who, said, START + timedelta(minutes=at)) for at, (n, who, said) in enumerate(rows)],
        schema={
            "shop": pl.String,
            "order_no": pl.String,
            "reviewer": pl.String,
            "consistent": pl.Boolean,
            "at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )


def test_counts_by_hand():
    drawn = sample(EQUAL, "compatible", CONFLICT, "lagging", EQUAL, CONFLICT)
    said = reviews((0, "ann", True), (1, "ann", True), (2, "ann", False), (3, "ann", True), (4, "ann", False))
    assert confusion(drawn, said).rows() == [
        ("consistent", "consistent", 2),
        ("consistent", "inconsistent", 1),
        ("consistent", "disputed", 0),
        ("inconsistent", "consistent", 1),
        ("inconsistent", "inconsistent", 1),
        ("inconsistent", "disputed", 0),
    ]
    found = agreement(drawn, said)
    assert (found.judged, found.disputed) == (5, 0)
    assert (found.agreed.value, found.recall.value, found.precision.value) == (0.6, 0.5, 0.5)
    assert found.agreed.interval == interval(3, 5)
    assert found.recall.interval == found.precision.interval == interval(1, 2)
    assert found.kappa.value == pytest.approx((0.6 - 0.52) / (1 - 0.52))
    assert disagreements(drawn, said)["order_no"].to_list() == ["3", "4"]


def test_two_reviewers_who_differ_are_shown_and_the_intervals_bear_both():
    drawn = sample(EQUAL, EQUAL, CONFLICT, CONFLICT)
    said = reviews(
        (0, "ann", True), (0, "bob", False), (1, "ann", True), (2, "ann", False), (3, "bob", True), (3, "ann", False)
    )
    rows = judgements(drawn, said)
    assert rows["human"].to_list() == ["disputed", "consistent", "inconsistent", "disputed"]
    assert rows.row(0)[-2:] == (["ann"], ["bob"]) and rows.row(3)[-2:] == (["bob"], ["ann"])
    assert disagreements(drawn, said)["order_no"].to_list() == ["0", "3"]
    found = agreement(drawn, said)
    assert (found.judged, found.disputed) == (4, 2)
    assert found.agreed.value == found.recall.value == found.precision.value == 1.0  # of the undisputed
    assert (found.agreed.interval.low, found.agreed.interval.high) == (interval(2, 4).low, 1.0)
    assert (found.recall.interval.low, found.recall.interval.high) == (interval(1, 2).low, 1.0)
    assert (found.precision.interval.low, found.precision.interval.high) == (interval(1, 2).low, 1.0)
    assert found.kappa.interval.low == Table(1, 1, 1, 1).kappa_interval().low


def test_reviewers_against_each_other():
    said = reviews(
        *((n, "ann", n != 0) for n in range(5)), *((n, "bob", n not in (0, 1)) for n in range(4)), (9, "cat", True)
    )
    pairs = between_reviewers(said)
    assert pairs.select("reviewer", "other", "orders", "agreed", "rate").rows() == [("ann", "bob", 4, 3, 0.75)]
    exact = interval(3, 4)
    assert pairs.select("low", "high").row(0) == (exact.low, exact.high)
    assert pairs["kappa"][0] == pytest.approx(0.5)


def test_the_last_judgement_counts_and_what_was_not_drawn_is_told_apart():
    drawn = sample(EQUAL, EQUAL)
    said = reviews((0, "ann", False), (0, "ann", True), (1, "ann", None), (7, "ann", False))
    found = agreement(drawn, said)
    assert (found.judged, found.agreed.value) == (1, 1.0)
    assert agreement(drawn, said.reverse()) == found


def test_with_nothing_to_go_by_nothing_is_claimed():
    for drawn in (sample(), sample(EQUAL)):
        found = agreement(drawn, reviews())
        for figure, low in ((found.agreed, 0), (found.recall, 0), (found.precision, 0), (found.kappa, -1)):
            assert (figure.value, figure.interval.low, figure.interval.high) == (None, low, 1)
        assert disagreements(drawn, reviews()).is_empty()
    assert between_reviewers(reviews()).is_empty()
    alike = agreement(sample(EQUAL, EQUAL), reviews((0, "ann", True), (1, "ann", True)))
    assert (alike.agreed.value, alike.recall.value, alike.precision.value, alike.kappa.value) == (1.0, None, None, None)


def test_kappa_of_a_textbook_table():
    assert Table(20, 5, 10, 15).kappa() == pytest.approx(0.4)
    assert Table(25, 0, 0, 25).kappa() == 1.0
    assert Table(0, 25, 25, 0).kappa() == -1.0


@pytest.mark.parametrize("shares", [(0.02, 0.01, 0.01, 0.96), (0.3, 0.1, 0.2, 0.4), (0.1, 0.0, 0.02, 0.88)])
def test_kappas_interval_holds_it(shares):
    dice, size = np.random.default_rng(4), 100
    first, second = shares[0] + shares[1], shares[0] + shares[2]
    chance = first * second + (1 - first) * (1 - second)
    truth = (shares[0] + shares[3] - chance) / (1 - chance)
    found = [Table(*dice.multinomial(size, shares).tolist()).kappa_interval() for _ in range(200)]
    assert sum(one.low <= truth <= one.high for one in found) >= 190
    assert np.mean([one.high - one.low for one in found]) < 1.2  # it says something


def test_kappas_interval_holds_every_kappa_of_the_shares_it_allows_for():
    table = Table(20, 5, 10, 15)
    differ, both, first = (interval(k, n, 1 - 0.05 / 3) for k, n in ((15, 50), (20, 35), (5, 15)))
    d, u, s = np.meshgrid(*(np.linspace(one.low, one.high, 41) for one in (differ, both, first)))
    a, b, c = u * (1 - d), s * d, (1 - s) * d
    chance = (a + b) * (a + c) + (1 - a - b) * (1 - a - c)
    kappas = (1 - d - chance) / (1 - chance)
    ours = table.kappa_interval()
    assert (ours.low, ours.high) == pytest.approx((kappas.min(), kappas.max()), abs=2e-3)
