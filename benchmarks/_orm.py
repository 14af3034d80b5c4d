"""The same orders as SQLModel's tutorial would write them: event by event, an order is looked up, changed and added to
the session with its log entries, lines, payment, parcels and receiver; one commit per batch.

Decoding and folding are the hub's own. Rules, decisions and pushes are left out: the other side gets them for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from pysqlite3 import dbapi2
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel, create_engine, select

from orderhub_core.flows import rows
from orderhub_core.fold import Folded, Head, Origin, Pseudonymous, fold
from orderhub_core.model import Content, Observation
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import chain, sqlite, statements
from orderhub_core.store.tables import Lane, Line, Log, Order, Parcel, Payment, Person
from orderhub_core.store.unit import Message


class Tutorial:
    """Over the hub's file in a folder. `close` it."""

    def __init__(
        self, folder: Path, shop: str, decode: Callable[[str, bytes], Observation], hashes: Pseudonyms
    ) -> None:
        self._shop, self._decode, self._hashes = shop, decode, hashes
        self._connection = sqlite.connect(sqlite.file_of(folder, "hub"), writer=True)
        self._engine = create_engine("sqlite://", module=dbapi2, creator=lambda: self._connection, poolclass=StaticPool)
        # The driver is told to begin nothing by itself: SQLAlchemy's own recipe for SQLite.
        sqlalchemy.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def apply(self, messages: list[Message]) -> None:
        """One batch, one commit."""
        with Session(self._engine) as session:
            lane = session.get_one(Lane, 0)
            for message in messages:
                self._apply(session, lane, message)
            lane.applied_upto, lane.version = messages[-1].id, lane.version + 1
            session.add(lane)
            session.commit()

    def close(self) -> None:
        self._engine.dispose()

    def _apply(self, session: Session, lane: Lane, message: Message) -> None:
        seen = self._decode(message.kind, message.body)
        order = session.exec(select(Order).where(Order.shop == self._shop, Order.order_no == seen.order_no)).first()
        if order is None:
            head = Head(lane.next_order_id, self._shop, "direct", seen.order_no)
            order = made(Order, rows.order_row(head))
            lane.next_order_id += 1
        else:
            head = rows.head(tuple(getattr(order, name) for name in statements.columns("orders")))
        origin = Origin(message.source, message.id, message.received_at)
        folded = fold(head, seen, origin, self._hidden(seen.content))
        for name, value in zip(statements.columns("orders"), rows.order_row(head), strict=True):
            setattr(order, name, value)
        session.add(order)
        self._log(session, lane, folded)
        self._parts(session, head, seen.content, folded)

    def _log(self, session: Session, lane: Lane, folded: Folded) -> None:
        found, (lane.log_seq, lane.log_hash) = chain.extend(chain.Head(lane.log_seq, lane.log_hash), folded.entries)
        for row in found:
            session.add(made(Log, row))

    def _parts(self, session: Session, head: Head, content: Content | None, folded: Folded) -> None:
        for line in folded.lines or ():
            session.merge(made(Line, rows.line_row(head.order_id, line, "")))
        if folded.paid and head.paid_minor:
            session.merge(made(Payment, rows.payment_row(head)))
        for row in rows.parcel_rows(head) if folded.boxed else ():
            session.merge(made(Parcel, row))
        if folded.person and content is not None and (person := content.person) is not None:
            row = (head.order_id, person.name, person.phone, person.address, content.note)
            session.merge(made(Person, row))

    def _hidden(self, content: Content | None) -> Pseudonymous:
        if content is None or content.person is None:
            return Pseudonymous()
        buyer = self._hashes.buyer(self._shop, content.buyer_ref)
        return Pseudonymous(buyer, self._hashes.person(content.person, content.note))


def made(model: type[SQLModel], row: tuple[Any, ...]) -> Any:
    return model(**dict(zip(statements.columns(str(model.__tablename__)), row, strict=True)))
