"""What no store can hold is refused where it is read: it costs its own message, never the batch it came in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from orderhub_core.errors import Term, Unreadable
from orderhub_core.model import FIRST_ADDED_LINE, Event, Line, Observation

ORDER_NO_MAX = 64
KEY_MAX = 200
"""Characters of other ids and words that a store may index."""
QUANTITY_MAX = 1_000_000
LINE_NO_MAX = FIRST_ADDED_LINE - 1
AMOUNT_MAX = 10**14
"""Minor units. Sums of many such amounts still fit 64 bits."""
SECOND = 1_000_000
FIRST, LAST = 946_684_800 * SECOND, 4_102_444_800 * SECOND
"""2000-01-01 and 2100-01-01, UTC: an instant outside is a slip, such as seconds taken for milliseconds."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes it; a backslash that is itself escaped writes none."""
_ORDER_NO, _TRACKING_NO, _UPDATED = Term("the order number"), Term("a tracking number"), Term("the update time")
_CASE, _ABOUT, _REFUNDED = Term("a case's number"), Term("what a case is about"), Term("a case's refund")
_WAREHOUSE = Term("a warehouse")
_NUMBER, _GIFT_OF = Term("a line's number"), Term("a line's gift_of")
_QUANTITY, _PRICE = Term("a line's quantity"), Term("a line's price")
_EVENTS = frozenset(event.value for event in Event)


def instant(at: int, what: str) -> int:
    """The instant, microseconds UTC. Raises Unreadable outside 2000-2100."""
    if not FIRST <= at <= LAST:
        raise Unreadable("{what} lies outside the years 2000 to 2100", what=what)
    return at


def storable(seen: Observation) -> Observation:
    """The observation as it is. Raises Unreadable where it holds what no store can hold."""
    for what, text, longest in _keys(seen):
        if len(text) > longest:
            raise Unreadable("{what} is longer than {longest} characters", what=what, longest=longest)
    for event, at in seen.facts.items():
        if event not in _EVENTS:
            raise Unreadable("an event of it is new to us")
        instant(at, event)
    if seen.at is not None:
        instant(seen.at, _UPDATED)
    if seen.content and seen.content.promised_at is not None:
        instant(seen.content.promised_at, "promised_at")
    if seen.content and seen.content.lines is not None:
        told_apart(seen.content.lines)
    for what, number, least, most in _numbers(seen):
        if number is not None and not least <= number <= most:
            raise Unreadable("{what} lies outside {least} to {most}", what=what, least=least, most=most)
    if has_nul(msgspec.json.encode(seen)):
        raise Unreadable("a text holds a NUL character")
    return seen


def told_apart(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines as they are. Raises Unreadable where two have one number: only one of them could be kept."""
    if len({line.line_no for line in lines}) < len(lines):
        numbers = [line.line_no for line in lines]
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise Unreadable("two lines have the line_no {twice}; each needs one of its own", twice=twice)
    return lines


def has_nul(written: bytes) -> bool:
    """Whether a text in this JSON holds a NUL character, which PostgreSQL cannot store."""
    # Most texts hold no backslash at all, and one byte is found ten times as fast as six.
    return b"\\" in written and b"\\u0000" in written and _NUL.search(written) is not None


def _keys(seen: Observation) -> Iterator[tuple[str, str, int]]:
    yield _ORDER_NO, seen.order_no, ORDER_NO_MAX
    for parcel in seen.parcels:
        yield _TRACKING_NO, parcel.tracking_no, KEY_MAX
    for case in seen.cases:
        yield _CASE, case.number, KEY_MAX
        yield _ABOUT, case.about, KEY_MAX
    if seen.content is not None:
        yield _WAREHOUSE, seen.content.warehouse, KEY_MAX


def _numbers(seen: Observation) -> Iterator[tuple[str, int | None, int, int]]:
    for case in seen.cases:
        yield _REFUNDED, case.refunded_minor, 0, AMOUNT_MAX
    content = seen.content
    if content is None:
        return
    for what in ("total_minor", "paid_minor", "freight_minor", "discount_minor"):
        yield what, getattr(content, what), 0, AMOUNT_MAX
    for line in content.lines or ():
        yield _NUMBER, line.line_no, 1, LINE_NO_MAX
        yield _GIFT_OF, line.gift_of, 1, LINE_NO_MAX
        yield _QUANTITY, line.quantity, 1, QUANTITY_MAX
        yield _PRICE, line.price_minor, 0, AMOUNT_MAX
