"""Making and migrating a hub's tables, with Alembic. Loaded only where something is to be made or compared: it takes
longer to load than all that a running hub needs of the store."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateIndex

from orderhub_core.errors import Stop, Unreachable
from orderhub_core.store import chain, sessions
from orderhub_core.store import sqlite as sqlite_home
from orderhub_core.store.address import checked, closed
from orderhub_core.store.home import Home
from orderhub_core.store.tables import PARTS

LANES = 16
"""Of a new hub on PostgreSQL: as many workers as this may apply at once, and a batch has a sixteenth of the orders."""
MIGRATIONS = Path(__file__).parent / "migrations"


@contextlib.contextmanager
def connection(home: Home, part: str) -> Iterator[sqlalchemy.Connection]:
    if home.database:
        address = checked(home.database).replace("postgresql://", "postgresql+psycopg://", 1)
        engine = sqlalchemy.create_engine(address)
    else:
        path = sqlite_home.file_of(home.data, part)

        def creator() -> Any:
            return sqlite_home.connect(path, page_bytes=sqlite_home.PAGE_BYTES[part], writer=True)

        engine = sqlalchemy.create_engine("sqlite://", module=sqlite, creator=creator, poolclass=StaticPool)
    try:
        with engine.connect() as opened:
            yield opened
    except sqlalchemy.exc.OperationalError as error:
        if home.database:
            raise closed(home.database, sessions.reason(error.orig or error)) from None
        text = "cannot open the database in {home} ({why}): see that the hub may write there"
        raise Unreachable(text, home=home, why=error.orig) from None
    except sqlalchemy.exc.DatabaseError as error:
        raise Stop(
            "{home} cannot be used ({why}): is it really a hub's, and undamaged?", home=home, why=error.orig
        ) from None
    finally:
        engine.dispose()


def config(bound: sqlalchemy.Connection | None, part: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("version_locations", str(MIGRATIONS / "versions" / part))
    made.set_main_option("path_separator", "os")
    made.attributes.update(part=part, connection=bound)
    return made


def upgrade(home: Home, revisions: Mapping[str, str] | None = None) -> None:
    """To this version's schema, or to `revisions`. Doing it again changes nothing."""
    for part in PARTS:
        with connection(home, part) as opened:
            if not home.database:
                # SQLite makes tables in a transaction, too: cut off anywhere, the schema is the old or the new one.
                opened.exec_driver_sql("BEGIN IMMEDIATE")
            elif part == "hub" and sqlalchemy.inspect(opened).has_table("lanes"):
                # Commits that are under way end first, and none begins before the schema is the new one.
                opened.exec_driver_sql("LOCK TABLE lanes IN EXCLUSIVE MODE")
            command.upgrade(config(opened, part), revisions[part] if revisions else "head")
            if part == "hub" and not revisions:
                _lay_lanes(opened, LANES if home.database else 1)
            opened.commit()


def heads() -> dict[str, str]:
    """The newest revision of each part."""
    scripts = {part: ScriptDirectory.from_config(config(None, part)) for part in PARTS}
    return {part: str(script.get_current_head()) for part, script in scripts.items()}


def knows(revisions: Mapping[str, str]) -> bool:
    """Whether this version can bring a database of these revisions to its own schema."""
    return all(
        revisions.get(part)
        in {script.revision for script in ScriptDirectory.from_config(config(None, part)).walk_revisions()}
        for part in PARTS
    )


def _lay_lanes(opened: sqlalchemy.Connection, lanes: int) -> None:
    """In a new hub. One that has orders keeps the lanes that they were numbered for."""
    if opened.execute(sqlalchemy.text("SELECT count(*) FROM lanes")).scalar_one():
        return
    opened.execute(
        sqlalchemy.text(
            "INSERT INTO lanes (lane, version, applied_upto, next_order_id, log_seq, log_hash)"
            " VALUES (:lane, 0, 0, :lane + 1, :seq, :hash) ON CONFLICT DO NOTHING"
        ),
        [{"lane": lane, "seq": start.seq, "hash": start.hash} for lane, start in enumerate(chain.starts(lanes))],
    )


def differences(home: Home) -> list[Any]:
    """What the migrated database lacks of the declared tables; empty when they agree."""
    found: list[Any] = []
    for part, metadata in PARTS.items():
        with connection(home, part) as opened:
            context = MigrationContext.configure(
                opened,
                opts={
                    "version_table": f"alembic_version_{part}",
                    "include_name": lambda name, kind, _, known=metadata: kind != "table" or name in known.tables,
                },
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*expression-based index")
                found += compare_metadata(context, metadata)
            if opened.dialect.name == "sqlite":
                found += _lacking(opened, metadata)
    return found


def _lacking(opened: sqlalchemy.Connection, metadata: sqlalchemy.MetaData) -> list[tuple[str, str]]:
    """Indexes of expressions, which SQLAlchemy cannot read back from SQLite: by their text."""
    names = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    there = {row.name: row.sql for row in opened.execute(sqlalchemy.text(names))}
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    computed = [index for index in indexes if len(index.columns) < len(index.expressions)]
    declared = {str(index.name): str(CreateIndex(index).compile(opened)) for index in computed}
    return [("add_index", name) for name, sql in declared.items() if there.get(name) != sql]
