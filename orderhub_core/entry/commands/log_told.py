"""The detail of an entry of an order's log, in people's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orderhub_core.audit.spot.entries import EVENTS
from orderhub_core.i18n import Translate

LABELS = {
    "because": "because",
    "rule": "rule",
    "version": "version",
    "goods": "goods",
    "parcel": "parcel",
    "parcels": "parcels",
    "packed_with": "packed with",
    "companions": "packed with",
    "number": "number",
    "tries": "tries",
    "by": "by",
    "reviewer": "by",
    "reason": "reason",
    "say": "said",
    "lacked": "lacking",
    "inferred": "understood with it",
    "tracking_no": "tracking number",
    "carrier": "carrier",
    "labelled": "label printed",
}
"""What each key is called; others are told as the log has them."""
SOURCES = {"rules": "rules", "hub": "the hub", "ops": "a person"}
"""Who is no shop."""
UNTOLD = frozenset({"shop", "order_no", "why"})
"""Whose log it is is known, and what was refused stands with what it was."""


def told(entry: Mapping[str, Any], tr: Translate) -> str:
    """As of `flows.retelling.life`; empty where there is nothing to add."""
    detail = msgspec.json.decode(entry["detail"]) if entry["detail"] else {}
    if entry["reason"]:
        detail = {"because": entry["reason"], **detail}
    parts = (
        tr("{what} {fact}").format(what=tr(LABELS.get(key, key)), fact=_fact(fact, tr))
        for key, fact in detail.items()
        if key not in UNTOLD and fact not in ("", [], False)
    )
    return tr("; ").join(parts)


def source(name: str, tr: Translate) -> str:
    return tr(SOURCES[name]) if name in SOURCES else name


def _fact(fact: Any, tr: Translate) -> str:
    match fact:
        case bool():
            return tr("yes") if fact else tr("no")
        case [int(), int()]:  # an amount before and after
            return f"{fact[0]} → {fact[1]}"
        case list():
            return tr(", ").join(_fact(one, tr) for one in fact)
        case {"no": number, "warehouse": warehouse, "lines": [*lines]}:  # a parcel
            text = tr("{number} from {warehouse} with the lines {lines}")
            return text.format(number=number, warehouse=warehouse, lines=tr(", ").join(map(str, lines)))
        case dict():
            return tr(", ").join(f"{key}: {_fact(one, tr)}" for key, one in fact.items())
        case str() if fact in EVENTS:
            return tr(EVENTS[fact])
    return str(fact)
