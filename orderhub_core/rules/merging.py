"""What a rulebook wants of packing orders together: one answer for the live hub and whoever asks of it."""

from __future__ import annotations

from collections.abc import Iterable

from orderhub_core.rules.actions import NEVER


def wish(decided: Iterable[tuple[str, str] | tuple[str, str, int]]) -> str:
    """What others must share with an order of these actions and arguments to be packed with it, `buyer` or `receiver`;
    empty where it is packed alone. The first one that speaks of it holds, but `never` seals it whatever others say."""
    wishes = [one[1] for one in decided if one[0] == "merge"]
    return wishes[0] if wishes and NEVER not in wishes else ""
