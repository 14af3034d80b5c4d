"""Where the orders of a batch go, and what they get, one after the other, of what there is only so much of.

Nothing is asked of a hub whose warehouses report no stock, have no limit and are not reported closed, and whose rules
limit no gift, unless a rule leaves the choice of the place to it, or splits an order by what warehouses have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import polars as pl

from orderhub_core.flows import parcelling
from orderhub_core.flows.counters import Counters, Made
from orderhub_core.flows.parcelling import Parts
from orderhub_core.flows.places import Places
from orderhub_core.frames import INSTANT
from orderhub_core.i18n import translator
from orderhub_core.model import FIRST_ADDED_LINE
from orderhub_core.rules import gifts
from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.allotting import CALLS, World
from orderhub_core.rules.claims import WANTED
from orderhub_core.rules.decide import Decision
from orderhub_core.rules.needs import named
from orderhub_core.rules.provinces import located
from orderhub_core.rules.quotas import CLAIMS
from orderhub_core.rules.routing import NO_WINDOW, routes
from orderhub_core.rules.shortages import NOT_BY_US, NOT_OURS, refusals
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store.unit import Row

_english = translator("en")
NOT_GRANTED = "; not granted: "
"""In the reason of a gift that was refused, between why the rule gave it and what there was left of it."""
CHANNEL = "channel"
"""In the place of a rule's name, where an order's own channel has chosen its warehouse and no rule speaks of it."""
NAMED = "its channel names {warehouse}"


class Settled(NamedTuple):
    decisions: list[Decision]
    """With the warehouse that it goes to."""
    lack: str = ""
    """Why it must wait: what was not there."""
    parts: Parts = ()
    """Of an order that goes in several parcels."""
    rest: int = 0
    """The parcel that alone must wait; 0: all of them must."""
    of_parcels: tuple[tuple[int, Decision], ...] = ()
    """What rules say of single parcels, by their numbers."""


def settle(
    made: Sequence[Made], places: Places, windows: pl.DataFrame, counters: Counters, *, trying: bool = False
) -> list[Settled]:
    """Where each order goes, in the order in which they were decided. `windows`: routing.WINDOWS. `trying`: nothing is
    taken."""
    made, strange = [_as_named(one, places.elsewhere) for one in made], _strangers(made, places)
    unsent = strange | _elsewhere(made, places)
    made = _with_bases(_with_granted(made, unsent, counters, trying=trying), places.bases)
    split = parcelling.ways(made)
    settled = _placed(made, split, places, windows, counters, trying=trying)
    settled = _in_parcels(made, settled, split) if split else settled
    if not strange:
        return settled
    return [
        _kept(done, why) if (why := strange.get(one.head.order_id)) else done
        for one, done in zip(made, settled, strict=True)
    ]


def _as_named(one: Made, elsewhere: Collection[str]) -> Made:
    """Where its channel has chosen a warehouse, it goes there, whatever rules say of that: as if one had sent it. One
    `elsewhere` sends it without us, and no rule sends it anywhere."""
    if (warehouse := one.head.warehouse) is None:
        return one
    if warehouse in elsewhere:
        return one._replace(decisions=[said for said in one.decisions if said.action != "assign_warehouse"])
    wish = _wish(one)
    own = wish or Decision("", CHANNEL, "assign_warehouse", warehouse, 1, None, "")
    reason = "; ".join(filter(None, (own.reason, NAMED.format(warehouse=warehouse))))
    goes = own._replace(argument=warehouse, reason=reason)
    if wish is None:
        return one._replace(decisions=[goes, *one.decisions])
    return one._replace(decisions=[goes if said is wish else said for said in one.decisions])


def _strangers(made: Sequence[Made], places: Places) -> dict[int, str]:
    """By order, of those whose channel names a warehouse that is none of the hub's, why a person must look. It may be
    the platform's own, which sends the order without us, or a name that somebody has misspelt."""
    named = {one.head.order_id: one.head.warehouse for one in made if one.head.warehouse is not None}
    known = places.elsewhere.union(places.warehouses["warehouse"]) if named else ()
    return {number: NOT_OURS.format(warehouse=name) for number, name in named.items() if name not in known}


def _elsewhere(made: Sequence[Made], places: Places) -> dict[int, str]:
    """By order, of those that are sent without the hub, why they get nothing that is limited."""
    return {
        one.head.order_id: NOT_BY_US.format(warehouse=one.head.warehouse)
        for one in made
        if one.head.warehouse in places.elsewhere
    }


