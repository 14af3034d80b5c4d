"""Import beside live shops: one order is one order, and what a shop has said since its export holds."""

import json

import pytest

from orderhub_core.errors import UserMistake
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage

SETTINGS = """
rulebook = "book.toml"
[[shops]]
id = "main"
connector = "direct"
secret_env = "SHOP_SECRET"
[[warehouses]]
id = "hangzhou"
connector = ""
"""
BOOK = """
version = "b1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
"""
MAPPING = """
name = "mine"
shop = "{shop}"
[columns]
order_no = "no"
placed_at = "placed"
paid_at = "paid"
total = "total"
sku = "sku"
quantity = "qty"
receiver_address = "address"
updated_at = "updated"
"""
HEADING = "no,placed,paid,total,sku,qty,address\n"
ROW = "{no},2026-01-01 10:00:00,2026-01-01 10:05:00,20.00,{sku},2,{address}\n"


@pytest.fixture
def hub(home):
    home.data.mkdir(parents=True, exist_ok=True)
    (home.data / "orderhub.toml").write_text(SETTINGS)
    (home.data / "book.toml").write_text(BOOK)
    opened = Hub(home, {"SHOP_SECRET": "hush"})
    opened.editions.take_up()
    opened.drain()
    yield opened
    opened.close()


@pytest.fixture
def take(hub, tmp_path):
    def run(rows, *, shop="exports", dry_run=False, heading=HEADING, **how):
        (tmp_path / "mine.toml").write_text(MAPPING.format(shop=shop))
        (tmp_path / "export.csv").write_text(heading + rows)
        mapping = str(tmp_path / "mine.toml")
        return hub.import_file(tmp_path / "export.csv", mapping, on_error="reject-all", dry_run=dry_run, **how)

    return run


def say(hub, *, no="A1", at="2026-01-01T12:00:00+08:00", sku="NEW", address="new street", absorb=True):
    """As the live shop does."""
    told = {
        "id": f"{no}:{at}",
        "order_no": no,
        "at": at,
        "facts": {"order.placed": "2026-01-01T10:00:00+08:00", "payment.paid": "2026-01-01T10:05:00+08:00"},
        "content": {
            "currency": "CNY",
            "total_minor": 3000,
            "lines": [{"line_no": 1, "sku": sku, "quantity": 3}],
            "person": {"address": address},
        },
    }
    hub.receive([RawMessage("main", told["id"], "event", json.dumps(told).encode())])
    if absorb:
        hub.drain()


def orders(hub):
    return hub.store.query("hub", "SELECT shop, platform, order_no, total_minor FROM orders ORDER BY order_id")


def pushes(hub):
    return hub.store.query("hub", "SELECT key FROM outbox WHERE key LIKE 'push%'")


def stated(hub):
    (found,) = hub.store.query(
        "hub", "SELECT sku, quantity, total_minor, address FROM orders JOIN lines USING (order_id) JOIN persons USING"
        " (order_id) WHERE lines.deleted_at IS NULL",
    )  # fmt: skip
    return found


OLD = ROW.format(no="A1", sku="OLD", address="old street")


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_order_that_another_shop_has_is_not_made_again(hub, take, dry_run):
    say(hub)
    rows = OLD + ROW.format(no="A2", sku="X", address="")
    with pytest.raises(UserMistake, match=r"shop exports's, .* already: main \(1\)\. .*--shop.*--other-orders"):
        take(rows, dry_run=dry_run)
    assert [order[:3] for order in orders(hub)] == [("main", "direct", "A1")]
    assert len(pushes(hub)) == 1


def test_one_that_waits_to_be_taken_in_is_not_made_again_either(hub, take):
    say(hub, absorb=False)
    with pytest.raises(UserMistake, match="--shop"):
        take(OLD)


def test_the_file_of_a_live_shop_is_taken_into_that_shop(hub, take):
    say(hub)
    done = take(OLD + ROW.format(no="A2", sku="X", address=""), into="main")
    assert (done.shop, done.imported, done.updated) == ("main", 1, 0)
    assert orders(hub) == [("main", "direct", "A1", 3_000), ("main", "direct", "A2", 2_000)]
    assert len(pushes(hub)) == 2


def test_other_orders_with_the_same_numbers_are_taken_in_where_that_is_said(hub, take):
    say(hub)
    assert take(OLD, other_orders=True).imported == 1
    assert [order[0] for order in orders(hub)] == ["main", "exports"]


def test_a_shop_that_nobody_knows_is_a_mistake_and_one_that_files_have_made_is_none(hub, take):
    with pytest.raises(UserMistake, match=r"no shop 'mian' in orderhub.toml, .* there are: main"):
        take(OLD, into="mian")
    take(OLD)
    with pytest.raises(UserMistake, match=r"exports \(1\)"):
        take(OLD, shop="else")
    assert take(OLD, shop="else", into="exports").unchanged == 1


@pytest.mark.parametrize("at", ["2026-01-01T10:05:00+08:00", "2026-01-02T10:00:00+08:00"], ids=["then", "later"])
@pytest.mark.parametrize("file_first", [False, True])
def test_what_a_shop_has_said_since_the_export_holds(hub, take, at, file_first):
    def take_in():
        take(OLD, shop="main")

    def hear():
        say(hub, at=at)

    for step in (take_in, hear) if file_first else (hear, take_in):
        step()
    assert stated(hub) == ("NEW", 3, 3_000, "new street")


def test_an_export_that_tells_of_something_newer_is_news(hub, take):
    say(hub, at="2026-01-01T10:01:00+08:00")
    assert take(OLD, shop="main").updated == 1
    assert stated(hub) == ("OLD", 2, 2_000, "old street")


def test_an_update_time_in_the_file_decides(hub, take):
    say(hub)
    heading, row = HEADING.replace("\n", ",updated\n"), OLD.replace("\n", ",{}\n")
    take(row.format("2026-01-01 11:59:00"), shop="main", heading=heading)
    assert stated(hub)[0] == "NEW"
    take(row.format("2026-01-01 12:01:00"), shop="main", heading=heading)
    assert stated(hub)[0] == "OLD"


def test_a_corrected_file_corrects_what_a_file_has_said(hub, take):
    take(OLD)
    assert take(OLD.replace("old street", "a corrected street").replace("20.00", "10.00")).updated == 1
    assert stated(hub) == ("OLD", 2, 1_000, "a corrected street")
    assert take(OLD).unchanged == 1
    assert stated(hub) == ("OLD", 2, 1_000, "a corrected street")


def test_what_was_imported_before_its_shop_was_connected_is_not_sent_twice(hub, take):
    take(OLD)
    say(hub)
    say(hub, no="A2")
    (held,) = hub.holds.kept()
    assert (held.shop, held.order_no) == ("main", "A1")
    assert held.note == "also in the hub as an order of exports: is it one order?"
    assert len(pushes(hub)) == 3
    hub.holds.release("A1", shop="main", reason="it is another one", by="ann")
    assert hub.holds.kept() == []


def test_old_orders_that_another_shop_has_numbered_alike_hold_nothing(hub, take):
    take(OLD.replace("2026-01-01", "2025-12-01"))
    say(hub)
    assert hub.holds.kept() == []
