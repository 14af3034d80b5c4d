"""The stateful harness finds nothing in the product as it is, and finds each of ten ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from itertools import count

import pytest
import stateful

from orderhub_core import fold
from orderhub_core.flows import intend, rows
from orderhub_core.flows.recent import Recent
from orderhub_core.store import sqlite, statements
from orderhub_core.store.base import Store
from orderhub_core.store.sqlite import SqliteStore

pytestmark = pytest.mark.faults


def test_a_hub_driven_at_random_is_what_the_model_says():
    report = stateful.run(1_200, seed=20_261_122)
    assert report.fine, report
    assert report.rounds >= 1_200
    assert report.acknowledged > 100


@pytest.mark.postgres
def test_both_homes_driven_by_one_stream_are_what_the_model_says(postgres_server):
    report = stateful.run(250, seed=20_261_122, homes="both", postgres=postgres_server)
    assert report.fine, report


def the_newest_instant_counts_for_every_fact(patch):
    patch.setattr(fold, "_is_news", lambda known, event, at: at > known.get(event, -1))


def a_tie_goes_to_the_first_to_come(patch):
    """The order of two statements of one time then matters."""
    wins = fold._take_content

    def first(head, content, at, *rest):
        return at not in head.stated.values() and wins(head, content, at, *rest)

    patch.setattr(fold, "_take_content", first)


def a_second_body_takes_the_place_of_the_first(patch):
    for size, text in sqlite.INSERTS.items():
        overwriting = " ON CONFLICT (source, message_id) DO UPDATE SET body = excluded.body, digest = excluded.digest"
        patch.setitem(sqlite.INSERTS, size, text + overwriting)


def some_are_acknowledged_that_were_never_written(patch):
    accept, calls = SqliteStore.accept, count(1)

    def forgetful(self, messages, received_at):
        return ["new"] * len(messages) if next(calls) % 40 == 0 else accept(self, messages, received_at)

    patch.setattr(SqliteStore, "accept", forgetful)


def a_worker_that_was_overtaken_commits_all_the_same(patch):
    patch.setattr(statements, "MOVE_ON", statements.MOVE_ON.replace("version = ?", "version >= ? - 1000000"))


def half_a_commit_stays(patch):
    @contextmanager
    def leaky(self, part):
        connection = self._writer(part)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection.cursor()
        finally:
            connection.execute("COMMIT")

    patch.setattr(SqliteStore, "transaction", leaky)


def orders_in_memory_outlive_other_workers_commits(patch):
    def stale(self, store, claim):
        kept = self._kept.pop(claim.lane, None)
        return kept.orders if kept else {}

    patch.setattr(Recent, "take", stale)


def an_effects_key_changes_with_every_try(patch):
    numbers = count()
    for module in (rows, intend.rows):
        patch.setattr(module, "push_key", lambda shop, order_no: f"push:{shop}:{order_no}:{next(numbers)}")


def a_worker_that_lost_its_lease_still_counts(patch):
    lax = statements.FINISH.replace("generation = ? AND owner = ?", "? >= 0 AND ? <> ''")
    patch.setattr(statements, "FINISH", lax.replace("AND state = 'leased'", ""))


def what_is_replayed_is_forgotten(patch):
    requeue = Store.requeue

    def losing(self, ids):
        taken = requeue(self, ids)
        with self.transaction("hub") as cursor:
            cursor.execute("DELETE FROM todo")
        return taken

    patch.setattr(Store, "requeue", losing)


@pytest.mark.parametrize(
    "break_it",
    [
        the_newest_instant_counts_for_every_fact,
        a_tie_goes_to_the_first_to_come,
        a_second_body_takes_the_place_of_the_first,
        some_are_acknowledged_that_were_never_written,
        a_worker_that_was_overtaken_commits_all_the_same,
        half_a_commit_stays,
        orders_in_memory_outlive_other_workers_commits,
        an_effects_key_changes_with_every_try,
        a_worker_that_lost_its_lease_still_counts,
        what_is_replayed_is_forgotten,
    ],
    ids=lambda control: control.__name__,
)
def test_a_hub_that_is_broken_on_purpose_is_found(break_it: Callable[..., None], monkeypatch):
    break_it(monkeypatch)
    report = stateful.run(20_000, seed=7, shrink=False)
    assert not report.fine
