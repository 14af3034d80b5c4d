"""What a connector must offer. One protocol per kind of outside system; the folder under `connectors/` names it.

A connector is built by `registry` as `connect(endpoint)` of its module. Decoding is pure; everything else
may talk to the network and raises only the classes of `errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from orderhub_core.effects import Notify, PushToWarehouse
from orderhub_core.errors import OrderHubError
from orderhub_core.model import Observation, OfNoOrder, RawMessage, Sighting


class Channel(Protocol):
    """A shop on a sales platform: pushes, and is polled because pushes get lost."""

    fetches: bool
    """Whether `fetch` can ask for a whole order. Where it cannot, what was pushed is all there is."""

    def unpack(self, headers: Mapping[str, str], body: bytes) -> list[RawMessage]:
        """Prove the sender, then split a delivery into messages, unread.

        Header names are lower case. A proven delivery that cannot be split comes back as one message,
        to be parked. Raises BadSignature; BadClock where only the time of signing is wrong.
        """
        ...

    def answer(self, failure: OrderHubError | None) -> tuple[int, bytes]:
        """The HTTP status and JSON body that this platform expects after a delivery."""
        ...

    def decode(self, kind: str, body: bytes) -> Observation | OfNoOrder:
        """Pure. Raises Unreadable; an unknown word is Unreadable, never a default."""
        ...

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        """Every order updated in [since, until), microseconds UTC. Raises Later or NeedsPerson."""
        ...

    def clock(self) -> int | None:
        """What the platform's own clock showed in its last answer, microseconds UTC; None where it does not tell."""
        ...

    def fetch(self, order_no: str) -> RawMessage:
        """One whole order. Raises Later or NeedsPerson."""
        ...


class Touchpoint(Protocol):
    """A place where people look an order up: customer page, service CRM, WMS screen."""

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        """Every row the touchpoint changed in [since, until), microseconds UTC."""
        ...

    def clock(self) -> int | None:
        """What its own clock showed in its last answer, microseconds UTC; None where it does not tell."""
        ...

    def look(self, order_nos: list[str]) -> list[RawMessage]:
        """What the touchpoint shows now of these orders; unknown ones are left out."""
        ...

    def decode(self, kind: str, body: bytes) -> Sighting: ...


class Counted(NamedTuple):
    """What a warehouse has."""

    at: int | None
    """As of when, microseconds UTC; None: of the moment of asking."""
    rows: Sequence[tuple[str, int, int | None]]
    """By SKU the pieces that lie there, and those that orders must leave, where the warehouse says so."""


class Warehouse(Protocol):
    def push(self, effect: PushToWarehouse, key: str) -> None:
        """Hand the order over; `key` is the idempotency key, so the same key twice is one order there."""
        ...

    def holds(self, effect: PushToWarehouse) -> bool:
        """Read back: does the warehouse have this order, with these lines?"""
        ...

    def stock(self, warehouse: str) -> Counted:
        """What lies there. Raises NobodyThere where it does not tell."""
        ...


class FileMapping(Protocol):
    """How one kind of export file reads."""

    @property
    def shop(self) -> str: ...
    @property
    def platform(self) -> str: ...


class FileReading(Protocol):
    """What a file says: one message per order, and a reason for each refused row."""

    @property
    def rows(self) -> int: ...
    @property
    def messages(self) -> list[RawMessage]: ...
    @property
    def message_rows(self) -> list[int]: ...
    @property
    def order_nos(self) -> list[str]: ...
    @property
    def refused(self) -> pl.DataFrame: ...
    @property
    def unread(self) -> list[str]: ...


class LedgerReading(Protocol):
    """What a file says as a ledger of the reconciliation: plain columns, see `connectors.files.ledgers.Ledger`."""

    @property
    def entries(self) -> pl.DataFrame: ...
    @property
    def fees(self) -> pl.DataFrame: ...
    @property
    def findings(self) -> pl.DataFrame: ...
    @property
    def currency(self) -> str: ...
    @property
    def decimals(self) -> int: ...


class SheetReading(Protocol):
    """A table of which the caller named the columns, see `connectors.files.sheets.Sheet`."""

    @property
    def rows(self) -> pl.DataFrame: ...
    @property
    def findings(self) -> pl.DataFrame: ...
    @property
    def has(self) -> frozenset[str]: ...


class Files(Protocol):
    """Export files as a source of orders, and of ledgers (the module `connectors.files`)."""

    def load_mapping(self, name: str, /) -> FileMapping: ...
    def read_table(self, path: Path, /) -> pl.DataFrame: ...
    def observe(self, table: pl.DataFrame, mapping: Any, /) -> FileReading: ...
    def decode(self, kind: str, body: bytes, /) -> Observation: ...
    def conventions(self, own: Path | None = None, /) -> Any: ...
    def read_sheet(
        self, path: Path, columns: Mapping[str, tuple[str, Sequence[str]]], required: Sequence[str], zone: str, /
    ) -> SheetReading: ...
    def read_ledger(self, path: Path, source: str, known: Any, /) -> LedgerReading: ...


class Notifier(Protocol):
    def push(self, effect: Notify, key: str) -> None: ...
