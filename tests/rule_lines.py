"""Rules as documents show them: a condition, an arrow and actions in one line. A book has the two sides apart."""

from __future__ import annotations

import re
from typing import NamedTuple

from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.parsing import parse_actions, parse_condition
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import Action, Condition

_ARROW = re.compile(r"\s*(?:->|=>|→|⇒)\s*")


class Shown(NamedTuple):
    when: Condition
    then: tuple[Action, ...]
    mistakes: tuple[Mistake, ...]


def read_line(line: str, speech: Vocabulary) -> Shown:
    """No arrow may stand in quotation marks."""
    when, then = _ARROW.split(line, maxsplit=1)
    asked, wanted = parse_condition(when, speech), parse_actions(then, speech)
    return Shown(asked.when, wanted.then, (*asked.mistakes, *wanted.mistakes))
