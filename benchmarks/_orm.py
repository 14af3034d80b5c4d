"""The same rows through SQLModel, as its tutorial writes them: a session per batch, an object per row, `merge` for
what may be there already, one commit at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy
from pysqlite3 import dbapi2
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel, create_engine, select

from orderhub_core.store import sqlite, statements, tables
from orderhub_core.store.unit import Claim, Row, Writes

MODELS: dict[str, type[SQLModel]] = {
    model.__tablename__: model for model in tables.HubPart.__subclasses__() if hasattr(model, "__table__")
}


class Sessions:
    """Reads and writes the hub's file by sessions. What a benchmark gives a store in place of its own methods."""

    def __init__(self, folder: Path) -> None:
        self._path = sqlite.file_of(folder, "hub")

    def __enter__(self) -> Sessions:
        self._engine = create_engine(
            "sqlite://",
            module=dbapi2,
            creator=lambda: sqlite.connect(self._path, writer=True),
            poolclass=StaticPool,
        )

        @sqlalchemy.event.listens_for(self._engine, "begin")
        def begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def order_rows(self, keys: Iterable[tuple[str, str]]) -> list[Row]:
        by_shop: dict[str, list[str]] = {}
        for shop, order_no in keys:
            by_shop.setdefault(shop, []).append(order_no)
        order, names = tables.Order, statements.columns("orders")
        with Session(self._engine) as session:
            return [
                tuple(getattr(found, name) for name in names)
                for shop, order_nos in by_shop.items()
                for found in session.exec(select(order).where(order.shop == shop, order.order_no.in_(order_nos)))
            ]

    def commit(self, claim: Claim, writes: Writes) -> None:
        with Session(self._engine) as session:
            self._move_on(session, claim, writes)
            for batch in statements.batches(writes):
                # Lines are the same in this stream once they are stated, and nothing is renewed or withdrawn in it.
                assert batch.table, batch.sql
                model, names = MODELS[batch.table], statements.columns(batch.table)
                adding = batch.table in writes.inserts
                for row in batch.rows:
                    made = model(**dict(zip(names, row, strict=True)))
                    if adding:
                        session.add(made)
                    else:
                        session.merge(made)
            session.commit()

    def _move_on(self, session: Session, claim: Claim, writes: Writes) -> None:
        lane: Any = session.get(tables.Lane, claim.lane)
        assert lane.version == claim.version
        lane.version += 1
        lane.applied_upto = claim.upto
        lane.next_order_id, lane.log_seq, lane.log_hash = writes.next_order_id, writes.log_seq, writes.log_hash
        session.add(lane)
