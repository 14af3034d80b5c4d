"""Which rows belong to a period: those whose own time lies in its days, as the business counts days.

Money belongs to the day on which it was paid or refunded, goods to the day on which they went out. What of an order
lies on the other side of the cut-off is told as such; it is never estimated.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from orderhub_core.errors import UserMistake

SECOND = 1_000_000
FIRST, LAST = date(1900, 1, 1), date(2999, 12, 31)
"""Days that a period may begin and end with."""


class Period(msgspec.Struct, frozen=True):
    """Whole days of a zone, `first` to `last`, both included."""

    first: date
    last: date
    zone: str

    @property
    def name(self) -> str:
        """As a month where it is one, e.g. 2026-11; else 2026-11-03..2026-11-09."""
        if (self.first, self.last) == _month(self.first.year, self.first.month):
            return f"{self.first:%Y-%m}"
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"

    @property
    def start(self) -> int:
        """The first instant, microseconds UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> int:
        """The first instant after it, microseconds UTC."""
        return _midnight(self.last + timedelta(days=1), self.zone)


def month(text: str, zone: str) -> Period:
    """The month or day that a user wrote. Raises UserMistake."""
    try:
        if len(text) == len("2026-11-11"):
            first = last = date.fromisoformat(text)
        else:
            year, _, number = text.partition("-")
            first, last = _month(int(year), int(number))
    except (ValueError, OverflowError):
        raise UserMistake("period {text!r}: write a month like 2026-11 or a day like 2026-11-11", text=text) from None
    return days(first, last, zone)


def days(first: date, last: date, zone: str) -> Period:
    """Raises UserMistake where the last day comes before the first, or one lies out of bounds."""
    if not (first >= FIRST and last <= LAST):
        raise UserMistake(
            "a period lies in the years {since} to {until}: {first} to {last} does not",
            since=FIRST.year,
            until=LAST.year,
            first=first,
            last=last,
        )
    if last < first:
        raise UserMistake(
            "the period ends on {last}, before it begins on {first}: exchange them", last=last, first=first
        )
    return Period(first, last, zone)


def whole(first: int, last: int, zone: str) -> Period:
    """The days from one instant to another, microseconds UTC."""
    return Period(_day(first, zone), _day(last, zone), zone)


def months(period: Period) -> Iterator[Period]:
    """The months that a period touches, each one whole, newest first."""
    at = period.last.replace(day=1)
    while at >= period.first.replace(day=1):
        yield Period(*_month(at.year, at.month), period.zone)
        at = (at - timedelta(days=1)).replace(day=1)


def _month(year: int, number: int) -> tuple[date, date]:
    return date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1] if 1 <= number <= 12 else 1)


def _midnight(day: date, zone: str) -> int:
    return round(datetime.combine(day, time(), ZoneInfo(zone)).timestamp()) * SECOND


def _day(at: int, zone: str) -> date:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(ZoneInfo(zone)).date()
