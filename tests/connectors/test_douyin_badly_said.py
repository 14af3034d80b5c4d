"""What one field of a Douyin push says badly costs nothing else that the push says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.channels import douyin
from orderhub_core.errors import Unreadable
from orderhub_core.model import Case, Observation

AT = 1_763_000_000
AT_US = AT * 1_000_000
MILLISECONDS = AT * 1_000
NO_TIME = [None, -1, MILLISECONDS, 100, "soon", "1900-01-01", {}, True]
NO_ID = ["", 0, None, -1, "#1", [1]]
NO_AMOUNT = [None, -1, "19.00", 1e300, {}]
REFUND = {"p_id": 1, "update_time": AT, "aftersale_id": 7, "s_id": 2, "refund_amount": 500}
OTHERS_OWN = (
    "pay_time",
    "cancel_time",
    "apply_time",
    "success_time",
    "pay_type",
    "aftersale_id",
    "s_id",
    "refund_amount",
)


def pushed(tag: str, **data: Any) -> Observation:
    return douyin.decode("push", json.dumps({"tag": tag, "data": json.dumps({"p_id": 1, **data})}).encode())


@pytest.mark.parametrize("junk", [*NO_TIME, *NO_ID, "100", [[[]]]], ids=repr)
def test_what_is_of_other_tags_is_not_read(junk: object) -> None:
    assert pushed("102", update_time=AT, **dict.fromkeys(OTHERS_OWN, junk)).facts == {"fulfilment.shipped": AT_US}


@pytest.mark.parametrize("junk", NO_ID, ids=repr)
def test_without_the_number_of_its_case_a_refund_is_one_all_the_same(junk: object) -> None:
    seen = pushed("206", **REFUND | {"aftersale_id": junk})
    assert (seen.facts, seen.cases, seen.incomplete) == ({"after_sale.refunded": AT_US}, (), True)


@pytest.mark.parametrize("junk", NO_ID, ids=repr)
def test_a_case_whose_line_is_not_told_is_about_none(junk: object) -> None:
    seen = pushed("206", **REFUND | {"s_id": junk})
    assert (seen.facts, seen.cases) == ({"after_sale.refunded": AT_US}, (Case("7", "", 500),))


@pytest.mark.parametrize("junk", NO_AMOUNT, ids=repr)
def test_a_refund_of_nobody_knows_how_much_went_back_all_the_same(junk: object) -> None:
    seen = pushed("206", **REFUND | {"refund_amount": junk})
    assert (seen.facts, seen.cases) == ({"after_sale.refunded": AT_US}, (Case("7", "2", 0),))


@pytest.mark.parametrize("junk", NO_TIME, ids=repr)
def test_the_next_time_stands_in_for_one_that_cannot_be_read(junk: object) -> None:
    seen = pushed("206", **REFUND | {"update_time": junk, "success_time": AT})
    assert (seen.facts, seen.at) == ({"after_sale.refunded": AT_US}, AT_US)


@pytest.mark.parametrize("junk", NO_TIME, ids=repr)
def test_a_cancellation_needs_no_time(junk: object) -> None:
    seen = pushed("106", cancel_time=junk)
    assert (seen.facts, seen.at, seen.incomplete) == ({}, None, True)


@pytest.mark.parametrize("junk", NO_TIME, ids=repr)
def test_a_fact_without_any_time_is_refused(junk: object) -> None:
    with pytest.raises(Unreadable, match="push 102 has no update_time that can be read"):
        pushed("102", update_time=junk)


@pytest.mark.parametrize("pay_type", [{}, {"pay_type": None}, {"pay_type": "?"}, {"pay_type": []}], ids=repr)
def test_where_nobody_tells_how_it_is_paid_the_order_is_asked(pay_type: dict[str, Any]) -> None:
    timed = pushed("101", pay_time=AT, **pay_type)
    assert (timed.facts, timed.incomplete) == ({"payment.paid": AT_US}, True)
    for untimed in (pushed("101", **pay_type), pushed("101", pay_time=MILLISECONDS, **pay_type)):
        assert (untimed.facts, untimed.at, untimed.incomplete) == ({}, None, True)


@pytest.mark.parametrize(
    ("pay_type", "event"), [("0", "payment.deferred"), ("12", "payment.deferred"), ("2", "payment.paid")]
)
def test_how_it_is_paid_may_be_told_as_text(pay_type: str, event: str) -> None:
    seen = pushed("101", pay_time=AT, pay_type=pay_type)
    assert (seen.facts, seen.incomplete) == ({event: AT_US}, False)
