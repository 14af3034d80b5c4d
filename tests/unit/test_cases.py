"""How many after-sale cases an order has, whatever their channel tells of them."""

from __future__ import annotations

from itertools import permutations

import pytest

from orderhub_core.cases import Cases, in_all, joined
from orderhub_core.model import Case

TOLD = [
    ([("C1", "1", None), ("C1", "1", 500)], (1, 1)),
    ([("C1", "1", None), ("", "1", 0)], (1, 1)),
    ([("C1", "1", None), ("C2", "1", 0)], (2, 1)),
    ([("", "1", None), ("", "2", None)], (2, 0)),
    ([("C1", "", None), ("C1", "1", None)], (1, 0)),
    ([("C1", "", None), ("", "1", None)], (1, 0)),
    ([("C1", "", None), ("C2", "", 0), ("", "1", None)], (2, 1)),
    ([("C1", "", None), ("C2", "1", None)], (2, 0)),
    ([("", "", 0), ("C1", "1", None)], (1, 1)),
    ([("", "", None)], (1, 0)),
    ([], (0, 0)),
]


@pytest.mark.parametrize(("told", "known"), TOLD)
def test_a_case_counts_once_however_much_of_it_each_message_tells(
    told: list[tuple[str, str, int | None]], known: tuple[int, int]
) -> None:
    for order in permutations(told):
        cases: Cases = {}
        for number, about, back in order:
            before, cases = in_all(cases), joined(cases, Case(number, about, back))
            assert all(now >= then for now, then in zip(in_all(cases), before, strict=True)), "none is taken back"
        assert in_all(cases) == known
