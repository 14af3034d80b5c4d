"""Which version of the rulebook decides, and what is reported of the world outside, in plain Python: written from the
documentation of versions and signals, not from the statements that keep them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from desk import BOOKS, FIRST, Asked, Book

from orderhub_core.model import Line
from orderhub_core.people import BookChange
from orderhub_core.signals import Measurement, Signal, SignalEnd

Key = tuple[str, str]

FROM = {
    "review": {"draft"},
    "shadow": {"draft", "reviewed", "rollout", "paused", "archived"},
    "rollout": {"draft", "reviewed", "shadow", "rollout", "paused", "archived"},
    "pause": {"shadow", "rollout"},
    "publish": {"draft", "reviewed", "shadow", "rollout", "paused", "archived"},
    "rollback": {"archived"},
    "discard": {"draft", "reviewed", "shadow", "rollout", "paused"},
}
"""The states in which something may be done with a version."""
TO = {
    "review": "reviewed", "shadow": "shadow", "rollout": "rollout", "pause": "paused", "publish": "active",
    "rollback": "active", "discard": "archived",
}  # fmt: skip
TRIED = {"shadow", "rollout", "paused"}


@dataclass
class Edition:
    """A version as it must stand in the hub."""

    text: str
    author: str
    comment: str
    saved_at: int
    message: Key
    state: str = "draft"
    share: int = 0
    reviewed_by: str = ""
    tried_at: int | None = None
    published_at: int | None = None


class Report(NamedTuple):
    """What somebody said of the world outside."""

    field: str
    of: str
    subject: str
    number: int
    since: int
    until: int | None
    by: str
    message: Key


class Speaking(NamedTuple):
    """The books and reports of one moment."""

    active: Book
    tried: Book | None
    share: int
    reports: tuple[tuple[str, Report], ...]

    def of(self, shop: str, order_no: str) -> Book:
        """A trial decides on the orders whose number, with its own, falls below its share."""
        drawn = blake2b(f"{self.tried.version}\0{shop}\0{order_no}".encode(), digest_size=8) if self.tried else None
        return self.tried if drawn and int.from_bytes(drawn.digest()) % 10_000 < self.share else self.active

    @property
    def shadow(self) -> Book | None:
        return None if self.share else self.tried

    def asked(self, sold: list[Line], total: int, paid_at: int | None, about: dict[str, str]) -> Asked:
        """What a rule is told of an order: of the world outside, what held when it was paid; nothing, where nobody
        knows when."""
        fields = ("storm", "livestream_audience", "courier_outage")
        known = (None if paid_at is None else self._held(field, paid_at, about) for field in fields)
        return Asked(sold, total, *known)

    def _held(self, field: str, at: int, about: dict[str, str]) -> int | None:
        """Of reports that overlap the one that began last holds, one of a subject before one of all orders."""
        there = [
            (bool(one.of), one.since, name, one.number)
            for name, one in self.reports
            if one.field == field
            and one.since <= at
            and (one.until is None or at < one.until)
            and (not one.of or about[one.of] == one.subject)
        ]
        return max(there)[-1] if there else None


class Desk:
    """What people's words have made of versions and reports."""

    def __init__(self) -> None:
        self.editions: dict[str, Edition] = {}
        self.reports: dict[str, Report] = {}

    def speaking(self) -> Speaking:
        found = {one.state: one for one in self.editions.values()}
        active = BOOKS[found["active"].text] if "active" in found else FIRST
        tried = found.get("rollout") or found.get("shadow")
        book = BOOKS.get(tried.text) if tried else None
        return Speaking(active, book, tried.share if tried and book else 0, tuple(self.reports.items()))

    def change(self, said: BookChange, key: Key, at: int, seen: Key | None) -> None:
        """`seen`: None where the word is of whatever the version has become meanwhile."""
        one = self.editions.get(said.version)
        if one is not None and seen not in (None, one.message):
            return
        if said.act == "save":
            if one is None or one.state in ("draft", "reviewed"):
                self.editions[said.version] = Edition(said.text, said.by, said.comment, at, key)
            return
        if one is None or one.state not in FROM[said.act]:
            return
        leaves = TRIED if said.act in ("shadow", "rollout") else {"active"} if TO[said.act] == "active" else set()
        for other in self.editions.values():
            if other is not one and other.state in leaves:
                other.state, other.share = "archived", 0
                if said.act == "rollback":
                    other.comment = said.comment or other.comment
        if said.act != "rollback":  # of which the comment is on the version that is left
            one.comment = said.comment
        one.state, one.message = TO[said.act], key
        one.share = said.share
        if said.act == "review":
            one.reviewed_by = said.by
        if said.act in ("shadow", "rollout"):
            one.tried_at = at
        if said.act == "publish":
            one.published_at = at

    def report(self, said: Signal, name: str, key: Key) -> None:
        self.reports.setdefault(
            name, Report(said.field, said.of, said.subject, said.number, said.since, said.until, said.by, key)
        )

    def measure(self, said: Measurement, key: Key) -> None:
        """What was measured before and has not run out by then holds as long as this does, but for what is another
        figure now or none any more: that ends as this begins."""
        anew = {subject for subject, _ in said.rows} | set(said.over)
        for name, one in self.reports.items():
            if (one.field, one.of, one.by) != (said.field, said.of, said.by):
                continue
            if one.since > said.since or one.until is None or one.until <= said.since:
                continue
            until = said.since if one.subject in anew else max(one.until, said.until)
            if one.subject in anew or until != one.until:
                self.reports[name] = one._replace(until=until, message=key)
        for subject, number in said.rows:
            made = Report(said.field, said.of, subject, number, said.since, said.until, said.by, key)
            self.reports.setdefault(f"{key[1]}:{subject}", made)

    def end(self, said: SignalEnd, key: Key, at: int) -> None:
        """From now on; what has not begun is taken back."""
        one = self.reports.get(said.name)
        if one is None:
            return
        if one.since >= at:
            del self.reports[said.name]
        elif one.until is None or one.until > at:
            self.reports[said.name] = one._replace(until=at, message=key)
