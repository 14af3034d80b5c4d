"""What people's words change of an order itself: that it is kept back by hand, and that it is not any more; or nothing
but that rules look at it."""

from __future__ import annotations

from orderhub_core.flows import doubts
from orderhub_core.fold import Folded, Head, Origin, fold
from orderhub_core.model import Observation
from orderhub_core.people import Deciding, Keep, Release, Word
from orderhub_core.store.unit import Message


def heeded(message: Message, said: Word, head: Head) -> Folded:
    """Take a word in; `head` changes in place. Empty where it changes nothing of the order.

    It holds after whatever was said before it, by whatever clock that was said.
    """
    if isinstance(said, Deciding):
        return Folded([], changed=not head.decided)
    if not (event := _event(said, head)):
        return Folded([])
    before = max(head.facts.get(name, 0) for name in (doubts.HOLD_REQUESTED, doubts.HOLD_ENDED))
    at = max(message.received_at, before + 1)
    return fold(
        head, Observation(head.order_no, {event: at}, at), Origin(message.source, message.id, message.received_at)
    )


def _event(said: Word, head: Head) -> str:
    match said:
        case Keep():
            return doubts.HOLD_REQUESTED
        # Of one parcel, or by the hub, or of people who are not told, the others stay as they are.
        case Release(parcel=0, held_for="", notices=(), act="go" | "again") if doubts.is_kept(head) and _knew(said):
            return doubts.HOLD_ENDED
    return ""


def _knew(said: Release) -> bool:
    """Whether whoever said so had seen that it is kept back, and not that alone for which its shop could not be asked,
    say. Where nobody tells what was seen, it was all."""
    return not said.seen or any(doubts.KEPT_BY in note for note in said.seen.values())


def why(said: Word) -> str:
    """As the order is told to be kept back."""
    if not isinstance(said, Keep):
        return doubts.KEPT
    return f"{doubts.KEPT_BY}{said.by or 'a person'}: {said.reason}"
