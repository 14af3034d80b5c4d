"""How the pretend Douyin words an order: the body of its calls and the numbers in its pushes. Epoch seconds, fen."""

from __future__ import annotations

import hashlib
from typing import Any

from connectors.sandbox.ledger import Known

PAY_TYPES = {"cash_on_delivery": 0, "wechat": 1, "alipay": 2, "douyin_pay": 9}
DESCRIPTIONS = {1: "待支付", 2: "备货中", 101: "部分发货", 3: "已发货", 4: "已关闭", 5: "已完成"}
DESCRIPTIONS |= {21: "发货前退款完结", 22: "发货后退款完结", 39: "收货后退款完结"}
CARRIER_STATES = {
    "logistics.collected": "1",
    "logistics.moved": "0",
    "logistics.out_for_delivery": "5",
    "logistics.delivered": "3",
    "logistics.refused": "14",
    "logistics.return_started": "6",
    "logistics.returned": "4",
}
CASES = {
    "after_sale.applied": (6, 0),
    "after_sale.return_agreed": (7, 0),
    "after_sale.return_sent": (11, 0),
    "after_sale.refund_agreed": (12, 2),
    "after_sale.refunded": (12, 3),
    "after_sale.rejected": (27, 0),
    "after_sale.closed": (28, 0),
}
"""(after_sale_status, refund_status) after each event."""


def statuses(happened: dict[str, int]) -> tuple[int, int]:
    """(order_status, main_status)."""
    if "payment.refunded" in happened:
        received = "logistics.delivered" in happened or "payment.settled" in happened
        return 4, 39 if received else 22 if "fulfilment.shipped" in happened else 21
    if "payment.voided" in happened:
        return 4, 4
    if "payment.settled" in happened:
        return 5, 5
    if "fulfilment.shipped" in happened:
        return 3, 3
    if "fulfilment.partly_shipped" in happened:
        return 101, 101
    return (1, 1) if happened.keys().isdisjoint(("payment.deferred", "payment.paid")) else (2, 2)


def case(happened: dict[str, int]) -> dict[str, int]:
    steps = [event for event in happened if event in CASES]
    status, refund = CASES[steps[-1]] if steps else (0, 0)
    kind = 2 if "fulfilment.shipped" not in happened else 0 if "logistics.delivered" in happened else 1
    if refund == 3 and kind == 2:
        status = 51
    return {"after_sale_status": status, "after_sale_type": kind if steps else 0, "refund_status": refund}


def pay_type(order: dict[str, Any]) -> int:
    return PAY_TYPES.get(order["payment_method"], 5)


def line_id(order: dict[str, Any], line_no: int) -> str:
    """The first line of an order carries the order's own number, as on the platform."""
    return str(int(order["order_no"]) + line_no - 1)


def body(known: Known, shop_id: int) -> dict[str, Any]:
    order, happened = known.order, known.happened
    status, main = statuses(happened)
    return {
        "shop_id": shop_id,
        "shop_name": order["shop"],
        "doudian_open_id": order["buyer_ref"],
        "order_id": order["order_no"],
        "order_level": 2,
        "biz": 2,
        "order_type": 0,
        "trade_type": 0,
        "order_status": status,
        "order_status_desc": DESCRIPTIONS[status],
        "main_status": main,
        "main_status_desc": DESCRIPTIONS[main],
        "create_time": happened["order.placed"],
        "pay_time": 0 if "payment.deferred" in happened else happened.get("payment.paid", 0),
        "ship_time": happened.get("fulfilment.shipped", 0),
        "update_time": max(happened.values()),
        "finish_time": _finish_time(main, happened),
        "order_expire_time": 1800,
        "exp_ship_time": int(order["promised_at"].timestamp()) if order["promised_at"] else 0,
        "appointment_ship_time": 0,
        "cancel_reason": "",
        "buyer_words": order["note"] or "",
        "seller_words": "",
        "seller_remark_stars": 0,
        "pay_type": pay_type(order),
        "b_type": 2,
        **_money(known),
        **_receiver(known),
        "logistics_info": _packs(known),
        "sku_order_list": [_line(known, line, status) for line in known.lines],
    }


