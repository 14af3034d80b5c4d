"""What the disk and SQLite alone allow: rows that are ready in memory, a bare `executemany`, the house's pragmas."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orderhub_core.model import RawMessage
from orderhub_core.store import homes, sqlite
from orderhub_core.store.statements import Batch
from orderhub_core.store.unit import digest_of


def inbox(folder: Path, messages: Sequence[RawMessage], group: int) -> float:
    """Seconds to write the inbox's rows, ready in memory, in commits of `group`."""
    homes.init(homes.Home(folder))
    rows = [(m.source, m.message_id, m.kind, 1, digest_of(m.body), m.body) for m in messages]
    sql = "INSERT INTO inbox (source, message_id, kind, received_at, digest, body) VALUES (?, ?, ?, ?, ?, ?)"
    connection = sqlite.connect(sqlite.file_of(folder, "inbox"), page_bytes=sqlite.PAGE_BYTES["inbox"], writer=True)
    os.sync()
    begun = time.perf_counter()
    for at in range(0, len(rows), group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, rows[at : at + group])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds


def write(connection: Any, commit: Sequence[Batch]) -> None:
    """One recorded commit once more: its statements and rows."""
    connection.execute("BEGIN IMMEDIATE")
    for sql, rows, *_ in commit:
        connection.executemany(sql, rows)
    connection.execute("COMMIT")


def hub(folder: Path, commits: Sequence[Sequence[Batch]]) -> float:
    """Seconds to write the hub's rows once more, commit by commit."""
    homes.init(homes.Home(folder))
    connection = sqlite.connect(sqlite.file_of(folder, "hub"), writer=True)
    os.sync()
    begun = time.perf_counter()
    for commit in commits:
        write(connection, commit)
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds
