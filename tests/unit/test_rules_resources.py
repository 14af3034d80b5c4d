"""Orders contend for stock and room: checked against an oracle that thinks in dictionaries and combinations."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core import i18n
from orderhub_core.rules import speeds, splitting
from orderhub_core.rules.claims import (
    ASKING,
    BOOKED,
    CANDIDATES,
    LIMITS,
    STOCK,
    SUPPLIES,
    WANTED,
    Outcome,
    Question,
    Resources,
)  # fmt: skip
from orderhub_core.rules.ledger import after, breaks, compensations
from orderhub_core.rules.resources import allocate
from orderhub_core.rules.shortages import findings, shortages

ZONE = "Asia/Shanghai"
START = datetime(2026, 3, 1, 15, 50, tzinfo=UTC)
"""Ten minutes to midnight in Shanghai."""
PLACES, SKUS = ("chengdu", "guangzhou", "hangzhou", "spare"), ("BIB", "HOODIE-M", "ROMPER")


@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int = 1
    together: int | None = None
    stocked: bool = True


@dataclass(frozen=True)
class Order:
    id: int
    at: datetime
    lines: Sequence[Line]
    candidates: Sequence[tuple[str, str | None]]
    """Warehouse, and why it is closed."""
    parcels: int = 1
    partly: bool = False
    turn: int = 0

    @property
    def day(self) -> date:
        return self.at.astimezone(ZoneInfo(ZONE)).date()


@dataclass
class World:
    orders: list[Order]
    on_hand: dict[tuple[str, str], tuple[int, int]]
    """Pieces and safety stock, by warehouse and SKU."""
    limits: dict[str, int | None] = field(default_factory=dict)
    supplies: list[tuple[datetime, str, str, int]] = field(default_factory=list)

    def question(self, orders: Iterable[Order] | None = None, supplies: list[object] | None = None) -> Question:
        some = self.orders if orders is None else list(orders)
        return Question(
            pl.DataFrame([(o.id, o.turn, o.at, o.parcels, o.partly) for o in some], schema=ASKING, orient="row"),
            pl.DataFrame(
                [
                    (o.id, number, line.sku, line.quantity, line.together, line.stocked)
                    for o in some
                    for number, line in enumerate(o.lines, 1)
                ],
                schema=WANTED,
                orient="row",
            ),
            pl.DataFrame(
                [(o.id, rank, *candidate) for o in some for rank, candidate in enumerate(o.candidates, 1)],
                schema=CANDIDATES,
                orient="row",
            ),
            pl.DataFrame(self.supplies if supplies is None else supplies, schema=SUPPLIES, orient="row"),
        )

    def resources(self) -> Resources:
        return Resources(
            pl.DataFrame([(*key, *value) for key, value in self.on_hand.items()], schema=STOCK, orient="row"),
            pl.DataFrame(list(self.limits.items()), schema=LIMITS, orient="row"),
            pl.DataFrame(schema=BOOKED),
        )

    def decide(self, run: speeds.Run = speeds.plain) -> Outcome:
        return allocate(self.question(), self.resources(), zone=ZONE, run=run)


Numbered = list[tuple[int, Line]]
Lack = tuple[int, str, str, int | None, int, int]


class Oracle:
    """One order at a time, from counts that it copies whenever it tries something."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hand = Counter({key: max(0, pieces) for key, (pieces, _) in world.on_hand.items()})
        self.safety = {key: safety for key, (_, safety) in world.on_hand.items()}
        self.booked: Counter[tuple[str, date]] = Counter()
        self.assigned: dict[tuple[int, int], tuple[str | None, int | None]] = {}
        self.outcomes: list[tuple[int, str, int]] = []
        self.lacks: list[Lack] = []
        pending, now = sorted(world.supplies, key=lambda row: row[0]), datetime.min.replace(tzinfo=UTC)
        for order in sorted(world.orders, key=lambda o: (o.turn, o.at, o.id)):
            now = max(now, order.at)
            while pending and pending[0][0] <= now:
                self.come(pending.pop(0))
            self.outcomes.append(self.serve(order))
        for row in pending:
            self.come(row)

    def come(self, row: tuple[datetime, str, str, int]) -> None:
        _, place, sku, quantity = row
        self.hand[place, sku] = max(0, self.hand[place, sku] + quantity)

    def free(self, hand: Counter[tuple[str, str]], place: str, sku: str) -> int:
        return hand[place, sku] - self.safety.get((place, sku), 0)

    def without(self, hand: Counter[tuple[str, str]], place: str, lines: Numbered) -> Counter[tuple[str, str]] | None:
        """What is on hand once these lines have gone from a place; None where they cannot."""
        wanted = Counter()
        for _, line in lines:
            wanted[line.sku] += line.quantity * line.stocked
        if any(pieces > 0 and pieces > self.free(hand, place, sku) for sku, pieces in wanted.items()):
            return None
        return hand - Counter({(place, sku): pieces for sku, pieces in wanted.items()})

    def fit(self, groups: list[Numbered], places: Sequence[str]) -> list[str] | None:
        """The place of each group: dealt in the order of the lines, else those of the most pieces first."""
        pieces = [sum(line.quantity * line.stocked for _, line in group) for group in groups]
        by_need = sorted(range(len(groups)), key=lambda number: -pieces[number])
        return self.deal(groups, places, range(len(groups))) or self.deal(groups, places, by_need)

    def deal(self, groups: list[Numbered], places: Sequence[str], turns: Iterable[int]) -> list[str] | None:
        hand, chosen = self.hand, [""] * len(groups)
        for number in turns:
            rests = ((place, self.without(hand, place, groups[number])) for place in places)
            found = next(((place, rest) for place, rest in rests if rest is not None), None)
            if found is None:
                return None
            chosen[number], hand = found
        return chosen

    def room(self, order: Order, place: str) -> bool:
        limit = self.world.limits.get(place)
        return limit is None or self.booked[place, order.day] < limit

    def plan(self, order: Order, groups: list[Numbered]) -> list[str | None]:
        """The place of each group."""
        every = [pair for group in groups for pair in group]
        for place, closed in order.candidates:
            if closed:
                self.lacks.append((order.id, place, "closed", None, 0, 0))
            elif not self.room(order, place):
                self.lacks.append((order.id, place, "full", None, 0, self.world.limits[place] or 0))
            elif self.without(self.hand, place, every) is None:
                self.lacks += self.missing(order, place, every)
            else:
                self.book(order, place)
                return [place] * len(groups)
        open_ones = [place for place, closed in order.candidates if not closed and self.room(order, place)]
        for size in range(2, order.parcels + 1):
            for places in combinations(open_ones, size):
                chosen = self.fit(groups, places)
                if chosen is not None:
                    for place in set(chosen):
                        self.book(order, place)
                    return list(chosen)
        return self.part(order, groups, open_ones) if order.partly else [None] * len(groups)

    def part(self, order: Order, groups: list[Numbered], open_ones: list[str]) -> list[str | None]:
        """From each place in turn; where more are open than may be used, from that with the most of what is left."""
        chosen: list[str | None] = [None] * len(groups)
        hand, rest, may = self.hand, list(open_ones), order.parcels - 1
        while rest and may > 0:
            offers = [self.offer(hand, place, groups, chosen) for place in rest]
            best = max(range(len(rest)), key=lambda number: offers[number][0]) if len(rest) > may else 0
            (pieces, after, numbers), here = offers[best], rest.pop(best)
            if not pieces:  # what lies in no stock goes with something that does
                continue
            may, hand = may - 1, after
            for number in numbers:
                chosen[number] = here
        for place in set(chosen) - {None}:
            self.book(order, place)
        return chosen

    def offer(
        self, hand: Counter[tuple[str, str]], place: str, groups: list[Numbered], chosen: list[str | None]
    ) -> tuple[int, Counter[tuple[str, str]], list[int]]:
        """Pieces of what has no place yet that a place has, what is left after them, and which groups they are."""
        numbers = []
        for number, group in enumerate(groups):
            if chosen[number] is None and (after := self.without(hand, place, group)) is not None:
                hand = after
                numbers.append(number)
        return sum(line.quantity * line.stocked for number in numbers for _, line in groups[number]), hand, numbers

    def missing(self, order: Order, place: str, lines: Numbered) -> Iterable[Lack]:
        for at, (number, line) in enumerate(lines):
            before = sum(other.quantity for _, other in lines[:at] if other.stocked and other.sku == line.sku)
            left = self.free(self.hand, place, line.sku) - before
            if line.stocked and line.quantity > left:
                yield order.id, place, "stock", number, max(0, left), line.quantity

    def book(self, order: Order, place: str) -> None:
        self.booked[place, order.day] += 1

    def serve(self, order: Order) -> tuple[int, str, int]:
        by_key: dict[int, Numbered] = {}
        for number, line in enumerate(order.lines, 1):
            by_key.setdefault(number if line.together is None else line.together, []).append((number, line))
        groups = [by_key[key] for key in sorted(by_key)]
        chosen = self.plan(order, groups)
        used = [place for place, _ in order.candidates if place in chosen]
        for group, place in zip(groups, chosen, strict=True):
            for number, line in group:
                self.assigned[order.id, number] = (place, used.index(place) + 1) if place else (None, None)
                if place:
                    self.hand[place, line.sku] -= line.quantity * line.stocked
        if not used:
            return order.id, "short", 0
        return order.id, "partial" if None in chosen else "split" if len(used) > 1 else "whole", len(used)


