"""Into which batches messages fall makes no difference: to no decision, and to nothing that is intended or logged."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import rows
from small_shop import BOOK, SHOP, a_hub

from orderhub_core.flows.absorb import absorb
from orderhub_core.model import Content, Event, Line, Observation, RawMessage
from orderhub_core.people import Review

E = Event
NOW = 1_700_000_000_000_000
DECIDED = {
    "orders": "SELECT order_no, headline, payment, fulfilment, decided, warehouse, warehouse_by, contradictions, facts,"
    " total_minor FROM orders WHERE {ours}",
    "decisions": "SELECT order_no, rule, version, action, argument, reason, decided_at"
    " FROM decisions JOIN orders USING (order_id) WHERE {ours}",
    "lines": "SELECT order_no, line_no, sku, quantity, gift_of, rule"
    " FROM lines l JOIN orders USING (order_id) WHERE l.deleted_at IS NULL AND {ours}",
    "outbox": "SELECT order_no, key, target, payload, state, attempts, generation, intended_at, next_at"
    " FROM outbox JOIN orders USING (order_id) WHERE {ours}",
    "log": "SELECT order_no, event, occurred_at, recorded_at, before, after, outcome, source, detail"
    " FROM log JOIN orders USING (order_id) WHERE {ours} ORDER BY seq",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One hub for all examples: each brings orders of its own."""
    with a_hub(tmp_path_factory.mktemp("batches") / "data", BOOK) as context:
        yield context


INSTANTS = st.integers(1, 9).map(lambda n: NOW + n * 1_000_000)
EVENTS = st.sampled_from(
    [E.PLACED, E.PAID, E.PAID, E.PAID, E.LOCKED, E.DESIGN_STARTED, E.LABELLED, E.PARTLY_SHIPPED, E.SHIPPED, E.COLLECTED,
     E.CANCELLED, E.INTERCEPTED, E.PARTLY_REFUNDED, E.REFUNDED, E.VOIDED]
)  # fmt: skip
CONTENTS = st.builds(
    lambda total, category, quantity, warehouse: Content(
        total_minor=total,
        paid_minor=total,
        warehouse=warehouse,
        lines=tuple(Line(n + 1, f"SKU-{n}", "", category, quantity, total) for n in range(quantity)),
    ),
    st.sampled_from([5_000, 9_999, 10_000, 30_000]),
    st.sampled_from(["卫衣", "连体衣"]),
    st.integers(1, 3),
    st.sampled_from(["", "", "", "theirs"]),
)
SOLD = st.builds(lambda at, content: ({E.PAID: at}, at, content), INSTANTS, CONTENTS)
"""What makes an order the rulebook's, as a rule."""
SAID = st.one_of(
    SOLD,
    st.builds(
        lambda facts, at, content: (facts, at, content),
        st.dictionaries(EVENTS, INSTANTS, max_size=2),
        INSTANTS,
        st.one_of(st.none(), CONTENTS, CONTENTS),
    ),
    st.booleans(),
)
STREAMS = st.lists(st.tuples(st.integers(0, 1), SAID), min_size=2, max_size=9)


def message(said, order_no, number):
    if isinstance(said, bool):
        body = msgspec.json.encode(Review("audit", SHOP, order_no, said))
        return RawMessage(SHOP, f"{order_no}:{number}", "review", body, order_no)
    facts, at, content = said
    seen = Observation(order_no, {event.value: when for event, when in facts.items()}, at, content)
    return RawMessage(SHOP, f"{order_no}:{number}", "order", msgspec.json.encode(seen), order_no)


def told(context, stream, cuts, run):
    """What is in the hub once the stream was applied in these batches; orders are told without the run's number."""
    messages = [message(said, f"{run}:{which}", number) for number, (which, said) in enumerate(stream)]
    edges = [0, *sorted(cuts), len(messages)]
    for begin, end in itertools.pairwise(edges):
        if batch := messages[begin:end]:
            context.store.accept(batch, NOW)
            done = absorb(context, len(batch))
            assert len(done.outcomes) == len(batch)
            assert "parked" not in done.outcomes.values()
    ours = f"shop = '{SHOP}' AND order_no IN ('{run}:0', '{run}:1')"
    found = {name: rows(context, sql.format(ours=ours)) for name, sql in DECIDED.items()}
    plain = {name: [repr(row).replace(f"{run}:", "") for row in some] for name, some in found.items()}
    by_order = {which: [row for row in plain["log"] if row.startswith(f"('{which}'")] for which in (0, 1)}
    return {name: sorted(some) for name, some in plain.items()} | {"log": by_order}


