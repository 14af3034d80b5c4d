"""Processes are killed under load, and nothing is lost, doubled, or done twice. `make faults` kills a thousand."""

from __future__ import annotations

import kills
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.server]


@pytest.mark.parametrize("name", ["sqlite", "sqlite-twins", "sqlite-backlog"])
def test_killed_at_any_moment_nothing_is_lost(name: str) -> None:
    report = kills.run(12, 1, name)
    assert report.fine, str(report)
    assert report.rounds >= 12
    assert report.acknowledged > 100


def test_when_the_process_that_writes_for_a_server_is_killed_nothing_is_lost() -> None:
    report = kills.run(20, 1, "sqlite-scribe")
    assert report.fine, str(report)
    assert report.children >= 1
    assert report.acknowledged > 100


@pytest.mark.postgres
def test_killed_with_its_database_nothing_is_lost() -> None:
    report = kills.run(10, 1, "postgres-twins")
    assert report.fine, str(report)
    assert report.acknowledged > 100
