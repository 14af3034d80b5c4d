"""Stock and room, live: orders take what there is one after the other, whatever batches they come in, and what is not
there is waited for."""

from __future__ import annotations

import random
import threading
import zlib
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

import msgspec
import polars as pl
import psycopg
import pytest
from reading import rows
from small_shop import a_hub
from versions import GIFT, HOLD, NOW, Bench, text

from orderhub_core import held
from orderhub_core.errors import Busy, OrderHubError, UserMistake
from orderhub_core.flows import reporting
from orderhub_core.flows.absorb import drain, plan
from orderhub_core.flows.ops import TURN_KEY
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.stocking import COUNTED, Stock
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import BaseSettings, Endpoint, Settings, WarehouseSettings
from orderhub_core.store import homes, ledger
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.postgres import BEFORE_ANY_REPORT
from orderhub_core.store.unit import lane_of

EVER = (0, 1 << 62)
DAY_US = 86_400_000_000
DAY = datetime.fromtimestamp(NOW / 1e6, UTC).date().isoformat()


def shop(**limits):
    """Three warehouses, the last one for what overflows; `limits`: orders a day."""
    seats = {"hangzhou": "浙江省", "guangzhou": "广东省", "attic": "江苏省"}
    return Settings(
        shops=(Endpoint("shop-1", "douyin"),),
        warehouses=tuple(
            WarehouseSettings(
                name, "dock", province=seat, orders_per_day=limits.get(name, 0), temporary=name == "attic"
            )
            for name, seat in seats.items()
        ),
        time_zone="UTC",
    )


FEW = """[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "few"
when = "total >= 1"
then = "gift FREE-1 x 2 limit 30 daily 21 buyer 8"
"""


class Place(Bench):
    def __init__(self, context, order, settings, book=None):
        super().__init__(context, order, settings=settings)
        self.stock = Stock(
            self.store, self.clock, lambda said: self._receive(said) or drain(self.context, 100), settings, Rulebook()
        )
        self.editions.save(book or text("v1", "nearest"), by="ann")
        self.published("v1")

    def counted(self, *counts, **rest):
        frame = pl.DataFrame([(*count, None)[:4] for count in counts], schema=COUNTED, orient="row")
        return self.stock.report(frame, by="bob", **rest)

    def bought(self, *wanted, province="浙江省", limit=100):
        """An order each, of so many pieces of SKU-1; where they went, or why they wait."""
        names = []
        for pieces in wanted:
            names.append(f"A{next(self._numbers)}")
            self._receive([self.order(names[-1], pieces, province)])
        drain(self.context, limit)
        return [self.fate(name) for name in names]

    def order(self, name, pieces, province, *events, sku="SKU-1", at=NOW, buyer=""):
        content = Content(
            total_minor=10_000,
            paid_minor=10_000,
            buyer_ref=buyer,
            province=province,
            lines=(Line(1, sku, quantity=pieces),),
        )
        seen = self._order(name, *(events or (E.PLACED, E.PAID)), at=at)
        return with_content(seen, content)

    def fate(self, name):
        ((state, target, note),) = rows(
            self.context,
            f"SELECT state, target, outbox.note FROM outbox JOIN orders USING (order_id) WHERE order_no = '{name}'"
            " AND key LIKE 'push:%'",
        )
        return target if state == "waiting" else f"{target}? {note}" if state == "person" else state

    def left(self, warehouse, sku="SKU-1"):
        return next((one.balance for one in self.stock.left(warehouse=warehouse, sku=sku)), None)


def with_content(message, content):
    seen = msgspec.structs.replace(msgspec.json.decode(message.body, type=Observation), content=content)
    body = msgspec.json.encode(seen)
    return RawMessage(message.source, f"{seen.order_no}:{zlib.crc32(body)}", message.kind, body)


