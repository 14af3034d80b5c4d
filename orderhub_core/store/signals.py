"""Reports of the world outside in the store, and the statements that keep them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from orderhub_core.signals import Measurement, Signal, SignalEnd, SignalWord
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row

_T = TypeVar("_T")
KINDS = ("signal", "signal_end", "measurement")
"""Of the messages that say a SignalWord."""


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
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = """INSERT INTO signals (name, field, subject_of, subject, amount, since, until, by, comment, message)
    VALUES {rows} ON CONFLICT (name) DO NOTHING"""
_END = "UPDATE signals SET until = ?, message = ? WHERE name = ? AND since < ? AND (until IS NULL OR until > ?)"
_TAKE_BACK = "DELETE FROM signals WHERE name = ? AND since >= ?"
"""What had not begun yet has never held."""
_STANDING = """UPDATE signals SET until = ?, message = ?
    WHERE field = ? AND subject_of = ? AND by = ? AND since <= ? AND until > ?"""
AT_A_TIME = 200
"""Subjects that one statement is about."""


def kept(store: Store, *, but: str = "") -> list[Reported]:
    """All reports, but those of somebody; those that begin last first."""
    return [Reported(*row) for row in store.query("hub", f"{_KEPT} WHERE by <> ? {_IN_TURN}", (but,))]


def called(store: Store, names: Collection[str]) -> list[Reported]:
    """Those of these names that there are."""
    sql = f"{_KEPT} WHERE {store.among('name')}"
    return [Reported(*row) for row in store.query("hub", sql, (store.listed(names),))]


def holding(
    store: Store, since: int, fields: Collection[str], subjects: Collection[str] | None = None
) -> list[Reported]:  # fmt: skip
    """Those of some fields, and of some subjects or of whatever there are, that hold at an instant (microseconds UTC)
    or later."""
    those, listed = store.among("field"), [store.listed(fields)]
    if subjects is not None:
        those, listed = f"{those} AND {store.among('subject')}", [*listed, store.listed(subjects)]
    asked = f"{_KEPT} WHERE {those} AND until"
    sql = f"{asked} > ? UNION ALL {asked} IS NULL {_IN_TURN}"
    return [Reported(*row) for row in store.query("hub", sql, (*listed, since, *listed))]


def steps(said: SignalWord, name: str, message: int, at: int) -> list[tuple[str, Row]]:
    """The statements that carry a person's word out, or the hub's. `at`: microseconds UTC."""
    match said:
        case Signal(field, number, since, by, until, of, subject, comment):
            row = (name, field, of, subject, number, since, until, by, comment, message)
            return [(_KEEP.format(rows=_ROW), row)]
        case SignalEnd():
            return [(_END, (at, message, said.name, at, at)), (_TAKE_BACK, (said.name, at))]
        case Measurement():
            return list(_measured(said, name, message))
    raise TypeError(said)


def _measured(said: Measurement, name: str, message: int) -> Iterator[tuple[str, Row]]:
    standing = (message, said.field, said.of, said.by, said.since, said.since)
    for some in _parts([*(subject for subject, _ in said.rows), *said.over]):
        yield f"{_STANDING} AND subject IN ({', '.join('?' * len(some))})", (said.since, *standing, *some)
    yield f"{_STANDING} AND until < ?", (said.until, *standing, said.until)
    for each in _parts(said.rows):
        rows = (
            (f"{name}:{subject}", said.field, said.of, subject, number, said.since, said.until, said.by, "", message)
            for subject, number in each
        )
        yield _KEEP.format(rows=", ".join([_ROW] * len(each))), tuple(chain.from_iterable(rows))


def _parts(whole: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (whole[start : start + AT_A_TIME] for start in range(0, len(whole), AT_A_TIME))
