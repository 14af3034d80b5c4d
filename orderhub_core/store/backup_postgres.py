"""Copies of a hub in PostgreSQL: every table by binary COPY inside one REPEATABLE READ transaction.

Not by pg_dump: it would have to be installed where the hub runs, in the server's version, while the driver is
there already; and rows without a schema are restored through the hub's own migrations, so that an older backup
fits a newer version. A restored hub is made in a schema of its own and moved to its place in one transaction.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg import sql
from psycopg.abc import Buffer

from orderhub_core.errors import Fault, StoreMissing, Unreachable, UserMistake
from orderhub_core.store import archive, homes, sessions
from orderhub_core.store.address import checked
from orderhub_core.store.archive import File, Manifest, Tell
from orderhub_core.store.contents import lanes
from orderhub_core.store.homes import Home
from orderhub_core.store.tables import PARTS

SIGNATURE, TRAILER = b"PGCOPY\n\xff\r\n\0", b"\xff\xff"
OURS = [name for part, metadata in PARTS.items() for name in (*metadata.tables, f"alembic_version_{part}")]
TABLES = """SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)
    FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ANY(%s)
    GROUP BY table_name ORDER BY table_name"""
STAMP = "changed_version"
"""Which transaction changed a row. Each server numbers its own, so that in another hub the number means nothing."""
LEAVING_S = 2.0
"""A connection that was closed is listed a moment longer, on a busy machine."""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"


@contextlib.contextmanager
def _connected(home: Home) -> Iterator[psycopg.Connection[Any]]:
    """One transaction, committed at the end."""
    try:
        with psycopg.connect(checked(home.database), connect_timeout=10) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        denied = str(error.diag.message_primary)
        raise UserMistake(
            "the database refuses ({denied}): use a user that may create schemas there", denied=denied
        ) from None
    except psycopg.OperationalError as error:
        raise Unreachable("the database does not answer ({kind}): does it run?", kind=sessions.reason(error)) from error


def dump(home: Home, folder: Path, tell: Tell) -> Manifest:
    """Stream every table, all as of one moment; nobody waits for us, and we wait for nobody."""
    if outdated := homes.outdated(home):
        homes.refuse_later(home)
        raise StoreMissing(
            "the schema of {parts} is not this version's: back up with the version that made it, or run `orderhub"
            " db init` first",
            parts=tuple(outdated),
        )
    files: dict[str, File] = {}
    counts: dict[str, int] = {}
    with _connected(home) as connection:
        connection.rollback()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        tables = dict(connection.execute(TABLES, (OURS,)).fetchall())
        instant = archive.now()
        for table, columns in tables.items():
            files[f"{table}.copy"], counts[table] = _copy_out(connection, table, columns, folder, tell)

        def ask(_: str, text: str) -> list[Any]:
            return connection.execute(text.encode()).fetchall()

        revisions = {part: ask("", f"SELECT version_num FROM alembic_version_{part}")[0][0] for part in PARTS}
        # Sequences know no transaction: read last, they are at least as far as the rows.
        sequences = {name: last for name, last in ask("", SEQUENCES) if last is not None}
        heads = lanes(ask)
    return Manifest(
        archive.FORMAT, "postgres", instant, revisions, counts, heads, files, columns=tables, sequences=sequences
    )


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _copy_out(
    connection: psycopg.Connection[Any], table: str, columns: list[str], folder: Path, tell: Tell
) -> tuple[File, int]:
    values = sql.SQL(", ").join(sql.SQL("0::bigint") if name == STAMP else sql.Identifier(name) for name in columns)
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(values, sql.Identifier(table))
    state, size = hashlib.blake2b(digest_size=32), 0
    with connection.cursor() as cursor, (folder / f"{table}.copy").open("wb") as file:
        with cursor.copy(statement) as copy:
            for block in _gathered(copy):
                file.write(block)
                state.update(block)
                size += len(block)
                tell(f"copy {table}", size, 0)
        return File(size, state.hexdigest()), cursor.rowcount


def _gathered(copy: Iterable[Buffer]) -> Iterator[bytes]:
    """The driver gives a row at a time; that is too little to do anything with."""
    block = bytearray()
    for row in copy:
        block += row
        if len(block) >= archive.BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def open_backup(folder: Path, manifest: Manifest, tell: Tell) -> list[Fault]:
    """Look at a backup where it lies. What is wrong with it, in sentences. Rows are only read by a rehearsal."""
    wrong = []
    for table in manifest.columns:
        tell(f"check {table}.copy", 0, 0)
        with (folder / f"{table}.copy").open("rb") as file:
            begun = file.read(len(SIGNATURE)) == SIGNATURE
            file.seek(-len(TRAILER), 2)
            if not begun or file.read() != TRAILER:
                wrong.append(Fault("{file} is not a whole COPY of PostgreSQL", file=f"{table}.copy"))
    return wrong


def within(database: str, schema: str) -> str:
    """The same database, with another schema in the place of the default one."""
    parts = urlsplit(checked(database))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    options["options"] = f"{options.get('options', '')} -csearch_path={schema}".strip()
    return parts._replace(query=urlencode(options, quote_via=quote)).geturl()


@contextlib.contextmanager
def staged(folder: Path, manifest: Manifest, home: Home, tell: Tell) -> Iterator[Home]:
    """The backup as a hub of this version in a schema of its own, gone at the end unless it was moved. What lies in the
    hub's folder is of the living hub: a snapshot there tells of later than the backup does."""
    schema = f"restoring_{archive.stamp()}"
    with archive.unfinished(home.data, ".restoring-") as scratch:
        with _connected(home) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        try:
            fresh = Home(scratch, within(home.database, schema))
            _fill(fresh, folder, manifest, tell)
            yield fresh
        finally:
            with _connected(home) as connection:
                connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _fill(fresh: Home, folder: Path, manifest: Manifest, tell: Tell) -> None:
    homes.init(fresh, manifest.revisions)
    with _connected(fresh) as connection:
        for table, columns in manifest.columns.items():
            _copy_in(connection, table, columns, folder / f"{table}.copy", tell)
        for name, last in manifest.sequences.items():
            connection.execute("SELECT setval(%s::regclass, %s)", (name, last))
    homes.init(fresh)
    with _connected(fresh) as connection:
        for table, _ in connection.execute(TABLES, (OURS,)).fetchall():
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def _copy_in(connection: psycopg.Connection[Any], table: str, columns: list[str], path: Path, tell: Tell) -> None:
    name = sql.Identifier(table)
    seeded = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name)).fetchone()
    if seeded and seeded[0]:  # by a migration
        connection.execute(sql.SQL("DELETE FROM {}").format(name))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(name, _names(columns))
    size, done = path.stat().st_size, 0
    with connection.cursor() as cursor, path.open("rb") as file, cursor.copy(statement) as copy:
        while block := file.read(archive.BLOCK):
            copy.write(block)
            done += len(block)
            tell(f"restore {table}", done, size)


