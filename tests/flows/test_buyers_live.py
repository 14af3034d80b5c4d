"""What rules read of buyers in the running hub: the same in whatever batches messages come, kept with the decision."""

from __future__ import annotations

import itertools
import random
from functools import partial

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import rows
from small_shop import SHOP, a_hub
from test_parcels_live import Yard
from test_stock_live import shop
from versions import text

from orderhub_core import frames
from orderhub_core.flows.absorb import absorb, drain
from orderhub_core.flows.ground import Ground
from orderhub_core.flows.intend import Intentions
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.regarding import histories
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.i18n import translator
from orderhub_core.model import Content, Event, Line, Observation, RawMessage
from orderhub_core.rules import bits
from orderhub_core.rules.buyers import HISTORY, completed
from orderhub_core.rules.decide import decide
from orderhub_core.rules.lab.texts import Words
from orderhub_core.rules.lab.wants import Want
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Action, Group, Leaf, Op, Rule, Rulebook

E = Event
NOW = 1_700_000_000_000_000
HOUR = 3_600_000_000
EVER = (0, 1 << 62)
TAG = Action("tag", "x")
WHENS = {
    "first": Leaf("buyer_first", Op.IS, (True,)),
    "known": Leaf("buyer_orders", Op.AT_LEAST, (1,)),
    "spent": Leaf("buyer_spent", Op.AT_LEAST, (0,)),
    "again": Leaf("buyer_gap_days", Op.AT_LEAST, (0,)),
    "back": Leaf("buyer_refunds", Op.AT_LEAST, (1,)),
    "lately": Leaf("buyer_orders_30d", Op.AT_LEAST, (1,)),
    "back-lately": Leaf("buyer_refunds_30d", Op.AT_LEAST, (1,)),
}
ASKING = Rulebook(
    "asks", (Group("buyers", "all", tuple(Rule(name, when, (Action("tag", name),)) for name, when in WHENS.items())),)
)
ASKS_ORDERS = """[[groups]]
name = "{name}"
match = "all"
[[groups.rules]]
name = "o"
when = "buyer_orders >= 1"
then = "tag OLD"
"""
DECIDED = "SELECT order_no, rule, reason FROM decisions JOIN orders USING (order_id) WHERE {ours}"
LOGGED = "SELECT order_no, event, outcome, detail FROM log JOIN orders USING (order_id) WHERE {ours} ORDER BY seq"


def news(order_no, buyer, paid, *events, total=10_000, number=0, at=None):
    """A message of an order, paid at this hour; the other events are an hour after that, or at an hour."""
    when = NOW + (paid if at is None else at) * HOUR + (HOUR if at is None else 0)
    facts = {E.PAID.value: NOW + paid * HOUR, **{event.value: when for event in events}}
    content = Content(
        total_minor=total,
        paid_minor=total,
        currency="CNY",
        buyer_ref=buyer,
        lines=(Line(1, "SKU-1", price_minor=total),),
    )
    seen = Observation(order_no, facts, NOW + number, content if buyer is not None else None)
    return RawMessage(SHOP, f"{order_no}:{number}", "order", msgspec.json.encode(seen), order_no)


@pytest.fixture
def asking(context):
    return context._replace(book=ASKING)


def taken(context, *messages):
    """One after the other: they may be of several lanes."""
    for message in messages:
        context.store.accept([message], NOW)
        drain(context, 100)


def reasons(context, order_no):
    return dict(rows(context, f"SELECT rule, reason FROM decisions JOIN orders USING (order_id)"
                              f" WHERE order_no = '{order_no}'"))  # fmt: skip


def test_an_order_is_decided_by_what_its_buyer_has_paid_before(asking):
    taken(
        asking,
        news("A1", "ann", 0, total=10_050),
        news("A2", "ann", 50, E.REFUNDED, total=300),
        news("B1", "bob", 60),
        news("A3", "ann", 721),
    )
    assert reasons(asking, "A1").keys() == reasons(asking, "B1").keys() == {"first", "spent"}
    found = reasons(asking, "A3")
    assert found == {
        "known": "buyer_orders 2 >= 1",
        "spent": "buyer_spent 103.50 >= 0",
        "again": "buyer_gap_days 27 >= 0",
        "back": "buyer_refunds 1 >= 1",
        "lately": "buyer_orders_30d 1 >= 1",
        "back-lately": "buyer_refunds_30d 1 >= 1",
    }


def test_of_an_order_without_a_buyer_nothing_is_known(asking):
    taken(asking, news("A1", "", 0), news("A2", "", 10))
    assert reasons(asking, "A1") == reasons(asking, "A2") == {}


def test_what_is_heard_later_of_an_earlier_order_changes_nothing_that_was_decided(asking):
    taken(asking, news("A2", "ann", 10))
    taken(asking, news("A1", "ann", 0))
    assert "first" in reasons(asking, "A2")
    found = reproduce(asking, *EVER)
    assert (found.orders, found.same, found.differences) == (2, 2, [])


