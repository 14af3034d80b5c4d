"""Who goes with whom: what hand-overs say of being packed together, whether that is so, and what becomes of it when it
is so no longer.

Laws
  1. Nobody goes who says to be packed with one that does not say so in turn, or does not go.
  2. Of those that go together each goes with each other one.
  3. What has been handed over stays as it was told. Who loses a companion that has gone is a person's to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from orderhub_core.effects import Companion, PushToWarehouse
from orderhub_core.flows.rows import push_key
from orderhub_core.store.packs import HandOver

HandOvers = Mapping[str, HandOver]
"""By their keys."""


class Told(NamedTuple):
    """What an order is to be told anew."""

    companions: tuple[str, ...]
    """The keys of their hand-overs; none: it goes alone."""
    missed: bool = False
    """Whether one of those it goes with no longer has gone, and said so."""


def key_of(one: Companion | PushToWarehouse) -> str:
    return push_key(one.shop, one.order_no)


def named(one: HandOver) -> frozenset[str]:
    """The keys of those that it says to be packed with."""
    return frozenset(map(key_of, one.asked.pack_with))


def is_gone(one: HandOver) -> bool:
    """Whether its warehouse may have been told of it as it is."""
    return one.state in ("leased", "done") or (one.tries > 0 and one.state != "withdrawn")


def goes(one: HandOver) -> bool:
    return one.state == "waiting" or is_gone(one)


def groups(told: Mapping[str, frozenset[str]]) -> list[frozenset[str]]:
    """Those who name each other, or are named by the same, each group apart from all others; `told`: whom each one
    names."""
    beside: dict[str, set[str]] = {}
    for key, names in told.items():
        beside.setdefault(key, set()).update(names)
        for name in names:
            beside.setdefault(name, set()).add(key)
    found, seen = [], set[str]()
    for start in beside:
        if start not in seen:
            group, ahead = {start}, [start]
            while ahead:
                new = beside[ahead.pop()] - group
                group |= new
                ahead += new
            seen |= group
            found.append(frozenset(group))
    return found


def unready(asked: PushToWarehouse, beside: HandOvers) -> str:
    """The order number of a companion that does not go with it, so that it must not be handed over as it is; empty
    where all do, and where it may have arrived as it is already. `beside`: its own hand-over, too, which is leased."""
    own = key_of(asked)
    if own in beside and beside[own].tries > 1:
        return ""
    for companion in asked.pack_with:
        other = beside.get(key_of(companion))
        if other is None or not goes(other) or own not in named(other):
            return companion.order_no
    return ""


def mended(waiting: HandOvers, beside: HandOvers, together: Callable[[str, str], bool]) -> dict[str, Told]:
    """What is to be told to those that wait, where somebody was told to go with others and that is not so, or somebody
    is missing who was not told yet.

    `waiting`: all that was not tried yet; `beside`: what those name besides. `together`: whether two that wait are to
    be packed together.
    """
    told = {key: names for key, one in waiting.items() if (names := named(one))}
    sides = {**told, **_awaited(waiting, told)}

    def stay(one: str, other: str) -> bool:
        if other in waiting:
            return one in sides.get(other, ()) and other in sides.get(one, ()) and together(one, other)
        gone = beside.get(other)
        return gone is not None and is_gone(gone) and one in named(gone)

    found = {}
    for key, names in sides.items():
        kept = _kept(key, names, stay, waiting)
        if kept != told.get(key, frozenset()):
            missed = any(other not in waiting and stay(key, other) for other in names - kept)
            found[key] = Told(tuple(sorted(kept)), missed)
    return found


def _awaited(waiting: HandOvers, told: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Those that others were told to go with, and have not been told themselves, as whoever told them was cut short;
    with whom they would go then."""
    missing: dict[str, frozenset[str]] = {}
    for key, names in told.items():
        there = {name for name in names if name in waiting}
        for name in (one for one in there if one not in told):
            missing[name] = missing.get(name, frozenset()) | {key} | there - {name}
    return missing


def _kept(
    key: str, names: frozenset[str], stay: Callable[[str, str], bool], waiting: Collection[str]
) -> frozenset[str]:  # fmt: skip
    """Of those that it goes with, the ones that it still does, each with each other one: those that have gone first,
    then as they are called, so that all of them come to the same."""
    group: list[str] = []
    there = [one for one in names if one in waiting or stay(key, one)]
    for one in sorted({key, *there}, key=lambda one: (one in waiting, one)):
        if one not in waiting or all(stay(one, other) for other in group):
            group.append(one)
    return frozenset(group) - {key} if key in group else frozenset()