def lines() -> st.SearchStrategy[list[Line]]:
    line = st.builds(
        Line,
        sku=st.sampled_from(SKUS),
        quantity=st.integers(1, 3),
        together=st.sampled_from([None, None, 1, 2]),
        stocked=st.sampled_from([True, True, True, False]),
    )
    return st.lists(line, min_size=1, max_size=4)


def candidates() -> st.SearchStrategy[list[tuple[str, str | None]]]:
    closed = st.tuples(*(st.sampled_from([None, None, None, "outage"]) for _ in PLACES))
    order = st.permutations(PLACES).flatmap(lambda all: st.integers(0, len(all)).map(lambda count: all[:count]))
    return st.builds(lambda places, why: list(zip(places, why, strict=False)), order, closed)


MINUTES = st.integers(0, 20).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def worlds(draw: st.DrawFn, turns: int = 1) -> World:
    orders = [
        Order(
            number,
            draw(MINUTES),
            draw(lines()),
            draw(candidates()),
            draw(st.integers(1, 4)),
            draw(st.booleans()),
            draw(st.integers(0, turns - 1)),
        )
        for number in draw(st.lists(st.integers(1, 99), min_size=1, max_size=12, unique=True))
    ]
    cells = st.tuples(st.sampled_from(PLACES), st.sampled_from(SKUS))
    return World(
        orders,
        draw(st.dictionaries(cells, st.tuples(st.integers(-1, 8), st.integers(0, 2)), min_size=4, max_size=12)),
        draw(st.dictionaries(st.sampled_from(PLACES), st.none() | st.integers(0, 4))),
        draw(
            st.lists(st.tuples(MINUTES, st.sampled_from(PLACES), st.sampled_from(SKUS), st.integers(-3, 5)), max_size=4)
        )
        if turns == 1
        else [],
    )


