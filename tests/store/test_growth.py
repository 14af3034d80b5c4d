"""What a question costs does not grow with what is done: no statement of SQLite's plans walks a table that grows."""

from __future__ import annotations

import pytest

from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import sqlite

NOW = 1_700_000_000_000_000
FEW = ("json_each", "lanes", "counter", "todo", "known", "parked USING COVERING INDEX ix_parked_open")
"""What may be walked: a list of ours, a row per lane, source or reason, and what is still open."""


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
