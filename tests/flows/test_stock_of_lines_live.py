"""What is left of whatever SKU a line has: measured by the hub itself for the rules that ask for it, and the same live,
decided once more, in the lab and from files."""

from __future__ import annotations

import random
from itertools import count
from types import SimpleNamespace

import msgspec
import polars as pl
import pytest
from measured_shop import EVER, MINUTE, Shop
from reading import rows
from small_shop import SHOP
from versions import text

from orderhub_core.flows import measuring, reporting
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.ground import Ground
from orderhub_core.flows.lab import ALWAYS, Lab
from orderhub_core.flows.reporting import OURSELVES
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.stocking import COUNTED
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.rules import bits, exports, needs, rulebook
from orderhub_core.rules.explain import explain
from orderhub_core.rules.lab.board import NOTHING
from orderhub_core.rules.lab.wants import Want
from orderhub_core.store import expiry, signals
from orderhub_core.store.known import KnownFrames

CARE = """[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "short"
when = "sku_stock < 5"
then = "tag short"
[[groups.rules]]
name = "none"
when = "有一行 (商品库存 < 1 且 数量 > 1)"
then = "标记 none"
[[groups.rules]]
name = "ample"
when = "no line (sku_stock < 5)"
then = "tag ample"
[[groups.rules]]
name = "silent"
when = "sku_stock is missing"
then = "tag silent"
"""
NAMED = """[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "short"
when = "stock(SKU-1) < 5"
then = "tag short"
"""
BOOK = text("v1", "hangzhou", CARE)
SKUS = ("SKU-1", "SKU-2", "衬衫 A/1", "never-told")


class Boutique(Shop):
    def __init__(self, context, order):
        super().__init__(context, order)
        self.versions = count(2)

    def counted(self, **pieces):
        """Of the SKUs by their place in SKUS: one=9."""
        told = [("hangzhou", SKUS[("one", "two", "three").index(name)], some, 0) for name, some in pieces.items()]
        self.stock.report(pl.DataFrame(told, schema=COUNTED, orient="row"), by="ann")

    def looked(self):
        self.later()
        return dict(row for one in self.measures.measure() for row in one.rows)

    def message(self, name, bought, at):
        lines = tuple(Line(n, sku, "name", "卫衣", quantity, 100) for n, (sku, quantity) in enumerate(bought, 1))
        content = Content(total_minor=100, paid_minor=100, buyer_ref="buyer", lines=lines)
        seen = Observation(name, {E.PLACED.value: at, E.PAID.value: at}, at, content)
        return RawMessage(SHOP, name, "order", msgspec.json.encode(seen))

    def buys(self, *bought, at=None):
        """(SKU, pieces) of each line; the order's tags."""
        name = f"A{next(self._numbers)}"
        self._receive([self.message(name, bought, self.now if at is None else at)])
        drain(self.context, 100)
        return self.tags(name)

    def publishes(self, more):
        version = f"v{next(self.versions)}"
        self.editions.save(text(version, "hangzhou", more), by="ann")
        self.published(version)


@pytest.fixture
def shop(context, order):
    made = Boutique(context, order)
    made.editions.save(BOOK, by="ann")
    made.published("v1")
    return made


def test_a_rule_asks_for_the_stock_of_whatever_sku_a_line_has(shop):
    shop.counted(one=3, two=40)
    assert shop.looked() == {"SKU-1": 3, "SKU-2": 40}
    assert shop.buys(("SKU-2", 1)) == {"ample"}
    assert shop.buys(("SKU-2", 1), ("SKU-1", 3)) == {"short"}
    assert shop.looked() == {"SKU-1": 0, "SKU-2": 38}
    assert shop.buys(("SKU-1", 1)) == {"short"}
    assert shop.buys(("SKU-1", 2)) == {"short", "none"}
    assert reproduce(shop.context, *EVER).differences == []


def test_what_was_never_reported_is_missing_and_the_why_says_so(shop):
    assert shop.looked() == {}, "no warehouse reports its stock"
    assert shop.buys(("SKU-2", 9)) == {"silent"}
    shop.counted(one=3)
    assert shop.looked() == {"SKU-1": 3}
    assert shop.buys(("never-told", 9)) == {"silent"}
    assert shop.buys(("SKU-1", 1), ("never-told", 9)) == {"short", "silent"}
    why = rows(shop.context, "SELECT reason FROM decisions WHERE rule IN ('short', 'silent') ORDER BY order_id, rule")
    assert why == [
        ("some line: sku_stock is missing (sku_stock: SKU-2 none)",),
        ("some line: sku_stock is missing (sku_stock: never-told none)",),
        ("some line: sku_stock < 5 (sku_stock: SKU-1 3, never-told none)",),
        ("some line: sku_stock is missing (sku_stock: SKU-1 3, never-told none)",),
    ]