def assert_as_the_oracle_says(world: World, outcome: Outcome) -> None:
    oracle = Oracle(world)
    assert outcome.orders.rows() == oracle.outcomes
    assert {(order, line): rest for order, line, *rest in outcome.lines.rows()} == {
        key: list(value) for key, value in oracle.assigned.items()
    }
    told = outcome.lacks.select("order_id", "warehouse", "lack", "line_no", "left", "asked").rows()
    assert told == oracle.lacks
    left = after(world.resources(), outcome.ledger)
    known = {(place, sku): pieces for place, sku, pieces, _ in left.stock.rows()}
    assert {key: pieces for key, pieces in known.items() if pieces > 0} == dict(+oracle.hand)
    assert {(place, day): count for place, day, count in left.booked.rows()} == dict(oracle.booked)
    assert breaks(outcome.ledger).is_empty()


@given(worlds() | worlds(turns=3))
@settings(deadline=None, max_examples=200)
def test_everybody_gets_what_the_oracle_says(world: World) -> None:
    assert_as_the_oracle_says(world, world.decide())


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_machine_code_decides_as_plain_python_does(world: World) -> None:
    slow, fast = world.decide(), world.decide(speeds.compiled())
    for one, other in zip(slow, fast, strict=True):
        assert one.equals(other)