RUNS = iter(range(10**9))


@settings(max_examples=150)
@given(STREAMS, st.data())
def test_any_split_of_the_same_messages_into_batches_decides_the_same(alone, stream, data):
    cuts = data.draw(st.sets(st.integers(1, len(stream) - 1)))
    runs = [f"r{next(RUNS):06}" for _ in range(3)]
    one, each, some = (
        told(alone, stream, at, run) for at, run in zip([(), range(1, len(stream)), cuts], runs, strict=True)
    )
    assert one == each
    assert some == each


@pytest.fixture
def keyed(order):
    """Messages that tell their order at the door: they fall into its lane at once."""
    return lambda order_no, *events, **more: msgspec.structs.replace(order(order_no, *events, **more), key=order_no)


def test_lines_that_change_after_a_gift_was_given_keep_it_in_one_batch_as_in_two(context, keyed):
    pushed = []
    for order_no, apart in (("A1", True), ("A2", False)):
        renewed = Content(total_minor=60_000, lines=(Line(1, "SKU-9", quantity=2),))
        body = msgspec.json.encode(Observation(order_no, {}, NOW + 1, renewed))
        news = [
            keyed(order_no, E.PAID, at=NOW, total=50_000),
            RawMessage(SHOP, f"{order_no}-", "order", body, order_no),
        ]
        for batch in [[news[0]], [news[1]]] if apart else [news]:
            context.store.accept(batch, NOW)
            absorb(context, 10)
        pushed += rows(context, f"SELECT payload FROM outbox WHERE key LIKE 'push:%{order_no}'")
    assert pushed[0][0] == pushed[1][0].replace("A2", "A1")
    assert "SKU-9" in pushed[0][0]
    assert "GIFT-1" in pushed[0][0]


PAID_AND_MORE = [
    ((E.LOCKED,), "waiting"),
    ((E.DESIGN_STARTED,), "waiting"),
    ((E.CANCELLED,), "withdrawn"),
    ((E.REFUNDED,), "withdrawn"),
    ((E.PARTLY_REFUNDED,), "person"),
    ((E.SHIPPED,), "person"),
    ((E.SHIPPED, E.COLLECTED), "withdrawn"),
]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(("then", "state"), PAID_AND_MORE)
def test_a_paid_order_is_decided_whatever_its_batch_brings_after_that(context, keyed, then, state, apart):
    news = [keyed("A1", E.PLACED, E.PAID, at=NOW, total=50_000), keyed("A1", *then, at=NOW + 1)]
    for batch in [[news[0]], [news[1]]] if apart else [news]:
        context.store.accept(batch, NOW)
        absorb(context, 10)
    assert rows(context, "SELECT decided, warehouse FROM orders") == [(1, "hangzhou")]
    assert sorted(rows(context, "SELECT rule FROM decisions")) == [("otherwise",), ("over-100",)]
    assert rows(context, "SELECT state FROM outbox WHERE key LIKE 'push:%'") == [(state,)]


@pytest.mark.parametrize(("then", "state"), [((E.SHIPPED,), "person"), ((E.SHIPPED, E.COLLECTED), "person")])
def test_a_push_that_was_tried_is_a_persons_once_the_order_is_on_its_way(context, keyed, then, state):
    """It may be its own arrival that is told, and then the key makes pushing it again harmless; or another hand has
    sent it, and then that would send it twice."""
    context.store.accept([keyed("A1", E.PLACED, E.PAID, at=NOW, total=5_000)], NOW)
    absorb(context, 10)
    with context.store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET attempts = 1")
    context.store.accept([keyed("A1", *then, at=NOW + 1)], NOW)
    absorb(context, 10)
    assert rows(context, "SELECT state FROM outbox WHERE key LIKE 'push:%'") == [(state,)]


def test_an_order_that_was_in_another_s_hands_when_its_payment_became_known_is_not_decided(context, keyed):
    for news in (keyed("A1", E.PLACED, E.LOCKED, at=NOW, total=5_000), keyed("A1", E.PAID, at=NOW - 1)):
        context.store.accept([news], NOW)
    absorb(context, 10)
    assert rows(context, "SELECT decided FROM orders") == [(0,)]
    assert rows(context, "SELECT count(*) FROM outbox WHERE key LIKE 'push:%'") == [(0,)]
