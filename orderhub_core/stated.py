"""Which fields of an order were stated, and of which version: the newest statement of each holds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orderhub_core.model import Event

PLAIN = (
    "currency", "total_minor", "paid_minor", "freight_minor", "discount_minor", "payment_method", "promised_at",
    "province", "city",
)  # fmt: skip
"""Fields of the content that stand in the order's own row as they are stated."""

FIELDS = {name: 1 << place for place, name in enumerate((*PLAIN, "buyer_key", "warehouse", "lines", "person"))}
"""What a content may state, each field as a bit. `Head.stated` holds versions, each with the fields whose newest
statement has it: nearly always it is one version for all. The bits stand in the database: new fields come last."""

_REQUESTED, _SETTLED = Event.ADDRESS_CHANGE_REQUESTED.value, Event.ADDRESS_CHANGE_SETTLED.value
_versions = msgspec.json.Decoder(tuple[tuple[int, int], ...]).decode
_by_field = msgspec.json.Decoder(dict[str, int]).decode


def read_stated(text: str) -> dict[int, int]:
    """`Head.stated` from its column. Raises msgspec.DecodeError or KeyError where it cannot be read.

    A worker of the version before this form, which nobody has stopped, may still write versions by field.
    """
    if not text.startswith("{"):
        return dict(_versions(text))
    stated: dict[int, int] = {}
    for field, version in _by_field(text).items():
        stated[version] = stated.get(version, 0) | FIELDS[field]
    return stated


def version_of(field: str, stated: Mapping[int, int]) -> int | None:
    """Of the statement of it that holds."""
    return next((version for version, fields in stated.items() if fields & FIELDS[field]), None)


def is_readdressed(facts: Mapping[str, int], stated: Mapping[int, int]) -> bool:
    """Whether another receiver is asked for, or is there and not stated yet (of an order that states one at all)."""
    settled = facts.get(_SETTLED, 0)
    if facts.get(_REQUESTED, 0) > settled:
        return True
    known = version_of("person", stated) if settled else None
    return known is not None and known < settled


def is_sound(stated: Mapping[int, int]) -> bool:
    """Whether every field has one version, and is a field."""
    together = sum(stated.values())
    return not together & ~sum(FIELDS.values()) and together.bit_count() == sum(map(int.bit_count, stated.values()))
