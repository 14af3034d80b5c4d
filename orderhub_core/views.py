"""Other people's status lists as views of the headline: a shop keeps its words, the hub keeps one truth.

A view has a word for each headline it can tell, and None where that list has no word for what happened.
"""

from __future__ import annotations

from orderhub_core.model import Headline as H

VIEWS: dict[str, dict[H, str | None]] = {
    # A retail shop's six words.
    "retail": {
        H.PENDING_PAYMENT: "待付款",
        H.ACCEPTED: None,
        **dict.fromkeys((H.PAID, H.DESIGNING, H.PRODUCING, H.LOCKED, H.LABELLED), "已付款"),
        **dict.fromkeys((H.PARTLY_SHIPPED, H.SHIPPED, H.IN_TRANSIT), "已发货"),
        **dict.fromkeys((H.DELIVERED, H.COMPLETED), "已完成"),
        **dict.fromkeys((H.CANCELLED, H.REFUNDED, H.RETURNED), "已取消"),
        **dict.fromkeys((H.SHORT, H.AFTER_SALE, H.INTERCEPTED), "异常中"),
    },
    # A made-to-order workshop's six stages; it has no words for orders that end early.
    "made_to_order": {
        **dict.fromkeys((H.PENDING_PAYMENT, H.ACCEPTED, H.PAID), "待确认"),
        H.DESIGNING: "设计中",
        **dict.fromkeys((H.LOCKED, H.SHORT), "已下单"),
        **dict.fromkeys((H.PRODUCING, H.LABELLED), "生产中"),
        **dict.fromkeys((H.PARTLY_SHIPPED, H.SHIPPED, H.IN_TRANSIT), "已发货"),
        H.DELIVERED: "待安装",
        **dict.fromkeys((H.COMPLETED, H.AFTER_SALE, H.INTERCEPTED, H.RETURNED, H.REFUNDED, H.CANCELLED), None),
    },
    # An apparel seller's seven atomic states.
    "apparel": {
        H.PENDING_PAYMENT: "待支付",
        H.ACCEPTED: None,
        **dict.fromkeys((H.PAID, H.DESIGNING, H.PRODUCING, H.SHORT), "已支付"),
        H.LOCKED: "已锁定库存",
        H.LABELLED: "已打单",
        **dict.fromkeys((H.PARTLY_SHIPPED, H.SHIPPED, H.IN_TRANSIT), "已发货"),
        **dict.fromkeys((H.DELIVERED, H.AFTER_SALE), "已签收"),
        **dict.fromkeys((H.COMPLETED, H.INTERCEPTED, H.RETURNED, H.REFUNDED, H.CANCELLED), "已关闭"),
    },
}
