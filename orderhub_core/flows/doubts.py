"""What keeps an order from its warehouse, whatever the rulebook says of it: nothing of it is to be sent, or its buyer
wants something back or another address, or another shop has it, and a person must look first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orderhub_core.cases import in_all
from orderhub_core.flows.away import SENT_BY
from orderhub_core.fold import CASE_OPENED, CASE_REFUNDED, Entry, Head
from orderhub_core.lifecycle import OWED_STATES, axis_of
from orderhub_core.model import Axis, Event
from orderhub_core.stated import is_readdressed

STOPPED = frozenset({"cancelled", "intercepted"})
OWED = frozenset(str(state.value) for state in OWED_STATES)
PARTLY_REFUNDED = Event.PARTLY_REFUNDED.value
AFTER_SALE = frozenset(event.value for event in Event if axis_of(event) is Axis.AFTER_SALE)
HOLD_REQUESTED, HOLD_ENDED = Event.HOLD_REQUESTED.value, Event.HOLD_ENDED.value
READDRESSING = frozenset({Event.ADDRESS_CHANGE_REQUESTED.value, Event.ADDRESS_CHANGE_SETTLED.value})
CALM = frozenset({"none", "rejected", "closed"})
"""States of an after-sale in which the buyer wants nothing back."""
REFUNDED = "partly refunded: what is still to be sent?"
WANTED_BACK = "the buyer wants something back: is it still to be sent?"
READDRESSED = "its address is being changed: where is it to go?"
KEPT_BY = "kept back by "
KEPT = f"{KEPT_BY}hand: is it to be sent?"
MANY = "it has {cases} after-sale cases, {refunded} of them paid back: look at each"
ELSEWHERE = "also in the hub as an order of {shop}: is it one order?"
APART_US = 2 * 86_400_000_000
"""Orders that were placed so far from each other are two, whatever their number: exports may tell the day alone, or the
time of another zone."""
PASSING = {WANTED_BACK: READDRESSED, READDRESSED: WANTED_BACK}
"""What may be over by itself, each with the other one."""


def stops(payment: str, fulfilment: str) -> bool:
    """Whether nothing is to be sent of an order in these states."""
    return fulfilment in STOPPED or payment not in OWED


def is_stopped(head: Head) -> bool:
    return stops(head.payment, head.fulfilment)


def of_all(head: Head, others: Iterable[Head] = ()) -> list[str]:
    """Why nothing is done for an order before a person has looked, whatever the rulebook says of it. `others`: those of
    other shops that have its number."""
    kept = [KEPT] if is_kept(head) else []
    refunded = [REFUNDED] if PARTLY_REFUNDED in head.facts else []
    found = refunded if head.after_sale in CALM else [*refunded, WANTED_BACK]
    several = [many(head)] if in_all(head.cases)[0] > 1 else []
    elsewhere = [ELSEWHERE.format(shop=one.shop) for one in others if _is_sent(one) and may_be_one(head, one)]
    return [*kept, *found, *several, *elsewhere]


def is_kept(head: Head) -> bool:
    """Whether a person wants it kept back, and none has let it go since."""
    return HOLD_REQUESTED in head.facts and head.facts[HOLD_REQUESTED] > head.facts.get(HOLD_ENDED, 0)


def of_its_way(head: Head) -> list[str]:
    """Why it is not handed over; it may be made meanwhile."""
    return [READDRESSED] if is_readdressed(head.facts, head.stated) else []


def in_a_note(reasons: Sequence[str]) -> str:
    """As they are told of what is held from the first. What may be over by itself comes first, as if it had been learnt
    last: it goes as it would then, and leaves the others."""
    others = "; ".join(why for why in reasons if why not in PASSING)
    passing = (why for why in (READDRESSED, WANTED_BACK) if why in reasons)
    return "; before: ".join(filter(None, (*passing, others)))


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


def _is_sent(head: Head) -> bool:
    """Whether it is, by us or by another hand, or is about to be: not one that waits for its payment, nor one that came
    to nothing before it had left."""
    if head.deleted_at is not None:
        return False
    if head.logistics != "none" or not SENT_BY.isdisjoint(head.facts):
        return True
    handed_over = head.decided and head.warehouse_by == "rule"
    return bool(handed_over or head.fulfilment != "waiting") and not is_stopped(head)


def may_be_one(head: Head, other: Head) -> bool:
    """Whether two orders of one number may be the same one. Shops that number their orders themselves have the same
    numbers, too."""
    told = ((head.placed_at, other.placed_at), (head.owed_at, other.owed_at))
    known = [abs(one - two) for one, two in told if one is not None and two is not None]
    return not known or known[0] < APART_US
