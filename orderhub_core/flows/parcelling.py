"""Which lines of a batch's orders go in which parcel, and from where, by their kinds or by what warehouses had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from orderhub_core import effects
from orderhub_core.flows import doubts, rows
from orderhub_core.flows.counters import Made
from orderhub_core.fold import Head
from orderhub_core.model import FIRST_ADDED_LINE, Line
from orderhub_core.rules.decide import Decision
from orderhub_core.rules.needs import splits
from orderhub_core.rules.splitting import KINDS, column, parted, way
from orderhub_core.rules.ways import read
from orderhub_core.store.unit import Message, Row


class Part(NamedTuple):
    """Where one line of an order goes that goes in several parcels: a row of `splits`, without the order."""

    line_no: int
    parcel: int
    warehouse: str


FIRST_TOLD = "; parcel 1 from "
"""Where the parcels begin in the reason of an order that is split."""
Marks = Callable[[int], effects.Marks]
"""Of a parcel, by its number."""
Parts = tuple[Part, ...]
"""Of one order. None where it goes whole."""


def of_rows(told: Iterable[Row]) -> dict[int, Parts]:
    """By order, of an order's id and then the fields of a `Part`."""
    found: dict[int, list[Part]] = {}
    for order_id, *part in told:
        found.setdefault(order_id, []).append(Part(*part))
    return {order_id: tuple(parts) for order_id, parts in found.items()}


def ways(made: Sequence[Made]) -> dict[int, str]:
    """How orders are split, of those that are. One of whose lines two have the same number goes whole."""
    if not any(splits(book) for book in {id(one.book): one.book for one in made}.values()):
        return {}
    return {
        one.head.order_id: how
        for one in made
        if (how := way((said.action, said.argument) for said in one.decisions))
        and len({line.line_no for line in one.lines}) == len(one.lines)
    }


def by_kind(made: Sequence[Made], ways: Mapping[int, str], goes: Mapping[int, str]) -> dict[int, Parts]:
    """Of the orders that are split by kinds, of which there is more than one. `goes`: the warehouses of orders."""
    apart = {number: way for number, way in ways.items() if number in goes and column(way)}
    own = [one for one in made if one.head.order_id in apart]
    if not own:
        return {}
    lines = [row for one in own for row in _kinds(one, apart[one.head.order_id])]
    placed = of_rows(
        (number, line_no, parcel, goes[number])
        for number, line_no, parcel in parted(pl.DataFrame(lines, schema=KINDS, orient="row")).iter_rows()
    )
    return {number: parts for number, parts in placed.items() if count(parts) > 1}


def _kinds(one: Made, way: str) -> Iterable[Row]:
    """Rows of KINDS."""
    number, kind, most = one.head.order_id, column(way), read(way).most
    for line in one.lines:
        yield number, line.line_no, line.gift_of, getattr(line, kind), most
    given = [said for said in one.decisions if said.action == "add_gift" and said.quantity]
    for place, gift in enumerate(given):
        # One that belongs to no line is not a kind of its own.
        yield number, FIRST_ADDED_LINE + place, gift.parent if gift.parent is not None else FIRST_ADDED_LINE, "", most


def count(parts: Parts) -> int:
    """In how many parcels an order goes."""
    return max((part.parcel for part in parts), default=1)


def named(parts: Parts) -> list[dict[str, Any]]:
    """Each parcel by its number, its warehouse and the numbers of its lines."""
    return [
        {"no": number, "warehouse": own[0].warehouse, "lines": sorted(part.line_no for part in own)}
        for number in range(1, count(parts) + 1)
        for own in ([part for part in parts if part.parcel == number],)
    ]


def push_rows(
    head: Head, lines: Sequence[Line], parts: Parts, message: Message, marks: Marks, *,
    held: Sequence[str] = (), lack: str = "", rest: int = 0, until: int = 0,
    pack_with: Sequence[effects.Companion] = (),
) -> list[Row]:  # fmt: skip
    """One for each parcel. `held`: why they must wait for a person; `lack`: why the parcel `rest` must, too, or all of
    them, where that is 0."""
    if not parts:
        why = doubts.in_a_note([*held, lack] if lack else held)
        return [rows.push_row(head, lines, message, why, marks(1), until=until, pack_with=pack_with)]
    goes = {part.line_no: part.parcel for part in parts}
    found = []
    for parcel in named(parts):
        number, warehouse = parcel["no"], parcel["warehouse"]
        own = [line for line in lines if goes[line.line_no] == number]
        why = doubts.in_a_note([*held, lack] if lack and rest in (0, number) else held)
        found.append(rows.parcel_push_row(head, number, warehouse, own, lines, message, why, marks(number)))
    return found


def told(decisions: Sequence[Decision], parts: Parts) -> list[Decision]:
    """With the parcels, where a rule has an order split."""
    first = next(said for said in decisions if said.action == "split")
    said_of = (
        f"parcel {one['no']} from {one['warehouse']}: lines {', '.join(map(str, one['lines']))}" for one in named(parts)
    )
    done = first._replace(quantity=count(parts), reason="; ".join([first.reason, *said_of]))
    return [done if said is first else said for said in decisions]


def relined(before: Iterable[Line], now: Iterable[Line]) -> bool:
    """Whether other lines are in an order, whatever their quantities."""
    kinds = [{(line.line_no, line.sku) for line in some} for some in (before, now)]
    return kinds[0] != kinds[1]


def changed(before: Sequence[Line], now: Sequence[Line], parcels: int) -> set[int]:
    """The numbers of those that are new, gone, or other goods. What goes as a whole is told without its numbers."""
    if parcels == 1 and Counter(rows.goods(before)) == Counter(rows.goods(now)):
        return set()
    goods = [{(line.line_no, line.sku, line.quantity, line.gift_of) for line in some} for some in (before, now)]
    return {line_no for line_no, *_ in goods[0] ^ goods[1]}