def _kept(settled: Settled, why: str) -> Settled:
    wish = next(said for said in settled.decisions if said.action == "assign_warehouse")
    held = Decision(wish.group, wish.rule, "hold", "review", 1, None, why)
    return settled._replace(decisions=[*settled.decisions, held], lack=why, rest=0)


def _placed(
    made: Sequence[Made], split: Mapping[int, str], places: Places, windows: pl.DataFrame, counters: Counters, *,
    trying: bool,
) -> list[Settled]:  # fmt: skip
    """With the warehouse of each. `split`: ways, by order."""
    world = World(places.warehouses, windows, counters.counted())
    contended, books = world.watched() | {NEAREST}, _books(made)
    if all(contended.isdisjoint(named(book, "assign_warehouse")) for book in books):
        some = [one for one in made if one.head.warehouse is not None]
    else:
        some = list(made)
    asking = {
        one.head.order_id: wish for one in some if (wish := _wish(one)) is not None and wish.argument in contended
    }
    if not asking:
        return [Settled(one.decisions) for one in made]
    mine = {one.head.order_id: one for one in made if one.head.order_id in asking}
    calls, wanted = _calls(mine, asking, split), _wanted(mine.values())
    found = counters.allot(calls, wanted, world, mine, trying=trying)
    told = {row[0]: row[1:] for row in found.orders.iter_rows()}
    parts = parcelling.of_rows(
        (number, line_no, parcel, warehouse) for number, line_no, warehouse, parcel in found.parts.iter_rows()
    )
    return [
        _settled(one, asking[one.head.order_id], told[one.head.order_id], parts.get(one.head.order_id, ()))
        if one.head.order_id in told
        else Settled(one.decisions)
        for one in made
    ]


def _books(made: Sequence[Made]) -> Collection[Rulebook]:
    return {one.book.version: one.book for one in made}.values()


def _wish(one: Made) -> Decision | None:
    return next((said for said in one.decisions if said.action == "assign_warehouse"), None)


def _settled(one: Made, wish: Decision, told: Row, parts: Parts) -> Settled:
    """`told`: of ALLOTTED, without the order."""
    warehouse, short, why = told
    goes = wish._replace(argument=warehouse or wish.argument, reason="; ".join(filter(None, (wish.reason, why))))
    decisions = [goes if decision is wish else decision for decision in one.decisions]
    if not short:
        return Settled(decisions, parts=parts)
    decisions.append(Decision(wish.group, wish.rule, "hold", "stock", 1, None, why))
    return Settled(decisions, why, parts, parcelling.count(parts) if parts else 0)


def _in_parcels(made: Sequence[Made], settled: list[Settled], split: Mapping[int, str]) -> list[Settled]:
    """With the parcels of those that are split by kinds, and told in their decisions."""
    decided = [one._replace(decisions=done.decisions) for one, done in zip(made, settled, strict=True)]
    goes = {one.head.order_id: wish.argument for one in decided if (wish := _wish(one)) is not None}
    by_kind = parcelling.by_kind(decided, split, goes)
    every = [done.parts or by_kind.get(one.head.order_id, ()) for one, done in zip(decided, settled, strict=True)]
    return [
        done._replace(parts=parts, decisions=parcelling.told(done.decisions, parts)) if parts else done
        for done, parts in zip(settled, every, strict=True)
    ]


def _calls(made: Mapping[int, Made], asking: Mapping[int, Decision], split: Mapping[int, str]) -> pl.DataFrame:
    rows = [
        (
            number,
            turn,
            one.head.owed_at,
            one.head.province,
            None if wish.argument == NEAREST else wish.argument,
            split.get(number, ""),
        )
        for turn, (number, wish) in enumerate(asking.items())
        for one in (made[number],)
    ]
    raw = pl.DataFrame(rows, schema={**CALLS, "paid_at": pl.Int64()}, orient="row")
    return raw.with_columns(pl.col("paid_at").cast(INSTANT))


