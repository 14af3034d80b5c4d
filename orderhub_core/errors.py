"""Failures, typed by what to do next.

OrderHubError
  x UserMistake            the person at the keyboard can mend it: what, where, how (exit code 2)
  x Later                  transient: the same call may succeed (`after_s` when the other side said so)
    + Throttled
    + Unreachable
      - Unconnected      nobody listens at its address: nothing was sent
    + Busy                 the database is locked or full
      - Unwritable         of one delivery: others can be written
  x NeedsPerson            retrying cannot help; a person must look
    + BadCredentials
    + RefusedByTarget      nothing was taken
    + OtherwiseThere       something of it may have been taken, and not as it was said
    + NobodyThere          the settings have no such target: nothing was sent, and it may go once they do
    + StoreMissing
  x Stop                   going on would do harm: chain broken, wrong SQLite, second writer
  x Unreadable             a message nobody can read yet: parked with this reason, replayable
  x BadSignature           an unproven sender: nothing is stored
    + BadClock             proven by its signature, but not signed now
  x TooLarge               a body over the limit
  x Refusal                a lifecycle move that is not allowed; nothing changed
    + IllegalTransition
    + MissingFact
  x Fault                  what a check finds wrong with what is kept: told, and never raised
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Translate = Callable[[str], str]


class Term(str):
    """A fact that is no name but a word, which every language has its own for."""


@runtime_checkable
class Telling(Protocol):
    """A fact that has its own words in every language, as a failure has that is the reason for another."""

    def told(self, tr: Translate, /) -> str: ...


class OrderHubError(Exception):
    """Every failure of the hub's own. The text is one sentence a user can act on, in English, with blanks for facts; a
    list of names is a tuple."""

    def __init__(self, text: str, /, **facts: object) -> None:
        self.text, self.facts = text, facts
        super().__init__(self.told(str))

    def told(self, tr: Translate) -> str:
        """The sentence in another language."""
        text = tr(self.text)
        return text.format(**{name: _told(fact, tr) for name, fact in self.facts.items()}) if self.facts else text


def _told(fact: object, tr: Translate) -> object:
    match fact:
        case Telling():
            return fact.told(tr)
        case Term():
            return tr(fact)
        case tuple() if type(fact) is tuple:  # and none that has fields, and tells itself
            return tr(", ").join(str(_told(each, tr)) for each in fact) or tr("none")
    return fact


class UserMistake(OrderHubError):
    """What is wrong, where, and how to mend it, in one sentence."""


class Mistaken(UserMistake):
    """One that is told by whoever knows more of it than a sentence with blanks can hold."""

    def __init__(self, say: Callable[[Translate], str]) -> None:
        self._say = say
        super().__init__(say(str))

    def told(self, tr: Translate) -> str:
        return self._say(tr)


class Later(OrderHubError):
    def __init__(self, text: str, /, *, after_s: float | None = None, **facts: object) -> None:
        super().__init__(text, **facts)
        self.after_s = after_s


class Throttled(Later):
    """The other side asked us to slow down."""


class Unreachable(Later):
    """No answer, or an answer of its own trouble."""


class Unconnected(Unreachable):
    """Nobody listens at its address just now: nothing was sent."""


class Busy(Later):
    """The database is locked or full; the work waits."""


class Unwritable(Busy):
    """One delivery cannot be written down, as others can: a mistake of the hub's own."""


class Unanswered(Busy):
    """What must be known first is still to be asked elsewhere: nothing was sent, and whom it was for has not failed."""


class NeedsPerson(OrderHubError):
    """Retrying cannot help."""


class BadCredentials(NeedsPerson):
    """Sign-in refused: what goes there waits until a person mends its credentials."""


class RefusedByTarget(NeedsPerson):
    """The other side understood and said no: it has taken nothing."""


class OtherwiseThere(NeedsPerson):
    """The other side may have what it was told, but otherwise, or nobody can read what it has."""


class NobodyThere(NeedsPerson):
    """The settings have no such target, or do not reach it: nothing was sent."""


class StoreMissing(NeedsPerson):
    """There is no hub where the settings point."""


class Stop(OrderHubError):
    """Going on would do harm."""


class Unreadable(OrderHubError):
    """A message that cannot be read yet. Parked; replay it after the decoder or the table is mended."""


class BadSignature(OrderHubError):
    """The sender could not prove who it is."""


class BadClock(BadSignature):
    """The signature is right for a time that is not now: the sender's clock is wrong, or somebody repeats an old
    delivery. Only raised where the signature is right: who lacks the secret learns nothing of the clock."""


class TooLarge(OrderHubError):
    """The body is over the limit."""


class Fault(OrderHubError):
    """What is wrong with what is kept, or how to mend it: a check finds it, and goes on."""


class Refusal(OrderHubError):
    """A lifecycle move that is not allowed. The order is as it was."""


class IllegalTransition(Refusal):
    """No edge of the table leads from this state by this event."""


class MissingFact(Refusal):
    """A guard names the fact that is missing."""

    def __init__(self, event: str, fact: str) -> None:
        super().__init__(f"{event} needs {fact}")
        self.event, self.fact = event, fact
