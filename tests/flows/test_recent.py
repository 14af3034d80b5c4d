"""Orders kept in memory between batches: never more than a short cut."""

from __future__ import annotations

import random

import msgspec
import pytest
from reading import rows, state, whole

from orderhub_core.flows.absorb import absorb, drain, plan
from orderhub_core.flows.context import Context
from orderhub_core.flows.recent import Recent
from orderhub_core.model import Event, Observation, Parcel, Person, RawMessage
from orderhub_core.store import homes, statements
from orderhub_core.store.unit import Message

E = Event
NOW = 1_700_000_000_000_000


def lives(order, count, dice):
    """Orders that are told step by step, most of the content again each time, some of it changed, some of it old."""
    told = []
    for n in range(count):
        for step, event in enumerate([E.PLACED, E.PAID, E.LOCKED, E.LABELLED, E.SHIPPED, E.DELIVERED]):
            total = dice.choice([0, 9_000, 9_000, 9_000, 9_500])
            box = {"parcels": (Parcel(f"SF{n}", "sf", True),)} if step == 3 else {}
            told.append(order(f"A{n}", event, at=NOW + dice.choice([step, step, 2]), total=total, **box))
    told += dice.sample(told, count)
    dice.shuffle(told)
    return told


@pytest.mark.parametrize("most", [20_000, 64, 0])
def test_with_or_without_what_is_kept_the_same_hub_comes_out(home, context, order, most):
    dice = random.Random(most)
    plain = context
    other = homes.Home(home.data.with_name("other"), "")
    homes.init(other)
    plain = context._replace(store=homes.open_store(other))
    if home.database:
        pytest.skip("SQLite is compared with SQLite, and PostgreSQL with itself below")
    keeping = context._replace(recent=Recent(context.store, most))
    told = lives(order, 40, dice)
    while told:
        size = dice.randint(1, 60)
        batch, told = told[:size], told[size:]
        for one in (keeping, plain):
            one.store.accept(batch, NOW)
            drain(one, 25)
    assert whole(keeping.store) == whole(plain.store)
    plain.store.close()


def test_what_is_kept_gives_way_to_another_workers_commit(home, context, order):
    keeping, other = context._replace(recent=Recent(context.store)), homes.open_store(home)
    rival = Context(other, *context[1:4])
    dice = random.Random(5)
    told = lives(order, 12, dice)
    for turn, at in enumerate(range(0, len(told), 5)):
        context.store.accept(told[at : at + 5], NOW)
        drain(rival if turn % 3 == 2 else keeping, 4)
    expected = state(context)
    fresh = homes.Home(home.data.with_name("fresh"))
    homes.init(fresh)
    alone = Context(homes.open_store(fresh), *context[1:4])
    alone.store.accept(told, NOW)
    drain(alone, 1_000)
    assert state(alone) == expected
    assert context.store.verify_log().broken_seq is None
    for store in (other, alone.store):
        store.close()


@pytest.mark.parametrize("failure", ["in the transaction", "overtaken"])
def test_a_batch_that_fails_leaves_nothing_of_itself_in_memory(home, context, order, monkeypatch, failure):
    keeping, other = context._replace(recent=Recent(context.store)), homes.open_store(home)
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    drain(keeping, 10)
    context.store.accept([order("A1", E.PAID, at=NOW + 1, total=200)], NOW)
    with monkeypatch.context() as dying:
        if failure == "overtaken":
            commit = context.store.commit
            rival = Context(other, *context[1:4])

            def late(claim, writes):
                context.store.release(claim)
                drain(rival, 10)
                commit(claim, writes)

            dying.setattr(context.store, "commit", late)
        else:
            dying.setattr(statements, "batches", lambda writes: iter([statements.Batch("NO SQL", [(1,)])]))
        with pytest.raises(Exception, match=r"syntax|placeholders|another writer|given back"):
            absorb(keeping, 10)
    drain(keeping, 10)
    context.store.accept([order("A1", E.SHIPPED, at=NOW + 2)], NOW)
    drain(keeping, 10)
    assert rows(context, "SELECT headline, total_minor FROM orders") == [("shipped", 200)]
    moves = rows(context, "SELECT event FROM log WHERE event LIKE 'payment%'")
    assert moves == [("payment.paid",)]
    assert context.store.verify_log().broken_seq is None
    other.close()


