"""Rows are chosen by what they say: a table that was redrawn meanwhile does not put other rows in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marimo as mo
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core import i18n, ui
from orderhub_core.ui.choice import NUMBER, Choice

EN = i18n.translator("en")
VERSIONS = pl.DataFrame({"version": ["2026-12", "2026-11"], "state": ["active", "archived"]})
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=12)


def choice(frame: pl.DataFrame) -> Choice:
    made = ui.table(frame, selection="multi")
    assert isinstance(made, Choice)
    return made


def shown(table: Choice) -> list[str]:
    """What the browser sends of all rows that it shows, in their order."""
    return [str(number) for number in pl.DataFrame(table.data)[NUMBER]]


@given(ROWS, ROWS)
def test_a_choice_among_old_rows_finds_the_same_rows_or_none(before: list[Any], after: list[Any]) -> None:
    old, new = (pl.DataFrame(rows, schema=["word", "number"], orient="row") for rows in (before, after))
    there, table = shown(choice(old)), choice(new)
    assert len(set(there)) == len(there), "each row has a number of its own"
    assert all(int(number) < 2**53 for number in there), "JavaScript holds it exactly"
    for number, row in zip(there, old.rows(), strict=True):
        table._update([number])
        found = pl.DataFrame(table.value).rows()
        assert found in ([], [row]) and [new.row(place) for place in table.places] == found
        assert table.missed == (found == [])
    if before == after:
        table._update(there)
        assert pl.DataFrame(table.value).rows() == old.rows() and not table.missed


def test_all_rows_are_told_by_their_numbers_not_counted() -> None:
    table = choice(VERSIONS)
    told = table._get_row_ids(None)
    assert (told.all_rows, [str(number) for number in told.row_ids]) == (False, shown(table))


FORMS: list[Callable[[Choice, Callable[[Any], None]], Any]] = [
    lambda table, act: ui.confirmed(table, {}, "Yes", "Do it", EN, act),
    lambda table, act: ui.reasoned(table, {"reason": "Reason"}, "Do it", EN, act),
]


@pytest.mark.parametrize("form_of", FORMS)
def test_a_form_does_nothing_with_rows_that_its_table_no_longer_has(
    form_of: Callable[[Choice, Callable[[Any], None]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else "none chosen", which may mean all, or another row would be acted upon."""
    done: list[pl.DataFrame] = []
    told: list[str] = []
    monkeypatch.setattr(mo.status, "toast", lambda said, **_: told.append(said))
    old, table = choice(VERSIONS[1:]), choice(VERSIONS)
    form = form_of(table, lambda asked: done.append(asked["rows"]))
    answer = {"rows": shown(old), "sure": True, "reason": "because"}
    answer = {name: value for name, value in answer.items() if name in form.element.elements}
    assert form.validate(answer) is None
    form._update(answer)
    assert [rows.rows() for rows in done] == [[("2026-11", "archived")]], "the row that was clicked, not the first one"

    gone = answer | {"rows": shown(choice(VERSIONS.with_columns(state=pl.lit("draft"))))[:1]}
    assert "changed meanwhile" in form.validate(gone)
    form._update(gone)
    assert len(done) == 1 and "changed meanwhile" in told[0]
