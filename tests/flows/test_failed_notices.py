"""Notices that nobody could be told wait for a person, apart from the goods of their orders."""

from __future__ import annotations

import pytest
from held_desk import SETTINGS, Desk, down
from versions import GIFT

from orderhub_core.settings import Endpoint, Settings

NOTICES = Settings(SETTINGS.shops, warehouses=SETTINGS.warehouses, notifiers=(Endpoint("ops", "apprise"),))


@pytest.fixture
def noticed(context, order):
    """An order that nobody could be told of."""
    desk = Desk(context, order, NOTICES, GIFT.replace("gift FREE-1", "hold risk; notify ops"))
    desk.orders()
    desk.give_up()
    return desk


def test_a_word_on_goods_leaves_a_notice_that_failed_and_another_ends_that(noticed):
    assert len(noticed.holds.kept()) == 2
    noticed.holds.close("A1", reason="a fraud", by="ann")
    (notice,) = noticed.holds.kept()
    assert (notice.key, noticed.effect()[0]) == ("notify:ops:welcome:shop-1:A1", "withdrawn")
    noticed.holds.close("A1", reason="they know", by="ann")
    assert (noticed.holds.kept(), noticed.effect(notice.key)[0]) == ([], "withdrawn")


def test_a_word_on_a_notice_is_none_on_the_goods(noticed):
    noticed.holds.release("A1", reason="known buyer", by="ann")
    noticed.push(down)
    assert noticed.effect()[:2] == ("waiting", 1)
    noticed.holds.release("A1", reason="the notifier is up", by="ann", again=True)
    noticed.push()
    assert sorted(noticed.pushed) == ["notify:ops:welcome:shop-1:A1", "push:shop-1:A1"]