def _wanted(made: Iterable[Made]) -> pl.DataFrame:
    rows: list[Row] = []
    for one in made:
        number = one.head.order_id
        # What is made for it lies nowhere yet, and of what has no SKU nobody knows where it lies.
        made_for_it = any(said.action == "work_order" for said in one.decisions)
        rows += [
            (number, line.line_no, line.sku or None, line.quantity, line.gift_of, bool(line.sku) and not made_for_it)
            for line in one.lines
        ]
        given = [decision for decision in one.decisions if decision.action == "add_gift" and decision.quantity]
        rows += [
            (number, FIRST_ADDED_LINE + place, gift.argument, gift.quantity, gift.parent, True)
            for place, gift in enumerate(given)
        ]
    return pl.DataFrame(rows, schema=WANTED, orient="row")


def _with_granted(
    made: Sequence[Made], unsent: Mapping[int, str], counters: Counters, *, trying: bool
) -> Sequence[Made]:  # fmt: skip
    """Of limited gifts, those that there still were; of the others none, and why. Orders get none that the hub does not
    send, or of which nobody knows whether it will (`unsent`: why)."""
    if not any(any(gifts.limited(book)) for book in _books(made)):
        return made
    found: list[Made] = []
    for _, some in groupby(made, key=lambda one: one.book.version):
        run = list(some)
        found += _granted(run, unsent, counters, trying=trying) if any(gifts.limited(run[0].book)) else run
    return found


def _granted(
    made: Sequence[Made], unsent: Mapping[int, str], counters: Counters, *, trying: bool
) -> Sequence[Made]:  # fmt: skip
    book = made[0].book
    limited = frozenset(gifts.quotas(book)["rule"])
    why = {(one.head.order_id, name): unsent[one.head.order_id]
           for one in made if one.head.order_id in unsent for name in limited}  # fmt: skip
    ours = [one for one in made if one.head.order_id not in unsent]
    claims = pl.DataFrame(
        list(_claims(ours, limited)), schema={**CLAIMS, "paid_at": pl.Int64()}, orient="row"
    ).with_columns(pl.col("paid_at").cast(INSTANT))
    if not claims.is_empty():
        asking = set(claims["order_id"])
        mine = {one.head.order_id: one for one in made if one.head.order_id in asking}
        found = counters.grant(claims, book, mine, trying=trying)
        why |= {(number, name): told for number, name, told in refusals(found.refusals, _english).iter_rows()}
    if not why:
        return made
    return [one._replace(decisions=[_refused(one, said, why) for said in one.decisions]) for one in made]


def _claims(made: Sequence[Made], limited: frozenset[str]) -> Iterator[Row]:
    for turn, one in enumerate(made):
        wanted: dict[str, int] = {}
        for said in one.decisions:
            name = gifts.counter(said.group, said.rule, said.argument)
            if said.action == "add_gift" and name in limited:
                wanted[name] = wanted.get(name, 0) + said.quantity
        for name, pieces in wanted.items():
            yield one.head.order_id, turn, one.head.owed_at, name, pieces, one.head.buyer_key or None


def _refused(one: Made, said: Decision, why: Mapping[tuple[int, str], str]) -> Decision:
    """A gift of no pieces, where it was refused."""
    told = why.get((one.head.order_id, gifts.counter(said.group, said.rule, said.argument)))
    if said.action != "add_gift" or told is None:
        return said
    return said._replace(quantity=0, reason=f"{said.reason}{NOT_GRANTED}{told}")


def _with_bases(made: Sequence[Made], bases: pl.DataFrame) -> Sequence[Made]:
    """Where the nearest production base is asked for, it is named."""
    asking = [] if bases.is_empty() else [one for one in made if any(map(_is_for_any_base, one.decisions))]
    if not asking:
        return made
    raw = pl.DataFrame(
        [(one.head.order_id, one.head.owed_at, one.head.province) for one in asking],
        schema={"order_id": pl.Int64(), "paid_at": pl.Int64(), "province": pl.String()},
        orient="row",
    )
    calls = raw.with_columns(pl.col("paid_at").cast(INSTANT), wished=pl.lit(None, pl.List(pl.String)))
    ways = routes(located(calls), bases, NO_WINDOW)
    nearest = dict(ways.filter(pl.col("rank") == 1).select("order_id", "warehouse").iter_rows())

    def named(one: Made, said: Decision) -> Decision:
        return said._replace(argument=nearest[one.head.order_id]) if _is_for_any_base(said) else said

    return [one._replace(decisions=[named(one, said) for said in one.decisions]) for one in made]


def _is_for_any_base(said: Decision) -> bool:
    return said.action == "work_order" and said.argument == NEAREST
