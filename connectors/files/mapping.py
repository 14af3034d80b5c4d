"""A mapping says how one kind of export file reads: its headings, its status words, its zone and its money.

It is a TOML file that a business user can write; the shipped ones lie in `connectors/mappings`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from connectors._kit.currencies import iso
from connectors.files.words import CASES, NO_CASE, PRESUPPOSES, STATES
from orderhub_core.errors import UserMistake
from orderhub_core.model import Event, Headline

SHIPPED = Path(__file__).parent.parent / "mappings"


class Kind(StrEnum):
    """How the cells of a column are read."""

    ID = "id"
    TIME = "time"
    MONEY = "money"
    COUNT = "count"
    TEXT = "text"
    STATUS = "status"
    CASE = "case"


FIELDS: dict[str, Kind] = {
    "order_no": Kind.ID,
    "placed_at": Kind.TIME,
    "paid_at": Kind.TIME,
    "shipped_at": Kind.TIME,
    "collected_at": Kind.TIME,
    "delivered_at": Kind.TIME,
    "completed_at": Kind.TIME,
    "cancelled_at": Kind.TIME,
    "refunded_at": Kind.TIME,
    "updated_at": Kind.TIME,
    "promised_at": Kind.TIME,
    "status": Kind.STATUS,
    "after_sale": Kind.CASE,
    "total": Kind.MONEY,
    "paid": Kind.MONEY,
    "refunded": Kind.MONEY,
    "freight": Kind.MONEY,
    "discount": Kind.MONEY,
    "payment_method": Kind.TEXT,
    "buyer": Kind.TEXT,
    "receiver_name": Kind.TEXT,
    "receiver_phone": Kind.ID,
    "receiver_address": Kind.TEXT,
    "province": Kind.TEXT,
    "city": Kind.TEXT,
    "note": Kind.TEXT,
    "tracking_no": Kind.ID,
    "carrier": Kind.TEXT,
    "sku": Kind.ID,
    "product_name": Kind.TEXT,
    "category": Kind.TEXT,
    "quantity": Kind.COUNT,
    "price": Kind.MONEY,
}
"""Every field that `[columns]` may name."""

PERSONAL = frozenset({"buyer", "receiver_name", "receiver_phone", "receiver_address", "note"})
"""Fields whose cells are never repeated in a reason."""

_NO_MINOR = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF"})
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read one kind of file. Made by `load_mapping`, which has checked it."""

    name: str
    shop: str
    columns: dict[str, str | list[str]]
    platform: str = ""
    time_zone: str = "Asia/Shanghai"
    """The zone of times that name none."""
    mixed_times: bool = False
    """Whether one column may hold both times with and times without a zone."""
    currency: str = "CNY"
    money: Literal["yuan", "fen", "major", "minor"] = "yuan"
    """What a money cell counts: yuan (or any currency's major unit), or fen (its minor unit)."""
    money_per: Literal["order", "line"] = "order"
    """Where an order has several rows: whether total, paid, freight and discount stand for the order or for the row."""
    address_begins: tuple[Literal["province", "city"], ...] = ()
    """What the receiver's address begins with, each followed by a blank. Holds where no column of its own tells it."""
    required: tuple[str, ...] = ("order_no", "placed_at")
    """Fields whose column must be in the file."""
    status: dict[str, str | list[str]] = {}
    after_sale: dict[str, str] = {}
    """What each word of the column `after_sale` means: an event of that axis, or `none`. `*` is any other word."""

    @property
    def source(self) -> str:
        return f"file:{self.name}"

    @property
    def decimals(self) -> int:
        """Digits after the point that a money cell may have."""
        return 0 if self.money in ("fen", "minor") else self.exponent

    @property
    def exponent(self) -> int:
        """ISO 4217: how many digits separate the currency's major from its minor unit."""
        return 0 if self.currency in _NO_MINOR else 3 if self.currency in _THREE_DECIMALS else 2

    def headings(self, field: str) -> list[str]:
        """The headings under which a file may show the field, best first."""
        return _listed(self.columns.get(field, []))

    def headline(self, word: str) -> Headline | None:
        """The headline that a status word of this file means; None where the mapping lists bare events."""
        return next((Headline(part) for part in _listed(self.status[word]) if part in _HEADLINES), None)

    def states(self, word: str) -> set[Event]:
        """The facts that a status word states."""
        parts = _listed(self.status[word])
        facts = {Event(part) for part in parts if part in _EVENTS}
        return facts.union(*(STATES[Headline(part)] for part in parts if part in _HEADLINES))

    def presupposes(self, word: str) -> set[Event]:
        """The earlier facts without which the word makes no sense."""
        headline = self.headline(word)
        return set(PRESUPPOSES.get(headline, ())) if headline else set()


