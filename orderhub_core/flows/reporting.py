"""Signals: what people report of the world outside, and how rules that ask for it are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import naming, ops
from orderhub_core.flows.editions import in_force
from orderhub_core.frames import INSTANT
from orderhub_core.model import RawMessage
from orderhub_core.rules.dictionary import FIELDS, SIGNALS, Field, Kind, lookup, measured, nearest
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.routing import NO_WINDOW, WINDOWS
from orderhub_core.rules.signals import SIGNALS as REPORTS
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings
from orderhub_core.signals import Signal, SignalEnd
from orderhub_core.store import signals
from orderhub_core.store.base import Store
from orderhub_core.store.signals import Reported

OF = ("shop", "platform", "province", "city")
"""What a report may be about, if not about all orders."""
CLOSED = Field(
    "warehouse_closed", "仓库停用", Kind.FLAG, "signal", "warehouse_closed",
    "Whether a warehouse takes nothing; `no` opens one that the settings disable. For routing: no rule can ask for it.",
)  # fmt: skip


OURSELVES = "orderhub"
"""By whom the hub itself says something."""


def reports(store: Store, since: int, asked: Iterable[Field], skus: Collection[str]) -> pl.DataFrame:
    """`rules.signals.SIGNALS`, as rules ask for them that ask for these fields, of lines of these SKUs: those that hold
    at `since` (microseconds UTC) or later."""
    fields, told, subjects = set[str](), set[str](), set[str]()
    for field in asked:
        (told if field.about else fields).add(field.signal)
        subjects |= {field.subject} if field.subject else {*skus} if field.told else set[str]()
    found = signals.holding(store, since, fields) if fields else []
    return _frame([*found, *(signals.holding(store, since, told, subjects) if subjects else ())])


def reader(store: Store, since: int) -> Callable[[Field], pl.DataFrame]:
    """Of each field `rules.signals.SIGNALS`, those that hold at `since` (microseconds UTC) or later: as they stand when
    it is first asked for, and not before, as every minute tells of as many SKUs as were sold."""

    @cache
    def read(signal: str, subject: str) -> pl.DataFrame:
        return _frame(signals.holding(store, since, [signal], [subject] if subject else None))

    return lambda field: read(field.signal, field.subject)


def _frame(found: Iterable[Reported]) -> pl.DataFrame:
    rows = [(one.field, one.of, one.subject, one.number, None, one.since, one.until) for one in found]
    raw = {**REPORTS, "since": pl.Int64(), "until": pl.Int64()}
    return pl.DataFrame(rows, schema=raw, orient="row").cast({"since": INSTANT, "until": INSTANT})


def closings(store: Store, since: int) -> pl.DataFrame:
    """routing.WINDOWS of what was reported of warehouses: those that hold at `since` (microseconds UTC) or later."""
    rows = [
        (one.subject, not one.number, one.since, one.until, one.comment or None)
        for one in signals.holding(store, since, [CLOSED.name])
    ]
    if not rows:
        return NO_WINDOW
    raw = {**WINDOWS, "since": pl.Int64(), "until": pl.Int64()}
    return pl.DataFrame(rows, schema=raw, orient="row").cast({"since": INSTANT, "until": INSTANT})


def is_closed(store: Store, now: int, warehouse: str) -> bool | None:
    """What the report of a warehouse says that holds now; None where none does."""
    holding = [one for one in signals.holding(store, now, [CLOSED.name], [warehouse]) if one.since <= now]
    return bool(holding[0].number) if holding else None


def is_opened(store: Store, clock: Callable[[], int], warehouse: str) -> bool:
    """Whether the report of a warehouse that holds now, if any, is that it is open."""
    return is_closed(store, clock(), warehouse) is False


class Signals:
    """Of one hub. `first`: the book that speaks until a version is published; its words name warehouses, too."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], settings: Settings,
        first: Rulebook,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._say, self._settings, self._first = store, clock, say, settings, first

    def kept(self, *, but: str = "") -> list[Reported]:
        """All reports, but those of somebody; those that begin last first."""
        return signals.kept(self._store, but=but)

    def report(
        self, field: str, value: str, *, by: str, about: str = "", since: int | None = None, until: int | None = None,
        comment: str = "",
    ) -> Reported:  # fmt: skip
        """Say what goes on outside, from `since` (now) up to, not including, `until` (until further notice): instants
        in microseconds UTC. `about`: `province=广东省`, or nothing for all orders. Orders that are decided after this
        are told what held when they were paid. Raises UserMistake."""
        known = _field(field)
        if known.about and by.strip() == OURSELVES:
            text = "{by} is the hub's own name, and what it says is measured every minute: take another (--by NAME)"
            raise UserMistake(text, by=by)
        of, subject = self._subject(known, about)
        begin = self._clock() if since is None else since
        if until is not None and until <= begin:
            raise UserMistake("the report ends before it begins: give it a later end")
        said = Signal(known.name, _number(known, value), begin, by, until, of, subject, comment)
        ops.check_signal(said)
        message = ops.signal(said, self._clock())
        self._say([message])
        return signals.called(self._store, [message.message_id])[0]

    def _subject(self, field: Field, about: str) -> tuple[str, str]:
        if field.about == "sku":
            return _sku(field, about)
        if field == CLOSED or field.about:
            return _warehouse(
                field, about, naming.warehouses(self._settings, in_force(self._store, self._first).active)
            )
        return _about(about, [one.id for one in self._settings.shops])

    def end(self, name: str, *, by: str, comment: str = "") -> None:
        """A report holds no longer, from now on; one that has not begun is taken back. Raises UserMistake for one that
        is not there, or has ended."""
        now = self._clock()
        if not any(one.until is None or one.until > now for one in signals.called(self._store, [name])):
            there = signals.kept(self._store, but=OURSELVES)
            names = tuple(one.name for one in there if one.until is None or one.until > now)
            text = "no report {name!r} holds or will hold (`orderhub signals list`); those that do: {names}"
            raise UserMistake(text, name=name, names=names)
        said = SignalEnd(name, by, comment)
        ops.check_signal(said)
        self._say([ops.signal(said, now)])


