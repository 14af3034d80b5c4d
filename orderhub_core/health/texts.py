"""What people call headlines, segments, steps and axes; English, to be translated by whoever shows them."""

from __future__ import annotations

from orderhub_core.health.blockages import Blockage
from orderhub_core.i18n import Translate

HEADLINES = {
    "pending_payment": "Awaiting payment",
    "paid": "Paid",
    "designing": "In design",
    "producing": "In production",
    "short": "Out of stock",
    "locked": "Stock locked",
    "labelled": "Label printed",
    "partly_shipped": "Partly shipped",
    "shipped": "Shipped",
    "in_transit": "In transit",
    "delivered": "Delivered",
    "completed": "Completed",
    "after_sale": "After-sale",
    "intercepted": "Intercepted",
    "returned": "Returned",
    "refunded": "Refunded",
    "cancelled": "Cancelled",
}
SEGMENTS = {"warehouse": "Warehouse", "carrier": "Carrier", "shop": "Shop", "province": "Province"}
STEPS = {
    "placed_paid": "Placed → paid",
    "paid_shipped": "Paid → shipped",
    "shipped_collected": "Shipped → collected",
    "collected_delivered": "Collected → delivered",
}
AXES = {
    "order": "Placed orders",
    "payment": "Payment",
    "fulfilment": "Fulfilment",
    "logistics": "Logistics",
    "after_sale": "After-sale",
    "invoice": "Invoice",
}
LEVELS = {"ok": "On time", "warn": "At risk", "act": "Overdue"}


def place(blockage: Blockage, tr: Translate) -> str:
    """Where it is stuck, as a title: the stage, and the segment to blame if there is one."""
    stage = tr(HEADLINES[blockage.headline])
    if not blockage.segment:
        return f"{stage} · {tr('everywhere')}"
    return f"{stage} · {tr(SEGMENTS[blockage.segment])} {blockage.value or tr('(none)')}"