def test_an_order_is_told_what_held_when_it_was_paid_however_late_it_comes(shop):
    shop.counted(one=9)
    shop.looked()
    ample = shop.now
    shop.counted(one=2)
    shop.looked()
    assert shop.buys(("SKU-1", 1)) == {"short"}
    assert shop.buys(("SKU-1", 1), at=ample) == {"ample"}
    assert shop.buys(("SKU-1", 1), at=ample - 1) == {"silent"}
    shop.later(11)
    assert shop.buys(("SKU-1", 1)) == {"silent"}, "nobody has measured it for ten minutes"
    assert reproduce(shop.context, *EVER).differences == []


def test_a_figure_that_stays_is_kept_once_however_long_it_holds(shop):
    shop.counted(one=2, two=7)
    for _ in range(60):
        shop.looked()
    assert shop.buys(("SKU-1", 1)) == {"short"}
    kept = rows(shop.context, "SELECT subject, amount FROM signals ORDER BY subject")
    assert kept == [("SKU-1", 2), ("SKU-2", 7)]
    assert len(rows(shop.context, "SELECT 1 FROM log WHERE event = 'signal.measured'")) <= 9
    assert reproduce(shop.context, *EVER).differences == []


def test_it_is_measured_while_a_book_asks_and_a_name_does_not_stand_in_for_all(shop):
    shop.counted(one=2, two=7)
    assert shop.looked() == {"SKU-1": 2, "SKU-2": 7}
    shop.publishes(NAMED)
    shop.counted(one=1, two=6)
    assert shop.looked() == {"SKU-1": 1}
    holding = signals.holding(shop.store, shop.now, ["stock"])
    assert [(one.subject, one.number) for one in holding] == [("SKU-1", 1)]
    shop.publishes(CARE)
    assert shop.looked() == {"SKU-2": 6}
    assert shop.buys(("SKU-2", 1)) == {"ample"}
    shop.publishes("")
    shop.counted(one=0)
    assert shop.looked() == {}


def test_a_sku_that_a_rule_names_is_told_of_lines_too_and_both_say_the_same(shop):
    shop.publishes(CARE.replace("sku_stock is missing", "stock(never-told) = 0"))
    shop.counted(one=2)
    assert shop.looked() == {"SKU-1": 2, "never-told": 0}
    assert shop.buys(("never-told", 1)) == {"short", "silent"}


def test_what_somebody_else_reports_of_a_sku_is_left_to_them(shop):
    shop.counted(one=9, two=9)
    shop.looked()
    shop.signals.report("库存", "3", by="wms", about="sku=SKU-1", since=shop.now + 1)
    shop.counted(one=8, two=8)
    assert shop.looked() == {"SKU-2": 8}
    assert shop.buys(("SKU-1", 1)) == {"short"}
    (theirs,) = shop.signals.kept(but=OURSELVES)
    shop.signals.end(theirs.name, by="wms")
    assert shop.looked()["SKU-1"] > 3
    assert shop.buys(("SKU-1", 1)) == {"ample"}
    assert reproduce(shop.context, *EVER).differences == []


def test_figures_that_one_message_or_statement_does_not_hold_go_in_several(shop, monkeypatch):
    monkeypatch.setattr(measuring, "MOST_FIGURES", 3)
    monkeypatch.setattr(signals, "AT_A_TIME", 2)
    many = {f"M{n}": n for n in range(8)}
    told = [("hangzhou", sku, pieces, 0) for sku, pieces in many.items()]
    shop.stock.report(pl.DataFrame(told, schema=COUNTED, orient="row"), by="ann")
    shop.later()
    said = shop.measures.measure()
    assert [len(one.rows) for one in said] == [3, 3, 2]
    assert {tag for sku in ("M0", "M4") for tag in shop.buys((sku, 1))} == {"short"}
    assert shop.buys(("M7", 1), ("M5", 1)) == {"ample"}
    assert set(rows(shop.context, "SELECT subject, amount FROM signals")) == set(many.items())


