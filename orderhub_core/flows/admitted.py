"""Which rulebooks the live path can carry out."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from orderhub_core import frames
from orderhub_core.errors import UserMistake
from orderhub_core.rules import rulebook
from orderhub_core.rules.actions import HOLDS
from orderhub_core.rules.buyers import HISTORY
from orderhub_core.rules.needs import check
from orderhub_core.rules.tree import Action, Rulebook

CARRIED_OUT = frozenset(
    {
        "assign_warehouse",
        "add_gift",
        "tag",
        "priority",
        "carrier",
        "work_order",
        "hold",
        "split",
        "merge",
        "approve",
        "notify",
    }
)
"""Verbs that come true. Tags, points and the carrier are kept with the order's decisions, and told to its warehouse."""


def load(path: Path) -> Rulebook:
    """A rulebook that the live path can carry out. Raises UserMistake."""
    book = rulebook.load(path)
    refuse(book)
    return book


def refuse(book: Rulebook) -> None:
    """Raises UserMistake for what a rulebook asks for and the live path does not have: better now than never to hold,
    unnoticed."""
    check(book, pl.Schema({**frames.ORDERS, **HISTORY}), frames.LINES, counts=True)
    for group in book.every_group:
        for action in (*group.otherwise, *(action for rule in group.rules for action in rule.then)):
            if why := _impossible(action):
                raise UserMistake(
                    "group {name!r}: {why}; `orderhub rules eval` shows what it would decide", name=group.name, why=why
                )


def _impossible(action: Action) -> UserMistake | None:
    """Why the hub cannot do what an action says; None where it can."""
    if action.verb == "hold" and "push" not in HOLDS[action.argument].blocks:
        text = "a hold of the kind {kind} would keep nothing back: the hub's last step is the push"
        return UserMistake(text, kind=action.argument)
    if action.verb not in CARRIED_OUT:
        return UserMistake("the hub does not carry out {verb!r} yet", verb=action.verb)
    return None
