"""Whether an order is on its way already, by whose hand ever, and what that makes of what was intended for it."""

from __future__ import annotations

from orderhub_core.fold import Entry, Head
from orderhub_core.lifecycle import axis_of
from orderhub_core.model import Axis, Event

SENT = frozenset({"partly_shipped", "shipped"})
SENT_BY = frozenset({Event.PARTLY_SHIPPED.value, Event.SHIPPED.value})
ALL_SENT_BY = frozenset({Event.SHIPPED.value, Event.DELIVERED.value})
CARRIED_BY = frozenset(event.value for event in Event if axis_of(event) is Axis.LOGISTICS)
GOES = GONE = -1
"""In place of a moment: what is not done may go; what is done has gone its way."""
FOREVER = (1 << 63) - 1
"""As the moment since which something holds: whatever a person has said."""
SHIPPED = "said to be shipped before the warehouse was told"
CARRIED = "the carrier had it before the warehouse was told"


def is_said(head: Head) -> bool:
    """Whether it, or some of it, is said to be shipped, or is with a carrier."""
    return head.fulfilment in SENT or head.logistics != "none"


def is_away(head: Head) -> bool:
    """Whether a carrier has all of it."""
    rest = Event.PARTLY_SHIPPED.value in head.facts and ALL_SENT_BY.isdisjoint(head.facts)
    return head.logistics != "none" and head.decided == 1 and not rest


def is_under_way(entry: Entry) -> bool:
    """Whether it is said to be shipped, or a carrier has it who had not."""
    return entry.event in SENT_BY or (entry.event in CARRIED_BY and entry.before == "none" != entry.after)


def forestalled(head: Head, since: int, *, carried: bool) -> tuple[str, str, int, int, bool]:
    """As of `store.unit.Forestalled`, without the key. That one of several parcels is under way is as it should be.
    `carried`: whether a carrier has all of it, for all that was known at some moment."""
    if carried:
        return "withdrawn", CARRIED, FOREVER, since, True
    return "person", SHIPPED, since, since, head.decided == 1 or not ALL_SENT_BY.isdisjoint(head.facts)


def there(head: Head, since: int) -> int:
    """The moment of which something is news (0: of none), where what was handed over has not left by it, so that it may
    still be stopped; else GONE. Of several parcels the others may still be there when one has left, and so may the rest
    of what a warehouse has shipped in parts."""
    if head.decided > 1 or Event.PARTLY_SHIPPED.value in head.facts:
        return since if since and ALL_SENT_BY.isdisjoint(head.facts) else GONE
    return since if since and head.logistics == "none" and SENT_BY.isdisjoint(head.facts) else GONE