def occupied(home: Home) -> list[str]:
    """The tables of a hub that is there already."""
    with _connected(home) as connection:
        return [row[0] for row in connection.execute(TABLES, (OURS,)).fetchall()]


def place(fresh: Home, home: Home, stamp: str) -> str:
    """Let the staged hub live here. An old one goes into a schema of its own, whose name is returned."""
    aside = f"aside_{stamp}"
    with _connected(fresh) as connection:
        source = _schema(connection)
    with _connected(home) as connection:
        target = _schema(connection)
        old = [row[0] for row in connection.execute(TABLES, (OURS,)).fetchall()]
        if old:
            _alone(connection)
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(aside)))
            _move(connection, old, target, aside)
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (source,)).fetchall()
        _move(connection, [row[0] for row in tables], source, target)
    return f"schema {aside}" if old else ""


def _schema(connection: psycopg.Connection[Any]) -> str:
    found = connection.execute("SELECT current_schema()").fetchone()
    return str(found[0]) if found else ""


def _move(connection: psycopg.Connection[Any], tables: list[str], source: str, target: str) -> None:
    """Tables with their indexes and sequences, and the functions that their triggers call."""
    functions = connection.execute(
        "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = ANY("
        "SELECT oid FROM pg_class WHERE relname = ANY(%s) AND relnamespace = %s::regnamespace)",
        (tables, source),
    ).fetchall()
    for table in tables:
        place = sql.Identifier(source, table)
        connection.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(place, sql.Identifier(target)))
    for (function,) in functions:
        connection.execute(sql.SQL("ALTER FUNCTION {} SET SCHEMA {}").format(sql.SQL(function), sql.Identifier(target)))


def check_unused(home: Home) -> None:
    """Raises UserMistake when somebody else uses the hub that is there."""
    with _connected(home) as connection:
        if connection.execute(TABLES, (OURS,)).fetchall():
            _alone(connection)


def _alone(connection: psycopg.Connection[Any]) -> None:
    give_up_at = time.monotonic() + LEAVING_S
    while others := _others(connection):
        if time.monotonic() > give_up_at:
            told = f"the database is in use by {others} other connections"
            raise UserMistake("{told}: stop the hub's server and workers first", told=told)
        time.sleep(LEAVING_S / 20)


def _others(connection: psycopg.Connection[Any]) -> int:
    connection.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
    found = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ).fetchone()
    return found[0] if found else 0
