"""Deciding: one pure call from frames to decisions, the same for a live batch, a replay and a simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import compress, repeat
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl

from orderhub_core.rules import bits
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.compile import conditions
from orderhub_core.rules.earning import parents, quantities
from orderhub_core.rules.index import NO_LINE, Index
from orderhub_core.rules.reason import Slot, Telling, reasons, slots
from orderhub_core.rules.tree import ALWAYS, Action, Group, Rule, Rulebook

DECISIONS = pl.Schema(
    {
        "order_id": pl.Int64,
        "group": pl.String,
        "rule": pl.String,
        "action": pl.String,
        "argument": pl.String,
        "quantity": pl.Int32,
        "parent": pl.Int32,
        "reason": pl.String,
    }
)
"""One row per decision; of one order in the order of groups, rules and actions. `action` is a verb of `actions.VERBS`.
A gift for every so many bought has no row where fewer were. What is limited is granted afterwards, by `gifts`.
`parent`: of `add_gift` the number of the line that the gift travels with, the first that earned it."""
OWN = ("order_id", "quantity", "parent", "reason")
NO_RULE = "no rule before it holds"
"""The reason where a group's `otherwise` acts."""


class Decision(NamedTuple):
    """A row of DECISIONS, without the order."""

    group: str
    rule: str
    action: str
    argument: str
    quantity: int
    parent: int | None
    reason: str


_as_decision = cast(Callable[[tuple[Any, ...]], Decision], partial(tuple.__new__, Decision))
"""Without the detour over the arguments' names."""


Act = tuple[str, str, str, str]
"""What is the same of all rows of one action: group, rule, action, argument."""


class Hit(NamedTuple):
    """A rule that acts, and the rows of the orders for which it does."""

    group: Group
    rule: Rule
    rows: Numbers
    otherwise: bool = False
    """Whether it stands for the rules of its group, of which none holds."""


def decide(
    orders: pl.DataFrame, lines: pl.DataFrame, book: Rulebook, *, reports: pl.DataFrame | None = None
) -> pl.DataFrame:
    """What the rulebook says of these orders; which orders to ask about is the caller's. See `index.Index`."""
    return decided(Index(orders, lines, zone=book.zone, reports=reports), book)


def decided(index: Index, book: Rulebook) -> pl.DataFrame:
    """The same, of orders whose index is kept."""
    acts, act, own = _rows(index, book)
    names = ("group", "rule", "action", "argument")
    made = pl.DataFrame(acts, schema={name: DECISIONS[name] for name in names}, orient="row")[act]
    columns = [pl.Series(name, column, DECISIONS[name]) for name, column in zip(OWN, own, strict=True)]
    return made.hstack(columns).select(DECISIONS.names())


def each(index: Index, book: Rulebook) -> dict[int, list[Decision]]:
    """The rows of `decided`, by order: of every order, if only that there are none."""
    acts, act, own = _rows(index, book)
    found: dict[int, list[Decision]] = {number: [] for number in index.raw_orders["order_id"].to_list()}
    for done, number, quantity, parent, reason in zip(act.tolist(), *own, strict=True):
        found[number].append(_as_decision(acts[done] + (quantity, parent, reason)))
    return found


def _rows(index: Index, book: Rulebook) -> tuple[list[Act], Numbers, tuple[Sequence[Any], ...]]:
    """Every act, of each row the place of its act, and the columns of OWN."""
    blocks = [(hit, action) for hit in hits(index, book) for action in hit.rule.then]
    if not blocks:
        return [], np.empty(0, np.int64), ([],) * len(OWN)
    acts = [(hit.group.name, hit.rule.name, action.verb, action.argument) for hit, action in blocks]
    act = np.repeat(np.arange(len(blocks)), [len(hit.rows) for hit, _ in blocks])
    pieces = np.concatenate([quantities(index, hit.rows, hit.rule.when, action) for hit, action in blocks])
    numbers = index.raw_orders["order_id"][np.concatenate([hit.rows for hit, _ in blocks])].to_list()
    own = numbers, pieces.tolist(), _parents(index, blocks), _reasons(index, blocks)
    if not any(action.per for _, action in blocks):
        return acts, act, own
    there = pieces > 0
    return acts, act[there], tuple(list(compress(column, there.tolist())) for column in own)


def hits(index: Index, book: Rulebook) -> Iterator[Hit]:
    """Every rule that acts on some order; of a `first` group each order is in one hit at most."""
    truths = iter(index.holds(conditions(book)))
    for group in book.groups:
        own = [next(truths) for _ in group.rules]
        if group.match == "all":
            rows = [np.flatnonzero(bits.unpack(truth, index.orders.height)) for truth in own]
        else:
            nobody, *rows = _parted(bits.first(own, index.orders.height), len(own))
        yield from (Hit(group, rule, some) for rule, some in zip(group.rules, rows, strict=True) if len(some))
        if group.match == "first" and group.otherwise and len(nobody):
            yield Hit(group, Rule(OTHERWISE, ALWAYS, group.otherwise), nobody, True)


def _parted(found: np.ndarray[tuple[int], np.dtype[np.uint32]], count: int) -> list[Numbers]:
    """The rows of each number, from 0."""
    ends = np.cumsum(np.bincount(found, minlength=count + 1))
    # Numpy sorts numbers of one or two bytes by their digits, in a quarter of the time.
    return np.split(np.argsort(found.astype(np.min_scalar_type(count)), kind="stable"), ends[:-1])


def _reasons(index: Index, blocks: Sequence[tuple[Hit, Action]]) -> list[str]:
    acting = list({id(hit): hit for hit, _ in blocks}.values())
    made = reasons(index, [Telling(_told(hit, index.zone), hit.rows) for hit in acting])
    if len(acting) == len(blocks):
        return made
    starts = dict(zip(map(id, acting), np.cumsum([0, *(len(hit.rows) for hit in acting)]).tolist(), strict=False))
    return [made[row] for hit, _ in blocks for row in range(starts[id(hit)], starts[id(hit)] + len(hit.rows))]


def _told(hit: Hit, zone: str) -> tuple[Slot, ...]:
    return (Slot(NO_RULE),) if hit.otherwise else slots(hit.rule.when, zone)


def _parents(index: Index, blocks: Sequence[tuple[Hit, Action]]) -> list[int | None]:
    """Of gifts the line that earned them, of all else none."""
    gifts = {id(hit): hit for hit, action in blocks if action.verb == "add_gift"}
    of_hits = {number: _known(parents(index, hit.rows, hit.rule.when)) for number, hit in gifts.items()}
    found: list[int | None] = []
    for hit, action in blocks:
        found += of_hits[id(hit)] if action.verb == "add_gift" else repeat(None, len(hit.rows))
    return found


def _known(numbers: Numbers) -> list[int | None]:
    return [None if number == NO_LINE else number for number in numbers.tolist()]