def test_the_nearest_that_has_it_all_and_then_the_next_and_the_temporary_one_last(context, order):
    place = Place(context, order, shop())
    place.counted(("hangzhou", "SKU-1", 5), ("guangzhou", "SKU-1", 3), ("attic", "SKU-1", 10))
    # One by one: of several lanes, nobody knows whose turn comes first.
    bought = [place.bought(2)[0] for _ in range(5)]
    assert bought == ["hangzhou", "hangzhou", "guangzhou", "attic", "attic"]
    assert (place.left("hangzhou"), place.left("guangzhou"), place.left("attic")) == (1, 1, 6)
    assert place.bought(1) == ["hangzhou"]
    (why,) = place.bought(9)
    assert why == (
        "hangzhou? nothing was taken: hangzhou: 0 of SKU-1 left, 9 asked; guangzhou: 1 of SKU-1 left, 9 asked;"
        " attic: 6 of SKU-1 left, 9 asked"
    )
    ((detail,),) = rows(context, "SELECT detail FROM log WHERE event = 'rule.hold'")
    assert msgspec.json.decode(detail)["lacked"] == why.removeprefix("hangzhou? ")
    assert place.left("attic") == 6, "who waits has taken nothing"
    reasons = place.decided("reason")
    assert reasons["A1"].endswith("the nearest that has all of it, 0 km")
    assert reasons["A3"].endswith("the nearest that has all of it, 1053 km; hangzhou: 1 of SKU-1 left, 2 asked")


def test_a_day_that_is_full_overflows_and_the_next_day_has_room_again(context, order):
    place = Place(context, order, shop(hangzhou=2))
    assert sorted(place.bought(1, 1, 1)) == ["guangzhou", "hangzhou", "hangzhou"]
    (booked,) = place.stock.booked()
    assert (booked.place, booked.subject, booked.balance) == ("hangzhou", DAY, 2)
    place._receive([place.order("B1", 1, "浙江省", at=NOW + DAY_US)])
    drain(place.context, 100)
    assert place.fate("B1") == "hangzhou"


def test_a_warehouse_that_is_reported_closed_is_passed_over_until_it_opens(context, order):
    place = Place(context, order, shop())
    closed = place.signals.report(
        "仓库停用", "yes", about="warehouse=hangzhou", by="ann", since=NOW - 5, comment="blackout"
    )
    assert place.bought(1) == ["guangzhou"]
    (why,) = rows(context, "SELECT reason FROM decisions")[0]
    assert why.endswith("hangzhou: closed (blackout)")
    place.signals.end(closed.name, by="ann")
    place._receive([place.order("B1", 1, "浙江省", at=place.clock() + 5)])
    drain(place.context, 100)
    assert place.fate("B1") == "hangzhou"
    with pytest.raises(UserMistake, match="which warehouse"):
        place.signals.report("warehouse_closed", "yes", about="province=浙江省", by="ann")


def test_who_is_sent_to_a_named_warehouse_waits_there_for_what_it_does_not_have(context, order):
    place = Place(context, order, shop(), text("v1", "guangzhou", GIFT))
    assert place.bought(1) == ["guangzhou"], "nobody reports: it has everything"
    place.counted(("guangzhou", "SKU-1", 9))
    assert place.bought(1) == ["guangzhou? nothing was taken: guangzhou: 0 of FREE-1 left, 1 asked"]
    place.counted(("guangzhou", "FREE-1", 3, 1))
    assert place.left("guangzhou", "FREE-1") == 1, "one is to leave with the first order, one with whoever waits"
    assert "0 of FREE-1 left" in place.bought(1)[0], "one must stay"
    place.counted(("guangzhou", "FREE-1", 5, 1))
    assert place.bought(1) == ["guangzhou"]


