"""Proof that decisions follow from what was known: the messages of the orders are applied once more, to an empty hub,
by the same code, each order under the version that is recorded; what is decided then is compared.

An order that had waited for a first version to be published is decided earlier here, on what was known then. Where
several lanes share a hub, the log does not tell whether an order was decided before or after a signal of another lane:
there it must be decided the same by the signals as they were at some moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from orderhub_core.flows import editions
from orderhub_core.flows.absorb import Context, absorb
from orderhub_core.flows.recent import Recent
from orderhub_core.rules.needs import asks_signals
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import books, homes, recorded
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home
from orderhub_core.store.recorded import NOBODY, Key, Recorded
from orderhub_core.store.unit import Row

Tell = Callable[[int, int], None]
"""Messages applied so far, and in all."""
MOMENTS = 50
"""That are tried, from the first signal on."""


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
    """With decisions recorded in the period. `same`, `differences`, `expired` and `unknown` sum up to it."""
    same: int
    differences: list[Difference] = field(default_factory=list)
    expired: int = 0
    """Orders of which messages are gone: nobody knows what they said."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Orders by a version that is not kept, and is not the settings' file."""


@dataclass(frozen=True)
class _AsRecorded:
    """Each order's own version; on others nothing is said."""

    books: dict[Key, Rulebook]
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
    heard = [(key, message) for key, message in kept.heard if key in asked or key == NOBODY]
    chosen = {key: known[kept.versions[key]] for key in asked}
    again, expired = _again(context, chosen, heard, tell)
    if NOBODY in expired:  # some signal is not known any more
        expired |= {key for key in asked if asks_signals(known[kept.versions[key]])}
    expired &= asked
    asked -= expired
    if context.store.lanes > 1:
        again |= _at_some_moment(
            context, kept, heard, chosen, {key for key in asked if kept.decisions[key] != again.get(key)}
        )
    differences = [
        Difference(*key, kept.versions[key], kept.decisions[key], again.get(key, []))
        for key in sorted(asked)
        if kept.decisions[key] != again.get(key)
    ]
    return Reproduced(len(kept.versions), len(asked) - len(differences), differences, len(expired), unknown)


def _known_books(context: Context, versions: Iterable[str]) -> dict[str, Rulebook]:
    found: dict[str, Rulebook] = {context.book.version: context.book}
    for version in versions:
        if (text := books.text(context.store, version)) is not None:
            found[version] = editions.read(text)
    return found


def _at_some_moment(
    context: Context, kept: Recorded, heard: Sequence[tuple[Key, int]], chosen: dict[Key, Rulebook], other: set[Key]
) -> dict[Key, list[Row]]:
    """Of orders that were decided otherwise, those that the recorded way is right for by the signals of some moment."""
    found: dict[Key, list[Row]] = {}
    told = [one for one in heard if one[0] == NOBODY]
    for known in range(min(len(told), MOMENTS) + 1):
        doubtful = {key: chosen[key] for key in other - found.keys() if asks_signals(chosen[key])}
        if not doubtful:
            break
        again, _ = _again(context, doubtful, [*told[:known], *(one for one in heard if one[0] in doubtful)])
        found |= {key: rows for key, rows in again.items() if rows == kept.decisions[key]}
    return found


def _again(
    context: Context, chosen: dict[Key, Rulebook], heard: Sequence[tuple[Key, int]], tell: Tell = lambda done, of: None
) -> tuple[dict[Key, list[Row]], set[Key]]:
    """What is decided once more, and the orders of which some message has expired."""
    with TemporaryDirectory(prefix="orderhub-") as folder:
        home = Home(Path(folder))
        homes.init(home)
        scratch = homes.open_store(home)
        try:
            expired = _apply(context, scratch, chosen, heard, tell)
            return recorded.decisions(scratch, 0).decisions, expired
        finally:
            scratch.close()


def _apply(
    context: Context, scratch: Store, chosen: dict[Key, Rulebook], heard: Sequence[tuple[Key, int]], tell: Tell
) -> set[Key]:
    then = _AsRecorded(chosen)
    anew = context._replace(store=scratch, recent=Recent(scratch), in_force=lambda *_: then)
    expired: set[Key] = set()
    done = 0
    for found in recorded.bodies(context.store, [message for _, message in heard]):
        some = heard[done : done + recorded.AT_A_TIME]
        expired.update(key for key, message in some if message not in found)
        # Numbered anew, as they were applied.
        recorded.put(scratch, {done + place: found[m] for place, (_, m) in enumerate(some, 1) if m in found})
        while absorb(anew, recorded.AT_A_TIME) is not None:
            pass
        done += len(some)
        tell(done, len(heard))
    return expired
