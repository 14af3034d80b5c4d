"""A disk that is full or broken: nobody is told "on disk" who was not, and all goes on once it is sound again."""

from __future__ import annotations

import disk
import pytest

pytestmark = pytest.mark.faults


def test_lives_on_a_bad_disk() -> None:
    report = disk.run(rounds=1_500, seed=1)
    assert report.fine, str(report)
    assert report.acknowledged


def test_a_product_that_does_not_hear_the_disk_is_caught() -> None:
    report = disk.run(rounds=1_500, seed=1, control="acknowledge in spite of failure")
    assert report.lost, str(report)


@pytest.mark.skipif(not disk.can_fill(), reason="this machine lets nobody mount a small file system (user namespaces)")
def test_a_full_file_system_is_busy_and_needs_no_restart() -> None:
    report = disk.fill(seed=1)
    assert report.fine, str(report)
    assert report.acknowledged