def _finish_time(main: int, happened: dict[str, int]) -> int:
    closing = {4: "payment.voided", 5: "payment.settled", 21: "payment.refunded", 22: "payment.refunded"}
    return happened.get(closing.get(main, "payment.settled"), 0)


def _money(known: Known) -> dict[str, int]:
    order = known.order
    paid = "payment.paid" in known.happened
    return {
        "order_amount": order["total_minor"] + order["discount_minor"] - order["freight_minor"],
        "pay_amount": order["total_minor"],
        "post_amount": order["freight_minor"],
        "promotion_amount": order["discount_minor"],
        "promotion_pay_amount": max(0, order["total_minor"] - order["paid_minor"]) if paid else 0,
        "tax_amount": 0,
    }


def _receiver(known: Known) -> dict[str, Any]:
    """Masked for the eye, encrypted for the machine: the platform shows nobody in the clear."""
    name, phone, address = (known.person[field] or "" for field in ("name", "phone", "address"))
    return {
        "post_tel": "",
        "post_receiver": "",
        "encrypt_post_tel": f"$${_cipher(phone)}$$1$$",
        "encrypt_post_receiver": f"##{_cipher(name)}##",
        "mask_post_receiver": f"{name[:1]}*",
        "mask_post_tel": f"{phone[:1]}********{phone[-2:]}",
        "mask_post_addr": {"detail": f"{address[-8:-5]}****"},
        "post_addr": {
            "province": {"name": known.order["province"], "id": ""},
            "city": {"name": known.order["city"], "id": ""},
            "detail": "",
            "encrypt_detail": f"##{_cipher(address)}##",
        },
    }


def _cipher(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16, key=b"sandbox").hexdigest()


def _packs(known: Known) -> list[dict[str, Any]]:
    shipped = known.happened.get("fulfilment.shipped") or known.happened.get("fulfilment.partly_shipped")
    if not shipped:
        return []
    traces = [
        {"logistics_status": CARRIER_STATES[event], "time": at}
        for event, at in known.happened.items()
        if event in CARRIER_STATES
    ]
    pack = {"tracking_no": known.order["tracking_no"] or "", "company": known.order["carrier"], "ship_time": shipped}
    return [{**pack, "company_name": known.order["carrier"], "delivery_id": "", "product_info": [], "traces": traces}]


def _inventory(known: Known, count: int) -> list[dict[str, Any]]:
    """Which warehouse it left; before that the platform does not know."""
    if "fulfilment.shipped" not in known.happened:
        return []
    name = known.order["warehouse"]
    return [{"warehouse_id": name, "out_warehouse_id": name, "inventory_type": 1, "count": count, "warehouse_type": 0}]


def _line(known: Known, line: dict[str, Any], status: int) -> dict[str, Any]:
    order, amount = known.order, line["price_minor"] * line["quantity"]
    gift_of = line.get("gift_of")
    return {
        "order_id": line_id(order, line["line_no"]),
        "parent_order_id": order["order_no"],
        "order_status": status,
        "product_id": int(order["order_no"]) - line["line_no"],
        "sku_id": 1_736_502_463_777_000 + line["line_no"],
        "out_sku_id": line["sku"],
        "code": line["sku"],
        "product_name": line["name"],
        "category_name": line["category"],
        "item_num": line["quantity"],
        "origin_amount": line["price_minor"],
        "sum_amount": amount,
        "order_amount": amount,
        "pay_amount": amount,
        "given_product_type": "FREE" if gift_of else "",
        "master_sku_order_id_list": [line_id(order, gift_of)] if gift_of else [],
        "inventory_list": _inventory(known, line["quantity"]),
        "after_sale_info": case(known.happened),
        "logistics_receipt_time": known.happened.get("logistics.delivered", 0),
        "confirm_receipt_time": known.happened.get("payment.settled", 0),
    }
