"""An audit in people's words. English here; each language translates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orderhub_core.audit.report import Report
from orderhub_core.i18n import Named, Translate, by_id

VERDICTS = {
    "equal": "Equal",
    "compatible": "Compatible",
    "lagging": "Lagging, news still young",
    "not_comparable": "Cannot be compared",
    "unknown_word": "Unknown word",
    "missing": "Missing somewhere",
    "duplicate": "Held twice",
    "conflict": "Conflict",
}

CAUSES = {
    "unknown": "The figures do not tell why.",
    "late_poll": "It is behind, but the news is young: it should mend itself.",
    "lost_event": "It is behind and has not been updated since: an event was probably lost.",
    "illegal_regression": "It was updated last, to a stage the others had already left.",
    "forged_progress": "It says the parcel has left; the others, updated later, still have it.",
    "mapping_error": "Nobody has said what this word means: add it to the word table.",
    "missing_row": "It does not have this order.",
    "duplicate": "It has this order more than once.",
}

FIELDS = {
    "total": "Order total",
    "paid": "Amount paid",
    "refunded": "Amount refunded",
    "freight": "Freight",
    "quantity": "Pieces",
    "tracking_no": "Tracking number",
    "carrier": "Carrier",
    "warehouse": "Warehouse",
    "paid_at": "Paid at",
    "shipped_at": "Shipped at",
    "placed_at": "Placed at",
    "collected_at": "Collected at",
    "delivered_at": "Delivered at",
    "completed_at": "Completed at",
    "discount": "Discount",
}
"""Those that this version knows; a user's own are called as he calls them."""

JUDGEMENTS = {True: "consistent", False: "not consistent"}

_AGES = ((86_400, "{n} d ago"), (3_600, "{n} h ago"), (60, "{n} min ago"), (1, "{n} s ago"))


def age(seconds: float | None, tr: Translate) -> str:
    """How long ago, in the largest unit that fits; a time after the present is "just now"."""
    if seconds is None:
        return tr("time unknown")
    for unit, text in _AGES:
        if seconds >= unit:
            return tr(text).format(n=int(seconds // unit))
    return tr("just now")


def stage(words: str | None, tr: Translate) -> str:
    """A stage, or the first and last of several, as `words.Lexicon.frame` writes them."""
    return " … ".join(tr(part.replace("_", " ")) for part in words.split(" … ")) if words else tr("no known stage")


def why(finding: Mapping[str, Any], tr: Translate, names: Named = by_id) -> str:
    """A finding in two or three sentences: what, who probably, and why."""
    sentence = (
        tr("{verdict}. Probably wrong: {name}. {cause}") if finding["probably_wrong"] else tr("{verdict}. {cause}")
    )
    verdict, cause = tr(VERDICTS[finding["verdict"]]), tr(CAUSES[finding["cause"]])
    return sentence.format(verdict=verdict, name=names("touchpoint", finding["probably_wrong"]), cause=cause)


def found(report: Report, tr: Translate) -> dict[str, str]:
    """The verdicts that occur, by name: what a reader may choose among."""
    return {tr(VERDICTS[code]): code for code, count in report.by_verdict().items() if count}
