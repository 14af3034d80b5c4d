"""What entries of an order's log are called. English here; each language translates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orderhub_core.held import held_for
from orderhub_core.i18n import Named, Translate, by_id
from orderhub_core.model import Event

HOLD = "rule.hold"
EVENTS: dict[str, str] = {
    "rule.assign_warehouse": "Warehouse assigned",
    "rule.add_gift": "Gift added",
    "rule.tag": "Tagged",
    "rule.priority": "Picking priority changed",
    HOLD: "Held back",
    "rule.approve": "Approval asked for",
    "rule.split": "Split into parcels",
    "rule.merge": "May be packed with others",
    "rule.carrier": "Carrier chosen",
    "rule.work_order": "To be produced",
    "rule.notify": "People to be told",
    "order.released": "Asked to let it go",
    "order.closed": "Asked to close it",
    "order.kept": "Asked to keep it back",
    "order.put_to_rules": "Put to the rules by hand",
    "gift.refused": "Gift not granted",
    "hub.handed_over": "Handed over to the warehouse",
    "hub.ordered_production": "Work order given to the production base",
    "hub.notified": "People told",
    "rule.read": "What rules read of the buyer",
    "order.packed": "Told whom it is packed with",
    "order.paired": "A person's word on what it is packed with",
    "order.content": "Content changed",
    "order.restated": "Content stated once more",
    "order.parcel": "Parcel news",
    "order.case_opened": "Another after-sale case",
    "order.case_refunded": "Money of another case went back",
    Event.PLACED: "Order placed",
    Event.ADDRESS_CHANGE_REQUESTED: "Another address asked for",
    Event.ADDRESS_CHANGE_SETTLED: "Another address answered",
    Event.HOLD_REQUESTED: "Kept back by hand",
    Event.HOLD_ENDED: "Kept back by hand no more",
    Event.DEFERRED: "To be paid later",
    Event.PAID: "Paid",
    Event.VOIDED: "Payment voided",
    Event.PARTLY_REFUNDED: "Partly refunded",
    Event.REFUNDED: "Refunded",
    Event.SETTLED: "Payment settled",
    Event.DESIGN_STARTED: "Design begun",
    Event.PRODUCTION_STARTED: "Production begun",
    Event.RAN_SHORT: "Ran short",
    Event.LOCKED: "Stock locked",
    Event.LABELLED: "Waybill printed",
    Event.PARTLY_SHIPPED: "Shipped in part",
    Event.SHIPPED: "Shipped",
    Event.INTERCEPTED: "Intercepted",
    Event.CANCELLED: "Cancelled",
    Event.COLLECTED: "Collected by the carrier",
    Event.MOVED: "On its way",
    Event.OUT_FOR_DELIVERY: "Out for delivery",
    Event.DELIVERED: "Delivered",
    Event.REFUSED: "Refused by the receiver",
    Event.RETURN_STARTED: "Return begun",
    Event.RETURNED: "Come back",
    Event.LOST: "Lost",
    Event.AFTER_SALE_APPLIED: "After-sale case opened",
    Event.RETURN_AGREED: "Return agreed",
    Event.RETURN_SENT: "Return sent",
    Event.REFUND_AGREED: "Refund agreed",
    Event.AFTER_SALE_REFUNDED: "After-sale refund paid",
    Event.AFTER_SALE_REJECTED: "After-sale case rejected",
    Event.AFTER_SALE_CLOSED: "After-sale case closed",
    Event.INVOICE_REQUESTED: "Invoice asked for",
    Event.INVOICE_ISSUED: "Invoice issued",
    Event.INVOICE_VOIDED: "Invoice voided",
}
TOWARDS = {
    "rule.assign_warehouse": "warehouse",
    "rule.carrier": "carrier",
    "rule.work_order": "target",
    "rule.notify": "target",
    "hub.handed_over": "target",
    "hub.ordered_production": "target",
    "hub.notified": "target",
}
"""Of which kind that is whose id an entry has."""
OUTCOMES = {"late": "came late", "refused": "refused: not possible then", "decided": "decided by a rule"}
TOLD_WITH_WHAT = frozenset({"decided", "done", "ungranted"})
"""Outcomes of entries that are no change of a state: they tell what was decided, who was told, or which gift."""
ASKED = frozenset({"order.released", "order.closed", "order.kept", "order.put_to_rules"})
"""Nor are these: what became of it, what follows tells, and why the order still waits."""


def event(row: Mapping[str, Any], tr: Translate, names: Named = by_id) -> str:
    """What an entry of the log (of `frames.EVENTS`) tells: its name, what was decided, and how it came."""
    name = tr(EVENTS[row["event"]]) if row["event"] in EVENTS else str(row["event"])
    if row["outcome"] in TOLD_WITH_WHAT:
        name = tr("{decision}: {what}").format(decision=name, what=_what(row, tr, names))
    remark = OUTCOMES.get(row["outcome"], "")
    return tr("{what} ({remark})").format(what=name, remark=tr(remark)) if remark else name


def _what(row: Mapping[str, Any], tr: Translate, names: Named) -> str:
    if row["event"] == HOLD:
        return held_for(row["after"], row["rule"], tr)
    kind, what = TOWARDS.get(row["event"]), str(row["after"])
    return names(kind, what) if kind and what else what
