"""Import: a file through the same door, twice without effect, previewed without a trace, refused rows named."""

import threading

import fresh
import msgspec
import psycopg
import pytest

from orderhub_core.errors import Busy, Unreadable, UserMistake
from orderhub_core.flows import importing
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store.unit import lane_of

MAPPING = """
name = "mine"
shop = "corner-shop"
platform = "file"
[columns]
order_no = "no"
placed_at = "placed"
paid_at = "paid"
status = "status"
total = "total"
[status]
new = "pending_payment"
paid = "paid"
"""
GOOD = """no,placed,paid,status,total
A1,2026-01-01 10:00:00,2026-01-01 10:05:00,paid,12.50
A2,2026-01-01 11:00:00,,new,3
"""


@pytest.fixture
def hub(home):
    opened = Hub(home)
    yield opened
    opened.close()


@pytest.fixture
def take(hub, tmp_path):
    mapping = tmp_path / "mine.toml"
    mapping.write_text(MAPPING, encoding="utf-8")

    def run(text, *, on_error="reject-all", dry_run=False, encoding="utf-8"):
        path = tmp_path / "export.csv"
        path.write_bytes(text.encode(encoding))
        return hub.import_file(path, str(mapping), on_error=on_error, dry_run=dry_run)

    return run


def counts(imported):
    return imported.rows, imported.imported, imported.updated, imported.unchanged, imported.refused


def test_a_file_becomes_orders_once(hub, take):
    assert counts(take(GOOD)) == (2, 2, 0, 0, 0)
    assert counts(take(GOOD)) == (2, 0, 0, 2, 0)
    orders = hub.frame("orders").sort("order_no")
    assert orders.select("shop", "order_no", "headline", "total_minor").rows() == [
        ("corner-shop", "A1", "paid", 1250),
        ("corner-shop", "A2", "pending_payment", 300),
    ]
    assert hub.verify_log().broken_seq is None


def test_a_heading_that_is_read_by_nobody_is_named(take):
    assert take(GOOD).unread == []
    assert take(GOOD.replace("total\n", "totall\n", 1).replace("no,", "no,note,", 1).replace("A1,", "A1,x,").replace(
        "A2,", "A2,y,"), dry_run=True).unread == ["note", "totall"]  # fmt: skip


def test_what_changed_is_updated_and_the_rest_is_unchanged(take):
    take(GOOD)
    later = GOOD.replace("2026-01-01 11:00:00,,new,3", "2026-01-01 11:00:00,2026-01-01 12:00:00,paid,3")
    assert counts(take(later)) == (2, 0, 1, 1, 0)


def test_a_statement_received_before_is_no_news_and_the_preview_says_so_too(hub, take):
    """Without an update time nobody can tell a restored value from an old file: an old export moves nothing back."""
    newer = GOOD.replace("12.50", "20.00")
    take(GOOD)
    take(newer)
    assert counts(take(GOOD, dry_run=True)) == counts(take(GOOD)) == (2, 0, 0, 2, 0)
    assert hub.frame("orders")["total_minor"].max() == 2_000


def test_a_preview_tells_the_same_and_writes_nothing(hub, take):
    assert counts(take(GOOD, dry_run=True)) == (2, 2, 0, 0, 0)
    assert hub.frame("orders").height == 0
    assert hub.pulse().received == 0
    take(GOOD)
    later = GOOD.replace("A1,", "A9,")
    assert counts(take(later, dry_run=True)) == counts(take(later)) == (2, 1, 0, 1, 0)


def test_paid_orders_of_which_nothing_says_what_is_in_them_are_counted_and_in_a_preview_too(hub, take):
    assert take(GOOD, dry_run=True).without_lines == take(GOOD).without_lines == 1, "A1 is paid, and not A2"
    assert take(GOOD, dry_run=True).without_lines == take(GOOD).without_lines == 1, "as long as it is so"
    later = GOOD.replace("11:00:00,,new", "11:00:00,2026-01-01 12:00:00,paid")
    assert take(later, dry_run=True).without_lines == take(later).without_lines == 2
    assert take(GOOD.replace("paid,12", "nonsense,12")).without_lines == 0, "of a file that was kept out"