def test_a_warehouse_is_called_by_the_rulebook_s_own_word_wherever_a_person_names_it(context, order):
    words = '[words.warehouse]\n"杭州仓" = "hangzhou"\n'
    place = Place(context, order, shop(), text("v1", "nearest") + words)
    assert place.counted(("杭州仓", "SKU-1", 5), ("guangzhou", "SKU-1", 3)).warehouses == ["hangzhou", "guangzhou"]
    assert place.left("hangzhou") == 5
    assert [one.balance for one in place.stock.history("杭州仓", "SKU-1", 9)] == [5]
    assert place.signals.report("warehouse_closed", "yes", about="warehouse=杭州仓", by="ann").subject == "hangzhou"
    with pytest.raises(UserMistake, match=r"no warehouse mars, 杭州 \(杭州仓\?\); they have hangzhou,"):
        place.counted(("mars", "SKU-1", 5), ("杭州", "SKU-1", 5))


def test_a_keeper_sees_what_was_counted_what_is_promised_to_whom_and_what_is_left(context, order):
    place = Place(context, order, shop())
    place.bought(2)
    place.counted(("hangzhou", "SKU-1", 5), ("hangzhou", "SKU-2", 4, 1))
    counted_at = place.clock()
    place.counted(("hangzhou", "SKU-2", 3, 1))
    place.bought(1)
    shelves = {one.sku: one for one in place.stock.shelves(warehouse="hangzhou")}
    assert [(one.counted, one.promised, one.left, one.must_stay) for one in shelves.values()] == [
        (5, 3, 2, 0), (3, 0, 3, 1),
    ]  # fmt: skip
    assert shelves["SKU-1"].counted_at <= counted_at <= shelves["SKU-2"].counted_at
    waiting = place.stock.awaited("hangzhou", "SKU-1")
    assert [(one.order_no, one.pieces) for one in waiting] == [("A1", 2), ("A2", 1)]
    assert [one.over for one in shelves.values()] == [0, 0]
    place.counted(("hangzhou", "SKU-1", 1))
    (short,) = place.stock.shelves(warehouse="hangzhou", sku="SKU-1")
    assert (short.counted, short.promised, short.over) == (1, 3, 2)
    found = place.stock.history("hangzhou", "SKU-1", 9)
    assert set(place.stock.heard(found)) == {one.message for one in found}


def test_whose_pieces_lie_there_is_told_by_when_they_were_owed_whether_or_not_they_are_paid(context, order):
    place = Place(context, order, shop())
    for name, event, at in (("B1", E.PAID, 1), ("B2", E.DEFERRED, 2), ("B3", E.PAID, 3)):
        place._receive([place.order(name, 1, "浙江省", E.PLACED, event, at=NOW + at)])
        drain(place.context, 100)
    waiting = place.stock.awaited("hangzhou", "SKU-1")
    assert [(one.order_no, one.owed_at) for one in waiting] == [("B1", NOW + 1), ("B2", NOW + 2), ("B3", NOW + 3)]
    place._receive([place.order("B2", 1, "浙江省", E.PAID, at=NOW + 9)])
    drain(place.context, 100)
    assert place.stock.awaited("hangzhou", "SKU-1") == waiting, "paid since: it keeps its turn"


def test_what_is_left_is_told_without_orders_that_took_and_from_the_next_report_on_also_without_those_that_wait(
    context, order
):
    place = Place(context, order, shop(), text("v1", "guangzhou", HOLD))
    place.counted(("guangzhou", "SKU-1", 5))
    place.bought(3)
    place.bought(4)
    numbers = dict(rows(context, "SELECT order_no, order_id FROM orders"))

    def subtracted():
        return sorted(ledger.subtracted(place.store, numbers.values()))

    assert subtracted() == [(numbers["A1"], "guangzhou")]
    place.counted(("guangzhou", "SKU-1", 8))
    assert (place.left("guangzhou"), subtracted()) == (1, [(numbers[name], "guangzhou") for name in ("A1", "A2")])


