"""Proof that decisions follow from what was known: the messages of the orders are applied once more, to an empty hub,
by the same code, each order under the version that is recorded; what is decided then is compared.

An order that had waited for a first version to be published is decided earlier here, on what was known then. Where
several lanes share a hub, the log does not tell whether an order was decided before or after a signal of another lane:
there it must be decided the same by the signals as they were at some moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from orderhub_core.flows import editions, reporting
from orderhub_core.flows.absorb import absorb
from orderhub_core.flows.context import Context
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.recount import AsRecorded
from orderhub_core.flows.regarding import READ, AsRead
from orderhub_core.rules.needs import asks_signals
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import books, homes, ledger, recorded
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home
from orderhub_core.store.recorded import NOBODY, Heard, Key, Recorded
from orderhub_core.store.unit import Row

Tell = Callable[[int, int], None]
"""Messages applied so far, and in all."""
MOMENTS = 20
"""Signals by which a lane may be before or behind another's."""


class Difference(NamedTuple):
    shop: str
    order_no: str
    version: str
    recorded: list[Row]
    again: list[Row]
    """Both as in `store.recorded.Recorded`."""


@dataclass(frozen=True)
class Reproduced:
    orders: int
    """With decisions recorded in the period. `same` and the others sum up to it."""
    same: int
    differences: list[Difference] = field(default_factory=list)
    expired: int = 0
    """Orders of which messages are gone: nobody knows what they said."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Orders by a version that is not kept, and is not the settings' file."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Orders of which a message cannot be read now, by the reason: a secret that is not there, for example."""


@dataclass(frozen=True)
class _Versions:
    """Each order's own version; on others nothing is said."""

    books: dict[Key, Rulebook]
    every: Collection[Rulebook]
    speaks: bool = True
    shadow: Rulebook | None = None

    def of(self, shop: str, order_no: str) -> Rulebook:
        return self.books.get((shop, order_no), Rulebook())


def reproduce(context: Context, since: int, until: int, tell: Tell = lambda done, of: None) -> Reproduced:
    """What was decided from `since` up to, not including, `until` (microseconds UTC), decided once more."""
    kept = recorded.decisions(context.store, since, until)
    known = _known_books(context, set(kept.versions.values()))
    unknown = Counter(version for version in kept.versions.values() if version not in known)
    asked = {key for key, version in kept.versions.items() if version in known}
    if not asked:
        return Reproduced(len(kept.versions), 0, unknown=unknown)
    heard = [one for one in kept.heard if one.key in asked or one.key == NOBODY]
    chosen = {key: known[kept.versions[key]] for key in asked}
    lanes = context.store.lanes
    again, expired, dumb = _again(context, chosen, heard if lanes == 1 else _in_turn(heard), tell)
    if NOBODY in expired:  # some signal is not known any more
        expired |= {key for key in asked if _hears(context, known[kept.versions[key]])}
    expired &= asked
    asked -= expired
    unreadable = Counter(dumb[key] for key in asked & dumb.keys())
    asked -= dumb.keys()
    if lanes > 1:
        other = {key for key in asked if kept.decisions[key] != again.get(key)}
        again |= _a_moment_off(context, kept, heard, chosen, other)
    differences = [
        Difference(*key, kept.versions[key], kept.decisions[key], again.get(key, []))
        for key in sorted(asked)
        if kept.decisions[key] != again.get(key)
    ]
    same = len(asked) - len(differences)
    return Reproduced(len(kept.versions), same, differences, len(expired), unknown, unreadable)


def _known_books(context: Context, versions: Iterable[str]) -> dict[str, Rulebook]:
    found: dict[str, Rulebook] = {context.book.version: context.book}
    for version in versions:
        if (text := books.text(context.store, version)) is not None:
            found[version] = editions.read(text)
    return found


def _in_turn(heard: Sequence[Heard], off: int = 0) -> list[Heard]:
    """Of several lanes, as they came: each order's and the signals as they were applied, with as many signals before
    an order's message as had come by then, and `off` more."""
    signals = [one for one in heard if one.key == NOBODY]
    came = list(accumulate((one.at for one in signals), max))
    latest: dict[Key, int] = {}
    turns: list[tuple[int, int, int, Heard]] = [(place, 1, 0, one) for place, one in enumerate(signals)]
    for number, one in enumerate(heard):
        if one.key != NOBODY:
            latest[one.key] = max(latest.get(one.key, 0), one.at)
            turns.append((bisect_right(came, latest[one.key]) + off, 0, number, one))
    return [one for *_, one in sorted(turns)]


def _hears(context: Context, book: Rulebook) -> bool:
    """Whether its decisions may depend on what was reported: of the world, or of warehouses that were closed."""
    return asks_signals(book) or not reporting.closings(context.store, 0).is_empty()


def _a_moment_off(
    context: Context, kept: Recorded, heard: Sequence[Heard], chosen: dict[Key, Rulebook], other: set[Key]
) -> dict[Key, list[Row]]:
    """Of orders that were decided otherwise, those that are decided as recorded by the signals of a moment before or
    after."""
    found: dict[Key, list[Row]] = {}
    for off in (sign * far for far in range(1, MOMENTS + 1) for sign in (-1, 1)):
        doubtful = {key: chosen[key] for key in other - found.keys() if _hears(context, chosen[key])}
        if not doubtful:
            break
        some = [one for one in heard if one.key in doubtful or one.key == NOBODY]
        again, *_ = _again(context, doubtful, _in_turn(some, off))
        found |= {key: rows for key, rows in again.items() if rows == kept.decisions[key]}
    return found


def _again(
    context: Context, chosen: dict[Key, Rulebook], heard: Sequence[Heard], tell: Tell = lambda done, of: None
) -> tuple[dict[Key, list[Row]], set[Key], dict[Key, str]]:
    """What is decided once more, the orders of which some message has expired, and those of which one cannot be read,
    with the reason."""
    with TemporaryDirectory(prefix="orderhub-") as folder:
        home = Home(Path(folder))
        homes.init(home)
        scratch = homes.open_store(home)
        try:
            expired = _apply(context, scratch, chosen, heard, tell)
            parked = recorded.parked(scratch)
            dumb = {one.key: parked[n] for n, one in enumerate(heard, 1) if n in parked}
            return recorded.decisions(scratch, 0).decisions, expired, dumb
        finally:
            scratch.close()


def _apply(
    context: Context, scratch: Store, chosen: dict[Key, Rulebook], heard: Sequence[Heard], tell: Tell
) -> set[Key]:
    then = _Versions(chosen, list({book.version: book for book in chosen.values()}.values()))
    there = AsRecorded(chain.from_iterable(ledger.entries(context.store)), context.places.zone)
    read = AsRead(partial(recorded.read, context.store, READ))
    anew = context._replace(
        store=scratch, recent=Recent(scratch), in_force=lambda *_: then, counters=lambda *_: there,
        buyers=lambda *_: read,
    )  # fmt: skip
    expired: set[Key] = set()
    done = 0
    for found in recorded.bodies(context.store, [one.message for one in heard]):
        some = heard[done : done + recorded.AT_A_TIME]
        expired.update(one.key for one in some if one.message not in found)
        # Numbered anew, as they were applied.
        recorded.put(scratch, {done + n: found[one.message] for n, one in enumerate(some, 1) if one.message in found})
        while absorb(anew, recorded.AT_A_TIME) is not None:
            pass
        done += len(some)
        tell(done, len(heard))
    return expired
