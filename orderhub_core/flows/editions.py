"""Versions of the rulebook: which are in force, and what may become of one.

What people want done with a version is a message like any other, so that it is logged; the batch after the one that
brings it is decided accordingly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl
import structlog

from orderhub_core.errors import Mistaken, NeedsPerson, Term, UserMistake
from orderhub_core.flows import admitted, fates, ops, rows, settled
from orderhub_core.flows.naming import check_shop
from orderhub_core.i18n import Translate, language_of, translator
from orderhub_core.model import RawMessage
from orderhub_core.people import BookAct, BookChange, Deciding
from orderhub_core.rules import needs, rulebook, trial
from orderhub_core.rules.check import check, sentence
from orderhub_core.rules.guard import Fared, is_worse
from orderhub_core.rules.inforce import WHOLE, InForce
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings, read_text
from orderhub_core.store import aside, books, ledger, recorded, signals
from orderhub_core.store.base import Store
from orderhub_core.store.books import Edition

log = structlog.get_logger()

LARGEST = 1_000_000
"""Characters of a book's text."""
LONGEST_VERSION = 100


def in_force(store: Store, first: Rulebook) -> InForce:
    """The books by which the next orders are decided. `first` speaks until a version is published. A trial is held
    against a version that speaks, or not at all; one that cannot be carried out any more is left out.

    Raises NeedsPerson for an active version that this version of the hub cannot carry out.
    """
    found = {one.state: one for one in books.speaking(store)}
    try:
        active = read(found["active"].text) if "active" in found else first
    except UserMistake as mistake:
        # No message's fault: all wait.
        raise NeedsPerson("the rulebook's active version cannot be carried out: {mistake}", mistake=mistake) from None
    tried = found.get("rollout") or found.get("shadow")
    if tried is None or not active.every_group:
        return InForce(active)
    try:
        return InForce(active, read(tried.text), tried.share)
    except UserMistake as mistake:
        log.error("a version on trial cannot be carried out", version=tried.version, reason=str(mistake))
        return InForce(active)


@lru_cache(maxsize=16)
def read(text: str) -> Rulebook:
    """A book that the hub can carry out. Raises UserMistake that tells all that is wrong with it."""
    book = rulebook.usable(text, Term("as it is given"))
    admitted.refuse(book)
    return book


