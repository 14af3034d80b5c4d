"""A notebook shows; it never knows how: every one of them is short, with lines that fit."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))
MOST_LINES, LONGEST_LINE = 150, 120


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_stays_thin(notebook: Path) -> None:
    lines = notebook.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"spot_audit", "surge", "health"}