def oracle(looks, bought, at):
    """Tags by hand. `looks`: of each look its instant and what was left by then."""
    heard = [figures for since, figures in looks if since <= at]
    own = [(heard[-1].get(sku) if heard else None, quantity) for sku, quantity in bought]
    tags = set()
    if any(left is not None and left < 5 for left, _ in own):
        tags.add("short")
    if any(left is not None and left < 1 and quantity > 1 for left, quantity in own):
        tags.add("none")
    if all(left is not None and left >= 5 for left, _ in own):
        tags.add("ample")
    if any(left is None for left, _ in own):
        tags.add("silent")
    return tags


@pytest.mark.parametrize("seed", range(6))
def test_live_once_more_in_the_lab_and_from_files_the_same_is_decided(shop, tmp_path, seed):
    """Orders come in batches of any size, late or in time; an order of two lines of one SKU, too."""
    dice, looks, wanted = random.Random(seed), [], {}
    waiting = []
    for number in range(60):
        match dice.randrange(5):
            case 0:
                named = dice.sample(["one", "two", "three"], dice.randrange(1, 4))
                drain(shop.context, 100)
                shop.counted(**{name: dice.choice([0, 8, 40, 80]) for name in named})
            case 1:
                drain(shop.context, 100)
                shop.looked()
                left = {}
                for one in shop.stock.left():
                    left[one.subject] = left.get(one.subject, 0) + max(0, one.balance - one.safety)
                looks.append((shop.now, left))
            case _:
                bought = [(dice.choice(SKUS), dice.choice([1, 2])) for _ in range(dice.randrange(1, 3))]
                at = dice.choice([shop.now, shop.now - dice.randrange(4 * MINUTE)])
                waiting.append((f"B{number}", bought, at))
                shop._receive([shop.message(*waiting[-1])])
                wanted[f"B{number}"] = oracle(looks, bought, at)
    drain(shop.context, 7)
    assert {tag for tags in wanted.values() for tag in tags} == {"short", "none", "ample", "silent"}
    assert {name: shop.tags(name) for name in wanted} == wanted
    assert reproduce(shop.context, *EVER).differences == []

    book, known = rulebook.read(BOOK).book, KnownFrames(shop.store, tmp_path)
    orders, lines = known.frame("orders"), known.frame("lines")
    reports = reporting.reports(shop.store, 0, needs.signals(book), lines["sku"].to_list())
    ground = Ground(orders, lines, reporting.reader(shop.store, 0))
    lab, names = ground.wanted(book), orders["order_no"].to_list()
    for tag in ("short", "none", "ample", "silent"):
        where = bits.unpack(lab.somehow(Want("tag", tag)), orders.height)
        assert {name for name, is_so in zip(names, where, strict=True) if is_so} == {
            name for name, tags in wanted.items() if tag in tags
        }
    for name, frame in {"orders": orders, "lines": lines, "signals": reports}.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    paths = [tmp_path / f"{name}.parquet" for name in ("orders", "lines", "signals")]
    files = exports.evaluate(exports.read(book, *paths), book)
    tags = files.decisions.filter(action="tag").group_by("order_no").agg("argument")
    assert {name: set(some) for name, some in tags.iter_rows()} == wanted
    for name, tags in list(wanted.items())[:9]:
        (number,) = orders.filter(order_no=name)["order_id"]
        own = [frame.filter(order_id=number) for frame in (orders, lines)]
        told = explain(*own, book, reports=reports)
        assert {one.rule for one in told.answers if one.outcome == "acts" and one.group == "care"} == tags


def test_the_lab_reads_what_held_when_its_orders_were_paid_and_only_for_who_asks(shop, tmp_path, monkeypatch):
    for left in (9, 8, 2):
        shop.counted(one=left)
        shop.looked()
    assert shop.buys(("SKU-1", 1)) == {"short"}
    known = KnownFrames(shop.store, tmp_path)
    hub = SimpleNamespace(
        store=shop.store, editions=shop.editions, frame=known.frame, remembered=lambda key, make: make(),
        home=SimpleNamespace(data=tmp_path),
    )  # fmt: skip
    read = []
    holding = signals.holding
    monkeypatch.setattr(signals, "holding", lambda *asked: read.append(found := holding(*asked)) or found)
    tried = Lab(hub).tried(text("v0", "hangzou"), NOTHING, ALWAYS, str)
    assert tried.notes[0].endswith("names the warehouse 'hangzou', which the settings do not have; 'hangzhou'?")
    ground = Lab(hub).ground()
    ground.wanted(rulebook.read(text("v0", "hangzhou")).book)
    assert read == []
    lab = ground.wanted(rulebook.read(BOOK).book)
    assert bits.unpack(lab.somehow(Want("tag", "short")), 1).tolist() == [True]
    assert [[one.number for one in some] for some in read] == [[2]]


