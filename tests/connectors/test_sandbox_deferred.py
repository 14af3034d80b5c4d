"""The pretend Douyin tells of cash on delivery as the platform does, and the connector reads it so."""

from __future__ import annotations

import json

import pytest
from pretend import SHOP, SHOP_ID

from connectors.channels import douyin
from connectors.sandbox import douyin_order, pushes
from connectors.sandbox.ledger import Known, Ledger
from connectors.sandbox.server import SECOND
from orderhub_core.sim.world import World

DAY_S = 86_400
HAPPENED = {"order.placed": 0, "payment.deferred": 60, "fulfilment.shipped": 3_600}
RECEIVED = {"logistics.delivered": DAY_S, "payment.paid": DAY_S, "payment.settled": 8 * DAY_S}


def known(world: World, end: int, happened: dict[str, int]) -> Known:
    order = Ledger(world, SHOP).order(0, end // SECOND)
    placed = order.happened["order.placed"]
    at = {event: placed + after for event, after in happened.items()}
    return order._replace(order=order.order | {"payment_method": "cash_on_delivery"}, happened=at)


@pytest.mark.parametrize("received", [{}, RECEIVED], ids=["on its way", "received"])
def test_an_order_is_paid_as_it_is_received(world: World, end: int, received: dict[str, int]) -> None:
    told = known(world, end, HAPPENED | received)
    body = json.dumps(douyin_order.body(told, int(SHOP_ID))).encode()
    facts = douyin.decode("order", body).facts
    payment = {event for event in facts if event.startswith("payment.")}
    assert payment == {event for event in HAPPENED | received if event.startswith("payment.")}
    for event in received:
        assert facts[event] == told.happened[event] * SECOND


def test_its_acceptance_is_pushed_as_a_payment_that_is_none(world: World, end: int) -> None:
    told = known(world, end, HAPPENED)
    at = told.happened["payment.deferred"]
    push = pushes.message(told, "payment.deferred", at, SHOP_ID)
    assert push["tag"] == "101"
    assert douyin.decode("push", json.dumps(push).encode()).facts == {"payment.deferred": at * SECOND}
