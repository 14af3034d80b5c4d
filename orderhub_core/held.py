"""What an order is held for, in people's words: wherever a hold is told, it is told so."""

from __future__ import annotations

import msgspec

from orderhub_core.i18n import Translate, form

KINDS = {
    "review": "review",
    "risk": "risk",
    "stock": "out of stock",
    "gift_stock": "gift out of stock",
    "presale": "presale",
    "address": "address to be confirmed",
    "merge": "to be merged",
    "courier": "no courier goes there",
}
"""What a rule holds an order for."""
LACKS = ("{left} of {sku} left, {asked} asked", "closed ({reason})", "full, {orders} of {limit}")
"""What one warehouse lacked, as rules word it; there may be several, and several warehouses."""
LACKED_KINDS = dict(zip(LACKS, ("out of stock", "warehouse closed", "warehouse full"), strict=True))
"""What the hub itself holds one for, as no warehouse could take it."""
_FORMS = {text: form(text) for text in LACKS}


def held_for(kind: str, detail: str, tr: Translate) -> str:
    """Of an entry `rule.hold` of the log, which has a kind and a detail (JSON): where it is the hub that holds the
    order, what the warehouses lacked."""
    parts = _lacked(detail).split("; ")
    found = [name for text, name in LACKED_KINDS.items() if any(_FORMS[text].search(part) for part in parts)]
    return tr(", ").join(map(tr, found)) or tr(KINDS.get(kind, kind))


def _lacked(detail: str) -> str:
    """Empty of one that a rule holds."""
    told: str = msgspec.json.decode(detail or "{}").get("lacked", "")
    return told
