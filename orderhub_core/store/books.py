"""Versions of the rulebook in the store: what is kept of each, and the statements that move them on.

Every statement names the states that it starts from, so that two people at once do no harm: the second finds nothing
to change.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from orderhub_core.people import BookAct, BookChange
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row

State = Literal["draft", "reviewed", "shadow", "rollout", "paused", "active", "archived"]
ON_TRIAL = ("shadow", "rollout", "paused")
STARTS: dict[BookAct, tuple[State, ...]] = {
    "review": ("draft",),
    "shadow": ("draft", "reviewed", "rollout", "paused", "archived"),
    "rollout": ("draft", "reviewed", "shadow", "rollout", "paused", "archived"),
    "pause": ("shadow", "rollout"),
    "publish": ("draft", "reviewed", "shadow", "rollout", "paused", "archived"),
    "rollback": ("archived",),
    "discard": ("draft", "reviewed", "shadow", "rollout", "paused"),
}
"""From which states an act moves a version on."""
BECOMES: dict[BookAct, State] = {
    "save": "draft", "review": "reviewed", "shadow": "shadow", "rollout": "rollout", "pause": "paused",
    "publish": "active", "rollback": "active", "discard": "archived",
}  # fmt: skip


class Edition(NamedTuple):
    """A version, without its text. Instants in microseconds UTC."""

    version: str
    state: State
    share: int
    author: str
    comment: str
    saved_at: int
    reviewed_by: str
    tried_at: int | None
    published_at: int | None
    message: int
    """The one that changed it last."""


class Changed(NamedTuple):
    """An entry of the log: what was done with a version, when (microseconds UTC), and what was said of it (JSON)."""

    at: int
    act: str
    version: str
    detail: str


class Speaking(NamedTuple):
    """A version that decides, or notes what it would decide."""

    version: str
    state: State
    share: int
    text: str


_KEPT = f"SELECT {', '.join(Edition._fields)} FROM rulebooks ORDER BY saved_at DESC, version"
_SPEAKING = "SELECT version, state, share, body FROM rulebooks WHERE state IN ('active', 'shadow', 'rollout')"
_CHANGES = """SELECT recorded_at, event, after, detail FROM log
    WHERE order_id = 0 AND event LIKE 'rulebook.%' ORDER BY seq DESC"""
_SAVE = """INSERT INTO rulebooks
    (version, body, state, share, author, comment, saved_at, reviewed_by, tried_at, published_at, message)
    VALUES (?, ?, 'draft', 0, ?, ?, ?, '', NULL, NULL, ?)
    ON CONFLICT (version) DO UPDATE SET body = excluded.body, state = 'draft', author = excluded.author,
    comment = excluded.comment, saved_at = excluded.saved_at, reviewed_by = '', message = excluded.message
    WHERE rulebooks.state IN ('draft', 'reviewed') AND ? IN (0, rulebooks.message)"""
_IS_THERE = """EXISTS (SELECT 1 FROM rulebooks AS other
    WHERE other.version = ? AND other.state IN ({starts}) AND ? IN (0, other.message))"""
_MAKE_ROOM = """UPDATE rulebooks SET state = '{left}', share = 0, comment = coalesce(?, comment)
    WHERE state IN ({taken}) AND version <> ? AND {there}"""
_MOVE = """UPDATE rulebooks SET state = '{state}', comment = coalesce(?, comment), message = ?{more}
    WHERE version = ? AND state IN ({starts}) AND ? IN (0, message)"""


def kept(store: Store) -> list[Edition]:
    """Every version, the newest first."""
    return [Edition(*row) for row in store.query("hub", _KEPT)]


def speaking(store: Store) -> list[Speaking]:
    return [Speaking(*row) for row in store.query("hub", _SPEAKING)]


_LOOKED_AT = 200_000
"""Entries of the log, the newest."""
_HELD = "(e.state = 'person' OR e.released IS NOT NULL)"
_FARED = f"""SELECT d.version, count(*), sum(CASE WHEN {_HELD} OR EXISTS (SELECT 1 FROM splits s
        JOIN outbox e ON e.key = 'push-' || s.parcel || ':' || o.shop || ':' || o.order_no
        WHERE s.order_id = o.order_id AND {_HELD}) THEN 1 ELSE 0 END)
    FROM (SELECT DISTINCT order_id FROM log WHERE seq > ? AND outcome = 'decided' AND recorded_at >= ?) AS decided
    JOIN orders o ON o.order_id = decided.order_id
    JOIN decisions d ON d.order_id = o.order_id AND d.place = 0 AND d.shadow = 0
    JOIN outbox e ON e.key = 'push:' || o.shop || ':' || o.order_no
    GROUP BY d.version"""


def changes(store: Store) -> list[Changed]:
    """The newest first."""
    return [Changed(at, event.removeprefix("rulebook."), *rest) for at, event, *rest in store.query("hub", _CHANGES)]


def fared(store: Store, since: int) -> dict[str, tuple[int, int]]:
    """By version: of how many orders decided since an instant (microseconds UTC) a warehouse was to be told, and how
    many of these wait for a person, or did until one let them go. Of the newest ones, where there are very many."""
    newest = store.query("hub", "SELECT coalesce(max(seq), 0) FROM log")[0][0]
    rows = store.query("hub", _FARED, (newest - _LOOKED_AT, since))
    return {version: (orders, held) for version, orders, held in rows}


def text(store: Store, version: str) -> str | None:
    """As it was saved; None where no such version is kept."""
    found = store.query("hub", "SELECT body FROM rulebooks WHERE version = ?", (version,))
    return str(found[0][0]) if found else None


def steps(said: BookChange, message: int, at: int) -> list[tuple[str, Row]]:
    """The statements that carry a person's word out. `at`: microseconds UTC."""
    version, comment = said.version, said.comment
    match said.act:
        case "save":
            return [(_SAVE, (version, said.text, said.by, comment, at, message, said.seen))]
        case "review":
            return [_moved(said, "reviewed", message, "reviewed_by = ?", said.by)]
        case "shadow":
            return [_room(said, "archived", ON_TRIAL), _moved(said, "shadow", message, "share = 0, tried_at = ?", at)]
        case "rollout":
            # Anew with each share: those of a small one are older, and have fared longer.
            more = "share = ?, tried_at = ?"
            return [_room(said, "archived", ON_TRIAL), _moved(said, "rollout", message, more, said.share, at)]
        case "pause":
            return [_moved(said, "paused", message, "share = 0")]
        case "publish":
            return [
                _room(said, "archived", ("active",)),
                _moved(said, "active", message, "share = 0, published_at = ?", at),
            ]
        case "rollback":
            # When it was published stays: whoever goes back again goes further.
            # The comment is on the version that is left, and why.
            left = _room(said, "archived", ("active",), comment or None)
            return [left, _moved(said, "active", message, "share = 0", keep=True)]
        case "discard":
            return [_moved(said, "archived", message, "share = 0")]


def _room(said: BookChange, left: State, taken: tuple[str, ...], comment: str | None = None) -> tuple[str, Row]:
    """The others leave the place that this version takes, if it does take it."""
    there = _IS_THERE.format(starts=_listed(STARTS[said.act]))
    sql = _MAKE_ROOM.format(left=left, taken=_listed(taken), there=there)
    return sql, (comment, said.version, said.version, said.seen)


def _moved(
    said: BookChange, state: State, message: int, more: str, *values: str | int, keep: bool = False
) -> tuple[str, Row]:
    """`keep`: the version's own comment."""
    sql = _MOVE.format(state=state, more=f", {more}", starts=_listed(STARTS[said.act]))
    return sql, (None if keep else said.comment, message, *values, said.version, said.seen)


def _listed(states: tuple[str, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)
