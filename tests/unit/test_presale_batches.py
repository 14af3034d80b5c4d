"""Presale orders in batches, against dealing out piece after piece by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.presale.batches import BATCHES, LINES, SCHEDULE, schedule

DAY_0 = datetime(2026, 12, 1, tzinfo=UTC)


def day(number):
    return None if number is None else DAY_0 + timedelta(days=number)


days = st.none() | st.integers(0, 6)
lines = st.lists(
    st.fixed_dictionaries(
        {"order_no": st.sampled_from(["1", "2", "3", "4"]), "sku": st.sampled_from(["A", "B"]),
         "quantity": st.integers(-1, 4) | st.none(), "paid_at": days.map(day), "promised_at": days.map(day),
         "taken": st.none() | st.booleans()}
    ),
    max_size=8,
)  # fmt: skip
batches = st.lists(
    st.fixed_dictionaries(
        {"sku": st.sampled_from(["A", "B"]), "batch": st.sampled_from(["b1", "b2", "b3"]), "pieces": st.integers(-1, 6),
         "ready_at": days.map(day), "delayed_to": days.map(day), "promised_at": days.map(day),
         "arrived_at": days.map(day)}
    ),
    max_size=6,
)  # fmt: skip


def dealt(told, coming, by_plan):
    """By line (its place): the batch of its last piece; pieces are handed out one at a time."""
    far = datetime.max.replace(tzinfo=UTC)
    day_of = lambda one: one["ready_at"] if by_plan else one["arrived_at"] or one["delayed_to"] or one["ready_at"]  # noqa: E731
    found = {}
    for sku in ("A", "B"):
        own = [one for one in coming if one["sku"] == sku]
        pile = [one for one in sorted(own, key=lambda one: day_of(one) or far) for _ in range(max(one["pieces"], 0))]
        turns = [
            (not one["taken"], one["paid_at"] or far, place) for place, one in enumerate(told) if one["sku"] == sku
        ]
        for *_, place in sorted(turns):
            last = None
            for _ in range(max(told[place]["quantity"] or 0, 0)):
                last = pile.pop(0) if pile else None
            found[place] = (last and last["batch"], last and day_of(last), last and last["promised_at"])
    return found


@settings(max_examples=300)
@given(lines, batches)
def test_orders_are_in_the_batch_that_their_last_piece_is_dealt_from(told, coming):
    made = schedule(pl.DataFrame(told, schema=LINES, orient="row"), pl.DataFrame(coming, schema=BATCHES, orient="row"))
    plan, now = dealt(told, coming, True), dealt(told, coming, False)
    expected = []
    for place, one in enumerate(told):
        if (one["quantity"] or 0) <= 0:
            continue
        (planned, planned_at, promise), (batch, at, _) = plan[place], now[place]
        promised = one["promised_at"] or promise
        late = [promised is not None and (when is None or when > promised) for when in (at, planned_at)]
        expected.append((one["order_no"], one["sku"], one["quantity"], planned, planned_at, batch, at, promised,
                         planned != batch, *late))  # fmt: skip
    assert made.lines.schema == SCHEDULE and made.lines.rows() == expected
    assert made.batches["taken"].sum() <= sum(max(one["pieces"], 0) for one in coming)
    for sku in ("A", "B"):
        own = made.batches.filter(pl.col("sku") == sku)
        asked = sum(max(one["quantity"] or 0, 0) for one in told if one["sku"] == sku)
        assert own["taken"].sum() == min(asked, own["pieces"].sum())


@settings(max_examples=100)
@given(lines, batches)
def test_an_order_goes_when_all_of_it_is_there(told, coming):
    made = schedule(pl.DataFrame(told, schema=LINES, orient="row"), pl.DataFrame(coming, schema=BATCHES, orient="row"))
    for row in made.orders.iter_rows(named=True):
        own = made.lines.filter(pl.col("order_no") == row["order_no"])
        assert row["at"] == (None if own["at"].null_count() else own["at"].max())
        assert row["moved"] == own["moved"].any()
        promised = own["promised_at"].min()
        assert row["at_risk"] == (promised is not None and (row["at"] is None or row["at"] > promised))


def line(number, paid, quantity=1, promised=None):
    return {"order_no": number, "sku": "A", "quantity": quantity, "paid_at": day(paid), "promised_at": day(promised)}


def batch(name, pieces, ready, delayed=None, promised=None):
    return {"sku": "A", "batch": name, "pieces": pieces, "ready_at": day(ready), "delayed_to": day(delayed),
            "promised_at": day(promised)}  # fmt: skip


def made(told, coming):
    return schedule(pl.DataFrame(told, schema=LINES, orient="row"), pl.DataFrame(coming, schema=BATCHES, orient="row"))


def test_a_late_batch_moves_orders_and_breaks_the_promise_of_the_last_ones_only():
    told = [line("early", 0), line("middle", 1), line("late", 2)]
    found = made(told, [batch("first", 2, 3, delayed=9, promised=4), batch("second", 2, 5, promised=6)])
    assert found.lines.select("order_no", "planned", "batch", "moved", "at_risk", "was_at_risk").rows() == [
        ("early", "first", "second", True, True, False),
        ("middle", "first", "second", True, True, False),
        ("late", "second", "first", True, True, False),
    ]
    on_time = made(told, [batch("first", 2, 3, delayed=4, promised=4), batch("second", 2, 5, promised=6)])
    assert not on_time.lines["at_risk"].any() and not on_time.lines["moved"].any()


def test_nobody_overtakes_an_order_that_waits_for_its_last_piece():
    found = made([line("two", 0, 2), line("one", 1)], [batch("first", 1, 1), batch("second", 3, 2)])
    assert found.lines["batch"].to_list() == ["second", "second"]
    assert found.batches.select("batch", "taken", "left").rows() == [("first", 1, 0), ("second", 2, 1)]


def test_an_order_that_no_batch_has_enough_for_is_at_risk():
    found = made([line("a", 0, promised=9), line("b", 1, promised=9)], [batch("only", 1, 1)])
    assert found.orders.select("order_no", "at", "at_risk").rows() == [("a", day(1), False), ("b", None, True)]
