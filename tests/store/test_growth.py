"""What a question costs does not grow with what is done: no statement of SQLite's plans walks a table that grows."""

from __future__ import annotations

import pytest

from orderhub_core.flows import rows
from orderhub_core.fold import Head
from orderhub_core.frames import SCHEMAS, empty
from orderhub_core.hub import Hub
from orderhub_core.model import Line, RawMessage
from orderhub_core.store import aside, elsewhere, expiry, flow, frames, ledger, sqlite, statements, unmet
from orderhub_core.store.progress import NOTHING
from orderhub_core.store.unit import Finished

NOW = 1_700_000_000_000_000
FEW = (
    "json_each", "lanes", "counter", "todo", "known", "parked USING COVERING INDEX ix_parked_open",
    "alembic_version_hub",
)  # fmt: skip
"""What may be walked: a list of ours, a row per lane, source or reason, what is still open, and the one row that says
which schema it is."""


class Asked:
    """Every statement that a hub runs, as SQLite plans it."""

    def __init__(self, hub):
        self.hub, self.statements = hub, []
        for part in sqlite.PAGE_BYTES:
            for connection in (hub.store._reader(part), hub.store._writer(part)):
                connection.set_trace_callback(lambda sql, part=part: self.statements.append((part, sql)))

    def walks(self):
        asked = [
            (part, sql) for part, sql in self.statements if sql.split()[0] in {"SELECT", "WITH", "UPDATE", "DELETE"}
        ]
        assert asked, "nothing was asked"
        self.statements.clear()
        steps = [row[3] for part, sql in asked for row in self.hub.store.query(part, f"EXPLAIN QUERY PLAN {sql}")]
        self.statements.clear()
        walks = {step.removeprefix("SCAN ") for step in steps if step.startswith("SCAN ")}
        return {walk for walk in walks if not walk.startswith(FEW)}


@pytest.fixture
def asked(sqlite_home):
    hub = Hub(sqlite_home)
    hub.receive([RawMessage("nobody", f"m{n}", "order", b"{}") for n in range(9)])
    hub.drain()
    asked = Asked(hub)
    yield asked
    hub.close()


def test_an_eye_that_sees_walks(asked):
    asked.hub.store.query("hub", "SELECT * FROM log WHERE message = ?", (3,))
    assert asked.walks() == {"log"}


def test_what_was_dismissed_costs_nobody_anything(asked):
    hub = asked.hub
    assert hub.dismiss([1, 2], reason="never mind") == 2
    assert asked.walks() == set()
    assert hub.pulse().parked == 7
    assert asked.walks() == set()


def test_some_are_replayed_without_a_look_at_the_others(asked):
    asked.hub.dismiss([1, 2], reason="never mind")
    asked.walks()
    assert asked.hub.replay([1, 3]) == {("nobody", "m0"): "parked", ("nobody", "m2"): "parked"}
    assert asked.walks() == set()


def behind(hub, target, *keys, at=NOW):
    with hub.store.transaction("hub") as cursor:
        rows = [
            (f"{target} {key}", 1, target, "{}", "waiting", 0, 0, at + key, None, "", at, None, "", None)
            for key in keys
        ]
        cursor.executemany(statements.insert("outbox"), rows)


def instructions(hub, ask):
    """How many SQLite's machine runs for a question to the hub: what it costs, and the same on every machine."""
    counted = [0]

    def count():
        counted[0] += 1

    connections = (hub.store._reader("hub"), hub.store._writer("hub"))
    for connection in connections:
        connection.set_progress_handler(count, 1)
    answer = ask()
    for connection in connections:
        connection.set_progress_handler(None, 1)
    return answer, counted[0]


@pytest.mark.parametrize("due", [[], [5]], ids=["nothing else", "one effect"])
def test_what_waits_behind_a_closed_gate_is_in_nobody_s_way(asked, due):
    hub, later = asked.hub, NOW + 10_000
    behind(hub, "down", *range(20))
    behind(hub, "up", *due, 50_000)

    def lease():
        return hub.store.lease(now=later, until=later + 10, owner="me", limit=10, without=["down"])

    found, few = instructions(hub, lease)
    assert [one.key for one in found] == [f"up {key}" for key in due]
    hub.store.finish([due_again(one) for one in found], owner="me", now=later)
    behind(hub, "down", *range(20, 3_000))
    asked.statements.clear()
    found, many = instructions(hub, lease)
    assert [one.key for one in found] == [f"up {key}" for key in due]
    assert many < few + 50
    assert ("hub", "BEGIN IMMEDIATE") not in asked.statements or due, "others wait while we look"
    assert asked.walks() == set()


