"""Reports of the world outside in the store, and the statements that keep them."""

from __future__ import annotations

from typing import NamedTuple

from orderhub_core.model import Signal, SignalEnd
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row


class Reported(NamedTuple):
    """Instants in microseconds UTC; `until` null: until further notice."""

    name: str
    field: str
    of: str
    subject: str
    number: int
    since: int
    until: int | None
    by: str
    comment: str


_KEPT = "SELECT name, field, subject_of, subject, amount, since, until, by, comment FROM signals"
_IN_TURN = "ORDER BY since DESC, name"
_KEEP = """INSERT INTO signals (name, field, subject_of, subject, amount, since, until, by, comment, message)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"""
_END = "UPDATE signals SET until = ?, message = ? WHERE name = ? AND since < ? AND (until IS NULL OR until > ?)"
_TAKE_BACK = "DELETE FROM signals WHERE name = ? AND since >= ?"
"""What had not begun yet has never held."""


def kept(store: Store) -> list[Reported]:
    """All reports, those that begin last first."""
    return [Reported(*row) for row in store.query("hub", f"{_KEPT} {_IN_TURN}")]


def holding(store: Store, since: int) -> list[Reported]:
    """Those that hold at an instant (microseconds UTC) or later."""
    sql = f"{_KEPT} WHERE until > ? UNION ALL {_KEPT} WHERE until IS NULL {_IN_TURN}"
    return [Reported(*row) for row in store.query("hub", sql, (since,))]


def steps(said: Signal | SignalEnd, name: str, message: int, at: int) -> list[tuple[str, Row]]:
    """The statements that carry a person's word out. `at`: microseconds UTC."""
    if isinstance(said, SignalEnd):
        return [(_END, (at, message, said.name, at, at)), (_TAKE_BACK, (said.name, at))]
    return [(_KEEP, (name, said.field, said.of, said.subject, said.number, said.since, said.until, said.by,
                     said.comment, message))]  # fmt: skip