def test_a_report_counts_what_is_promised_and_still_there_and_what_is_cancelled_no_more(context, order):
    place = Place(context, order, shop())
    place.counted(("hangzhou", "SKU-1", 10))
    place.bought(1, 2, 3)  # A1, A2, A3
    assert place.left("hangzhou") == 4
    place.news("A1", E.SHIPPED)
    place.news("A3", E.CANCELLED)
    drain(place.context, 100)
    place.counted(("hangzhou", "SKU-1", 9))  # one has left; two are promised to A2
    assert place.left("hangzhou") == 7
    before = place.clock()
    place.news("A2", E.SHIPPED)
    drain(place.context, 100)
    place.counted(("hangzhou", "SKU-1", 9), at=before)
    assert place.left("hangzhou") == 7, "A2's were still there then"
    with pytest.raises(UserMistake, match="later report"):
        place.counted(("hangzhou", "SKU-1", 99), at=before - 1)
    place.counted(("hangzhou", "SKU-1", 7))
    assert place.left("hangzhou") == 7


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([("atlantis", "SKU-1", 3)], "no warehouse atlantis"),
        ([], "no rows"),
    ],
)
def test_a_report_that_cannot_be_meant_is_refused_whole(context, order, counts, told):
    place = Place(context, order, shop())
    with pytest.raises(UserMistake, match=told):
        place.counted(*counts)
    assert place.stock.told() == {}


def test_what_is_below_nothing_or_told_twice_is_taken_in_cautiously_and_said(context, order):
    place = Place(context, order, shop())
    done = place.counted(("hangzhou", "SKU-1", -3), ("guangzhou", "SKU-1", 5), ("guangzhou", "SKU-1", 2))
    assert (place.left("hangzhou"), place.left("guangzhou")) == (0, 2)
    below, twice, *first = map(str, done.doubts)
    assert "-3" in below and "twice" in twice
    assert [told.partition(":")[0] for told in first if "first report" in told] == ["hangzhou", "guangzhou"]
    assert place.counted(("hangzhou", "SKU-1", 3)).doubts == []


def test_a_shadow_sees_what_there_is_and_takes_nothing(context, order):
    place = Place(context, order, shop())
    place.editions.save(text("v2", "nearest", GIFT), by="ann")
    place.editions.change("shadow", "v2", by="ann")
    place.counted(("hangzhou", "SKU-1", 1), ("hangzhou", "FREE-1", 9), ("guangzhou", "SKU-1", 1))
    assert place.bought(1) == ["hangzhou"]
    assert place.left("hangzhou", "FREE-1") == 9
    assert place.decided("argument") == place.decided("argument", shadow=1) == {"A1": "hangzhou"}


def some_days(place, dice, limit):
    """Orders, reports, closings and cancellations in any order. What an independent count says is left."""
    for step in range(60):
        what = dice.random()
        if what < 0.6:
            sku = dice.choice(["SKU-1", "SKU-2"])
            pieces, where = dice.choice([1, 2, 5]), dice.choice(["浙江省", "广东省"])
            about = {"at": NOW + dice.choice([0, DAY_US]), "buyer": dice.choice(["", "b1", "b2"]), "sku": sku}
            place._receive([place.order(f"B{step}", pieces, where, **about)])
        elif what < 0.75:
            counts = [
                (warehouse, sku, dice.randrange(12), dice.choice([None, 1]))
                for warehouse in ("hangzhou", "guangzhou")
                for sku in ("SKU-1", "SKU-2")
                if dice.random() < 0.6
            ]
            if counts:
                place.counted(*counts)
        elif what < 0.85:
            place.signals.report(
                "warehouse_closed", dice.choice(["yes", "no"]), about="warehouse=hangzhou", by="ann", since=NOW - step
            )
        else:
            place.news(f"B{dice.randrange(60)}", dice.choice([E.CANCELLED, E.SHIPPED]))
        if dice.random() < 0.4:
            drain(place.context, limit)
    drain(place.context, limit)


def ledger_is_whole(context):
    """By plain counting."""
    left = Counter()
    for kind, subject, place, quantity, balance in rows(
        context,
        "SELECT kind, subject, place, quantity, balance FROM ledger WHERE kind NOT IN ('turn', 'told') ORDER BY seq",
    ):
        left[kind, subject, place] += quantity
        assert left[kind, subject, place] == balance
    now = {(k, s, p): b for k, s, p, b in rows(context, "SELECT kind, subject, place, balance FROM resources")
           if k in ("stock", "capacity", "quota")}  # fmt: skip
    assert now == dict(left)


