"""A hub knows its buyers under one key: without it, or under another, it does nothing until somebody has said so."""

import contextlib
import json

import pytest

from orderhub_core.errors import UserMistake
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import homes, keys

OURS = {"SHOP_SECRET": "hush", "ORDERHUB_PEPPER": "the key that lies elsewhere"}
SHOP = 'rulebook = "book.toml"\n[[shops]]\nid = "main"\nconnector = "direct"\nsecret_env = "SHOP_SECRET"\n'
BOOK = """
version = "b1"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "welcome"
when = "total >= 1"
then = "gift FREE-1 limit 10 buyer 1"
"""
AT = "2026-01-01T10:00:00+08:00"


@pytest.fixture
def buys(home):
    """One buyer pays one order more, in a hub of its own process: how many gifts that earns."""
    (home.data / "orderhub.toml").write_text(SHOP)
    (home.data / "book.toml").write_text(BOOK)

    def run(number, env=OURS):
        hub = Hub(home, env)
        try:
            hub.editions.take_up()
            lines = [{"line_no": 1, "sku": "A", "quantity": 1}]
            content = {"currency": "CNY", "total_minor": 5000, "buyer_ref": "buyer-7", "lines": lines}
            facts = {"order.placed": AT, "payment.paid": AT}
            told = {"id": f"e{number}", "order_no": f"N{number}", "at": AT, "facts": facts, "content": content}
            hub.receive([RawMessage("main", told["id"], "event", json.dumps(told).encode())])
            hub.drain()
            (given,) = hub.store.query("hub", "SELECT coalesce(sum(quantity), 0) FROM lines WHERE sku = 'FREE-1'")
            return int(given[0])
        finally:
            hub.close()

    return run


def test_a_buyer_gets_one_gift_and_none_more_from_who_has_lost_the_key(home, buys):
    assert (buys(1), buys(2)) == (1, 1)
    for env, what in (
        ({}, "under a key that is not here"),
        ({"ORDERHUB_PEPPER": "some other key, by mistake"}, "is not"),
    ):
        with pytest.raises(UserMistake, match=what):
            buys(3, OURS | {"ORDERHUB_PEPPER": ""} | env)
    assert not (home.data / "pepper.key").exists(), "no other is made in its place"
    assert buys(4) == 1, "with the key all goes on, and what came meanwhile is taken in"


def test_a_hub_of_an_older_version_adopts_the_key_that_it_finds(home, buys):
    buys(1)
    _forget(home)
    assert buys(2) == 1
    with pytest.raises(UserMistake, match="not here"):
        buys(3, {"SHOP_SECRET": "hush"})


def test_a_hub_of_an_older_version_that_knows_buyers_makes_no_key_of_its_own(home, buys):
    buys(1)
    _forget(home)
    with pytest.raises(UserMistake, match="not here"):
        buys(2, {"SHOP_SECRET": "hush"})
    assert not (home.data / "pepper.key").exists()
    assert buys(3) == 1


def test_a_key_file_that_is_another_hub_s_is_told(home, buys):
    buys(1)
    (home.data / "pepper.key").write_bytes(b"the key of another hub")
    with pytest.raises(UserMistake, match=r"pepper\.key is not the key"):
        buys(2, {"SHOP_SECRET": "hush"})


def test_where_it_is_lost_for_good_a_new_one_is_begun(home, buys):
    buys(1)
    keys.renew(home, {})
    assert buys(2, {"SHOP_SECRET": "hush"}) == 2, "nobody is known again"
    assert (home.data / "pepper.key").exists()


def test_who_only_looks_makes_and_adopts_no_key(home):
    hub = Hub(home, {}, keys.passing)
    assert hub.context.pseudonyms.fingerprint
    assert keys.fingerprint(hub.store) == ""
    assert not (home.data / "pepper.key").exists()
    hub.close()


def _forget(home):
    """As a version left it that kept no fingerprint."""
    with contextlib.closing(homes.open_store(home)) as store, store.transaction("hub") as cursor:
        cursor.execute("DELETE FROM keys")
