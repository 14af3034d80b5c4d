"""A condition on a carrier holds however channels write it; one that is not known stands for itself."""

from __future__ import annotations

import polars as pl
import pytest

from orderhub_core.frames import LINES
from orderhub_core.rules import choices
from orderhub_core.rules.index import Index
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.vocabulary import vocabulary
from orderhub_core.rules.tree import Word

SAID = ["SF", "sf", "顺丰速运", "shunfeng", "YTO", "圆通速递", "顺丰特惠", "EMS", "邮政快递", "", None]
OWN = vocabulary([Word("carrier", "特惠", "顺丰特惠")])


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("快递公司 = 顺丰", {"SF", "sf", "顺丰速运", "shunfeng"}),
        ("carrier = SF", {"SF", "sf", "顺丰速运", "shunfeng"}),
        ('carrier = "SF"', {"SF", "sf", "顺丰速运", "shunfeng"}),
        ("carrier = 特惠", {"顺丰特惠"}),
        ("carrier = EMS", {"EMS"}),
        ("carrier in (yto, 邮政快递)", {"YTO", "圆通速递", "邮政快递"}),
        ("carrier != 顺丰", {"YTO", "圆通速递", "顺丰特惠", "EMS", "邮政快递"}),
        ("carrier not in (顺丰, 圆通)", {"顺丰特惠", "EMS", "邮政快递"}),
        ('快递公司 包含 "顺丰"', {"顺丰速运", "顺丰特惠"}),
        ("carrier is missing", {"", None}),
    ],
)
def test_a_carrier_is_the_same_however_it_is_written(line: str, holds: set[str | None]) -> None:
    parsed = parse_condition(line, OWN)
    assert not parsed.mistakes
    orders = pl.DataFrame({"order_id": range(len(SAID)), "carrier": SAID})
    (truth,) = Index(orders, LINES.to_frame(), zone="UTC").truths((parsed.when,))
    assert {said for said, true in zip(SAID, truth, strict=True) if true} == holds


def test_no_name_is_that_of_two_carriers() -> None:
    codes = list(choices.CARRIER.values())
    names = [name for code in codes for name in choices.carriers(code)]
    assert len(names) == len(set(names))
    assert all(choices.carriers(name) == choices.carriers(code) for code in codes for name in choices.carriers(code))