@st.composite
def ruled(draw: st.DrawFn) -> tuple[World, dict[int, tuple[str, int | None]]]:
    """A world of orders of which rules say how they are split: the kind, and the parcels that there may be. Often each
    SKU lies in a place of its own, and orders want them all."""
    world, said = draw(worlds()), {}
    if draw(st.booleans()):
        world.on_hand = {(draw(st.sampled_from(PLACES)), sku): (draw(st.integers(2, 8)), 0) for sku in SKUS}
        places = [(place, None) for place in draw(st.permutations(PLACES))]
        every = [Line(sku) for sku in SKUS]
        world.orders = [replace(order, lines=every, candidates=places) for order in world.orders]
    for place, order in enumerate(world.orders):
        kind, limit = draw(st.sampled_from(["warehouse", "stock", "category"])), draw(st.none() | st.integers(2, 4))
        said[order.id] = kind, limit
        most = {"warehouse": len(PLACES), "stock": len(PLACES) + 1, "category": 1}[kind]
        world.orders[place] = replace(order, parcels=min(most, limit or most), partly=kind == "stock")
    return world, said


@given(ruled())
@settings(deadline=None, max_examples=100)
def test_no_order_goes_in_more_parcels_than_its_rule_allows(
    one: tuple[World, dict[int, tuple[str, int | None]]],
) -> None:
    world, said = one
    ways = {order: kind if limit is None else f"{kind} at most {limit}" for order, (kind, limit) in said.items()}
    way = pl.col("order_id").replace_strict(ways, return_dtype=pl.String)
    question = world.question()
    asked = question.orders.with_columns(parcels=splitting.asked(way, len(PLACES)), partly=splitting.partly(way))
    for run in (speeds.plain, speeds.compiled()):
        outcome = allocate(question._replace(orders=asked), world.resources(), zone=ZONE, run=run)
        assert_as_the_oracle_says(world, outcome)
        for order, fate, parcels in outcome.orders.iter_rows():
            _, limit = said[order]
            assert parcels + (fate == "partial") <= (limit or len(PLACES) + 1)


def joined(parts: Sequence[Outcome]) -> Outcome:
    return Outcome(*(pl.concat(frames) for frames in zip(*parts, strict=True)))


@given(worlds(), st.lists(st.integers(0, 12), max_size=4))
@settings(deadline=None, max_examples=50)
def test_a_stream_may_be_cut_into_batches_anywhere(world: World, cuts: list[int]) -> None:
    stream = sorted(world.orders, key=lambda order: (order.at, order.id))
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    resources, parts, pending = world.resources(), [], sorted(world.supplies, key=lambda row: row[0])
    for start, end in pairwise(bounds):
        batch = stream[start:end]
        come = [row for row in pending if end == len(stream) or (batch and row[0] <= batch[-1].at)]
        pending = [row for row in pending if row not in come]
        parts.append(allocate(world.question(batch, come), resources, zone=ZONE))
        resources = after(resources, parts[-1].ledger)
    whole = world.decide()
    for one, other in zip(whole[:4], joined(parts)[:4], strict=True):
        assert one.equals(other)