def test_what_was_read_is_kept_and_what_is_not_that_is_found(asking):
    taken(asking, news("A1", "ann", 0), news("A2", "ann", 10))
    (kept,) = rows(asking, "SELECT detail FROM log JOIN orders USING (order_id) WHERE event = 'rule.read'"
                           " AND order_no = 'A2'")  # fmt: skip
    assert msgspec.json.decode(kept[0]) == {
        "buyer_orders": 1, "buyer_spent_minor": 10_000, "buyer_first": False, "buyer_gap_days": 0, "buyer_refunds": 0,
        "buyer_orders_30d": 1, "buyer_refunds_30d": 0,
    }  # fmt: skip
    with asking.store.transaction("hub") as cursor:
        cursor.execute("UPDATE decisions SET rule = 'known' WHERE rule = 'first'")
    assert [one.order_no for one in reproduce(asking, *EVER).differences] == ["A1"]


def test_who_does_not_ask_reads_nothing_of_buyers(context, monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr(type(context.store), "purchase_rows", never)
    taken(context, news("A1", "ann", 0), news("A2", "ann", 10))
    assert rows(context, "SELECT count(*) FROM decisions WHERE action = 'assign_warehouse'") == [(2,)]
    assert rows(context, "SELECT count(*) FROM log WHERE event = 'rule.read'") == [(0,)]


def test_orders_of_batches_that_are_written_while_the_next_is_planned_are_known(asking):
    known = asking._replace(recent=Recent(asking.store))
    for number in range(60):
        asking.store.accept([news(f"A{number}", f"buyer {number % 3}", number)], NOW)
    if asking.store.lanes > 1:
        pytest.skip("lanes are served by turns: which order comes first is not told")
    pipeline = Pipeline(known, 5)
    while pipeline.step() is not None:
        pass
    pipeline.close()
    told = [reasons(asking, f"A{number}")["known"] for number in range(3, 60)]
    assert told == [f"buyer_orders {number // 3} >= 1" for number in range(3, 60)]


def test_the_lab_asks_what_is_known_of_buyers_for_a_draft_that_asks(asking):
    taken(asking, news("A1", "ann", 0), news("A2", "ann", 50, total=500), news("B1", "bob", 60), news("C1", "", 61))
    columns = ["order_id", "order_no", "paid_at", "currency", "paid_minor"]
    raw = {"order_id": pl.Int64(), "order_no": pl.String(), "paid_at": pl.Int64(), "currency": pl.String(),
           "paid_minor": pl.Int64()}  # fmt: skip
    told = rows(asking, f"SELECT {', '.join(columns)} FROM orders ORDER BY order_no")
    orders = pl.DataFrame(told, schema=raw, orient="row").cast({"paid_at": frames.INSTANT}).sort("order_id")
    ground = Ground(orders, frames.empty("lines"), None, partial(histories, asking.store))
    silent = Rulebook("silent", (Group("g", "all", (Rule("r", Leaf("order_no", Op.IS, ("A1",)), (TAG,)),)),))
    before = ground.wanted(silent)
    compared = ground.compared(before, ASKING)
    first = compared.after.of(Want("tag", "first"))[0]
    names = dict(orders.select("order_id", "order_no").rows())
    height = compared.index.orders.height
    found = ground.orders["order_id"].filter(pl.Series(bits.unpack(first, height)))
    assert sorted(names[number] for number in found) == ["A1", "B1"]
    (second,) = (number for number, name in names.items() if name == "A2")
    (why,) = ground.why(second, {"draft": ASKING}, Words(of_book(ASKING), "en", translator("en"))).values()
    assert "✓ buyer_orders >= 1 [1]" in str(why.to_dicts())


# --- any batches ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One hub for all examples: each brings buyers of its own."""
    with a_hub(tmp_path_factory.mktemp("buyers") / "data", ASKING) as context:
        yield context


SAID = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["ann", "ann", "bob", "", None]),
    st.integers(0, 80),
    st.sampled_from([(), (), (E.REFUNDED,), (E.PARTLY_REFUNDED,), (E.CANCELLED,), (E.SHIPPED,)]),
    st.sampled_from([100, 29_900]),
)
RUNS = iter(range(10**9))


def told(context, stream, cuts, run):
    messages = [
        news(f"{run}:{which}", who and f"{run}:{who}", paid, *events, total=total, number=number)
        for number, (which, who, paid, events, total) in enumerate(stream)
    ]
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(messages)]):
        if batch := messages[begin:end]:
            context.store.accept(batch, NOW)
            absorb(context, len(batch))
    ours = f"order_no LIKE '{run}:%'"
    plain = {
        sql: [repr(row).replace(run, "") for row in rows(context, sql.format(ours=ours))] for sql in (DECIDED, LOGGED)
    }
    of_orders = [[row for row in plain[LOGGED] if row.startswith(f"(':{which}'")] for which in range(4)]
    return sorted(plain[DECIDED]), of_orders


