"""What is to be brought from one warehouse to another, for orders that wait."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orderhub_core.rules import transfers
from orderhub_core.rules.transfers import Route, Wait

PLACES, SKUS = ("hangzhou", "guangzhou", "attic"), ("A", "B")


def wait(number, warehouse="hangzhou", priority=0, promised_at=None, paid_at=None, **needs):
    return Wait("shop-1", f"N{number}", 0, warehouse, needs, priority, promised_at, paid_at)


def everywhere(**ranks):
    """`hangzhou_attic=0`: from there to there, never."""
    return [
        Route(source, target, ranks.get(f"{source}_{target}"), float(abs(PLACES.index(source) - PLACES.index(target))))
        for source in PLACES
        for target in PLACES
        if source != target
    ]


def states(planned):
    return dict(planned.orders.select("order_no", "state").rows())


def moves(planned):
    return planned.moves.drop("owed").rows()


def plan(waits, free, routes, owed=None):
    return transfers.plan(waits, free, owed or {}, routes)


def test_what_is_there_goes_before_anybody_takes_of_it_and_the_rest_is_brought():
    waits = [wait(1, "guangzhou", A=3), wait(2, A=5)]
    planned = plan(waits, {("guangzhou", "A"): 6, ("hangzhou", "A"): 2}, everywhere())
    assert states(planned) == {"N1": "there", "N2": "brought"}
    assert moves(planned) == [("guangzhou", "hangzhou", "A", 3, 1)]


def test_points_come_before_promises_and_promises_before_payments():
    waits = [wait(1, paid_at=1, A=1), wait(2, promised_at=9, paid_at=3, A=1), wait(3, promised_at=8, paid_at=4, A=1),
             wait(4, priority=5, paid_at=9, A=1)]  # fmt: skip
    for there, going in enumerate((["N4"], ["N4", "N3"], ["N4", "N3", "N2"], ["N4", "N3", "N2", "N1"]), start=1):
        found = plan(waits, {("attic", "A"): there}, everywhere())
        assert [name for name, state in states(found).items() if state == "brought"] == going


def test_one_warehouse_that_has_all_of_it_is_asked_before_two_that_are_nearer():
    free = {("guangzhou", "A"): 1, ("attic", "A"): 1, ("attic", "B"): 1}
    assert moves(plan([wait(1, A=1, B=1)], free, everywhere())) == [
        ("attic", "hangzhou", "A", 1, 1), ("attic", "hangzhou", "B", 1, 1)
    ]  # fmt: skip
    free = {("guangzhou", "A"): 1, ("attic", "B"): 1}
    assert moves(plan([wait(1, A=1, B=1)], free, everywhere())) == [
        ("attic", "hangzhou", "B", 1, 1), ("guangzhou", "hangzhou", "A", 1, 1)
    ]  # fmt: skip


def test_routes_go_by_rank_then_by_cost_then_by_distance_and_some_never():
    free = {("guangzhou", "A"): 9, ("attic", "A"): 9}
    assert moves(plan([wait(1, A=1)], free, everywhere()))[0][0] == "guangzhou"
    assert moves(plan([wait(1, A=1)], free, everywhere(attic_hangzhou=1)))[0][0] == "attic"
    dear = [Route("guangzhou", "hangzhou", None, 1.0), Route("attic", "hangzhou", None, 2.0, 12_000, 50)]
    found = plan([wait(1, A=4)], free, dear)
    assert found.routes.rows() == [("attic", "hangzhou", 4, 1, 2.0, 12_200)], "what it costs is known of this one"
    never = everywhere(guangzhou_hangzhou=0, attic_hangzhou=0)
    nobody = plan([wait(1, A=1)], free, never)
    assert moves(nobody) == [] and states(nobody) == {"N1": "nowhere"}


def test_who_cannot_have_all_of_it_is_given_nothing_and_told_what_is_missing():
    free = {("guangzhou", "A"): 3, ("guangzhou", "B"): -4, ("hangzhou", "A"): 1}
    planned = plan([wait(1, A=2, B=3), wait(2, A=4)], free, everywhere())
    told = {row["order_no"]: (row["state"], row["sku"], row["missing"]) for row in planned.orders.to_dicts()}
    assert told == {"N1": ("nowhere", "B", 3), "N2": ("brought", None, 0)}, "N2 gets what N1 has no use for"


def test_what_a_warehouse_owes_comes_before_those_who_wait_piece_by_piece():
    free = {("guangzhou", "A"): 3, ("attic", "A"): 1}
    planned = plan([wait(1, "guangzhou", A=2), wait(2, A=1)], free, everywhere(), {("hangzhou", "A"): 3})
    assert planned.moves.rows() == [("attic", "hangzhou", "A", 1, 1, 0), ("guangzhou", "hangzhou", "A", 1, 1, 0)]
    assert planned.owed.rows() == [("hangzhou", "A", 1)]
    assert states(planned) == {"N1": "there", "N2": "nowhere"}, "who finds it where it waits gives nothing up"


def test_nobody_waits():
    planned = plan([], {("guangzhou", "A"): 3}, everywhere())
    assert planned.orders.is_empty() and planned.moves.is_empty() and planned.routes.is_empty()


@given(
    st.lists(
        st.builds(
            wait,
            st.integers(1, 10_000),
            st.sampled_from(PLACES),
            st.integers(-1, 2),
            st.none() | st.integers(1, 3),
            st.none() | st.integers(1, 3),
            A=st.integers(0, 4),
            B=st.integers(1, 3),
        ),
        max_size=8,
        unique_by=lambda one: one.order_no,
    ),
    st.dictionaries(st.tuples(st.sampled_from(PLACES), st.sampled_from(SKUS)), st.integers(-2, 9)),
    st.dictionaries(st.sampled_from([f"{a}_{b}" for a in PLACES for b in PLACES if a != b]), st.integers(0, 2)),
    st.dictionaries(st.tuples(st.sampled_from(PLACES), st.sampled_from(SKUS)), st.integers(1, 5), max_size=3),
)
def test_nothing_is_given_twice_and_whoever_stays_could_not_have_gone(waits, free, ranks, owed):
    owed = {place: pieces for place, pieces in owed.items() if free.get(place, 0) <= 0}
    planned = plan(waits, free, everywhere(**ranks), owed)
    left = Counter({place: max(0, pieces) for place, pieces in free.items()})
    state = states(planned)
    for one in waits:
        if state[one.order_no] != "nowhere":
            left.subtract({(one.warehouse, sku): pieces for sku, pieces in one.needs.items()})
    for source, target, sku, pieces, _ in moves(planned):
        assert pieces > 0 and ranks.get(f"{source}_{target}") != 0
        left[source, sku] -= pieces
        left[target, sku] += pieces
    left.subtract(owed)
    left.update({(warehouse, sku): pieces for warehouse, sku, pieces in planned.owed.iter_rows()})
    assert min(left.values(), default=0) >= 0
    for row in planned.orders.filter(state="nowhere").to_dicts():
        (one,) = (some for some in waits if some.order_no == row["order_no"])
        within = [one.warehouse, *(p for p in PLACES if p != one.warehouse and ranks.get(f"{p}_{one.warehouse}") != 0)]
        assert sum(max(0, left[place, row["sku"]]) for place in within) < one.needs[row["sku"]]
    assert sorted(state) == sorted(one.order_no for one in waits)