def due_again(leased):
    """It is due again as it was."""
    return Finished(leased, "waiting", NOW + 5, "")


def test_open_effects_are_counted_without_reading_them(asked):
    behind(asked.hub, "up", 1, 2)
    plan = [row[3] for row in asked.hub.store.query("hub", f"EXPLAIN QUERY PLAN {flow.EFFECTS}")]
    assert "SEARCH outbox USING COVERING INDEX ix_outbox_target (state=?)" in plan


@pytest.mark.parametrize("sql", [unmet.UNMET, unmet.MISSED])
def test_what_met_nobody_is_found_without_a_look_at_what_else_waits(asked, sql):
    behind(asked.hub, "up", 1, 2)
    told = asked.hub.store.query("hub", f"EXPLAIN QUERY PLAN {sql}", ("up",) * sql.count("?"))
    assert [row[3] for row in told if "ix_outbox_unmet" not in row[3]] == []


def test_orders_that_are_held_are_found_without_reading_what_is_not(asked):
    asked.hub.holds.kept()
    asked.hub.holds.kept(limit=5)
    asked.hub.holds.kept(shop="nobody", order_no="A1")
    assert asked.walks() == set()


def test_who_waits_for_the_stock_of_a_warehouse_is_found_without_reading_who_does_not(asked):
    assert aside.lacking(asked.hub.store, "hangzhou", 1) == []
    assert asked.walks() == set()


def test_news_of_the_frames_are_found_without_the_old(asked):
    for name in SCHEMAS:
        asked.hub.frame(name)
    asked.statements.clear()
    for name in SCHEMAS:
        frames.refreshed(asked.hub.store, name, empty(name).lazy(), NOTHING, asked.hub.store.progress())
    frames.touched(asked.hub.store, NOTHING)
    assert asked.walks() == set()


def test_what_another_worker_made_of_an_import_is_looked_for_among_what_came_since(asked):
    asked.hub.store.entries_of([1, 2], asked.hub.store.progress())
    assert asked.walks() == set()


def test_numbers_that_other_shops_have_are_found_without_reading_those_that_they_have_besides(asked):
    elsewhere.in_other_shops(asked.hub.store, "nobody", ["A1", "A2"])
    elsewhere.has_orders(asked.hub.store, "nobody")
    assert asked.walks() == set()


def test_how_long_the_oldest_waits_is_told_without_reading_what_waits(asked):
    hub = asked.hub
    (lost,) = hub.store.query("inbox", "SELECT min(received_at) FROM inbox")
    hub.store.requeue([1, 2, 3])
    asked.statements.clear()
    assert hub.store.waiting() == (3, *lost)
    assert not [sql for _, sql in asked.statements if "body" in sql]


def test_what_a_buyer_has_bought_is_found_without_reading_what_others_have(asked):
    asked.hub.store.purchase_rows({"one", "another"})
    assert asked.walks() == set()


def test_bodies_that_expire_are_found_among_those_that_are_there(asked):
    store = asked.hub.store
    store.accept([RawMessage("nobody", "m1", "order", b"another body")], NOW)
    asked.statements.clear()
    assert expiry.drop_conflicts(store, NOW) is None
    assert expiry.drop_conflicts(store, NOW + 1) == expiry.Dropped(1)
    assert asked.walks() == set()
    assert store.query("inbox", "SELECT message_id, body FROM conflict") == [("m1", None)]


def test_what_a_warehouse_was_told_of_is_found_by_its_key_however_many_effects_there_are(asked):
    hub = asked.hub

    def told(numbers):
        heads = [Head(n, "shop-1", "direct", f"N{n}", payment="paid", warehouse="hangzhou", decided=1) for n in numbers]
        with hub.store.transaction("hub") as cursor:
            cursor.executemany(statements.insert("orders"), [rows.order_row(head) for head in heads])
            cursor.executemany(
                statements.insert("lines"),
                [rows.line_row(head.order_id, Line(1, "A", quantity=2), "") for head in heads],
            )
            cursor.executemany(
                statements.insert("outbox"),
                [
                    (rows.push_key(head.shop, head.order_no), head.order_id, "hangzhou", "{}",
                     "waiting" if head.order_id % 10 else "person", 0, 0, NOW, None, "", NOW, None, "", None)
                    for head in heads
                ],
            )  # fmt: skip
        return instructions(hub, lambda: ledger.bound(hub.store, "hangzhou", NOW))

    found, few = told(range(1, 31))
    assert found == {"A": (60, 54)}, "who waits for a person is not told of"
    found, many = told(range(31, 301))
    assert found == {"A": (600, 540)} and many < 20 * few, "of ten times as many, and not a hundred times"