@given(worlds(turns=3))
@settings(deadline=None, max_examples=60)
def test_a_replay_gives_late_news_the_turn_that_it_had(world: World) -> None:
    resources, parts = world.resources(), []
    for turn in range(3):
        batch = [order for order in world.orders if order.turn == turn]
        parts.append(allocate(world.question(batch), resources, zone=ZONE))
        resources = after(resources, parts[-1].ledger)
    for one, other in zip(world.decide()[:4], joined(parts)[:4], strict=True):
        assert one.equals(other)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def open_at(*places: str) -> list[tuple[str, str | None]]:
    return [(place, None) for place in places]


def why(outcome: Outcome, language: str = "en") -> dict[int, str]:
    return dict(shortages(outcome.lacks, i18n.translator(language)).rows())


def warehouses(outcome: Outcome, order: int) -> list[str | None]:
    return outcome.lines.filter(pl.col("order_id") == order)["warehouse"].to_list()


def test_a_shortfall_says_what_each_candidate_lacked() -> None:
    places = [("hangzhou", None), ("guangzhou", None), ("chengdu", "outage")]
    world = World(
        [
            Order(1, at(0), [Line("HOODIE-M")], open_at("guangzhou")),
            Order(2, at(1), [Line("HOODIE-M", 3)], places),
        ],
        {("hangzhou", "HOODIE-M"): (4, 2), ("guangzhou", "HOODIE-M"): (9, 0)},
        {"guangzhou": 1},
    )
    outcome = world.decide()
    assert outcome.orders.rows() == [(1, "whole", 1), (2, "short", 0)]
    assert why(outcome) == {
        2: "hangzhou: 2 of HOODIE-M left, 3 asked; guangzhou: full, 1 of 1; chengdu: closed (outage)"
    }
    assert why(outcome, "zh") == {
        2: "hangzhou：HOODIE-M 剩 2 件，需 3 件；guangzhou：已满，1 单已接 1 单；chengdu：未开放（故障停运）"
    }


def test_who_paid_first_gets_the_last_piece_whatever_the_order_of_the_rows() -> None:
    paid = ((1, 2), (2, 1), (3, 1))
    orders = [Order(number, at(minute), [Line("BIB")], open_at("hangzhou")) for number, minute in paid]
    outcome = World(orders, {("hangzhou", "BIB"): (1, 0)}).decide()
    assert outcome.orders.rows() == [(2, "whole", 1), (3, "short", 0), (1, "short", 0)]


def test_what_overflows_goes_to_the_temporary_warehouse_until_the_day_ends() -> None:
    """The spare one has a limit of its own; at midnight there is room again."""
    orders = [
        Order(number, at(minute), [Line("BIB")], open_at("hangzhou", "spare"))
        for number, minute in enumerate((1, 2, 3, 4, 10), 1)
    ]
    stock = {("hangzhou", "BIB"): (9, 0), ("spare", "BIB"): (9, 0)}
    outcome = World(orders, stock, {"hangzhou": 2, "spare": 1}).decide()
    assert outcome.lines["warehouse"].to_list() == ["hangzhou", "hangzhou", "spare", None, "hangzhou"]
    assert why(outcome)[4] == "hangzhou: full, 2 of 2; spare: full, 1 of 1"


SPREAD = {("hangzhou", "BIB"): (5, 0), ("guangzhou", "ROMPER"): (5, 0), ("chengdu", "HOODIE-M"): (5, 0)}


def test_an_order_is_split_only_as_far_as_it_may_be() -> None:
    lines = [Line("BIB"), Line("ROMPER"), Line("HOODIE-M")]
    places = open_at("hangzhou", "guangzhou", "chengdu")
    outcome = World([Order(parcels, at(0), lines, places, parcels) for parcels in (1, 2, 3)], SPREAD).decide()
    assert outcome.orders.rows() == [(1, "short", 0), (2, "short", 0), (3, "split", 3)]
    assert outcome.lines.filter(pl.col("order_id") == 3)["parcel"].to_list() == [1, 2, 3]