def _field(name: str) -> Field:
    field = CLOSED if name in (CLOSED.name, CLOSED.zh) else measured(name) or lookup(name)
    if field is None or field.level != "signal":
        known = [*SIGNALS, CLOSED]
        near = nearest(name, [word for one in known for word in (one.name, one.zh)])
        perhaps = "{name!r} is no signal; {near}? Known are {known}"
        text = perhaps if near else "{name!r} is no signal. Known are {known}"
        listed = tuple(f"{one.name} ({one.zh})" for one in known)
        raise UserMistake(text, name=name, near=near, known=listed)
    return field


def is_flag(name: str) -> bool:
    """Whether a signal is a yes or no."""
    return _field(name).kind is Kind.FLAG


def called(name: str, language: Language) -> str:
    """A signal, or what it is told of, in people's words."""
    field = CLOSED if name == CLOSED.name else measured(name) or lookup(name)
    return name if field is None or language == "en" else field.zh


def _sku(field: Field, about: str) -> tuple[str, str]:
    of, _, subject = (part.strip() for part in about.partition("="))
    if of != "sku" or not subject:
        raise UserMistake("say of which SKU {signal} is told: --of sku=ID", signal=field.name)
    return of, subject


def _warehouse(field: Field, about: str, known: Mapping[str, str]) -> tuple[str, str]:
    of, _, subject = (part.strip() for part in about.partition("="))
    if of != "warehouse" or not subject:
        text = "say of which warehouse {signal} is told: --of warehouse=ID; the settings have: {names}"
        raise UserMistake(text, signal=field.name, names=tuple(dict.fromkeys(known.values())))
    return of, naming.named([subject], known)[subject]


def _about(about: str, shops: Sequence[str]) -> tuple[str, str]:
    if not about:
        return "", ""
    of, equals, subject = (part.strip() for part in about.partition("="))
    if of not in OF or not equals or not subject:
        text = "--of {about!r}: write one of {columns}, = and its value, e.g. province=广东省"
        raise UserMistake(text, about=about, columns=OF)
    usual = FIELDS["province"].spellings if of == "province" else {shop: shop for shop in shops if of == "shop"}
    subject = usual.get(subject, subject)
    if subject not in usual.values() and (near := nearest(subject, usual.values())):
        raise UserMistake("--of {about!r}: {near}? No order is of {subject}", about=about, near=near, subject=subject)
    return of, subject


def _number(field: Field, value: str) -> int:
    if field.kind is Kind.FLAG:
        if value.casefold() not in ("yes", "no", "是", "否"):
            raise UserMistake("{signal} is yes or no (是, 否), not {value!r}", signal=field.name, value=value)
        return int(value.casefold() in ("yes", "是"))
    if not value.isascii() or not value.isdigit() or len(value) > 15:
        text = "{signal} is a whole number of at most 15 digits, not {value!r}"
        raise UserMistake(text, signal=field.name, value=value)
    return int(value)