@pytest.fixture
def kept(context, order):
    """What is kept after a commit, and a claim on the state that this commit left."""
    recent = Recent(context.store)
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    claim = context.store.claim(10, NOW)
    context.store.release(claim)
    drain(context._replace(recent=recent), 10)
    ((lane, found),) = [(lane, found) for lane, found in recent._kept.items() if found.orders]
    return recent, claim._replace(lane=lane, version=found.version, state=found.state)


def test_what_is_kept_is_found_by_the_next_claim(context, order):
    recent = Recent(context.store)
    placed, paid = (
        RawMessage(one.source, one.message_id, one.kind, one.body, "A1")
        for one in (order("A1", E.PLACED, at=NOW, total=100), order("A1", E.PAID, at=NOW))
    )
    context.store.accept([placed], NOW)
    drain(context._replace(recent=recent), 10)
    context.store.accept([paid], NOW)
    claim = context.store.claim(10, NOW)
    kept = recent.take(context.store, claim)
    context.store.release(claim)
    assert kept is not None and set(kept) == {"A1"}


def test_what_is_kept_is_found_once(context, kept):
    """Two threads never change one order."""
    recent, claim = kept
    assert set(recent.take(context.store, claim)) == {"A1"}
    assert recent.take(context.store, claim) is None


def test_what_is_kept_of_one_hub_is_never_used_for_another(tmp_path, kept):
    recent, claim = kept
    homes.init(homes.Home(tmp_path / "second"))
    second = homes.open_store(homes.Home(tmp_path / "second"))
    assert recent.take(second, claim) is None
    second.close()


def test_a_restored_hub_of_the_same_age_is_another_hub(context, kept):
    """As many commits lie behind it, but not the same ones."""
    recent, claim = kept
    assert recent.take(context.store, claim._replace(state=b"of another life")) is None


def test_no_more_is_kept_than_asked_or_than_the_last_batch_touched(context, order):
    lanes = context.store.lanes
    recent = Recent(context.store, most=lanes * 3)
    for size, most in ((50, lanes * 50), (2, lanes * 3)):
        context.store.accept([order(f"{size}-{n}", E.PLACED, at=NOW) for n in range(lanes * 20)], NOW)
        drain(context._replace(recent=recent), size)
        assert 0 < sum(len(kept.orders) for kept in recent._kept.values()) <= most


def test_a_dry_run_changes_nothing_that_is_kept(context, order):
    keeping = context._replace(recent=Recent(context.store))
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    drain(keeping, 10)
    paid = order("A1", E.PAID, at=NOW + 1, total=900)
    plan(keeping, context.store.unbound([Message(-1, paid.source, paid.message_id, paid.kind, NOW, paid.body)]))
    context.store.accept([order("A1", E.CANCELLED, at=NOW + 2)], NOW)
    drain(keeping, 10)
    assert rows(context, "SELECT headline, total_minor FROM orders") == [("cancelled", 100)]


def test_a_receiver_a_parcel_and_a_payment_that_change_are_written(context, order):
    keeping = context._replace(recent=Recent(context.store))
    first = order("A1", E.PLACED, at=NOW, total=100)
    claims = msgspec.json.decode(first.body, type=Observation)
    moved = msgspec.structs.replace(claims.content, person=Person("李四", "19911112222", "elsewhere 7"), paid_minor=90)
    second = msgspec.structs.replace(
        claims, facts={"payment.paid": NOW + 1}, at=NOW + 1, content=moved, parcels=(Parcel("SF1", "sf"),)
    )
    third = msgspec.structs.replace(second, at=NOW + 2, parcels=(Parcel("SF1", "sf", True), Parcel("SF2")))
    for n, claim in enumerate((claims, second, third)):
        context.store.accept([RawMessage("shop-1", str(n), "order", msgspec.json.encode(claim))], NOW)
        drain(keeping, 10)
    assert rows(context, "SELECT name, phone FROM persons") == [("李四", "19911112222")]
    assert rows(context, "SELECT amount_minor, paid_at FROM payments") == [(90, NOW + 1)]
    boxes = rows(context, "SELECT tracking_no, carrier, labelled FROM parcels ORDER BY tracking_no")
    assert boxes == [("SF1", "sf", 1), ("SF2", "", 0)]