def shipped_mappings() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_mapping(name_or_path: str) -> Mapping:
    """The shipped mapping of that name, or the mapping in that file.

    Raises UserMistake: no such mapping (naming the shipped ones), or what is wrong in the file, with its line.
    """
    shipped = name_or_path in shipped_mappings()
    path = SHIPPED / f"{name_or_path}.toml" if shipped else Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserMistake("{path}: a mapping must be saved as UTF-8", path=path) from None
    except OSError:
        text = "no mapping {name!r}: name a TOML file or one of the shipped mappings: {known}"
        if not name_or_path:
            text = "--mapping is missing: name a TOML file or one of the shipped mappings: {known}"
        raise UserMistake(text, name=name_or_path, known=tuple(shipped_mappings())) from None
    try:
        mapping = msgspec.toml.decode(text, type=Mapping)
    except msgspec.ValidationError as error:
        keys = re.findall(r"[`.\[]([^`.\[\]$]+)[`\]]", str(error))
        raise UserMistake(
            "{path}: {error}; see docs/import.md", path=_where(path, text, keys), error=_readable(error)
        ) from None
    except msgspec.DecodeError as error:
        raise UserMistake("{path}: this is not valid TOML: {error}", path=path, error=error) from None
    _check(mapping, path, text)
    return msgspec.structs.replace(mapping, currency=iso(mapping.currency))


def _check(mapping: Mapping, path: Path, text: str) -> None:
    for field in [*mapping.columns, *mapping.required]:
        if field not in FIELDS:
            raise UserMistake(
                "{path}: {field!r} is not a field{perhaps}; fields are: {fields}",
                path=_where(path, text, [field]),
                field=field,
                perhaps=nearest(field, FIELDS),
                fields=tuple(FIELDS),
            )
    for word, meaning in mapping.status.items():
        for part in _listed(meaning):
            if part not in _EVENTS and part not in _HEADLINES:
                raise UserMistake(
                    "{path}: status {word!r} means {part!r}, which is neither a status nor an event{perhaps};"
                    " statuses are: {statuses}",
                    path=_where(path, text, [word]),
                    word=word,
                    part=part,
                    perhaps=nearest(part, _HEADLINES | _EVENTS),
                    statuses=tuple(Headline),
                )
        if sum(part in _HEADLINES for part in _listed(meaning)) > 1:
            raise UserMistake(
                "{path}: status {word!r} may mean one status and further events",
                path=_where(path, text, [word]),
                word=word,
            )
    for field in mapping.required:
        if not mapping.headings(field):
            raise UserMistake("{path}: [columns] must say under which heading {field} stands", path=path, field=field)
    for word, event in mapping.after_sale.items():
        if event not in (NO_CASE, *CASES):
            raise UserMistake(
                "{path}: after-sale word {word!r} means {event!r}, which is no event of a case{perhaps};"
                " these are: {events}",
                path=_where(path, text, [word]),
                word=word,
                event=event,
                perhaps=nearest(event, CASES),
                events=(NO_CASE, *CASES),
            )
    try:
        ZoneInfo(mapping.time_zone)
    except (KeyError, OSError, ValueError):
        where = _where(path, text, ["time_zone"])
        raise UserMistake(
            "{where}: there is no time zone {time_zone!r}; write one like Asia/Shanghai",
            where=where,
            time_zone=mapping.time_zone,
        ) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _where(path: Path, text: str, keys: list[str]) -> str:
    """`path, line n` of the last of the keys that stands in the text."""
    for key in reversed(keys):
        for number, line in enumerate(text.splitlines(), start=1):
            if re.match(rf"""\s*\[?["']?{re.escape(key)}["']?\s*[]=]""", line):
                return f"{path}, line {number}"
    return str(path)


def _readable(error: msgspec.ValidationError) -> str:
    return str(error).replace("Object", "the mapping").replace(" - at `$", " at `").replace("at `.", "at `")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


_EVENTS = frozenset(event.value for event in Event)
_HEADLINES = frozenset(headline.value for headline in Headline)