class Editions:
    """Of one hub. The rulebook of its settings, which lies in `folder`, is the first version. With `review_rules`
    somebody else than its author must have looked at a version before it decides."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        receive: Callable[[Sequence[RawMessage]], object],
        say: Callable[[Sequence[RawMessage]], None],
        settings: Settings,
        folder: Path,
    ) -> None:
        self._store, self._clock, self._receive, self._say = store, clock, receive, say
        self._settings = settings
        self._file = folder / settings.rulebook if settings.rulebook else None

    def decides(self) -> bool:
        """Whether there is a rulebook: without one, paid orders go nowhere."""
        return self._file is not None or any(one.state == "active" for one in books.speaking(self._store))

    def undecided(self, *, shop: str | None = None, since: int = 0) -> list[tuple[str, str]]:
        """As of `store.aside.undecided`. Raises UserMistake for a shop that there is not."""
        if shop is not None:
            check_shop(self._store, self._settings, shop)
        return aside.undecided(self._store, shop=shop, since=since)

    def decide(self, orders: Sequence[tuple[str, str]], *, by: str) -> Counter[str]:
        """Have the rulebook speak on these, each by a message of ours that is applied when this returns, and tell of
        how many it has become what: `going` to their warehouse, `held` for a person, `nowhere`. Raises UserMistake
        where there is no rulebook, or a word could not be applied."""
        ops.check_deciding(by)
        if not self.decides():
            raise UserMistake("there is no rulebook: publish one first (`orderhub rules publish FILE`)")
        at = self._clock()
        words = [ops.deciding(Deciding(shop, order_no, by), at) for shop, order_no in orders]
        self._say(words)
        ops.check_taken_in(self._store, words)
        asked, numbers = set(orders), dict.fromkeys(order_no for _, order_no in orders)
        heads = [
            head for head in map(rows.head, self._store.order_rows(numbers)) if (head.shop, head.order_no) in asked
        ]
        fate = Counter("held" if waits else "going" for waits in fates.of_orders(self._store, heads, at).values())
        return fate + Counter(nowhere=sum(head.warehouse_by != "rule" for head in heads))

    def kept(self) -> list[Edition]:
        """Every version, the newest first."""
        return books.kept(self._store)

    def text(self, version: str) -> str:
        """As it was saved. Raises UserMistake for a version that is not kept."""
        found = books.text(self._store, version) if ops.is_text(version) else None
        if found is None:
            raise UserMistake(
                "no version {version!r} is kept; `orderhub rules list` names those that are, and `orderhub rules save"
                " FILE` keeps a file",
                version=version,
            )
        return found

    def changes(self) -> list[books.Changed]:
        """What became of all versions, from the log, the newest first."""
        return books.changes(self._store)

    def moves(self, version: str) -> pl.DataFrame:
        """What a version that was a shadow would have done otherwise: `trial.MOVES`. Raises UserMistake for one that is
        not kept."""
        self.text(version)
        return trial.moves(recorded.beside(self._store, version))

    def unknown(self, book: Rulebook, tr: Translate = str) -> list[str]:
        """Names in it that the settings do not have, a sentence each: it cannot be saved with them."""
        return settled.unknown(book, self._settings, tr)

    def notes(self, book: Rulebook, tr: Translate = str) -> list[str]:
        """What it asks for that nobody measures, and what it names that the hub has never heard of, a sentence each.
        Nobody is kept from using it."""
        counted = (
            not needs.rules_on(book, "stock")
            or bool(ledger.told(self._store))
            or bool(signals.holding(self._store, self._clock(), ["stock"]))
        )
        unmeasured = settled.unmeasured(book, self._settings, tr, counted=counted)
        return unmeasured + settled.unheard(book, ledger.skus(self._store), tr)

    def save(self, text: str, *, by: str, comment: str = "") -> Edition:
        """Keep a draft under the version that it gives itself; a draft of that version is replaced. Raises UserMistake
        for a text that the hub could not carry out, or a version that has been in use."""
        if len(text) > LARGEST:
            raise UserMistake("the rulebook is longer than {most} characters", most=LARGEST)
        version = read(text).version
        if version == Rulebook().version:
            raise UserMistake('the rulebook has no name: begin it with a line like version = "2026-12"')
        if not 0 < len(version) <= LONGEST_VERSION or not version.isprintable():
            raise UserMistake("a version is named by 1 to {most} characters that can be printed", most=LONGEST_VERSION)
        _refuse_unknown(read(text), self._settings)
        known = self._known(version)
        if known is not None and known.state not in ("draft", "reviewed"):
            raise UserMistake(
                "version {version} is {state} and cannot be written again: give the book another `version`",
                version=version,
                state=Term(known.state),
            )
        return self._done(BookChange("save", version, by, comment, text, seen=known.message if known else 0))

    def change(
        self, act: BookAct, version: str, *, by: str, comment: str = "", share: int = 0, anyway: bool = False
    ) -> Edition:
        """Review, try, publish or discard a version; it is done when this returns. To publish one that was active
        before is to go back. `share`: of WHOLE orders, for `rollout`. `anyway`: though some rule does not do what it
        says. Returns the version as it is now.

        Raises UserMistake, and changes nothing, where it may not be done.
        """
        known, text = self._known(version), self.text(version)
        if known is None or known.state not in books.STARTS[act]:
            state = "not kept" if known is None else known.state
            may = tuple(one for one, starts in books.STARTS.items() if state in starts) or Term("nothing")
            told = "version {version} is {state}: it cannot be asked to {act}, only to: {may}"
            raise UserMistake(told, version=version, state=Term(state), act=act, may=may)
        if act == "review" and by == known.author:
            told = "{by} has written version {version}: somebody else must review it (--by NAME)"
            raise UserMistake(told, by=by, version=version)
        if act == "rollout" and not 1 <= share < WHOLE:
            raise UserMistake("a rollout is for more than 0 and less than 100 percent of the orders; else publish it")
        if act in ("shadow", "rollout") and self._file is None and not self._active():
            raise UserMistake("no version is active that a trial could be held against: publish one first")
        self.may_speak(act, text, known, anyway=anyway)
        share = share if act == "rollout" else 0
        return self._done(BookChange(act, version, by, comment, share=share, seen=known.message))

    def may_speak(self, act: BookAct, text: str, known: Edition | None = None, *, anyway: bool = False) -> None:
        """Raises UserMistake for a text that does not do what it says, unless it is meant so (`anyway`), and for one
        that nobody has reviewed where somebody must."""
        if act in ("shadow", "rollout", "publish"):
            _refuse_unknown(read(text), self._settings)
            _refuse_doubtful(text, anyway=anyway)
        reviewed = known is not None and (known.reviewed_by or known.published_at is not None)
        if self._settings.review_rules and act in ("rollout", "publish") and not reviewed:
            told = "nobody has reviewed version {version} (`orderhub rules review {version}`)"
            raise UserMistake(told, version=read(text).version)

    def back(self, *, by: str, comment: str = "") -> Edition:
        """Have the version decide again that was published before the active one; done again, it goes further back.
        Raises UserMistake where there is none."""
        kept = self.kept()
        now = next((one.published_at or 0 for one in kept if one.state == "active"), 0)
        before = [one for one in kept if one.state == "archived" and one.published_at and one.published_at < now]
        if not before:
            raise UserMistake(
                "no version was published before the one that is active; `orderhub rules list` names all, and"
                " `orderhub rules publish VERSION` makes one active"
            )
        return self.change(
            "rollback", max(before, key=lambda one: one.published_at or 0).version, by=by, comment=comment
        )

    def take_up(self) -> str:
        """Where no version was published yet, the file of the settings becomes the first. Returns what somebody should
        know of a file that holds something else than what is kept under its version: that is left as it is."""
        if self._file is None:
            return ""
        text = read_text(self._file, "rulebook")
        version = read(text).version
        kept, every = books.text(self._store, version), self.kept()
        same, first = kept is not None and read(kept) == read(text), all(one.published_at is None for one in every)
        if first and kept is not None and not same:
            # A draft of somebody's, or one that was thrown away: neither is this file, and neither may speak for it.
            state = next(one.state for one in every if one.version == version)
            return (
                f"{self._file.name} was not published: its version {version} is kept with another text ({state}). Give"
                " the file another `version`; until some version is published, the file decides"
            )
        if first:
            said = [BookChange("save", version, "settings", text=text), BookChange("publish", version, "settings")]
            # Under one name each, whichever worker begins, and however often.
            self._receive([ops.change(change, 0) for change in said])
        if first or same:
            return ""
        return (
            f"{self._file.name} holds something else than what decides as version {version}:"
            f" `orderhub rules publish {self._file.name}`"
        )

    def watch(self) -> str:
        """Pause a rollout that does worse than the version it shall replace. Returns why; empty where it does not."""
        kept = {one.state: one for one in self.kept()}
        tried, active = kept.get("rollout"), kept.get("active")
        if tried is None or active is None or tried.tried_at is None:
            return ""
        fared = books.fared(self._store, tried.tried_at)
        new, old = (Fared(*fared.get(one.version, (0, 0))) for one in (tried, active))
        if not is_worse(new, old):
            return ""
        why = f"{new.held} of {new.orders} orders wait for a person, of {active.version} {old.held} of {old.orders}"
        self._done(BookChange("pause", tried.version, "orderhub", why, seen=tried.message))
        return f"{tried.version} is paused: {why}"

    def _known(self, version: str) -> Edition | None:
        return next((one for one in self.kept() if one.version == version), None)

    def _active(self) -> bool:
        return any(one.state == "active" for one in self.kept())

    def _done(self, asked: BookChange) -> Edition:
        ops.check_change(asked)
        self._say([ops.change(asked, self._clock())])
        now = next(one for one in self.kept() if one.version == asked.version)
        # Of a way back the comment is on the version that was left.
        same = asked.act == "rollback" or now.comment == asked.comment
        if now.state != books.BECOMES[asked.act] or not same:
            text = "somebody else has changed version {version} meanwhile: it is {state} now"
            raise UserMistake(text, version=now.version, state=Term(now.state))
        return now


def doubts(text: str, language: Language = "en") -> list[str]:
    """What does not do what it says, a sentence each."""
    book, tr = read(text), translator(language)
    found = [finding for finding in check(book) if finding.level == "warning"]
    places = [tr(", ").join(filter(None, (one.group, one.rule))) or tr("the book") for one in found]
    told = [sentence(one, of_book(book), language) for one in found]
    return [tr(": ").join(one) for one in zip(places, told, strict=True)]


def _refuse_doubtful(text: str, *, anyway: bool) -> None:
    if anyway or not doubts(text):
        return
    version = read(text).version

    def say(tr: Translate) -> str:
        refused = tr("version {version} does not do what it says (--anyway: it is meant so):").format(version=version)
        language: Language = "zh" if language_of(tr) == "zh" else "en"
        return "\n".join([refused, *(f"  {doubt}" for doubt in doubts(text, language))])

    raise Mistaken(say)


def _refuse_unknown(book: Rulebook, settings: Settings) -> None:
    if settled.unknown(book, settings):
        raise Mistaken(lambda tr: "\n".join(settled.unknown(book, settings, tr)))