def test_what_stock_was_said_to_be_is_known_for_ever_and_decisions_that_asked_it_are_reproduced(shop):
    shop.counted(one=3)
    shop.looked()
    shop.buys(("SKU-1", 1))
    shop.later(minutes=45 * 24 * 60)
    shop.looked()
    assert shop.buys(("SKU-1", 1)) == {"short"}
    shop.store.set_cursor(expiry.SEEN, shop.now)
    expiry.expire(shop.store, shop.now, 30)
    old = "SELECT kind, body IS NOT NULL FROM inbox WHERE received_at < ?"
    assert set(shop.store.query("inbox", old, (shop.now - 30 * expiry.DAY_US,))) == {
        ("rulebook", False), ("order", False), ("stock", False), ("measurement", True),
    }  # fmt: skip
    found = reproduce(shop.context, *EVER)
    assert (found.orders, found.same, found.expired, found.differences) == (2, 1, 1, [])


def test_what_was_over_when_orders_were_paid_is_not_asked_for_to_reproduce_them(shop):
    """As in a hub of which older versions have dropped it."""
    about = {"by": "ann", "about": "province=浙江省"}
    shop.signals.report("storm", "yes", since=shop.now - MINUTE, until=shop.now + 9, **about)

    def a_day(left):
        shop.later(minutes=24 * 60)
        shop.counted(one=left)
        shop.looked()
        shop.buys(("SKU-1", 1))

    a_day(3)
    a_day(8)
    shop.later()
    lasting = shop.signals.report("storm", "yes", **about)
    a_day(2)
    *_, last = (at for (at,) in rows(shop.context, "SELECT paid_at FROM orders ORDER BY paid_at"))
    drop = "UPDATE inbox SET body = NULL WHERE kind IN ('signal', 'measurement') AND"
    with shop.store.transaction("inbox") as cursor:
        cursor.execute(f"{drop} received_at < {lasting.since}")
    found = reproduce(shop.context, last - MINUTE, last + MINUTE)
    assert (found.orders, found.same, found.expired) == (1, 1, 0)
    with shop.store.transaction("inbox") as cursor:
        cursor.execute(f"{drop} message_id = '{lasting.name}'")
    found = reproduce(shop.context, last - MINUTE, last + MINUTE)
    assert (found.orders, found.same, found.expired) == (1, 0, 1), "it holds still"


def test_who_asks_for_stock_is_told_that_nobody_reports_any_until_somebody_does(shop):
    book, *_ = rulebook.read(BOOK)
    (note,) = shop.editions.notes(book)
    assert note.startswith("rules ask for stock (short, none, ample, silent), and no warehouse has reported any")
    assert shop.editions.notes(rulebook.read(text("v0", "hangzhou")).book) == []
    shop.counted(one=3)
    assert shop.editions.notes(book) == []


MISSPELT = """[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "welcome"
when = "any line (sku = SKU-1 or sku = SKU-l)"
then = "gift FREE-O1"
"""


def test_an_sku_that_nobody_has_heard_of_is_told_with_the_one_that_may_be_meant(shop):
    meant = rulebook.read(text("v8", "hangzhou", MISSPELT.replace("SKU-l", "SKU-2").replace("FREE-O1", "FREE-01"))).book
    slips = rulebook.read(text("v9", "hangzhou", MISSPELT)).book
    assert shop.editions.notes(slips) == [], "of a hub that has heard of no SKU, none can be told"
    shop.publishes(MISSPELT.replace("FREE-O1", "FREE-01"))
    shop.buys(("SKU-1", 1))
    shop.counted(two=3)
    given, asked = shop.editions.notes(slips)
    assert given.startswith("group 'gifts' gives 'FREE-O1', which stands in none") and given.endswith("; 'FREE-01'?")
    assert asked.startswith("rule 'welcome' asks for 'SKU-l', which stands in none") and asked.endswith("-2'?")
    assert shop.editions.notes(meant) == [], "a gift that was given, a SKU that was bought, one that was reported"
