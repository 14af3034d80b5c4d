"""What the rule lab asks of who keeps a draft or moves a version on: for `ui.questions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from orderhub_core.i18n import Translate
from orderhub_core.rules.lab import texts

Names = dict[str, tuple[str, Sequence[str]]]
Questions = tuple[str, dict[str, str], dict[str, str], Names]
"""What is asked, the choices by what is shown, what is asked in words, and of which names one is to be chosen."""


class Edition(Protocol):
    @property
    def version(self) -> str: ...


def forms(kept: Sequence[Edition], tr: Translate) -> dict[str, Questions]:
    """What may be done with a draft, to `keep` it, and with a version, to `move` it on. A version is chosen by its
    name, which stays its own whatever is published."""
    words = {name: said for name, said in texts.ASKED.items() if name != "version"}
    return {
        "keep": _asked(texts.ACTS, texts.ASKED, {}, tr),
        "move": _asked(texts.STEPS, words, {"version": (tr("Version"), [one.version for one in kept])}, tr),
    }


def _asked(acts: Mapping[str, str], words: Mapping[str, str], names: Names, tr: Translate) -> Questions:
    return (
        tr("What to do"),
        {tr(said): act for act, said in acts.items()},
        {name: tr(said) for name, said in words.items()},
        names,
    )
