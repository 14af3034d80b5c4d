"""Where a hub lives: a folder with two SQLite files, or a PostgreSQL address. Making, migrating and opening it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.pool import StaticPool

from orderhub_core.errors import Stop, Unreachable, UserMistake
from orderhub_core.store import chain
from orderhub_core.store import sqlite as sqlite_home
from orderhub_core.store.address import checked
from orderhub_core.store.base import Store
from orderhub_core.store.jetstream import init_jetstream, open_jetstream
from orderhub_core.store.postgres import PostgresStore
from orderhub_core.store.sqlite import SqliteStore
from orderhub_core.store.tables import PARTS

LANES = 16
"""Of a new hub on PostgreSQL: as many workers as this may apply at once, and a batch has a sixteenth of the orders."""
MIGRATIONS = Path(__file__).parent / "migrations"


class Home(NamedTuple):
    """`database` is empty for SQLite in `data`; settings and secrets live in `data` either way. `inbox` is the address
    of a JetStream cluster that takes messages in for that database, or empty."""

    data: Path
    database: str = ""
    inbox: str = ""

    def __str__(self) -> str:
        return "the PostgreSQL database" if self.database else str(self.data)


@contextlib.contextmanager
def _connection(home: Home, part: str) -> Iterator[sqlalchemy.Connection]:
    if home.database:
        address = checked(home.database).replace("postgresql://", "postgresql+psycopg://", 1)
        engine = sqlalchemy.create_engine(address)
    else:
        path = sqlite_home.file_of(home.data, part)

        def opened() -> Any:
            return sqlite_home.connect(path, page_bytes=sqlite_home.PAGE_BYTES[part], writer=True)

        engine = sqlalchemy.create_engine("sqlite://", module=sqlite, creator=opened, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.OperationalError as error:
        told = type(error.orig).__name__
        raise Unreachable(f"cannot open {home} ({told}): does it run, and may we write there?") from None
    except sqlalchemy.exc.DatabaseError as error:
        raise Stop(f"{home} cannot be used ({error.orig}): is it really a hub's, and undamaged?") from None
    finally:
        engine.dispose()


def _config(connection: sqlalchemy.Connection | None, part: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / "versions" / part))
    config.set_main_option("path_separator", "os")
    config.attributes.update(part=part, connection=connection)
    return config


def init(home: Home, revisions: Mapping[str, str] | None = None) -> None:
    """Make the hub, or bring it to this version's schema. Doing it again changes nothing.

    `revisions` asks for empty tables of an older schema instead, into which a backup fits.
    """
    if home.inbox and not home.database:
        raise UserMistake("--inbox takes messages in for a database: name one with --database")
    try:
        home.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserMistake(f"cannot make the folder {home.data} ({error.strerror}): name another with --data") from None
    for part in PARTS:
        with _connection(home, part) as connection:
            if not home.database:
                # SQLite makes tables in a transaction, too: cut off anywhere, the schema is the old or the new one.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(_config(connection, part), revisions[part] if revisions else "head")
            if part == "hub" and not revisions:
                _lay_lanes(connection, LANES if home.database else 1)
            connection.commit()
    if home.inbox and not revisions:
        init_jetstream(home.inbox)


def knows(revisions: Mapping[str, str]) -> bool:
    """Whether this version can bring a database of these revisions to its own schema."""
    return all(
        revisions.get(part)
        in {script.revision for script in ScriptDirectory.from_config(_config(None, part)).walk_revisions()}
        for part in PARTS
    )


def _lay_lanes(connection: sqlalchemy.Connection, lanes: int) -> None:
    """In a new hub. One that has orders keeps the lanes that they were numbered for."""
    if connection.execute(sqlalchemy.text("SELECT count(*) FROM lanes")).scalar_one():
        return
    connection.execute(
        sqlalchemy.text(
            "INSERT INTO lanes (lane, version, applied_upto, next_order_id, log_seq, log_hash)"
            " VALUES (:lane, 0, 0, :lane + 1, :seq, :hash) ON CONFLICT DO NOTHING"
        ),
        [{"lane": lane, "seq": start.seq, "hash": start.hash} for lane, start in enumerate(chain.starts(lanes))],
    )


def outdated(home: Home) -> list[str]:
    """The parts whose schema is not this version's."""
    parts = []
    for part in PARTS:
        with _connection(home, part) as connection:
            context = MigrationContext.configure(connection, opts={"version_table": f"alembic_version_{part}"})
            if context.get_current_revision() != ScriptDirectory.from_config(_config(None, part)).get_current_head():
                parts.append(part)
    return parts


def differences(home: Home) -> list[Any]:
    """What the migrated database lacks of the declared tables; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    found: list[Any] = []
    for part, metadata in PARTS.items():
        with _connection(home, part) as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table": f"alembic_version_{part}",
                    "include_name": lambda name, kind, _, known=metadata: kind != "table" or name in known.tables,
                },
            )
            found += compare_metadata(context, metadata)
    return found


def open_store(home: Home) -> Store:
    """Raises StoreMissing when there is no hub yet."""
    if home.inbox:
        return open_jetstream(home.database, home.inbox)
    return PostgresStore(home.database) if home.database else SqliteStore(home.data)
