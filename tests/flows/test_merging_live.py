"""Orders that wait for others and go in one parcel with them, live: who goes with whom, when, and what becomes of it as
news come."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import msgspec
import pytest
from reading import rows
from small_shop import SHOP, a_hub, source
from test_parcels_live import a_dock, split
from versions import NOW, Bench, text

from orderhub_core.errors import Busy
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Source, wall_clock
from orderhub_core.flows.dispatch import SECOND, dispatch
from orderhub_core.flows.following import MISSED
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.merging import EARLY_US, Merging
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.rows import push_key
from orderhub_core.flows.targets import Targets
from orderhub_core.model import Content, Line, Observation, Person, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.packing import combine as combining
from orderhub_core.people import Pairing, Release
from orderhub_core.settings import Settings
from orderhub_core.store import copying, homes, packs, statements
from orderhub_core.store.checks import findings
from orderhub_core.store.homes import Home
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.unit import Finished

EVER = (0, 1 << 62)
WAIT = 600 * SECOND
ZHANG, LI = Person("张三", "13900001111", "文三路 1 号"), Person("李四", "13900002222", "延安路 2 号")


def merge(how="receiver", when="total >= 1", name="packing"):
    return f"""[[groups]]
name = "{name}"
match = "all"
[[groups.rules]]
name = "r-{name}"
when = "{when}"
then = "{how}"
"""


RECEIVER, BUYER = merge("merge receiver"), merge("merge buyer")


class Hall(Bench):
    """A hub of two shops whose orders wait for one another, a warehouse that remembers what it was told, and a clock
    that stands until it is moved."""

    def __init__(self, context, order, book=RECEIVER, *, settings=None, wait=WAIT, limit=100):
        super().__init__(context, order, settings=settings)
        self.now, self.limit = NOW, limit

        def known(name):
            if name == ops.OPS:
                return Source("", "", ops.decode)
            return source(name)._replace(shop=name)

        self.context = self.context._replace(source=known, merge_wait_us=wait)
        self.merging = Merging(self.store, self.clock, self._said, lambda: self.context.pseudonyms)
        self.told = []
        self.targets = Targets(
            settings or Settings(), lambda name: None, lambda said: None,
            beside=lambda keys: packs.hand_overs(self.store, keys),
        )  # fmt: skip
        self.targets.warehouse = lambda name: self
        self.targets._check_open = lambda name: None
        self.editions.save(text("v1", "hangzhou", book), by="ann")
        self.editions.change("publish", "v1", by="ann", anyway=True)

    def clock(self):
        return getattr(self, "now", NOW)

    def _said(self, messages):
        self._receive(messages)
        drain(self.context, self.limit)

    def push(self, effect, key):
        """Whoever is told that orders are packed together finds all of them on their way, and saying so."""
        for one in effect.pack_with:
            (other,) = packs.hand_overs(self.store, [push_key(one.shop, one.order_no)]).values()
            assert other.state in ("waiting", "leased", "done") or other.tries
            assert (effect.shop, effect.order_no) in {(it.shop, it.order_no) for it in other.asked.pack_with}
        self.told.append(effect)

    def holds(self, effect):
        return True

    def buy(self, name, person=ZHANG, *, shop=SHOP, sku="", buyer="", events=(E.PLACED, E.PAID), city="杭州市", **rest):
        content = Content(
            total_minor=10_000, paid_minor=10_000, buyer_ref=buyer, province="浙江省", city=city, person=person,
            lines=(Line(1, sku or f"SKU-{name}"), *([Line(2, "MORE")] if sku == "PARTS" else [])), **rest,
        )  # fmt: skip
        self.state(name, *events, content=content, shop=shop)
        return name

    def state(self, name, *events, content=None, shop=SHOP):
        seen = Observation(name, {event.value: self.now for event in events}, self.now, content)
        body = msgspec.json.encode(seen)
        self._said([RawMessage(shop, f"{name}:{zlib.crc32(body)}:{self.now}", "order", body, name)])

    def message(self, name, person, number):
        """That it is bought by somebody, or, of nobody, that it is cancelled."""
        content = person and Content(
            total_minor=10_000, paid_minor=10_000, province="浙江省", city="杭州市", person=person,
            lines=(Line(1, f"SKU-{name}"),),
        )  # fmt: skip
        events = (E.PLACED, E.PAID) if person else (E.CANCELLED,)
        seen = Observation(name, {event.value: self.now for event in events}, self.now, content)
        return RawMessage(SHOP, f"{name}:{number}", "order", msgspec.json.encode(seen), name)

    def is_quiet(self, orders):
        """Whether all of so many orders are known, and nothing waits any more."""
        fates = self.fates()
        return len(fates) == orders and not {"waiting", "leased"} & {*fates.values()} and not self.store.waiting()[0]

    def later(self, seconds):
        self.now += int(seconds * SECOND)

    def look(self, seconds=0):
        self.later(seconds)
        return self.merging.step()

    def sent(self):
        """What the dispatcher hands over now."""
        before = len(self.told)
        dispatch(
            self.store, self.targets.perform, gates=Gates({}, lambda: 0.0), clock=lambda: self.now,
            leases=lambda: self.now, owner="me",
            dice=random.Random(1), limit=100, attempts=8,
        )  # fmt: skip
        return {one.order_no: [other.order_no for other in one.pack_with] for one in self.told[before:]}

    def fates(self):
        return dict(
            rows(self.context, "SELECT order_no, state FROM outbox JOIN orders USING (order_id) WHERE key LIKE 'push%'")
        )

    def log(self):
        sql = "SELECT order_no, detail FROM log JOIN orders USING (order_id) WHERE event = 'order.packed'"
        return rows(self.context, sql)


def test_orders_of_one_receiver_in_two_shops_wait_and_go_with_each_other(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.later(120)
    hall.buy("B1", shop="shop-2")
    hall.buy("C1", LI)
    assert (hall.look(), hall.sent()) == ((0, 0, 0, 0), {}), "others may still come"
    hall.look(470)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}, "with the first whose time is over, and not later"
    assert hall.look(119)[:2] == (0, 0)
    hall.later(11)
    assert hall.sent() == {"C1": []}, "who is alone goes by itself when its time is over"
    log = dict(hall.log())
    assert set(log) == {"A1", "B1"}
    assert "same phone +10" in msgspec.json.decode(log["A1"])["reason"]
    assert hall.fates() == dict.fromkeys(("A1", "B1", "C1"), "done")


def test_what_is_paid_later_goes_with_others_as_what_is_paid_does(context, order):
    hall = Hall(context, order)
    hall.buy("A1", events=(E.PLACED, E.DEFERRED))
    hall.later(120)
    hall.buy("B1", shop="shop-2")
    hall.look(480)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}


def test_nobody_waits_past_its_promise_or_longer_than_it_may_though_nobody_looks(context, order):
    hall = Hall(context, order)
    hall.buy("A1", promised_at=NOW + 60 * SECOND)
    hall.buy("A2", promised_at=NOW - 5)
    hall.buy("A3", LI)
    assert hall.sent() == {"A2": []}, "it is late already"
    hall.later(60)
    assert hall.sent() == {"A1": []}
    hall.later(540)
    assert hall.sent() == {"A3": []}


def test_where_nobody_may_wait_all_go_at_once(context, order):
    hall = Hall(context, order, wait=0)
    hall.buy("A1")
    hall.buy("B1")
    assert hall.sent() == {"A1": [], "B1": []}
    assert hall.look() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("book", "together"),
    [
        (RECEIVER, True),
        (RECEIVER + merge("merge never", "sku = SKU-A1", "sealed"), False),
        (RECEIVER + split("never", name="whole"), True),
        (BUYER, True),
        (merge("merge buyer", "sku = SKU-A1") + merge("merge receiver", "sku = SKU-B1", "other"), True),
        (merge("merge receiver", "sku = SKU-A1"), False),
        (RECEIVER + merge("hold presale", "sku = SKU-B1", "later"), False),
    ],
)
def test_whom_rules_pack_together(context, order, book, together):
    hall = Hall(context, order, book)
    hall.buy("A1", buyer="zhang")
    hall.buy("B1", buyer="zhang")
    hall.look(595)
    hall.later(5)
    others = {name: other for name, other in hall.sent().items() if other}
    assert others == ({"A1": ["B1"], "B1": ["A1"]} if together else {})


def test_the_same_buyer_is_not_the_same_receiver(context, order):
    hall = Hall(context, order, BUYER)
    hall.buy("A1", buyer="zhang")
    hall.buy("B1", buyer="li")
    hall.look(595)
    assert hall.sent() == {}
    hall.later(5)
    assert hall.sent() == {"A1": [], "B1": []}


def test_a_doubtful_one_goes_alone_and_it_is_told(context, order):
    hall = Hall(context, order)
    hall.buy("A1", sku="SHIRT")
    hall.buy("B1", sku="SHIRT")
    assert hall.look(595).doubts == 2
    assert hall.sent() == {"A1": [], "B1": []}
    told = {name: msgspec.json.decode(detail) for name, detail in hall.log()}
    assert told["A1"]["doubts"] == [[SHOP, "B1"]]
    assert "a repeat?" in told["A1"]["reason"]


def test_what_a_person_says_holds_until_it_is_handed_over(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.buy("D1", sku="SHIRT")
    hall.buy("D2", LI, sku="SHIRT")
    hall._said([ops.pairing(Pairing(SHOP, "A1", SHOP, "B1", "apart", "they asked", "ann"), hall.now)])
    hall._said([ops.pairing(Pairing(SHOP, "D1", SHOP, "D2", "together", "called them", "ann"), hall.now)])
    hall.look(595)
    hall.later(5)
    sent = hall.sent()
    assert "B1" not in sent["A1"]
    assert "A1" not in sent["B1"]
    hall._said([ops.pairing(Pairing(SHOP, "C1", SHOP, "A1", "apart", "too late", "ann"), hall.now)])
    assert hall.look() == (0, 0, 0, 0)
    assert [one.order_no for one in hall.told] == list(dict.fromkeys(one.order_no for one in hall.told))


def test_who_has_been_told_and_not_gone_is_told_anew_when_a_person_parts_them(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.look(595)
    hall._said([ops.pairing(Pairing(SHOP, "A1", SHOP, "B1", "apart", "they asked", "ann"), hall.now)])
    assert hall.look().mended == 3
    assert hall.look().mended == 0
    assert hall.sent() == {"A1": ["C1"], "B1": [], "C1": ["A1"]}


@pytest.mark.parametrize(
    ("event", "fate"), [(E.CANCELLED, "withdrawn"), (E.REFUNDED, "withdrawn"), (E.PARTLY_REFUNDED, "person")]
)
@pytest.mark.parametrize("when", ["before", "told", "gone"])
def test_who_goes_no_longer_is_missed_by_nobody(context, order, event, fate, when):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    if when != "before":
        hall.look(595)
    if when == "gone":
        (leased,) = hall.store.lease(now=hall.now, until=hall.now + SECOND, owner="me", limit=1)
        assert leased.key == "push:shop-1:A1"
    hall.state("B1", event)
    if when == "gone":
        assert hall.fates()["B1"] == "person", "somebody must look what the warehouse waits for"
        return
    assert hall.fates()["B1"] == fate
    assert hall.sent() == {}, "nobody goes who waits for it"
    hall.look(0 if when == "told" else 600)
    hall.later(5)
    assert hall.sent() == {"A1": []}


def test_a_refunded_order_that_its_companions_warehouse_waits_for_is_let_go_by_nobody(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.store.lease(now=hall.now, until=hall.now + SECOND, owner="me", limit=1)
    hall.state("B1", E.REFUNDED, E.CANCELLED)
    release(hall, "B1")
    hall.later(60)
    assert (hall.sent().keys() & {"B1"}, hall.fates()["B1"]) == (set(), "person")


def test_who_misses_one_that_is_on_its_way_is_a_persons_to_look_at(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.look(595)
    (leased,) = hall.store.lease(now=hall.now, until=hall.now + 60 * SECOND, owner="me", limit=1)
    one, other = {"A1", "B1", "C1"} - {leased.key.removeprefix("push:shop-1:")}
    hall._said([ops.pairing(Pairing(SHOP, one, SHOP, other, "apart", "they asked", "ann"), hall.now)])
    for _ in range(3):
        hall.look(1)
    assert rows(context, "SELECT reason FROM parked") == []
    assert any(MISSED in note for (note,) in rows(context, "SELECT note FROM outbox WHERE state = 'person'"))


def test_whoever_is_cut_short_between_two_words_is_followed_by_somebody_who_says_the_rest(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.later(595)
    words, _ = hall.merging._found({}, hall.now + EARLY_US)
    assert len(words) == 3
    hall._said([ops.packing(words[0], hall.now)])
    assert hall.sent() == {}, "the others do not say so yet"
    assert hall.look(2).mended == 2
    assert hall.sent() == {"A1": ["B1", "C1"], "B1": ["A1", "C1"], "C1": ["A1", "B1"]}


def test_new_lines_and_a_new_address_while_it_waits_and_when_it_was_told(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.later(1)
    hall.buy("B1", sku="OTHER", events=())
    moved = {one.order_no: one for one in (w.handed.asked for w in packs.waiting(hall.store))}
    assert [line.sku for line in moved["B1"].lines] == ["OTHER"]
    assert [one.order_no for one in moved["B1"].pack_with] == ["A1"], "other lines in the same parcel"
    hall.later(1)
    hall.buy("B1", LI, sku="OTHER", events=())
    assert hall.look().mended == 2
    assert hall.sent() == {"A1": [], "B1": []}


def test_the_warehouse_is_told_once_and_shows_what_goes_with_what(context, order, monkeypatch):
    with a_dock(monkeypatch) as (dock, settings):
        hall = Hall(context, order, settings=settings)
        hall.targets = Targets(
            settings, lambda name: None, lambda said: None, beside=lambda keys: packs.hand_overs(hall.store, keys)
        )
        hall.buy("A1")
        hall.buy("B1", shop="shop-2")
        hall.look(595)
        hall.sent()
        assert hall.fates() == {"A1": "done", "B1": "done"}
        held = {name: told["pack_with"] for (_, name, _), told in dock.orders.items()}
        assert held == {"A1": [{"shop": "shop-2", "order_no": "B1"}], "B1": [{"shop": SHOP, "order_no": "A1"}]}


def test_the_check_finds_whoever_went_with_one_that_does_not_come(context, order, home):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.sent()
    assert [one for one in findings(home) if one.part == "packs"] == []
    with hall.store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET state = 'withdrawn' WHERE key = 'push:shop-1:B1'")
    (told,) = (one for one in findings(home) if one.part == "packs")
    assert str(told.what) == "order A1 of shop-1 has gone to be packed with B1, which was withdrawn"
    with hall.store.transaction("hub") as cursor:
        cursor.execute("UPDATE packs SET order_no = 'C1' WHERE order_no = 'B1'")
    assert [str(one.what) for one in findings(home) if one.part == "packs"] == [
        "order A1 of shop-1 says otherwise what it is packed with"
    ]


def test_what_was_decided_is_decided_once_more(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.sent()
    found = reproduce(hall.context, *EVER)
    assert (found.differences, found.same) == ([], 2)
    assert EARLY_US < WAIT


PEOPLE = [ZHANG, LI, Person("张三", "13900001111", "文三路 100 号"), Person("王*", "139****3333", "解放路***")]
SEALED = merge("merge never", "sku = SEALED", "sealed")
HELD = merge("hold risk", "sku = RISKY", "care")
PARTS = split("sku", "sku = PARTS")


class Lottery:
    """Some hours of a hall at random; what it was told of each order is written down beside, to judge by."""

    def __init__(self, hall, dice):
        self.hall, self.dice = hall, dice
        self.bought = {}
        """Who gets it now, what is in it, and when it came, by number."""
        self.parted, self.stopped = set(), set()

    def step(self, number):
        hall, dice, what = self.hall, self.dice, self.dice.random()
        hall.later(dice.choice([0, 1, 20, 90]))
        known = sorted(self.bought)
        if what < 0.4 or not known:
            person, sku = (
                dice.randrange(4),
                dice.choice([f"SKU-{number}", f"SKU-{number}", "SHIRT", "SEALED", "RISKY", "PARTS"]),
            )
            name = f"A{number}"
            self.bought[name] = (person, sku, hall.now)
            hall.buy(name, PEOPLE[person], shop=f"shop-{1 + int(name[1:]) % 2}", sku=sku)
            return
        name = dice.choice(known)
        shop, (person, sku, at) = f"shop-{1 + int(name[1:]) % 2}", self.bought[name]
        if what < 0.5:
            hall.state(name, dice.choice([E.CANCELLED, E.REFUNDED, E.PARTLY_REFUNDED]), shop=shop)
            self.stopped.add(name)
        elif what < 0.55:
            hall.buy(name, PEOPLE[person], shop=shop, sku=sku, events=())  # once more
        elif what < 0.62:
            self.bought[name] = (dice.randrange(4), sku, at)
            hall.buy(name, PEOPLE[self.bought[name][0]], shop=shop, sku=sku, events=())
        elif what < 0.68 and len(known) > 1:
            other = dice.choice([one for one in known if one != name])
            self.parted.add(frozenset((name, other)))
            hall.merging.say(Pairing("", name, "", other, "apart", "they asked", "ann"))
        elif what < 0.85:
            self.look(cut=dice.random() < 0.4)
        else:
            hall.sent()

    def look(self, *, cut=False):
        """`cut`: whoever says it dies after some words."""
        hall, said = self.hall, self.hall.merging._say
        if cut:
            hall.merging._say = lambda messages: said(messages[: self.dice.randrange(len(messages) + 1)])
        try:
            return hall.look()
        finally:
            hall.merging._say = said


def overdue(hall):
    return [one for one in packs.waiting(hall.store) if one.handed.until <= hall.now]


def is_told_as_it_is(hall, lottery):
    """By plain looking: what every order that went was told, and what became of those that it names."""
    fates, told = hall.fates(), {one.order_no: one for one in hall.told if one.parcels == 1}
    assert len({(one.order_no, one.parcel) for one in hall.told}) == len(hall.told), "each is handed over once"
    together = 0
    for name, one in told.items():
        group = {name, *(other.order_no for other in one.pack_with)}
        for other in group - {name}:
            together += 1
            if fates[other] == "done":
                assert name in {it.order_no for it in told[other].pack_with}
            else:
                assert fates[other] == "person", "it was missed, and somebody is to look"
        assert len(group) == 1 or not {lottery.bought[other][1] for other in group} & {"SEALED", "RISKY", "PARTS"}
    return together


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_batches_and_whoever_is_cut_short_all_go_as_they_say(order, tmp_path, seed):
    ends = []
    for limit in (1, 3, 100):
        with a_hub(tmp_path / str(limit)) as context:
            hall = Hall(context, order, RECEIVER + SEALED + HELD + PARTS, limit=limit)
            lottery = Lottery(hall, random.Random(seed))
            for number in range(120):
                lottery.step(number)
            for _ in range(6):
                hall.later(2)
                lottery.look()
                hall.sent()
            assert overdue(hall) == [], "nobody waits longer than it may"
            assert is_told_as_it_is(hall, lottery) > 4
            ends.append(rows(context, "SELECT key, state, payload, o.note FROM outbox o ORDER BY key"))
            assert [str(one) for one in findings(Home(tmp_path / str(limit))) if one.part == "packs"] == []
            found = reproduce(hall.context, *EVER)
            assert (found.differences, found.same) == ([], found.orders)
    assert ends[0] == ends[1] == ends[2]


def test_whom_it_packs_together_is_whom_a_plain_look_at_each_two_would(context, order):
    """Of people that share all or nothing, with different goods, at one moment."""
    dice = random.Random(7)
    hall = Hall(context, order, RECEIVER + SEALED)
    bought = {}
    for number in range(40):
        name = f"A{number}"
        bought[name] = (dice.randrange(2), dice.choice([f"SKU-{number}"] * 3 + ["SEALED"]))
        hall.buy(name, PEOPLE[bought[name][0]], shop=dice.choice(["shop-1", "shop-2"]), sku=bought[name][1])
    parted = {frozenset(dice.sample(sorted(bought), 2)) for _ in range(10)}
    for one, other in map(sorted, parted):
        hall.merging.say(Pairing("", one, "", other, "apart", "they asked", "ann"))
    hall.look(595)
    told = {name: {one.order_no for one in asked.pack_with} for name, asked in (
        (one.handed.asked.order_no, one.handed.asked) for one in packs.waiting(hall.store))}  # fmt: skip
    for name, (person, sku) in bought.items():
        may = {
            other for other, (theirs, goods) in bought.items()
            if other != name and theirs == person and "SEALED" not in (sku, goods)
            and frozenset((name, other)) not in parted
        }  # fmt: skip
        assert told.get(name, set()) <= may
        assert all(told[other] | {other} == told[name] | {name} for other in told.get(name, ()))
        for other in may - told.get(name, set()):
            assert told[other] - may or told[name] - {
                one for one in bought if bought[one][0] == person and frozenset((one, other)) not in parted
            }, "whoever is left out does not go with somebody of the group"


def test_who_is_let_go_while_others_wait_goes_with_them(context, order):
    hall = Hall(context, order, RECEIVER + HELD)
    hall.buy("A1")
    hall.buy("B1", sku="RISKY")
    assert hall.fates()["B1"] == "person"
    hall.later(100)
    hall._said([ops.release(Release(SHOP, "B1", "looked at", "ann"), hall.now)])
    assert hall.sent() == {}
    hall.look(495)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}


def release(hall, name, shop=SHOP):
    hall._said([ops.release(Release(shop, name, "looked at", "ann"), hall.now)])


def test_who_is_let_go_after_its_time_goes_with_whoever_is_let_go_with_it(context, order):
    hall = Hall(context, order, RECEIVER + merge("hold risk", name="care"))
    for name, person in (("A1", ZHANG), ("B1", ZHANG), ("C1", LI)):
        hall.buy(name, person)
    hall.later(3_600)
    for name in ("A1", "B1", "C1"):
        assert (hall.look(1), hall.sent()) == ((0, 0, 0, 0), {}), "the next may still be let go"
        release(hall, name)
    assert hall.look(19)[:2] == (1, 2)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}
    hall.later(15)
    assert hall.sent() == {"C1": []}, "who is alone is kept no longer than that"


@pytest.mark.parametrize("held_for", ["", "rule r-care holds it: risk"])
def test_whoever_lets_them_go_they_are_grouped_again(context, order, held_for):
    hall = Hall(context, order, RECEIVER + merge("hold risk", name="care"))
    names = [(f"A{number}", f"B{number}") for number in range(12)]
    for number, name in ((number, name) for number, two in enumerate(names) for name in two):
        hall.buy(name, Person(f"王{number}", f"139{number:08}", f"文三路 {number} 号"))
    hall.later(3_600)
    free = [
        Release(SHOP, name, "looked at", "ann", held_for=held_for) for two in zip(*names, strict=True) for name in two
    ]
    hall._said([ops.release(one, hall.now) for one in free])
    assert hall.sent() == {}
    hall.look(20)
    assert hall.sent() == {one: [other] for two in names for one, other in (two, two[::-1])}


def test_who_is_let_go_waits_neither_past_its_promise_nor_where_nobody_may_wait(context, order):
    hall = Hall(context, order, RECEIVER + merge("hold risk", name="care"), wait=5 * SECOND)
    hall.buy("A1", promised_at=NOW + 3_602 * SECOND)
    hall.buy("A2", promised_at=NOW + 3_590 * SECOND)
    hall.buy("A3", LI)
    hall.later(3_600)
    for name in ("A1", "A2", "A3"):
        release(hall, name)
    assert hall.sent() == {"A2": []}, "it is late already"
    hall.later(2)
    assert hall.sent() == {"A1": []}
    hall.later(3)
    assert hall.sent() == {"A3": []}, "nobody waits longer than the settings allow"
    hall.context = hall.context._replace(merge_wait_us=0)
    hall.buy("A4", LI)
    release(hall, "A4")
    assert hall.sent() == {"A4": []}


def test_who_was_told_with_whom_it_goes_and_is_let_go_once_more_waits_for_nobody(context, order):
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1")
    hall.look(595)
    for name in ("A1", "B1"):
        hall.state(name, E.PARTLY_REFUNDED)
    for name in ("A1", "B1"):
        release(hall, name)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}


def judged(hall, monkeypatch):
    """Of how many orders a look looks at the evidence: a list that grows."""
    seen, combine = [], combining.combine

    def counting(orders, words):
        seen.append(orders.height)
        return combine(orders, words)

    monkeypatch.setattr(combining, "combine", counting)
    return seen


def test_a_group_that_goes_nowhere_is_judged_again_only_when_something_is_heard_of_it(context, order, monkeypatch):
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1"), hall.buy("C1", LI), hall.buy("D1", LI)
    assert hall.look(595)[:2] == (2, 4)
    hall.look(2)
    seen = judged(hall, monkeypatch)
    for _ in range(5):
        assert hall.look(2) == (0, 0, 0, 0)
    assert seen == [], "nobody has gone, and nothing is new"
    hall.buy("B1", PEOPLE[3], events=())
    assert hall.look(2).mended == 2
    assert seen == [2]
    hall.merging.say(Pairing("", "C1", "", "D1", "apart", "they asked", "ann"))
    assert hall.look(2).mended == 2
    assert seen == [2, 2]
    assert hall.sent() == {"A1": [], "B1": [], "C1": [], "D1": []}


def test_whoever_is_held_by_its_dispatcher_is_missed_though_nothing_is_heard_of_its_order(context, order):
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1")
    hall.look(595)
    (leased,) = hall.store.lease(now=hall.now, until=hall.now + SECOND, owner="me", limit=1)
    assert hall.look(2) == (0, 0, 0, 0), "it may be about to go"
    untried = leased._replace(attempts=0)
    hall.store.finish([Finished(untried, "person", hall.now, "nobody there", tried=False)], owner="me", now=hall.now)
    assert hall.look(2).mended == 1
    assert [*hall.sent().values()] == [[]]


def test_a_look_judges_those_whose_time_is_over_and_whom_they_may_go_with(context, order, monkeypatch):
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1")
    hall.later(60)
    for number in range(20):
        hall.buy(f"C{number}", Person(f"王{number}", f"138{number:08}", f"延安路 {number} 号"))
    seen = judged(hall, monkeypatch)
    assert hall.look(530)[:2] == (1, 2)
    assert seen == [2]


def test_who_stands_behind_much_that_waits_is_told_that_much_earlier(context, order):
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1")
    hall.later(560)
    hall._receive([hall.message("C1", LI, 1)])
    assert hall.look(10) == (0, 0, 0, 0)
    assert hall.look(6)[:2] == (1, 2), "24 s before its time, and 16 s behind"


@pytest.mark.parametrize("event", [E.CANCELLED, E.COLLECTED])
def test_who_leaves_while_another_is_about_to_be_handed_over_with_it_is_missed_by_nobody(
    context, order, home, monkeypatch, event
):
    """Between what takes it back and the commit of that a dispatcher comes by."""
    hall = Hall(context, order)
    hall.buy("A1"), hall.buy("B1")
    hall.look(595)
    write, meanwhile = copying.write, []

    def and_a_dispatcher_comes(cursor, batches, staging):
        batches = list(batches)
        write(cursor, batches, staging)
        if any(batch.sql in (statements.WITHDRAW, statements.FORESTALL) for batch, _ in batches):
            meanwhile.append(hall.sent())

    monkeypatch.setattr(copying, "write", and_a_dispatcher_comes)
    hall.state("B1", event)
    monkeypatch.setattr(copying, "write", write)
    assert meanwhile in ([], [{}]), "nobody goes as it leaves; where all is one file nobody else comes by"
    assert hall.fates() == {"A1": "waiting", "B1": "withdrawn"}
    assert hall.look(2).mended == 1
    assert hall.sent() == {"A1": []}
    assert [one for one in findings(home) if one.part == "packs"] == []


def test_several_workers_at_once_tell_nobody_of_one_that_does_not_go(context, order, home):
    """Each takes messages in, looks who waits and hands over, all the time; some orders are cancelled meanwhile."""
    hall = Hall(context, order, wait=SECOND)
    told, lock, stop = [], threading.Lock(), threading.Event()
    names = [f"A{number}" for number in range(90)]

    def work(number):
        store = homes.open_store(home)
        context = hall.context._replace(store=store)

        def said(messages):
            store.accept(messages, wall_clock())
            drain(context, 20, patience=2_000)

        def push(effect, key):
            with lock:
                told.append(effect)

        targets = Targets(
            Settings(), lambda name: None, lambda said: None, beside=lambda keys: packs.hand_overs(store, keys),
        )  # fmt: skip
        targets.warehouse = lambda name: SimpleNamespace(push=push, holds=lambda effect: True)
        targets._check_open = lambda name: None
        merging = Merging(store, wall_clock, said, lambda: context.pseudonyms)
        dice = random.Random(number)
        try:
            while not stop.is_set():
                for one in (
                    lambda: drain(context, 20, patience=2_000), merging.step,
                    lambda: dispatch(store, targets.perform, gates=Gates({}, lambda: 0.0), clock=wall_clock,
                                     leases=wall_clock,
                                     owner=f"w{number}", dice=dice, limit=7, attempts=8),
                ):  # fmt: skip
                    with contextlib.suppress(Busy, Overtaken):
                        one()
        finally:
            store.close()

    with ThreadPoolExecutor(3) as workers:
        at_work = [workers.submit(work, number) for number in range(3)]
        dice = random.Random(5)
        try:
            for number, name in enumerate(names):
                hall.now = wall_clock()
                hall._receive([hall.message(name, PEOPLE[number // 3 % 2 * 2], number)])
                if number % 5 == 0 and number:
                    time.sleep(0.02)
                    gone = dice.choice(names[max(0, number - 9) : number])
                    hall._receive([hall.message(gone, None, 100 + number)])
            until = time.monotonic() + 60
            while time.monotonic() < until and not hall.is_quiet(len(names)):
                time.sleep(0.1)
        finally:
            stop.set()
        for one in at_work:
            one.result()
    assert hall.is_quiet(len(names))
    fates, once = hall.fates(), {one.order_no: one for one in told}
    assert sum(1 for one in once.values() if one.pack_with) > 10
    for name, one in once.items():
        for other in one.pack_with:
            if fates[other.order_no] == "done":
                assert name in {it.order_no for it in once[other.order_no].pack_with}
            else:
                assert fates[other.order_no] == "person", "somebody is to look"
    verdict = context.store.verify_log()
    assert verdict.broken_seq is None
