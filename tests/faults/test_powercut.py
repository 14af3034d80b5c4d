"""Whatever was acknowledged survives the power cut; a harness that cannot see a loss proves nothing."""

from __future__ import annotations

import powercut
import pytest

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("seed", [1, 2])
def test_no_power_cut_loses_what_was_told(seed: int) -> None:
    report = powercut.run(rounds=2_500, seed=seed)
    assert report.fine, str(report)
    assert report.rounds >= 2_500
    assert report.acknowledged


@pytest.mark.parametrize("control", ["synchronous=NORMAL", "synchronous=OFF", "acknowledge before commit"])
def test_a_product_that_loses_messages_is_caught(control: str) -> None:
    report = powercut.run(rounds=500, seed=1, control=control)
    assert report.lost, str(report)


def test_a_hub_that_takes_back_what_it_did_is_caught() -> None:
    report = powercut.run(rounds=800, seed=1, control="hub.synchronous=NORMAL")
    assert any("applied is gone" in line for line in report.broken), str(report)
    assert not report.lost