def test_orders_whose_items_are_known_lack_none(hub, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(
        "订单号,状态,下单时间,付款时间,商家编码,数量\nA1,已付款,2026-01-01 10:00:00,2026-01-01 10:05:00,S,1\n"
    )
    assert hub.import_file(path, "generic", on_error="reject-all", dry_run=False).without_lines == 0


def test_orders_that_rules_decide_on_without_knowing_their_amount_are_counted_until_it_is_known(hub, tmp_path):
    def took(text, *, dry_run=False):
        path = tmp_path / "file.csv"
        path.write_text(text)
        return hub.import_file(path, "generic", on_error="reject-all", dry_run=dry_run).without_total

    paid = "2026-01-01 10:00:00,2026-01-01 10:05:00"
    items = f"订单号,状态,下单时间,付款时间,商家编码,数量\nA1,已付款,{paid},S,1\nA2,已发货,{paid},S,1\n"
    assert took(items, dry_run=True) == took(items) == 1, "A1 is to be sent, and A2 is gone"
    assert took(items) == 1, "as long as it is so"
    amounts = f"订单号,状态,下单时间,付款时间,订单金额\nA1,已付款,{paid},0.00\n"
    assert took(amounts, dry_run=True) == took(amounts) == 0, "an order may cost nothing"
    assert took(items) == 0


BAD = GOOD + "A3,2026-01-01 12:00:00,,vanished,1\nA4,yesterday,,new,-2\n"


def test_refused_rows_keep_the_file_out_unless_told_otherwise(hub, take):
    rejected = take(BAD)
    assert rejected.rejected
    assert counts(rejected) == (4, 0, 0, 0, len(rejected.reasons)) == (4, 0, 0, 0, 2)
    assert hub.frame("orders").height == 0
    skipped = take(BAD, on_error="skip-failed")
    assert counts(skipped) == (4, 2, 0, 0, 2)
    reasons = {row["row_no"]: row for row in skipped.reasons}
    assert set(reasons) == {4, 5}
    assert "vanished" in reasons[4]["value"]
    assert "paid" in reasons[4]["reason"] or "new" in reasons[4]["reason"] or "status" in reasons[4]["reason"]
    assert hub.frame("orders").height == 2


def test_an_unknown_way_to_handle_errors_is_a_mistake(take):
    with pytest.raises(UserMistake, match="reject-all or skip-failed"):
        take(GOOD, on_error="hope")


def test_a_rival_worker_beside_us_changes_no_count(hub, take, home, monkeypatch):
    """Another process absorbs our messages before we can: the log tells what became of them."""
    rival = Hub(home)
    accept = hub.store.accept

    def accept_then_rival(messages, received_at):
        receipts = accept(messages, received_at)
        rival.drain()
        return receipts

    monkeypatch.setattr(hub.store, "accept", accept_then_rival)
    assert counts(take(GOOD)) == (2, 2, 0, 0, 0)
    rival.close()


def test_a_rival_worker_is_believed_also_in_a_lane_whose_log_is_shorter(hub, take, home, monkeypatch):
    """Where lanes have logs of their own, the newest entry of one is older than many of another."""
    lanes = hub.store.lanes
    first = lane_of("A1", lanes)
    long = [f"B{n}" for n in range(lanes * 8) if lane_of(f"B{n}", lanes) == first]
    short = next(f"C{n}" for n in range(lanes * 8) if lanes == 1 or lane_of(f"C{n}", lanes) != first)
    heading, line, _ = GOOD.splitlines()
    take("\n".join([heading, *(line.replace("A1", order_no) for order_no in long)]))
    rival, accept = Hub(home), hub.store.accept

    def accept_then_rival(messages, received_at):
        receipts = accept(messages, received_at)
        rival.drain()
        return receipts

    monkeypatch.setattr(hub.store, "accept", accept_then_rival)
    assert counts(take(f"{heading}\n{line.replace('A1', short)}\n")) == (1, 1, 0, 0, 0)
    rival.close()


def test_the_real_history_goes_in_whole_and_only_once(real_orders, tmp_path):
    home = fresh.hub(tmp_path / "real")
    hub = Hub(home)
    first = hub.import_file(real_orders / "orders.csv", "olist", on_error="reject-all", dry_run=False)
    assert first.rows == first.imported + first.refused > 3_000
    assert len(first.reasons) == first.refused
    second = hub.import_file(real_orders / "orders.csv", "olist", on_error="reject-all", dry_run=False)
    assert counts(second) == (first.rows, 0, 0, first.imported, first.refused)
    orders = hub.frame("orders")
    assert orders.height == first.imported
    delivered = orders.filter(orders["headline"] == "delivered")
    assert delivered.height > 3_000
    assert (delivered["delivered_at"] > delivered["placed_at"]).all()
    assert hub.verify_log().broken_seq is None
    hub.close()


def test_workers_that_hold_all_lanes_are_waited_for(hub, take, home):
    """On PostgreSQL nothing can be claimed meanwhile, and yet it waits."""
    if not home.database:
        pytest.skip("SQLite's workers do not hold messages")
    with psycopg.connect(home.database) as rival:
        rival.execute("SELECT FROM lanes FOR UPDATE")
        letting_go = threading.Timer(0.3, rival.rollback)
        letting_go.start()
        assert counts(take(GOOD)) == (2, 2, 0, 0, 0)
        assert hub.pulse().waiting == 0
        letting_go.join()


def test_those_that_never_let_go_are_told(take, home, monkeypatch):
    monkeypatch.setattr(importing, "PATIENCE_S", 0.2)
    if not home.database:
        pytest.skip("SQLite's workers do not hold messages")
    with psycopg.connect(home.database) as rival:
        rival.execute("SELECT FROM lanes FOR UPDATE")
        with pytest.raises(Busy, match="2 messages are written down"):
            take(GOOD)
    assert counts(take(GOOD)) == (2, 0, 0, 2, 0), "written down the first time; applied beside the second"


@pytest.mark.parametrize("dry_run", [False, True])
def test_parked_messages_are_refused_rows_with_a_reason(hub, take, dry_run):
    source = hub.source

    def mistaken(name):
        decode = source(name).decode

        def reads_all_but_a2(kind, body):
            if b"A2" in body:
                raise Unreadable("A2 is beyond us")
            return decode(kind, body)

        return source(name)._replace(decode=reads_all_but_a2)

    hub.source = mistaken
    for _ in range(2):
        imported = take(GOOD, dry_run=dry_run)
        assert imported.refused == 1
        ((row_no, reason),) = [(row["row_no"], row["reason"]) for row in imported.reasons]
        assert row_no == 3
        assert "A2 is beyond us" in reason
    del hub.__dict__["context"]
    hub.source = source
    if not dry_run:
        assert set(hub.replay().values()) == {"imported"}
        assert counts(take(GOOD)) == (2, 0, 0, 2, 0)


def test_replay_goes_in_batches_and_tries_each_once(hub):
    hub.settings = msgspec.structs.replace(hub.settings, limits=msgspec.structs.replace(hub.settings.limits, batch=2))
    hub.store.accept([RawMessage("nobody", f"m{n}", "order", b"{}") for n in range(5)], 1)
    hub.drain()
    assert hub.replay() == {("nobody", f"m{n}"): "parked" for n in range(5)}
    ids = [row["id"] for row in hub.parked()]
    assert len(hub.replay(ids[:3])) == 3
    with pytest.raises(UserMistake, match="12345"):
        hub.replay([ids[0], 12345])
