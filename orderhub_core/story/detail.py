"""The detail of an entry of an order's log, in people's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from orderhub_core.audit.spot.entries import EVENTS
from orderhub_core.flows.parcelling import FIRST_TOLD
from orderhub_core.flows.reporting import OURSELVES
from orderhub_core.health import holds
from orderhub_core.i18n import Named, Translate, yuan
from orderhub_core.model import FIRST_ADDED_LINE
from orderhub_core.rules import rewording
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.language.operators import Language
from orderhub_core.story.words import NOTHING

LABELS = {
    "rule": "rule",
    "version": "version",
    "goods": "goods",
    "parcel": "parcel",
    "parcels": "parcels",
    "packed_with": "packed with",
    "companions": "packed with",
    "other": "the other order",
    "doubts": "not sure of",
    "number": "number",
    "tries": "tries",
    "by": "by",
    "reviewer": "by",
    "reason": "reason",
    "say": "said",
    "inferred": "inferred",
    "tracking_no": "tracking number",
    "carrier": "carrier",
    "tags": "tags",
    "priority": "priority",
    "labelled": "label printed",
    "lines": "lines",
    "buyer": "buyer",
    "receiver": "receiver",
    "payment_method": "payment method",
    "freight_minor": "freight",
    "discount_minor": "discount",
}
"""What each key is called; others are told as the log has them."""
UNTOLD = frozenset({"shop", "order_no", "other_shop", "why", "lacked"})
"""Whose log it is is known; what was refused, and what was lacking, stands with what it was."""
CONTENT, SPLIT = "order.content", "rule.split"
KINDS = {"carrier": "carrier", "warehouse": "warehouse"}
"""Keys whose facts people have names for."""
AMOUNTS = frozenset({"freight_minor", "discount_minor"})
"""Keys whose facts are money, though rules have no field for them."""
COLUMNS = {field.column: field for field in FIELDS.values() if field.level in ("order", "buyer")}


def told(entry: Mapping[str, Any], zone: ZoneInfo, language: Language, tr: Translate, names: Named) -> str:
    """As of `flows.retelling.life`; empty where there is nothing to add."""
    detail = msgspec.json.decode(entry["detail"]) if entry["detail"] else {}
    # Of an order that is split the parcels follow as facts.
    said = (entry["reason"] or "").partition(FIRST_TOLD)[0] if entry["event"] == SPLIT else entry["reason"]
    reason = [_because(said, tr, names)] if said else []
    if parent := entry.get("goes_with"):
        reason.append(tr("goes with {sku}").format(sku=parent))
    return tr("; ").join([*reason, *_facts(entry["event"], detail, zone, language, tr, names)])


def source(entry: Mapping[str, Any], names: Named) -> str:
    """Who said it."""
    name = str(entry["source"])
    if name == "ops" and entry["detail"] and msgspec.json.decode(entry["detail"]).get("by") == OURSELVES:
        name = "hub"
    return names("source", name)


def _because(reason: str, tr: Translate, names: Named) -> str:
    parts = (holds.reasons(part, tr, names) for part in rewording.parts(reason, tr))
    return tr("{what} {fact}").format(what=tr("because"), fact=tr("; ").join(parts))


def _facts(
    event: str, detail: Mapping[str, Any], zone: ZoneInfo, language: Language, tr: Translate, names: Named
) -> Iterator[str]:  # fmt: skip
    for key, fact in detail.items():
        if key in UNTOLD or fact is False or fact == "" or (fact == [] and event != CONTENT):
            continue
        field, fact = COLUMNS.get(key), _named(key, fact, names)
        if key == "act":  # the event's name tells of the others
            yield from [tr("what was tried goes, too")] * (fact == "again")
        elif event == SPLIT and key == "parcels":
            yield from (_parcel(one, tr, names) for one in fact)
        elif event == CONTENT and fact == []:
            yield tr(LABELS.get(key, key))
        else:
            label = tr(LABELS.get(key, key)) if field is None or key in LABELS else _called(field, language)
            yield tr("{what} {fact}").format(what=label, fact=_fact(event, field, fact, zone, tr))


def _named(key: str, fact: Any, names: Named) -> Any:
    if key not in KINDS and key not in AMOUNTS:
        return fact
    if isinstance(fact, list):  # before and after
        return [_named(key, one, names) for one in fact]
    if key in AMOUNTS:
        return yuan(fact) if isinstance(fact, int) else fact
    return names(KINDS[key], fact) if isinstance(fact, str) and fact else fact


def _called(field: Field, language: Language) -> str:
    return field.zh if language == "zh" else field.name


def _parcel(one: Mapping[str, Any], tr: Translate, names: Named) -> str:
    text = tr("parcel {number} from {warehouse}: lines {lines}")
    lines = tr(", ").join(str(number) if number < FIRST_ADDED_LINE else tr("a gift") for number in one["lines"])
    return text.format(number=one["no"], warehouse=names("warehouse", one["warehouse"]), lines=lines)


def _fact(event: str, field: Field | None, fact: Any, zone: ZoneInfo, tr: Translate) -> str:
    if event == CONTENT and isinstance(fact, list):
        before, after = (_value(field, one, zone, tr) for one in fact)
        return f"{before} → {after}"
    if isinstance(fact, list):
        return tr(", ").join(_one(one, tr) for one in fact)
    return _value(field, fact, zone, tr)


def _one(fact: Any, tr: Translate) -> str:
    """Of a list: an event's name, or an order of a shop."""
    if isinstance(fact, Sequence) and not isinstance(fact, str):
        return "/".join(map(str, fact))
    return tr(EVENTS[fact]) if isinstance(fact, str) and fact in EVENTS else str(fact)


def _value(field: Field | None, fact: Any, zone: ZoneInfo, tr: Translate) -> str:
    match fact:
        case None | "":
            return NOTHING
        case str() if fact == OTHERWISE:  # as a rule is called that somebody else has no name for
            return tr(fact)
        case bool():
            return tr("yes") if fact else tr("no")
        case int() if field is not None and field.kind is Kind.MONEY:
            return yuan(fact)
        case int() if field is not None and field.kind is Kind.INSTANT:
            return datetime.fromtimestamp(fact / 1e6, zone).isoformat(sep=" ", timespec="seconds")
    return tr(str(fact)) if fact in ("apart", "together") else str(fact)
