"""Lines that are told in another order, and so numbered otherwise, are the same goods: whoever has them need not be
asked. As one version of a connector numbered them, and the next one does."""

from __future__ import annotations

from random import Random

import pytest
import test_retelling
from test_retelling import said_by, taken

living = test_retelling.living


def test_what_was_handed_over_as_a_whole_is_the_same_under_other_numbers(living):
    taken(living, said_by("A1", "B", "A", "C", total=0))
    living.dispatch(owner="me", dice=Random(1))
    taken(living, said_by("A1", "A", "B", "C", total=0, again=2))
    assert living.holds.kept() == []


@pytest.mark.parametrize("skus", [("A", "B"), ("A", "B", "D"), ("A", "B", "C", "C")])
def test_other_goods_are_told(living, skus):
    taken(living, said_by("A1", "B", "A", "C", total=0))
    living.dispatch(owner="me", dice=Random(1))
    taken(living, said_by("A1", *skus, total=0, again=2))
    (held,) = living.holds.kept()
    assert held.note.endswith("its lines changed since")


def test_parcels_know_their_lines_by_number_and_a_person_is_asked(living):
    taken(living, said_by("A1", "B", "A", total=30_000))
    taken(living, said_by("A1", "A", "B", total=30_000, again=2))
    assert {held.parcel for held in living.holds.kept()} == {1, 2}