def test_lines_that_share_a_sku_are_dealt_the_large_ones_first_where_the_small_ones_would_block_them() -> None:
    order = Order(1, at(0), [Line("BIB", 1), Line("BIB", 2)], open_at("hangzhou", "guangzhou"), parcels=2)
    outcome = World([order], {("hangzhou", "BIB"): (2, 0), ("guangzhou", "BIB"): (1, 0)}).decide()
    assert warehouses(outcome, 1) == ["guangzhou", "hangzhou"]
    three = [Line("BIB", quantity) for quantity in (1, 2, 3)]
    larger = World(
        [Order(1, at(0), three, open_at("hangzhou", "guangzhou"), parcels=2)],
        {("hangzhou", "BIB"): (5, 0), ("guangzhou", "BIB"): (1, 0)},
    ).decide()
    assert warehouses(larger, 1) == ["guangzhou", "hangzhou", "hangzhou"]
    assert breaks(larger.ledger).is_empty()


def test_of_very_many_places_not_every_choice_is_tried() -> None:
    """Of each piece one place; the five that have them stand last of as many as there are."""

    def decided(places: int) -> list[str]:
        names = [f"w{number:02}" for number in range(places)]
        skus = [f"S{number}" for number in range(5)]
        order = Order(1, at(0), [Line(sku) for sku in skus], open_at(*names), parcels=5)
        stock = dict.fromkeys(zip(names[-5:], skus, strict=True), (1, 0))
        return World([order], stock).decide().orders["outcome"].to_list()

    assert (decided(13), decided(25)) == (["split"], ["short"])


def test_fewer_parcels_go_before_better_places() -> None:
    """Hangzhou comes first and has one of the three lines, but the other two together have them all."""
    cells = [("hangzhou", "BIB"), ("guangzhou", "BIB"), ("guangzhou", "ROMPER"), ("chengdu", "HOODIE-M")]
    places = open_at("hangzhou", "guangzhou", "chengdu")
    order = Order(1, at(0), [Line("BIB"), Line("ROMPER"), Line("HOODIE-M")], places, 3)
    outcome = World([order], dict.fromkeys(cells, (1, 0))).decide()
    assert warehouses(outcome, 1) == ["guangzhou", "guangzhou", "chengdu"]


def test_a_gift_never_leaves_what_it_was_given_for() -> None:
    lines = [Line("ROMPER"), Line("BIB", together=1)]
    outcome = World([Order(1, at(0), lines, open_at("hangzhou", "guangzhou"), 2)], SPREAD).decide()
    assert warehouses(outcome, 1) == [None, None]
    assert why(outcome)[1] == "hangzhou: 0 of ROMPER left, 1 asked; guangzhou: 0 of BIB left, 1 asked"


def test_what_is_there_may_go_before_the_rest() -> None:
    order = Order(1, at(0), [Line("BIB"), Line("ROMPER", 9)], open_at("hangzhou", "guangzhou"), 2, partly=True)
    outcome = World([order], SPREAD).decide()
    assert outcome.orders.rows() == [(1, "partial", 1)]
    assert warehouses(outcome, 1) == ["hangzhou", None]


def test_what_is_made_to_order_takes_room_and_no_stock() -> None:
    orders = [Order(number, at(0), [Line("ROMPER", stocked=False)], open_at("hangzhou")) for number in (1, 2)]
    outcome = World(orders, {}, {"hangzhou": 1}).decide()
    assert outcome.orders["outcome"].to_list() == ["whole", "short"]
    assert outcome.ledger.rows() == [("capacity", "hangzhou", "2026-03-01", 1, None, 1, 1)]


def test_stock_below_zero_is_none_and_is_named() -> None:
    world = World([Order(1, at(0), [Line("BIB")], open_at("hangzhou"))], {("hangzhou", "BIB"): (-3, 0)})
    outcome = world.decide()
    assert outcome.orders["outcome"].to_list() == ["short"]
    assert findings(outcome.findings, i18n.translator("en")) == [
        "hangzhou: BIB stands at -3 pieces on hand; it counts as none until the warehouse mends it."
    ]


