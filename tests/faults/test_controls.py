"""The kills find a product that was broken on purpose. (Power cuts and locks prove the same of themselves.)"""

from __future__ import annotations

import controls
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.server]

KILLED = {
    "acknowledge before commit",
    "acknowledge when handed over",
    "dedup index dropped",
    "effect key not deterministic",
}


@pytest.mark.parametrize("name", sorted(KILLED))
def test_the_broken_product_is_caught(name: str) -> None:
    assert not controls.missed(name, 1)


@pytest.mark.postgres
def test_an_id_cursor_is_caught() -> None:
    assert not controls.missed("id cursor", 1)


def test_there_are_eight() -> None:
    assert len(controls.CONTROLS) == 8