def by_resource(context):
    """Who took of each, one after the other."""
    found = {}
    for *resource, order_no, quantity, balance in rows(
        context,
        "SELECT kind, subject, place, order_no, quantity, balance FROM ledger LEFT JOIN orders USING (order_id)"
        " ORDER BY seq",
    ):
        found.setdefault(tuple(resource), []).append((order_no, quantity, balance))
    return found


def gifts_are_granted_in_turn(context):
    """By plain counting, of FEW."""
    left, given = {"": 30}, Counter()
    told = rows(
        context,
        """SELECT seq, order_id, paid_at, buyer_key, d.quantity FROM ledger JOIN orders USING (order_id)
        JOIN decisions d USING (order_id)
        WHERE kind = 'turn' AND subject = 'gifts' AND d.action = 'add_gift' ORDER BY seq""",
    )
    for _, number, paid_at, buyer, pieces in told:
        mine = [("", 30), (paid_at // DAY_US, 21), (f"b{buyer}" if buyer else f"o{number}", 8)]
        counters = [left.setdefault(name, limit) for name, limit in mine]
        fits = all(counter >= 2 for counter in counters)
        assert pieces == (2 if fits else 0)
        given[number] = pieces
        for name, _ in mine:
            left[name] -= pieces
    lines = Counter(
        dict(rows(context, "SELECT order_id, sum(quantity) FROM lines WHERE rule = 'few' GROUP BY order_id"))
    )
    assert +given == +lines
    assert len(told) > 20 and left[""] >= 0


@pytest.mark.parametrize("seed", range(6))
def test_it_makes_no_difference_in_which_batches_orders_come_and_all_is_decided_once_more(order, tmp_path, seed):
    known = []
    for limit in (1, 3, 100):
        with a_hub(tmp_path / str(limit)) as context:
            book = text("v1", "nearest", FEW)
            place = Place(context, order, shop(hangzhou=9, guangzhou=12), book)
            some_days(place, random.Random(seed), limit)
            ledger_is_whole(place.context)
            gifts_are_granted_in_turn(place.context)
            known.append(by_resource(place.context))
            found = reproduce(place.context, *EVER)
            assert (found.differences, found.same) == ([], found.orders)
            assert found.orders > 20
    assert known[0] == known[1] == known[2]
    taken = [row for (kind, *_), some in known[0].items() if kind == "stock" for row in some if row[1] < 0]
    assert taken, "something was taken"


def test_who_is_refused_a_gift_that_has_run_out_is_told_why(context, order):
    place = Place(context, order, shop(), text("v1", "hangzhou", FEW.replace("limit 30 daily 21 buyer 8", "limit 5")))
    place.bought(1), place.bought(1), place.bought(1)
    given = rows(context, "SELECT order_no, d.quantity, reason FROM decisions d JOIN orders USING (order_id)"
                          " WHERE action = 'add_gift' ORDER BY order_no")  # fmt: skip
    assert [row[:2] for row in given] == [("A1", 2), ("A2", 2), ("A3", 0)]
    assert given[2][2].endswith("not granted: of 5 in all 1 are left, 2 asked")
    assert rows(context, "SELECT count(*) FROM lines WHERE sku = 'FREE-1'") == [(2,)]
    # A new version goes on counting.
    place.editions.save(text("v2", "hangzhou", FEW.replace("limit 30 daily 21 buyer 8", "limit 7")), by="ann")
    place.published("v2")
    place.bought(1), place.bought(1)
    assert rows(context, "SELECT sum(quantity) FROM lines WHERE sku = 'FREE-1'") == [(6,)]


def test_many_who_are_refused_at_once_hold_nobody_up(context, order):
    place = Place(context, order, shop(), text("v1", "hangzhou", FEW.replace("limit 30 daily 21 buyer 8", "limit 5")))
    before = place.store.progress().commits
    place.bought(*[1] * 40)
    # A batch of each lane, and one that passes on what is another's.
    assert place.store.progress().commits - before <= 2 * place.store.lanes
    reasons = rows(context, "SELECT reason FROM decisions WHERE action = 'add_gift' AND quantity = 0")
    assert len(reasons) == 38
    assert all(reason.endswith("not granted: of 5 in all 1 are left, 2 asked") for (reason,) in reasons)


def test_a_decision_that_does_not_follow_from_what_there_was_is_found(context, order):
    place = Place(context, order, shop())
    place.counted(("hangzhou", "SKU-1", 2), ("guangzhou", "SKU-1", 3))
    place.bought(1, 1, 1)
    with place.store.transaction("hub") as cursor:
        cursor.execute("UPDATE ledger SET balance = 0 WHERE kind = 'stock' AND place = 'hangzhou' AND order_id = 0")
    found = reproduce(place.context, *EVER)
    assert (found.orders, found.same) == (3, 1), "two would have gone to Guangzhou"


def crowd(place, many):
    """Orders that wait, of one piece each."""
    place._receive([place.order(f"C{number}", 1, "浙江省") for number in range(many)])


def is_shared_out(place):
    ledger_is_whole(place.context)
    at = Counter(place.fate(f"C{number}").split("?")[0] for number in range(300))
    waiting = sum("?" in place.fate(f"C{number}") for number in range(300))
    assert (at["guangzhou"], waiting) == (80, 300 - 200)
    assert (place.left("hangzhou"), place.left("guangzhou")) == (0, 0)


def test_while_one_batch_is_being_committed_the_next_finds_what_that_will_leave(context, order):
    place = Place(context._replace(recent=Recent(context.store)), order, shop())
    place.counted(("hangzhou", "SKU-1", 120), ("guangzhou", "SKU-1", 80), ("attic", "SKU-1", 0))
    crowd(place, 300)
    pipeline = Pipeline(place.context, 20)
    try:
        while pipeline.step() is not None or place.store.waiting()[0]:
            pass
    finally:
        pipeline.close()
    is_shared_out(place)


def test_several_workers_at_once_never_give_anything_twice(context, order, home):
    place = Place(context, order, shop())
    place.counted(("hangzhou", "SKU-1", 120), ("guangzhou", "SKU-1", 80), ("attic", "SKU-1", 0))
    crowd(place, 300)
    failures = []

    def work():
        store = homes.open_store(home)
        try:
            drain(place.context._replace(store=store), 15, patience=2_000)
        except OrderHubError as failure:
            failures.append(failure)
        finally:
            store.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    drain(place.context, 100)
    is_shared_out(place)
    found = reproduce(place.context, *EVER)
    assert (found.differences, found.same) == ([], 300)


def test_the_first_report_knows_what_was_sent_there_before_it(context, order):
    place = Place(context, order, shop())
    place.bought(2, 3)
    place.counted(("hangzhou", "SKU-1", 6))
    assert place.left("hangzhou") == 1
    assert place.bought(2)[0].startswith("guangzhou"), "who reports nothing has everything"


def test_what_has_no_sku_or_is_made_for_the_order_is_not_looked_for_in_stock(context, order):
    settings = msgspec.structs.replace(shop(), bases=(BaseSettings("south", "dock"),))
    made = GIFT.replace("gift FREE-1", "work_order south").replace("total >= 1", "SKU = MADE")
    place = Place(context, order, settings, text("v1", "nearest", made))
    place.counted(("hangzhou", "SKU-1", 1), ("guangzhou", "SKU-1", 1), ("attic", "SKU-1", 1))
    for name, sku in {"B1": "", "B2": "MADE"}.items():
        place._receive([place.order(name, 4, "浙江省", sku=sku)])
    drain(place.context, 100)
    assert (place.fate("B1"), place.fate("B2")) == ("hangzhou", "hangzhou")
    assert place.bought(4)[0].startswith("hangzhou? nothing was taken")


def test_what_is_made_for_an_order_is_not_subtracted_from_a_report_until_it_was_delivered(context, order):
    settings = msgspec.structs.replace(shop(), bases=(BaseSettings("south", "dock"),))
    made = GIFT.replace("gift FREE-1", "work_order south; gift FREE-1").replace("total >= 1", "total_quantity >= 5")
    place = Place(context, order, settings, text("v1", "hangzhou", made))
    counted = [("hangzhou", "SKU-1", 10), ("hangzhou", "FREE-1", 3)]
    place.counted(*counted)
    assert place.bought(6, 1) == ["hangzhou", "hangzhou"]
    assert (place.left("hangzhou"), place.left("hangzhou", "FREE-1")) == (9, 2), "its gift is made by nobody"
    place.counted(*counted)
    assert (place.left("hangzhou"), place.left("hangzhou", "FREE-1")) == (9, 2), "the same count, the same left"
    assert [one.order_no for one in place.stock.awaited("hangzhou", "SKU-1")] == ["A2"]
    assert place.bought(4, 4) == ["hangzhou", "hangzhou"]
    place.news("A1", E.PRODUCTION_STARTED)
    drain(place.context, 100)
    place.counted(*counted)
    assert place.left("hangzhou") == 1
    place.news("A1", E.LOCKED)
    drain(place.context, 100)
    place.counted(("hangzhou", "SKU-1", 16), ("hangzhou", "FREE-1", 3))
    assert place.left("hangzhou") == 1, "what was made for it has come, and is nobody else's"


def test_a_warehouse_that_a_report_has_opened_gets_its_orders(context, order):
    disabled = msgspec.structs.replace(shop().warehouses[0], enabled=False)
    settings = msgspec.structs.replace(shop(), warehouses=(disabled, *shop().warehouses[1:]))
    place = Place(context, order, settings)
    assert place.bought(1) == ["guangzhou"]
    opened = place.signals.report("warehouse_closed", "no", about="warehouse=hangzhou", by="ann", since=NOW - 5)
    assert place.bought(1) == ["hangzhou"]
    assert reporting.is_opened(place.store, place.clock, "hangzhou")
    place.signals.end(opened.name, by="ann")
    assert not reporting.is_opened(place.store, place.clock, "hangzhou")


@pytest.mark.parametrize(
    ("settings", "stock", "held_for"),
    [
        ({"enabled": False}, 9, "warehouse closed"),
        ({"orders_per_day": 1}, 9, "warehouse full"),
        ({}, 0, "out of stock"),
    ],
)
def test_an_order_is_held_for_what_its_warehouse_really_lacked(context, order, settings, stock, held_for):
    (only, *_) = shop().warehouses
    place = Place(context, order, msgspec.structs.replace(
        shop(), warehouses=(msgspec.structs.replace(only, **settings),)
    ))  # fmt: skip
    place.counted(("hangzhou", "SKU-1", stock))
    assert any(fate.startswith("hangzhou? nothing was taken") for fate in place.bought(1, 1))
    ((kind, detail), *_) = rows(context, "SELECT after, detail FROM log WHERE event = 'rule.hold'")
    assert held.held_for(kind, detail, str) == held_for
    assert held.held_for(kind, '{"rule": "dear", "version": "v1"}', str) == "out of stock", "a rule says so itself"


@pytest.fixture
def lanes(context):
    """Several workers share the hub only there."""
    if context.store.lanes == 1:
        pytest.skip("one lane")
    return context.store.lanes


def in_another_lane(lanes):
    """Of an order's name: another lane than what people say is in."""
    return next(name for n in range(99) if lane_of(name := f"Z{n}", lanes) != lane_of(TURN_KEY, lanes))


def bought_by(place, name, pieces):
    order = place.order(name, pieces, "浙江省")
    place._receive([RawMessage(order.source, order.message_id, order.kind, order.body, name)])


def test_an_order_that_was_planned_before_a_first_report_is_planned_anew_after_it(context, order, home, lanes):
    place = Place(context, order, shop(), text("v1", "hangzhou"))
    name = in_another_lane(lanes)
    bought_by(place, name, 5)
    claim = place.store.claim(100, place.clock())
    planned = plan(place.context, claim)
    with closing(homes.open_store(home)) as other:  # another worker, which takes the report in meanwhile
        beside = place.context._replace(store=other)
        stock = Stock(
            other,
            place.clock,
            lambda said: other.accept(said, place.clock()) and drain(beside, 100),
            shop(),
            Rulebook(),
        )
        counts = [(one, "SKU-1", 5, None) for one in ("hangzhou", "guangzhou", "attic")]
        stock.report(pl.DataFrame(counts, schema=COUNTED, orient="row"), by="bob")
    with pytest.raises(Overtaken):
        place.store.commit(claim, planned.writes)
    drain(place.context, 100)
    assert (place.fate(name), place.left("hangzhou")) == ("hangzhou", 0)
    bought_by(place, name := name + "0", 6)
    drain(place.context, 100)
    assert "? nothing was taken" in place.fate(name)


def test_a_first_report_waits_for_who_is_being_committed_and_nobody_else_does(context, order, home, lanes):
    place = Place(context, order, shop(), text("v1", "hangzhou", FEW))
    with psycopg.connect(place.store.url) as committing:
        committing.execute(BEFORE_ANY_REPORT)
        assert place.bought(1, 1, 1) == ["hangzhou"] * 3, "nor do those that take of limited gifts"
        reporting = threading.Thread(target=place.counted, args=[("hangzhou", "SKU-1", 5)])
        reporting.start()
        reporting.join(0.5)
        assert reporting.is_alive()
        committing.commit()
    reporting.join(20)
    assert place.left("hangzhou") == 2
    with psycopg.connect(place.store.url) as committing:
        committing.execute(BEFORE_ANY_REPORT)
        place.counted(("hangzhou", "SKU-1", 5))  # a later one waits for nobody: who takes of it has a turn


def test_a_shadow_that_finds_the_store_out_of_reach_costs_no_order_what_there_is(context, order, monkeypatch):
    place = Place(context, order, shop())
    place.editions.save(text("v2", "nearest", GIFT), by="ann")
    place.editions.change("shadow", "v2", by="ann")
    place.counted(("hangzhou", "SKU-1", 5), ("hangzhou", "FREE-1", 5))
    asked, reads = [], place.store.resource_rows

    def once_out_of_reach(subjects, **how):
        asked.append(subjects)
        if len(asked) == 1:
            raise Busy("just now")
        return reads(subjects, **how)

    monkeypatch.setattr(place.store, "resource_rows", once_out_of_reach)
    place._receive([place.order("B1", 1, "浙江省")])
    with pytest.raises(Busy):
        drain(place.context, 100)
    drain(place.context, 100)
    assert place.fate("B1") == "hangzhou"


def test_a_claim_that_is_longer_than_it_was_asked_to_be_is_worked_on_all_the_same(context, order, monkeypatch):
    """As of a cluster, which puts a note of what it has lost before the messages."""
    place = Place(context, order, shop())
    claims = place.store.claim
    report = pl.DataFrame([("hangzhou", "SKU-1", 5, None)], schema=COUNTED, orient="row")

    def longer(limit, now):
        return claims(max(limit, 2), now)

    monkeypatch.setattr(place.store, "claim", longer)
    place._receive([place.order("B1", 1, "浙江省")])
    place.stock.report(report, by="bob")
    assert place.fate("B1") == "hangzhou"
    assert place.left("hangzhou") is not None


def test_an_order_without_lines_goes_where_its_room_is(context, order):
    place = Place(context, order, shop(hangzhou=1))
    place.bought(1)
    place._receive([with_content(place.order("B1", 1, "浙江省"), Content(province="浙江省", lines=()))])
    drain(place.context, 100)
    assert place.fate("B1") == "guangzhou"