def test_what_is_told_badly_is_named_and_decided_with_care() -> None:
    world = World([Order(number, at(0), [Line("BIB")], open_at("hangzhou")) for number in (1, 2, 3, 4)], {})
    orders, lines, candidates, supplies = world.question()
    question = Question(
        orders.with_columns(paid_at=pl.when(pl.col("order_id") != 4).then("paid_at")),
        lines.with_columns(
            quantity=pl.when(pl.col("order_id") == 2).then(-1).otherwise("quantity"),
            sku=pl.when(pl.col("order_id") != 3).then("sku"),
            stocked=pl.lit(None, pl.Boolean),
        ),
        candidates,
        supplies,
    )
    twice = [("hangzhou", "BIB", 5, None), ("hangzhou", "BIB", 0, None)]
    stock = pl.DataFrame(twice, schema=STOCK, orient="row")
    outcome = allocate(question, world.resources()._replace(stock=stock), zone=ZONE)
    assert outcome.orders.rows() == [(1, "short", 0), (2, "whole", 1), (3, "short", 0)]
    told = findings(outcome.findings, i18n.translator("zh"))
    assert len(told) == 5 and not any("{" in sentence for sentence in told)
    assert set(outcome.findings["finding"]) == {"stated_twice", "no_quantity", "no_sku", "not_paid"}
    assert why(outcome)[3] == "hangzhou: 0 of a piece without a name left, 1 asked"


def test_an_order_without_candidates_is_short_and_one_without_lines_takes_room() -> None:
    outcome = World([Order(1, at(0), [Line("BIB")], []), Order(2, at(0), [], open_at("hangzhou"))], {}).decide()
    assert outcome.orders.rows() == [(1, "short", 0), (2, "whole", 1)]
    assert World([], {}).decide().ledger.is_empty()


def test_what_is_returned_goes_to_the_next_one() -> None:
    orders = [Order(number, at(number), [Line("BIB", 2)], open_at("hangzhou")) for number in (1, 2)]
    world = World(orders, {("hangzhou", "BIB"): (2, 0)})
    first = allocate(world.question(orders[:1]), world.resources(), zone=ZONE)
    back = compensations(first.ledger, [1])
    assert back.select("quantity", "balance").rows() == [(2, 2)]
    ledger = pl.concat([first.ledger, back])
    assert breaks(ledger).is_empty()
    assert compensations(ledger, [1]).is_empty()
    second = allocate(world.question(orders[1:]), after(world.resources(), ledger), zone=ZONE)
    assert second.orders["outcome"].to_list() == ["whole"]


def test_a_ledger_that_was_changed_breaks_where_it_was() -> None:
    orders = [Order(number, at(number), [Line("BIB")], open_at("hangzhou")) for number in (1, 2, 3)]
    ledger = World(orders, {("hangzhou", "BIB"): (9, 0)}).decide().ledger
    row = ledger.with_row_index().filter(pl.col("kind") == "stock")["index"][1]
    forged = ledger.with_columns(quantity=pl.when(pl.int_range(pl.len()) == row).then(-4).otherwise("quantity"))
    assert breaks(forged).select("row", "subject", "expected", "balance").rows() == [(row, "BIB", 4, 7)]


def test_who_only_decides_batches_does_without_the_compiler() -> None:
    asked = "import sys, orderhub_core.rules.resources, orderhub_core.rules.quotas; print('numba' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_more_than_is_there_cannot_go_and_what_comes_serves_those_who_pay_later() -> None:
    orders = [Order(number, at(minute), [Line("BIB")], open_at("hangzhou")) for number, minute in ((1, 4), (2, 5))]
    supplies = [(at(1), "hangzhou", "BIB", -5), (at(5), "hangzhou", "BIB", 1)]
    outcome = World(orders, {("hangzhou", "BIB"): (2, 0)}, supplies=supplies).decide()
    assert outcome.orders["outcome"].to_list() == ["short", "whole"]
    stock = outcome.ledger.filter(pl.col("kind") == "stock")
    assert stock.select("order_id", "quantity", "balance").rows() == [(None, -2, 0), (None, 1, 1), (2, -1, 0)]