@settings(max_examples=150)
@given(st.lists(SAID, min_size=2, max_size=10), st.data())
def test_any_split_of_the_same_messages_into_batches_reads_the_same_of_buyers(alone, stream, data):
    cuts = data.draw(st.sets(st.integers(1, len(stream) - 1)))
    runs = [f"r{next(RUNS):06}" for _ in range(3)]
    one, each, some = (
        told(alone, stream, at, run) for at, run in zip([(), range(1, len(stream)), cuts], runs, strict=True)
    )
    assert one == each
    assert some == each


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["ann", "bob", ""]), st.integers(0, 3)), min_size=1, max_size=12))
def test_a_file_of_orders_that_came_in_the_order_of_their_payments_is_decided_as_they_were(alone, some):
    run = f"f{next(RUNS):06}"
    paid = list(itertools.accumulate(30 * step + 1 for _, step in some))
    messages = [
        news(f"{run}:{number}", who and f"{run}:{who}", at, total=100 + number)
        for number, ((who, _), at) in enumerate(zip(some, paid, strict=True))
    ]
    alone.store.accept(messages, NOW)
    drain(alone, 4)
    live = rows(alone, f"SELECT order_no, rule, reason FROM decisions JOIN orders USING (order_id)"
                       f" WHERE order_no LIKE '{run}:%' AND rule <> 'back'")  # fmt: skip
    orders = pl.DataFrame(
        {
            "order_id": list(range(len(some))),
            "order_no": [f"{run}:{number}" for number in range(len(some))],
            "buyer": [who for who, _ in some],
            "paid_at": pl.Series([NOW + at * HOUR for at in paid]).cast(frames.INSTANT),
            "paid_minor": [100 + number for number in range(len(some))],
            "currency": ["CNY"] * len(some),
            "refunded_at": pl.Series([None] * len(some), dtype=frames.INSTANT),
        }
    )
    made = decide(completed(orders, ASKING), frames.empty("lines"), ASKING).join(orders, on="order_id")
    assert sorted(made.select("order_no", "rule", "reason").rows()) == sorted(live)
    # And by the lab's.
    own = dict(rows(alone, f"SELECT order_id, order_no FROM orders WHERE order_no LIKE '{run}:%'"))
    lab = histories(alone.store).filter(pl.col("order_id").is_in(list(own)))
    asked = completed(orders, ASKING)
    want = asked.filter(pl.col("buyer") != "").select(*HISTORY, "order_no").sort("order_no")
    have = lab.with_columns(order_no=pl.col("order_id").replace_strict(own, return_dtype=pl.String))
    assert have.select(want.columns).sort("order_no").equals(want)


@pytest.mark.parametrize("seed", range(6))
def test_who_takes_the_last_of_the_stock_is_the_same_in_whatever_batches_messages_come(tmp_path, order, seed):
    """Who waits until the rulebook has spoken on an earlier order of the same buyer is overtaken by nobody."""
    dice, found = random.Random(seed), []
    asked = [(f"A{n}", dice.choice("abc"), dice.randint(1, 2)) for n in range(1, 21)]
    old = ASKS_ORDERS.format(name="old")
    for limit in (1, 3, 100):
        with a_hub(tmp_path / str(limit)) as context:
            yard = Yard(context, order, shop(), text("v1", "nearest", old))
            yard.counted(("hangzhou", "SKU", 12), ("guangzhou", "SKU", 6), ("attic", "SKU", 0))
            yard.say(*(yard.basket(name, ("SKU", n), buyer=buyer) for name, buyer, n in asked), limit=limit)
            found.append(
                (
                    rows(context, DECIDED.format(ours="1 = 1") + " ORDER BY order_no, place"),
                    [yard.sent(name) for name, *_ in asked],
                )
            )
    assert found[0] == found[1] == found[2]
    assert any("?" in where for ((where, _),) in found[0][1]), "there is too little of it"


def test_further_news_of_an_order_that_is_decided_now_cut_no_batch(tmp_path, order, monkeypatch):
    rounds = []
    decide = Intentions.decide
    monkeypatch.setattr(Intentions, "decide", lambda self: rounds.append(1) or decide(self))
    old = ASKS_ORDERS.format(name="old")
    with a_hub(tmp_path / "hub") as context:
        yard = Yard(context, order, shop(), text("v1", "nearest", old))
        yard.counted(("hangzhou", "SKU", 100))
        rounds.clear()
        said = [yard.basket(f"A{n}", ("SKU", 1), buyer=f"b{n}") for n in range(20)]
        later = [yard.basket(f"A{n}", ("SKU", 1), buyer=f"b{n}", events=(E.LOCKED,), at=NOW + 5) for n in range(20)]
        yard.say(*[one for pair in zip(said, later, strict=True) for one in pair])
        assert len(rounds) <= 2
        assert {where for ((where, _),) in map(yard.sent, (f"A{n}" for n in range(20)))} == {"hangzhou"}
