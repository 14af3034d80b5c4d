"""What the rule lab works on: past orders as the hub decided on them, the books that there are, and what warehouses can
do and cost.

What parcels cost stands in the folder `freight` of the hub's data (or of a snapshot), see `tariffs`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import msgspec
import polars as pl

from orderhub_core.errors import OrderHubError, Term, UserMistake
from orderhub_core.flows import admitted, regarding, reporting, tariffs
from orderhub_core.flows.editions import Editions
from orderhub_core.flows.ground import Ground
from orderhub_core.frames import OWED_AT
from orderhub_core.i18n import Said, Translate, translator
from orderhub_core.people import BookAct
from orderhub_core.rules import gifts, rulebook
from orderhub_core.rules.lab import asked as past
from orderhub_core.rules.lab import board
from orderhub_core.rules.lab.loads import CAPACITY
from orderhub_core.rules.lab.missed import Spoke, spoke
from orderhub_core.rules.lab.parcels import Prices
from orderhub_core.rules.lab.texts import KEPT_AS, READ_ONLY
from orderhub_core.rules.lab.wants import Wanted
from orderhub_core.rules.language.mistakes import Mistake, told
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings, read_text
from orderhub_core.store.base import Store
from orderhub_core.store.books import BECOMES, Edition
from orderhub_core.store.homes import Home

FREIGHT = "freight"


class Place(Protocol):
    """A hub, or a snapshot of one."""

    settings: Settings

    def frame(self, name: str) -> pl.DataFrame: ...
    def remembered(self, question: Hashable, compute: Callable[[], Any]) -> Any: ...


@runtime_checkable
class Living(Protocol):
    """A hub that has versions."""

    home: Home
    store: Store
    editions: Editions


@runtime_checkable
class Copy(Protocol):
    folder: Path


class Period(NamedTuple):
    """Instants since when orders are owed, from the first up to, not including, the second; None: without end."""

    since: datetime | None = None
    until: datetime | None = None


ALWAYS = Period()


class Tried(NamedTuple):
    draft: Rulebook
    refused: str
    """Why the hub could not carry it out; empty where it could."""
    force: Rulebook
    """What it is compared with."""
    before: Wanted
    """What that one wants."""
    ground: Ground
    trouble: str
    """Why nothing can be compared; empty where it can."""
    notes: list[str]
    """As `Editions.unknown` and `notes` of the draft."""


class Lab:
    """Over a hub, or over a snapshot, which has no versions."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.editions = place.editions if isinstance(place, Living) else None
        self._store = place.store if isinstance(place, Living) else None
        self._folder = (
            place.home.data if isinstance(place, Living) else place.folder if isinstance(place, Copy) else None
        )

    @property
    def settings(self) -> Settings:
        return self._place.settings

    def ground(self, period: Period = ALWAYS) -> Ground:
        """The orders that are owed since then, as the hub decided on them; kept until the frames change."""
        return self._place.remembered(("rule lab", period), lambda: self._ground(period))  # type: ignore[no-any-return]

    def _ground(self, period: Period) -> Ground:
        return self._over(self._owed(period))

    def _over(self, orders: pl.DataFrame) -> Ground:
        """With what was reported of the world outside, and what is known of buyers. A snapshot has nothing of either:
        what asks for the one never holds, a book that asks for the other cannot be tried."""
        asked, lines = past.as_decided(orders), self._place.frame("lines")
        if self._store is None:
            return Ground(asked, lines)
        first = cast(int | None, asked["paid_at"].dt.epoch("us").min())
        reports = reporting.reader(self._store, first or 0)
        return Ground(asked, lines, reports, partial(regarding.histories, self._store))

    def _owed(self, period: Period) -> pl.DataFrame:
        orders = self._place.frame("orders")
        wanted = [period.since <= OWED_AT] if period.since else []
        return orders.filter(*wanted, *([period.until > OWED_AT] if period.until else []), True)

    def missed(self, book: Rulebook, period: Period = ALWAYS) -> pl.DataFrame:
        """Gifts missing from past orders whose buyers are still entitled to them: MISSED."""
        ground: Ground = self._place.remembered(("rule lab, entitled", period), lambda: self._entitled(period))
        return ground.missed(book, self._past())

    def _past(self) -> list[Spoke] | None:
        """Which rules decided when, as far as is known: the settings' rulebook, as it is now, until a version was
        published. None over a snapshot."""
        if self.editions is None:
            return None
        file = rulebook.read(self.file()).book if self.file() else Rulebook()
        acts = [one for one in reversed(self.editions.changes()) if BECOMES.get(cast(BookAct, one.act)) == "active"]
        books = ((one.at, rulebook.read(self.editions.text(one.version)).book) for one in acts)
        return [spoke(0, file), *(spoke(at, book) for at, book in books)]

    def late(self, book: Rulebook, period: Period = ALWAYS) -> pl.DataFrame | None:
        """`missed`; None over a snapshot, which does not tell buyers apart, where they are counted."""
        return None if self._store is None and gifts.counts_buyers(book) else self.missed(book, period)

    def _entitled(self, period: Period) -> Ground:
        owed = self._owed(period)
        still = owed.filter(pl.col("order_id").is_in(past.entitled(owed).implode()))
        return self._over(still)

    def periods(self) -> dict[int, Period]:
        """The last so many days up to the newest order that is owed, by their number; 0 for all."""
        newest = self._place.frame("orders").select(OWED_AT.max()).item()
        spans = {0: ALWAYS}
        if isinstance(newest, datetime):
            spans |= {days: Period(newest - timedelta(days=days)) for days in (1, 7, 30)}
        return spans

    # -- books

    def kept(self) -> list[Edition]:
        """Versions, the newest first; a snapshot has none."""
        return [] if self.editions is None else self.editions.kept()

    def states(self) -> list[tuple[str, str]]:
        """Each version and how far it has come; of a hub that keeps none, its settings' rulebook as ("", "file")."""
        kept: list[tuple[str, str]] = [(one.version, one.state) for one in self.kept()]
        return kept or ([("", "file")] if self.file() else [])

    def text(self, version: str) -> str:
        """Of a version that is kept, or where there is none the file of the settings."""
        if self.editions is not None and any(one.version == version for one in self.kept()):
            return self.editions.text(version)
        return self.file()

    def opened(self, choice: str, uploaded: bytes | None, lang: str) -> tuple[str, str]:
        """The text to begin with, of one of `board.starts`, and what is wrong with it. `uploaded`: what was put in."""
        try:
            if choice == board.FILE and uploaded is not None:
                return uploaded.decode("utf-8-sig"), ""
            return board.example(choice, lang) or self.text(choice), ""
        except UnicodeDecodeError:
            return "", translator(lang)("The file is not UTF-8 text; save it again as UTF-8.")
        except UserMistake as mistake:
            return "", mistake.told(translator(lang))

    def tried(self, text: str, against: str, period: Period, tr: Translate) -> Tried:
        """A draft on the orders of a period, beside another version (or `board.NOTHING`)."""
        given = draft(text, tr)
        force, ground = Rulebook(zone=given.book.zone), self.ground(period)
        trouble = told(given.mistakes, tr)
        notes: list[str] = []
        if self.editions is not None:
            notes = self.editions.unknown(given.book, tr) + self.editions.notes(given.book, tr)
        try:
            if against != board.NOTHING:
                force = rulebook.usable(self.text(against), against)
            before = ground.wanted(force)
            if not trouble:
                ground.wanted(given.book)
            return Tried(given.book, given.refused, force, before, ground, trouble, notes)
        except UserMistake as mistake:
            nothing, why = ground.wanted(Rulebook()), trouble or mistake.told(tr)
            return Tried(given.book, given.refused, force, nothing, ground, why, notes)

    def file(self) -> str:
        """The text of the settings' rulebook; empty where they name none, or it does not lie here."""
        if self._folder is None or not self._place.settings.rulebook:
            return ""
        path = self._folder / self._place.settings.rulebook
        return read_text(path, "rulebook") if path.is_file() else ""

    def book(self, version: str) -> Rulebook:
        """Of a version that is kept. Raises UserMistake."""
        return rulebook.usable(self.text(version), version)

    def active(self) -> Rulebook:
        """What decides now; without rules where nothing does. Raises UserMistake for a file that cannot be used."""
        found = [one.version for one in self.kept() if one.state == "active"]
        return self.book(found[0]) if found else rulebook.usable(self.file(), self._place.settings.rulebook)

    @property
    def writable(self) -> bool:
        return self.editions is not None

    def keep(self, asked: Mapping[str, Any], text: str, book: Rulebook, tr: Translate) -> Said:
        """Save a draft under a version, and have it tried or published, as it is `asked`: `do` (of `texts.ACTS`),
        `version`, `by`, `comment`. `text` is kept as it was written, but for the version, where it says what
        `book` does; a book of which a threshold was moved is written anew. Returns what came of it."""
        named = msgspec.structs.replace(book, version=(asked["version"] or "").strip() or book.version)
        same = msgspec.structs.replace(rulebook.read(text).book, version=named.version) == named
        written = rulebook.with_version(text, named.version) if same else rulebook.dump(named)
        by, comment = _who(asked)

        acts: dict[str, BookAct] = {"save": "save", "shadow": "shadow"}
        act, anyway = acts.get(asked["do"], "publish"), asked["do"] == "anyway"

        def saved(editions: Editions) -> Edition:
            _is_ones_own(editions, named.version, by)
            editions.may_speak(act, written, anyway=anyway)
            made = editions.save(written, by=by, comment=comment)
            return made if act == "save" else editions.change(act, made.version, by=by, comment=comment, anyway=anyway)

        return self._done(saved, tr)

    def refused(self, version: str, by: str, tr: Translate) -> str:
        """Why somebody may not save a draft under a version; empty where they may."""
        if self.editions is None:
            return tr(READ_ONLY)
        try:
            _is_ones_own(self.editions, version, by)
        except UserMistake as mistake:
            return mistake.told(tr)
        return ""

    def move(self, asked: Mapping[str, Any], tr: Translate) -> Said:
        """Have a version that is kept reviewed, tried, published (which is to go back, where it was active before) …:
        `version`, `do` (of `texts.STEPS`), `by`, `comment`. Returns what came of it."""
        version, act = str(asked["version"]), cast(BookAct, asked["do"])
        by, comment = _who(asked)
        # Who goes back to a version has seen it at work.
        anyway = any(one.version == version and one.published_at is not None for one in self.kept())
        return self._done(lambda kept: kept.change(act, version, by=by, comment=comment, anyway=anyway), tr)

    def _done(self, change: Callable[[Editions], Edition], tr: Translate) -> Said:
        if self.editions is None:
            return tr(READ_ONLY), "bad"
        try:
            made = change(self.editions)
        except OrderHubError as error:
            return tr("Nothing was changed: {reason}").format(reason=error.told(tr)), "bad"
        state = tr(KEPT_AS[made.state])
        return tr("Version {version} is now: {state}.").format(version=made.version, state=state), "good"

    # -- warehouses

    def capacity(self) -> pl.DataFrame:
        """CAPACITY, as the settings have it."""
        known = [(w.id, w.orders_per_hour) for w in self._place.settings.warehouses if w.orders_per_hour]
        return pl.DataFrame(known, schema=CAPACITY, orient="row")

    def prices(self) -> Prices | None:
        """None where no tariffs lie in the hub's folder. Raises UserMistake for files that cannot be used."""
        return None if self._folder is None else tariffs.read(self._folder / FREIGHT)


def _is_ones_own(editions: Editions, version: str, by: str) -> None:
    """Raises UserMistake for a version that is somebody else's, or reviewed: what was written there would be lost."""
    known = next((one for one in editions.kept() if one.version == version), None)
    if known is not None and (known.author != by or known.reviewed_by):
        raise UserMistake(
            "version {version} is {author}'s and {state}: give yours another version",
            version=version,
            author=known.author,
            state=Term(known.state),
        )


def _who(asked: Mapping[str, Any]) -> tuple[str, str]:
    return (asked["by"] or "").strip(), (asked["comment"] or "").strip()


class Draft(NamedTuple):
    """A text as the lab takes it: with mistakes it is only shown."""

    book: Rulebook
    mistakes: tuple[Mistake, ...]
    refused: str
    """Why the hub could not carry it out, though it can be read; empty where it could."""


def draft(text: str, tr: Translate) -> Draft:
    book, mistakes = rulebook.read(text)
    try:
        if not mistakes:
            admitted.refuse(book)
    except UserMistake as mistake:
        return Draft(book, (), mistake.told(tr))
    return Draft(book, mistakes, "")
