"""Rulebooks as people name them on the command line: a version that the hub keeps, or a file."""

from __future__ import annotations

from pathlib import Path

from orderhub_core.errors import UserMistake
from orderhub_core.flows.editions import Editions
from orderhub_core.rules import rulebook
from orderhub_core.rules.tree import Rulebook


def named(name: str, editions: Editions | None = None) -> Rulebook:
    """Raises UserMistake for what is neither, and for a book that cannot be used."""
    if editions is not None and any(one.version == name for one in editions.kept()):
        return rulebook.usable(editions.text(name), name)
    if editions is not None and not Path(name).is_file():
        text = "{name!r} is neither a version that is kept nor a file; `orderhub rules list` names those"
        raise UserMistake(text, name=name)
    return rulebook.load(Path(name))
