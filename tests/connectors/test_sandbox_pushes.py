"""Pushes of the pretend Douyin, received by a hub's edge made of nothing but the connector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import polars as pl
import pytest
from pretend import APP_KEY, DAY, SECRETS, SHOP, SHOP_ID, Edge, listening

from connectors.sandbox.ledger import Ledger
from connectors.sandbox.pushes import TAGS, Faults, Pusher, due
from connectors.sandbox.server import SECOND
from orderhub_core.sim.world import World

Truth = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def ledger(world: World) -> Ledger:
    return Ledger(world, SHOP)


@pytest.fixture
def deliver(ledger: Ledger, end: int) -> Iterator[Callable[..., tuple[Edge, Pusher]]]:
    """Delivers two days of pushes at once, up to an hour after the world's end."""

    def run(trouble: int = 0, **faults: Any) -> tuple[Edge, Pusher]:
        edge = Edge(trouble)
        with listening(edge.app) as url:
            pusher = Pusher(
                ledger,
                app_key=APP_KEY,
                secret=SECRETS["TEST_SHOP_SECRET"],
                shop_id=SHOP_ID,
                url=f"{url}/hooks/{SHOP}",
                faults=Faults(**faults),
                since=(end - 2 * DAY) / SECOND,
            )
            asyncio.run(drain(pusher, end / SECOND))
        return edge, pusher

    yield run


async def drain(pusher: Pusher, now: float) -> None:
    async with httpx.AsyncClient() as link:
        for later in range(0, 3600, 20):
            while await pusher.tick(link, now + later):
                pass


def expected(truth: Truth, end: int) -> set[tuple[str, str]]:
    """(order_no, event) of the last two days, as far as pushes tell events."""
    silent = {"payment.voided", "payment.settled", "fulfilment.cancelled"}
    return {
        (order_no, event)
        for order_no, happened in truth.items()
        for event, at in happened.items()
        if at >= end - 2 * DAY and event in TAGS and event not in silent
    }


def told(edge: Edge) -> list[tuple[str, str, int]]:
    observations = [edge.channel.decode(message.kind, message.body) for message in edge.kept]
    return [(seen.order_no, event, at) for seen in observations for event, at in seen.facts.items()]


def test_every_event_is_pushed_with_its_true_instant(deliver: Any, truth: Truth, end: int) -> None:
    edge, pusher = deliver()
    facts = [fact for fact in told(edge) if truth[fact[0]].get(fact[1], end + 1) <= end]
    assert {(order_no, event) for order_no, event, _ in facts} == expected(truth, end)
    assert all(truth[order_no][event] == at for order_no, event, at in facts)
    assert edge.refused == pusher.refused == 0


def test_a_hub_in_trouble_gets_the_delivery_again(deliver: Any, truth: Truth, end: int) -> None:
    edge, pusher = deliver(trouble=3)
    assert {fact[:2] for fact in told(edge)} >= expected(truth, end)
    assert (pusher.refused, pusher.lost) == (3, 0)


def test_repeated_messages_have_one_id(deliver: Any) -> None:
    edge, _ = deliver(repeat=0.5)
    ids = [message.message_id for message in edge.kept]
    assert len(set(ids)) < len(ids)
    assert len({(message.message_id, message.body) for message in edge.kept}) == len(set(ids))


def test_forged_deliveries_are_refused_and_not_insisted_on(deliver: Any, truth: Truth, end: int) -> None:
    edge, pusher = deliver(forge=0.3)
    assert edge.refused == pusher.refused > 0
    assert {fact[:2] for fact in told(edge)} >= expected(truth, end)


def test_lost_and_late_messages_follow_their_rates_and_their_seed(ledger: Ledger) -> None:
    honest = due(ledger, Faults())
    faulty = due(ledger, Faults(seed=3, drop=0.2, delay=0.3))
    assert honest.height * 0.75 < faulty.height < honest.height * 0.85
    late = faulty.filter(pl.col("due") - pl.col("at") >= 30).height / faulty.height
    assert 0.25 < late < 0.35
    assert due(ledger, Faults(seed=3, drop=0.2, delay=0.3)).equals(faulty)
    assert not due(ledger, Faults(seed=4, drop=0.2, delay=0.3)).equals(faulty)


def test_reordered_messages_overtake_each_other(ledger: Ledger) -> None:
    assert due(ledger, Faults())["at"].is_sorted()
    assert not due(ledger, Faults(reorder=0.5))["at"].is_sorted()
