"""The words of fields that have words of their own, Chinese first: `抖音` is `douyin`."""

from __future__ import annotations

CHANNEL = {
    "抖音": "douyin",
    "淘宝": "taobao",
    "天猫": "tmall",
    "拼多多": "pinduoduo",
    "京东": "jd",
    "快手": "kuaishou",
    "小红书": "xiaohongshu",
    "小程序": "mini_program",
    "直连": "direct",
}
"""A shop on another platform names it in its rulebook, under `[words.channel]`."""

PAYMENT = {
    "未付款": "unpaid",
    "后付款": "deferred",
    "已付款": "paid",
    "已结算": "settled",
    "部分退款": "partly_refunded",
    "已退款": "refunded",
    "已作废": "void",
}

FULFILMENT = {
    "待处理": "waiting",
    "设计中": "designing",
    "生产中": "producing",
    "缺货": "short",
    "已锁库": "locked",
    "已打单": "labelled",
    "部分发货": "partly_shipped",
    "已发货": "shipped",
    "已拦截": "intercepted",
    "已取消": "cancelled",
}

LOGISTICS = {
    "无": "none",
    "已揽收": "collected",
    "运输中": "in_transit",
    "派送中": "out_for_delivery",
    "已签收": "delivered",
    "已拒收": "refused",
    "退回中": "returning",
    "已退回": "returned",
    "已丢失": "lost",
}

AFTER_SALE = {
    "无": "none",
    "已申请": "applied",
    "待退货": "awaiting_return",
    "退货中": "returning",
    "退款中": "refunding",
    "已退款": "refunded",
    "已拒绝": "rejected",
    "已关闭": "closed",
}

INVOICE = {"无": "none", "已申请": "requested", "已开票": "issued", "已作废": "void"}

HEADLINE = {
    "待付款": "pending_payment",
    "已接单": "accepted",
    "已付款": "paid",
    "设计中": "designing",
    "生产中": "producing",
    "缺货": "short",
    "已锁库": "locked",
    "已打单": "labelled",
    "部分发货": "partly_shipped",
    "已发货": "shipped",
    "运输中": "in_transit",
    "已签收": "delivered",
    "已完成": "completed",
    "售后": "after_sale",
    "已拦截": "intercepted",
    "已退回": "returned",
    "已退款": "refunded",
    "已取消": "cancelled",
}

WEEKDAY = {"周一": "1", "周二": "2", "周三": "3", "周四": "4", "周五": "5", "周六": "6", "周日": "7"}
WEEKDAY_SPELLINGS = {
    "monday": "1",
    "tuesday": "2",
    "wednesday": "3",
    "thursday": "4",
    "friday": "5",
    "saturday": "6",
    "sunday": "7",
    **{f"星期{day}": number for day, number in zip("一二三四五六日", "1234567", strict=True)},
    "周天": "7",
    "星期天": "7",
}

CARRIER = {
    "顺丰": "sf",
    "中通": "zto",
    "圆通": "yto",
    "韵达": "yunda",
    "申通": "sto",
    "极兔": "jtsd",
    "邮政": "ems",
    "京东物流": "jd",
    "德邦": "dbl",
}

_ALSO = {
    "sf": ("顺丰速运", "顺丰速递", "shunfeng"),
    "zto": ("中通快递", "zhongtong"),
    "yto": ("圆通速递", "圆通快递", "yuantong"),
    "yunda": ("韵达快递", "韵达速递"),
    "sto": ("申通快递", "shentong"),
    "jtsd": ("极兔速递", "极兔快递", "jtexpress"),
    "ems": (),
    "jd": ("京东快递",),
    "dbl": ("德邦快递", "debangkuaidi"),
}
"""Names of the same service; 邮政快递 is none of EMS, and 德邦物流 none of 德邦快递."""
CARRIER_SPELLINGS = {spelling: code for code, also in _ALSO.items() for spelling in (code.upper(), *also)}
"""How channels and people write carriers beside their codes."""
_NAMES = {
    code: (code, *(name for name, meant in (CARRIER | CARRIER_SPELLINGS).items() if meant == code)) for code in _ALSO
}
_CODES = {name: code for code, names in _NAMES.items() for name in names}
CARRIER_NAMES = tuple(_CODES)
"""All by which a carrier is known, its code first."""


def carriers(said: str) -> tuple[str, ...]:
    """All that stands for the same carrier in what channels say."""
    return _NAMES[_CODES[said]] if said in _CODES else (said,)


PROVINCES = (
    *("北京市", "天津市", "上海市", "重庆市", "河北省", "山西省", "辽宁省", "吉林省", "黑龙江省", "江苏省", "浙江省"),
    *("安徽省", "福建省", "江西省", "山东省", "河南省", "湖北省", "湖南省", "广东省", "海南省", "四川省", "贵州省"),
    *("云南省", "陕西省", "甘肃省", "青海省", "台湾省", "内蒙古自治区", "广西壮族自治区", "西藏自治区"),
    *("宁夏回族自治区", "新疆维吾尔自治区", "香港特别行政区", "澳门特别行政区"),
)


def _short(province: str) -> str:
    return province[:3] if province.startswith(("黑龙江", "内蒙古")) else province[:2]


PROVINCE_SPELLINGS = {_short(province): province for province in PROVINCES}
"""`广东` is `广东省`, as orders have it."""
