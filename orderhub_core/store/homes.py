"""Where a hub lives: a folder with two SQLite files, or a PostgreSQL address. Making and opening it.

What a home does not need is not loaded: a server that was killed takes messages again the sooner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orderhub_core.errors import Stop, StoreMissing, Unreachable, UserMistake
from orderhub_core.store.ahead import Ahead
from orderhub_core.store.base import Store
from orderhub_core.store.home import Home as Home
from orderhub_core.store.revisions import REVISIONS
from orderhub_core.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from orderhub_core.store.scribe import Scribe

LATER = (
    "a later version of OrderHub has brought this hub to its schema ({revision}; this one works on {own}): start that"
    " version, or restore a backup from before into another home"
)


def ahead(store: Store) -> Ahead | None:
    """For one worker, in one of its threads. None where a home must see one batch committed before it gives out the
    next."""
    if isinstance(store, SqliteStore):
        from orderhub_core.store.committer import Committer

        return Committer(store)
    from orderhub_core.store.postgres import PostgresStore
    from orderhub_core.store.relay import Relay

    return Relay(store) if type(store) is PostgresStore else None


def scribe(store: Store) -> Scribe | None:
    """For one event loop that takes messages in. None where a home has no process that writes them down."""
    if isinstance(store, SqliteStore):
        from orderhub_core.store.scribe import Scribe

        return Scribe(store.folder)
    return None


def init(home: Home, revisions: Mapping[str, str] | None = None) -> None:
    """Make the hub, or bring it to this version's schema. Doing it again changes nothing.

    `revisions` asks for empty tables of an older schema instead, into which a backup fits.
    """
    if home.inbox and not home.database:
        raise UserMistake("--inbox takes messages in for a database: name one with --database")
    try:
        home.data.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = "cannot make the folder {folder} ({why}): name another with --data"
        raise UserMistake(text, folder=home.data, why=error.strerror) from None
    if revisions or _to_be_made(home):
        from orderhub_core.store import schema

        schema.upgrade(home, revisions)
    if home.inbox and not revisions:
        from orderhub_core.store.jetstream import init_jetstream

        init_jetstream(home.inbox)


def refuse_unbegun(home: Home, settings: str) -> None:
    """Raises StoreMissing for a folder in which nobody has begun a hub: its file of settings is not there, nor what a
    hub keeps."""
    if (home.data / settings).exists() or (home.database and home.data.is_dir()):
        return
    SqliteStore(home.data).close()


def _to_be_made(home: Home) -> bool:
    try:
        refuse_later(home)
        return bool(outdated(home))
    except Unreachable as error:
        if not home.database:
            raise
        from orderhub_core.store.address import closed

        raise closed(home.database, str(error.facts["kind"])) from None


def outdated(home: Home) -> list[str]:
    """The parts whose schema is not this version's, whatever else ails them. Raises Unreachable, Busy and Stop."""
    return [part for part, revision in _revisions(home).items() if revision != REVISIONS[part]]


def later(home: Home) -> dict[str, str]:
    """The parts that a later version of OrderHub has brought to its schema, and to which. Raises as `outdated`."""
    return {part: revision for part, revision in _revisions(home).items() if revision > REVISIONS[part]}


def refuse_later(home: Home) -> None:
    """Raises Stop for a hub that a later version of OrderHub has brought to its schema: no way leads back."""
    for part, revision in later(home).items():
        raise Stop(LATER, revision=revision, own=REVISIONS[part])


def _revisions(home: Home) -> dict[str, str]:
    """Of each part."""
    try:
        store = open_store(home._replace(inbox=""))
    except StoreMissing:
        return dict.fromkeys(REVISIONS, "")
    with contextlib.closing(store):
        return {part: _revision(store, part) for part in REVISIONS}


def _revision(store: Store, part: str) -> str:
    """Empty where there is none, or nobody has laid the lanes yet."""
    try:
        revision = str(store.query(part, f"SELECT version_num FROM alembic_version_{part}")[0][0])
        if part == "hub" and revision == REVISIONS[part] and not store.query("hub", "SELECT lane FROM lanes LIMIT 1"):
            return ""
        return revision
    except (StoreMissing, IndexError):
        return ""


def open_store(home: Home) -> Store:
    """Raises StoreMissing when there is no hub yet."""
    if home.inbox:
        from orderhub_core.store.jetstream import open_jetstream

        return open_jetstream(home.database, home.inbox)
    if home.database:
        from orderhub_core.store.postgres import PostgresStore

        return PostgresStore(home.database)
    return SqliteStore(home.data)
