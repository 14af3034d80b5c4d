"""What keeps an order from its warehouse, whatever the rulebook says of it: nothing of it is to be sent, or its buyer
wants something back, or has it sent elsewhere, and a person must look first."""

from __future__ import annotations

from collections.abc import Sequence

from orderhub_core.cases import in_all
from orderhub_core.fold import CASE_OPENED, CASE_REFUNDED, Entry, Head
from orderhub_core.lifecycle import OWED_STATES, axis_of
from orderhub_core.model import Axis, Event
from orderhub_core.stated import is_readdressed

STOPPED = frozenset({"cancelled", "intercepted"})
OWED = frozenset(str(state.value) for state in OWED_STATES)
PARTLY_REFUNDED = Event.PARTLY_REFUNDED.value
AFTER_SALE = frozenset(event.value for event in Event if axis_of(event) is Axis.AFTER_SALE)
READDRESSING = frozenset({Event.ADDRESS_CHANGE_REQUESTED.value, Event.ADDRESS_CHANGE_SETTLED.value})
CALM = frozenset({"none", "rejected", "closed"})
"""States of an after-sale in which the buyer wants nothing back."""
REFUNDED = "partly refunded: what is still to be sent?"
WANTED_BACK = "the buyer wants something back: is it still to be sent?"
READDRESSED = "its address is being changed: where is it to go?"
MANY = "it has {cases} after-sale cases, {refunded} of them paid back: look at each"
PASSING = {WANTED_BACK: READDRESSED, READDRESSED: WANTED_BACK}
"""What may be over by itself, each with the other one."""


def is_stopped(head: Head) -> bool:
    """Whether nothing of it is to be sent."""
    return head.fulfilment in STOPPED or head.payment not in OWED


def of_all(head: Head) -> list[str]:
    """Why nothing is done for an order before a person has looked, whatever the rulebook says of it."""
    refunded = [REFUNDED] if PARTLY_REFUNDED in head.facts else []
    found = refunded if head.after_sale in CALM else [*refunded, WANTED_BACK]
    return [*found, many(head)] if found and in_all(head.cases)[0] > 1 else found


def of_its_way(head: Head) -> list[str]:
    """Why it is not handed over; it may be made meanwhile."""
    return [READDRESSED] if is_readdressed(head.facts, head.stated) else []


def many(head: Head) -> str:
    """Of an order with several cases, how many: who has seen fewer has not seen this. That one of them is over says
    nothing of the others: the order has one state for all."""
    cases, refunded = in_all(head.cases)
    return MANY.format(cases=cases, refunded=refunded)


def one_more(head: Head, news: Sequence[Entry]) -> bool:
    """Whether one more of its cases is known by these news, or that one more was paid back, while another was not
    over."""
    cases = [entry for entry in news if entry.event in (CASE_OPENED, CASE_REFUNDED)]
    if not cases or in_all(head.cases)[0] < 2:
        return False
    before = next((entry.before for entry in news if entry.event in AFTER_SALE), head.after_sale)
    together = len(cases) > 1 and head.after_sale not in CALM
    return together or before not in CALM or PARTLY_REFUNDED in head.facts


def is_a_case(entry: Entry) -> bool:
    """Whether the buyer's case went on; it may be told again and again, each time as of now."""
    return entry.event in AFTER_SALE and entry.before != entry.after
