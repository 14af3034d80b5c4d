"""The stateful harness finds nothing in the product as it is, and finds each of twenty ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from itertools import count

import pytest
import stateful

from orderhub_core import fold
from orderhub_core.flows import intend, ops, rows
from orderhub_core.flows.behind import Behind
from orderhub_core.flows.recent import Recent
from orderhub_core.rules.inforce import InForce
from orderhub_core.store import books, lanes, signals, sqlite, statements
from orderhub_core.store.base import Store
from orderhub_core.store.postgres import PostgresStore
from orderhub_core.store.sqlite import SqliteStore

pytestmark = pytest.mark.faults


def test_a_hub_driven_at_random_is_what_the_model_says():
    report = stateful.run(6_000, seed=20_261_122)
    assert report.fine, "\n".join(report.broken)
    assert report.rounds >= 6_000
    assert report.acknowledged > 100


@pytest.mark.postgres
def test_both_homes_driven_by_one_stream_are_what_the_model_says(postgres_server):
    report = stateful.run(1_000, seed=20_261_122, homes="both", postgres=postgres_server)
    assert report.fine, "\n".join(report.broken)


@pytest.mark.postgres
def test_what_only_postgresql_does_wrong_is_found(postgres_server, monkeypatch):
    monkeypatch.setattr(PostgresStore, "_known", lambda *_: "duplicate")
    report = stateful.run(5_000, seed=7, homes="both", postgres=postgres_server, shrink=False)
    assert not report.fine
    assert "postgres: " in report.broken[0] or "receipts" in report.broken[0]


def the_newest_instant_counts_for_every_fact(patch):
    patch.setattr(fold, "_is_news", lambda known, event, at: at > known.get(event, -1))


def a_tie_goes_to_the_first_to_come(patch):
    """The order of two statements of one time then matters."""
    wins = fold._take_content

    def first(head, content, version, *rest):
        return version[0] not in head.stated and wins(head, content, version, *rest)

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
    sql = lanes.MOVE_ON.replace("version = ?", "version >= ? - 1000000")
    patch.setattr(lanes, "MOVE_ON", sql.replace("log_hash = ?", "coalesce(log_hash, ?) IS NOT NULL"))


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
        patch.setattr(module, "push_key", lambda shop, order_no, *_: f"push:{shop}:{order_no}:{next(numbers)}")


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


def a_word_on_a_version_does_not_end_its_batch(patch):
    """What follows on it is then decided by the version before."""
    patch.setattr(ops, "turning", len)


def what_has_become_of_a_version_meanwhile_is_not_looked_at(patch):
    patch.setattr(books, "_MOVE", books._MOVE.replace("? IN (0, message)", "? >= 0"))


def two_versions_are_on_trial_at_once(patch):
    patch.setattr(books, "_MAKE_ROOM", f"{books._MAKE_ROOM} AND share > 10000")


def a_shadow_decides(patch):
    patch.setattr(InForce, "of", lambda self, shop, order_no: self.candidate or self.active)


def a_report_never_ends(patch):
    patch.setattr(signals, "_END", f"{signals._END} AND since > 1 << 60")


def a_figure_that_was_measured_anew_stands_beside_the_new_one(patch):
    patch.setattr(signals, "_STANDING", f"{signals._STANDING} AND since > 1 << 60")


def what_was_tried_is_let_go_once_more(patch):
    lax = statements.RELEASE.replace("attempts = 0 OR", "attempts >= 0 OR")
    patch.setattr(statements, "RELEASE", lax)


def a_refund_that_was_known_holds_what_was_let_go(patch):
    patch.setattr(statements, "HOLD", statements.HOLD.replace("coalesce(released, -1) < ?", "? >= 0"))


def an_order_goes_that_another_shop_has_sent(patch):
    doubts = intend.doubts
    patch.setattr(intend, "doubts", lambda head, others: doubts(head, []))


def of_two_orders_of_a_number_the_second_does_not_wait_for_the_rulebook(patch):
    """What is known of it is then what came after the first was paid."""
    patch.setattr(Behind, "holds", lambda *_: False)


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
        a_word_on_a_version_does_not_end_its_batch,
        what_has_become_of_a_version_meanwhile_is_not_looked_at,
        two_versions_are_on_trial_at_once,
        a_shadow_decides,
        a_report_never_ends,
        a_figure_that_was_measured_anew_stands_beside_the_new_one,
        what_was_tried_is_let_go_once_more,
        a_refund_that_was_known_holds_what_was_let_go,
        an_order_goes_that_another_shop_has_sent,
        of_two_orders_of_a_number_the_second_does_not_wait_for_the_rulebook,
    ],
    ids=lambda control: control.__name__,
)
def test_a_hub_that_is_broken_on_purpose_is_found(break_it: Callable[..., None], monkeypatch):
    break_it(monkeypatch)
    report = stateful.run(60_000, seed=7, shrink=False)
    assert not report.fine
