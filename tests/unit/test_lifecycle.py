"""The lifecycle table, walked: what is legal, what is refused, and that order and repetition of news never matter."""

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import diagram, lifecycle
from orderhub_core.errors import IllegalTransition, MissingFact
from orderhub_core.lifecycle import GUARDS, INITIAL, TRANSITIONS, Given, advance, catch_up, headline, in_order, settle
from orderhub_core.model import STATES, Axis, Event, Fulfilment, Headline, Logistics, Payment
from orderhub_core.views import VIEWS

EVERYTHING = Given(tracking_no=True, label=True, secured=True)


PARCEL = Given(tracking_no=True, label=True)


def facts(*events: Event) -> dict[str, int]:
    return {event.value: at for at, event in enumerate(events)}


def settled(*events: Event, given: Given = PARCEL) -> lifecycle.Settled:
    return settle(in_order(facts(*events)), given)


def test_every_state_has_a_row_and_every_event_an_edge():
    for axis, states in STATES.items():
        assert set(TRANSITIONS[axis]) == set(states)
    moved = {event for axis in TRANSITIONS.values() for edges in axis.values() for event in edges}
    assert moved == {event for event in Event if lifecycle.axis_of(event)}


def test_every_state_can_be_reached():
    for axis, table in TRANSITIONS.items():
        reached, queue = {INITIAL[axis]}, [INITIAL[axis]]
        while queue:
            for after in table[queue.pop()].values():
                if after not in reached:
                    reached.add(after)
                    queue.append(after)
        assert reached == set(table), axis


def test_an_edge_stays_on_its_axis():
    for axis, table in TRANSITIONS.items():
        for edges in table.values():
            for event, after in edges.items():
                assert lifecycle.axis_of(event) is axis
                assert isinstance(after, STATES[axis])


@pytest.mark.parametrize("axis", list(Axis))
def test_a_command_without_an_edge_is_refused(axis):
    events = {event for edges in TRANSITIONS[axis].values() for event in edges}
    for state, event in itertools.product(TRANSITIONS[axis], events):
        if event not in TRANSITIONS[axis][state]:
            with pytest.raises(IllegalTransition, match=state.value):
                advance(axis, state, event, EVERYTHING)


def test_labelled_needs_a_tracking_number_and_a_label():
    for given_, fact in ((Given(label=True), "tracking number"), (Given(tracking_no=True), "printed label")):
        with pytest.raises(MissingFact, match=fact):
            advance(Axis.FULFILMENT, Fulfilment.LOCKED, Event.LABELLED, given_)
    assert advance(Axis.FULFILMENT, Fulfilment.LOCKED, Event.LABELLED, EVERYTHING) is Fulfilment.LABELLED


def test_locking_stock_needs_a_payment():
    refused = settled(Event.PLACED, Event.LOCKED)
    assert refused.fulfilment is Fulfilment.WAITING
    assert refused.steps[-1].outcome == "refused"
    assert "payment" in refused.steps[-1].reason
    assert settled(Event.PLACED, Event.PAID, Event.LOCKED).fulfilment is Fulfilment.LOCKED


def test_missed_steps_are_inferred_and_named():
    shipped = settled(Event.PLACED, Event.PAID, Event.SHIPPED)
    assert shipped.fulfilment is Fulfilment.SHIPPED
    assert shipped.steps[-1].inferred == (Event.LOCKED, Event.LABELLED)


def test_a_refund_is_never_inferred():
    with pytest.raises(IllegalTransition):
        catch_up(Axis.LOGISTICS, Logistics.RETURNED, Event.DELIVERED)
    for run_state in Payment:
        for event in (Event.SETTLED, Event.REFUNDED):
            with contextlib.suppress(IllegalTransition):
                assert not {Event.REFUNDED, Event.VOIDED} & set(catch_up(Axis.PAYMENT, run_state, event))


def test_news_from_before_is_history_not_a_contradiction():
    late = settled(Event.PLACED, Event.PAID, Event.SHIPPED, Event.LOCKED)
    assert late.fulfilment is Fulfilment.SHIPPED
    assert late.steps[-1].outcome == "late"
    assert late.contradictions == 0


def test_shipping_a_cancelled_order_is_a_contradiction():
    wrong = settled(Event.PLACED, Event.PAID, Event.REFUNDED, Event.CANCELLED, Event.SHIPPED)
    assert wrong.contradictions == 1
    assert wrong.fulfilment is Fulfilment.CANCELLED
    assert headline(wrong) is Headline.REFUNDED


def test_a_shops_shipped_is_not_the_carriers_scan():
    assert settled(Event.PLACED, Event.PAID, Event.SHIPPED).logistics is Logistics.NONE


def test_money_that_comes_after_voiding_counts():
    assert settled(Event.PLACED, Event.VOIDED, Event.PAID).payment is Payment.PAID


claims = st.lists(st.tuples(st.sampled_from(list(Event)), st.integers(0, 5)), max_size=12)


def join(claims_):
    joined: dict[str, int] = {}
    for event, at in claims_:
        joined[event.value] = min(at, joined.get(event.value, at))
    return joined


@settings(max_examples=300, deadline=None)
@given(claims, st.randoms(), st.builds(Given, tracking_no=st.booleans(), label=st.booleans()))
def test_permutation_and_repetition_never_matter(claims_, dice, given_):
    shuffled = claims_ + claims_[: len(claims_) // 2]
    dice.shuffle(shuffled)
    assert settle(in_order(join(shuffled)), given_) == settle(in_order(join(claims_)), given_)


@settings(max_examples=300, deadline=None)
@given(claims, st.builds(Given, tracking_no=st.booleans(), label=st.booleans()))
def test_steps_chain_and_only_applied_ones_move(claims_, given_):
    result = settle(in_order(join(claims_)), given_)
    at = dict(INITIAL)
    for step in result.steps:
        axis = lifecycle.axis_of(step.event)
        if axis is None:
            continue
        assert step.before == at[axis]
        state = step.before
        if step.outcome == "applied":
            for event in (*step.inferred, step.event):
                state = TRANSITIONS[axis][state][event]
            assert all(holds(given_._replace(secured=True)) for _, holds in GUARDS.get(step.event, ()))
        assert state is step.after
        at[axis] = step.after
    assert at == {axis: getattr(result, axis.value) for axis in Axis}


def test_views_have_a_word_or_none_for_every_headline():
    for name, words in VIEWS.items():
        assert set(words) == set(Headline), name
    assert list(dict.fromkeys(filter(None, VIEWS["apparel"].values()))) == [
        "待支付", "已支付", "已锁定库存", "已打单", "已发货", "已签收", "已关闭",
    ]  # fmt: skip


def test_the_diagram_shows_every_edge_and_its_guards():
    drawn = diagram.section()
    for table in TRANSITIONS.values():
        for state, edges in table.items():
            for event, after in edges.items():
                assert f"{state.value} --> {after.value}: {event.value.partition('.')[2]}" in drawn
    assert "labelled [needs a tracking number, a printed label]" in drawn
