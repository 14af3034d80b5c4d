"""What each moment of an order's story is called, and how it changed the order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orderhub_core.audit.spot import entries
from orderhub_core.flows import retelling
from orderhub_core.health import holds, queue
from orderhub_core.i18n import Named, Translate
from orderhub_core.lifecycle import axis_of
from orderhub_core.model import Event
from orderhub_core.rules.shortages import refused_for

STATED = frozenset({*(event.value for event in Event), *entries.ASKED})
"""Events whose states have names in every language."""
AHEAD = {
    retelling.HANDED_OVER: "Still to be handed over to the warehouse",
    retelling.PRODUCED: "Still to be given to the production base",
    retelling.NOTIFIED: "People still to be told",
    retelling.ASKED: "Its shop still to be asked what it is now",
}
ANEW = {
    retelling.HANDED_OVER: "Handed over to the warehouse already",
    retelling.PRODUCED: "Given to the production base already",
}
"""Of what is done, and looked at once more."""
STATELESS = frozenset(event.value for event in Event if axis_of(event) is None) - {Event.PLACED.value}
NOTHING = "·"


def what(entry: Mapping[str, Any], tr: Translate, names: Named) -> str:
    """What an entry of `flows.retelling.life` tells."""
    after = entry["after"]
    if entry["event"] == "rule.add_gift" and entry["quantity"]:
        after = f"{after} × {entry['quantity']}"
    told = entries.event({**entry, "after": after}, tr, names)
    if entry["outcome"] != "ungranted":
        return told
    return tr("{what}, {why}").format(what=told, why=refused_for(retelling.why(entry), tr))


def change(entry: Mapping[str, Any], tr: Translate) -> str:
    """From which state into which; empty of what is no change of a state."""
    # Where it is to go, and whether, is no state, though the log has with it the one that it was in.
    nowhere = not (entry["before"] or entry["after"]) or entry["event"] in STATELESS
    if nowhere or entry["outcome"] in entries.TOLD_WITH_WHAT or entry["event"] in entries.ASKED:
        return ""
    before, after = (_state(entry["event"], entry[name], tr) for name in ("before", "after"))
    return f"{before} → {after}"


def intended(one: Mapping[str, Any], tr: Translate, names: Named) -> str:
    """What is still to be done, of one of `flows.retelling.ahead`."""
    where = names("target", one["target"])
    told = (ANEW if one["done"] else AHEAD).get(one["event"], AHEAD[one["event"]])
    return tr("{decision}: {what}").format(decision=tr(told), what=where)


def waits(one: Mapping[str, Any], zone: ZoneInfo, tr: Translate, names: Named) -> str:
    """Why it is not done yet, and when it is tried."""
    told = [tr(queue.STATES[one["state"]])]
    told += (
        [tr("{what} {fact}").format(what=tr("tries"), fact=one["tries"])] if one["tries"] and not one["done"] else []
    )
    told += [tr("next try {at}").format(at=clock(one["next_at"], zone))] if one["next_at"] else []
    told += [holds.reasons(one["note"], tr, names)] if one["note"] else []
    told += [tr("{what} {fact}").format(what=tr("parcel"), fact=one["parcel"])] if one["parcel"] else []
    return tr("; ").join(told)


def state(word: str, tr: Translate) -> str:
    return tr(word.replace("_", " "))


def clock(at: datetime, zone: ZoneInfo) -> str:
    """As `written`, of a frame's instant."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def local(at: datetime, zone: ZoneInfo) -> str:
    """As a clock there shows it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _state(event: str, word: str, tr: Translate) -> str:
    """Those of an order's life have names; what else the log keeps is as it was said."""
    return state(word, tr) if word and event in STATED else word or NOTHING
