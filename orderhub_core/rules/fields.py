"""What rules may speak of: every field with its names, its type, its unit and where its value lies.

The text, the TOML file, the form, the compiled expression and the explanation all read this one table. A text that is
empty is a missing value.
"""

from __future__ import annotations

from collections.abc import Mapping

from orderhub_core.rules import choices
from orderhub_core.rules.field import Field, Kind


def _instant(name: str, zh: str, doc: str, *aliases: str) -> Field:
    return Field(name, zh, Kind.INSTANT, "order", name, doc, aliases=aliases)


def _choice(name: str, zh: str, words: Mapping[str, str], doc: str, *aliases: str) -> Field:
    return Field(name, zh, Kind.CHOICE, "order", name, doc, words=words, aliases=aliases)


def _weekday(name: str, zh: str, column: str, doc: str, *aliases: str) -> Field:
    words, spellings = choices.WEEKDAY, choices.WEEKDAY_SPELLINGS
    return Field(name, zh, Kind.NUMBER, "order", column, doc, words=words, spellings=spellings, aliases=aliases)


ORDER = (
    Field(
        "channel",
        "渠道",
        Kind.CHOICE,
        "order",
        "platform",
        "The sales platform.",
        words=choices.CHANNEL,
        aliases=("platform", "平台"),
    ),
    Field("shop", "店铺", Kind.TEXT, "order", "shop", "Id of the shop, as in the settings."),
    Field("order_no", "订单号", Kind.TEXT, "order", "order_no", "The channel's number of the order."),
    Field(
        "province",
        "省份",
        Kind.TEXT,
        "order",
        "province",
        "Where the parcel goes, as the channel writes it: 广东省.",
        spellings=choices.PROVINCE_SPELLINGS,
        aliases=("收货省份",),
    ),
    Field("city", "城市", Kind.TEXT, "order", "city", "Where the parcel goes.", aliases=("收货城市",)),
    Field("currency", "币种", Kind.TEXT, "order", "currency", "ISO 4217, e.g. CNY.", words={"人民币": "CNY"}),
    Field(
        "total",
        "订单金额",
        Kind.MONEY,
        "order",
        "total_minor",
        "What the buyer owes, freight included, discounts off.",
        decimals=2,
        aliases=("金额", "总额", "总金额"),
    ),
    Field(
        "paid_amount",
        "实付金额",
        Kind.MONEY,
        "order",
        "paid_minor",
        "What the buyer has paid.",
        decimals=2,
        aliases=("实付", "实付款"),
    ),
    Field(
        "goods_amount",
        "商品金额",
        Kind.MONEY,
        "order",
        "goods_minor",
        "Unit price times quantity over all lines; without freight, before discounts on the order.",
        decimals=2,
    ),
    Field("item_count", "商品件数", Kind.NUMBER, "order", "item_count", "Pieces, as the channel counts them."),
    Field(
        "total_quantity",
        "总件数",
        Kind.NUMBER,
        "order",
        "piece_count",
        "Pieces over all lines; gifts that the hub added do not count.",
    ),
    Field("sku_count", "款数", Kind.NUMBER, "order", "sku_count", "Different SKUs.", aliases=("SKU数",), least=1),
    Field(
        "line_count", "行数", Kind.NUMBER, "order", "line_count", "Lines of the order.", aliases=("明细行数",), least=1
    ),
    _instant("placed_at", "下单时间", "When the order was placed."),
    _instant(
        "paid_at",
        "付款时间",
        "When it was paid; while it decides, of an order that is paid later, when that was agreed.",
        "支付时间",
    ),
    _instant("promised_at", "承诺发货时间", "Until when the shop has promised to ship.", "承诺时间"),
    _instant("shipped_at", "发货时间", "When the warehouse handed it over."),
    _instant("collected_at", "揽收时间", "The carrier's first scan."),
    _instant("delivered_at", "签收时间", "When the buyer got it."),
    _instant("updated_at", "更新时间", "The newest version of any source."),
    _instant("headline_at", "状态时间", "Since when the order has its present state."),
    Field(
        "placed_time",
        "下单时刻",
        Kind.TIME_OF_DAY,
        "order",
        "placed_at_minutes",
        "The time of day when it was placed, in the rulebook's zone.",
    ),
    Field(
        "paid_time",
        "付款时刻",
        Kind.TIME_OF_DAY,
        "order",
        "paid_at_minutes",
        "The time of day when it was paid, in the rulebook's zone.",
        aliases=("时刻", "支付时刻"),
    ),
    _weekday("placed_weekday", "下单星期", "placed_at_weekday", "The day when it was placed, 1 for Monday."),
    _weekday("paid_weekday", "付款星期", "paid_at_weekday", "The day when it was paid, 1 for Monday.", "星期"),
    _choice("payment", "付款状态", choices.PAYMENT, "Has the buyer paid, and does the money stay?", "支付状态"),
    _choice("fulfilment", "履约状态", choices.FULFILMENT, "What shop, workshop and warehouse have done."),
    _choice("logistics", "物流状态", choices.LOGISTICS, "Where the carrier says the parcel is."),
    _choice("after_sale", "售后状态", choices.AFTER_SALE, "The latest after-sale case.", "售后"),
    _choice("invoice", "发票状态", choices.INVOICE, "What has become of the invoice."),
    _choice("headline", "订单状态", choices.HEADLINE, "The one word for the whole order.", "状态"),
    Field(
        "warehouse", "仓库", Kind.TEXT, "order", "warehouse", "That ships the order.", aliases=("发货仓", "发货仓库")
    ),
    Field(
        "carrier",
        "快递公司",
        Kind.TEXT,
        "order",
        "carrier",
        "That carries its first parcel.",
        words=choices.CARRIER,
        spellings=choices.CARRIER_SPELLINGS,
        aliases=("承运商",),
    ),
    Field(
        "parcels",
        "包裹数",
        Kind.NUMBER,
        "parcel",
        "parcels",
        "In how many parcels the order goes; of rules on parcels.",
        aliases=("parcel_count",),
        least=1,
    ),
    Field("tracking_no", "运单号", Kind.TEXT, "order", "tracking_no", "Of its first parcel.", aliases=("快递单号",)),
    Field(
        "contradictions", "矛盾数", Kind.NUMBER, "order", "contradictions", "Claims that cannot all be true.", least=0
    ),
)

LINE = (
    Field("sku", "SKU", Kind.TEXT, "line", "sku", "What is sold.", aliases=("商品编码", "货号")),
    Field("product_name", "商品名称", Kind.TEXT, "line", "name", "As the shop shows it.", aliases=("商品名", "品名")),
    Field("category", "品类", Kind.TEXT, "line", "category", "Kind of goods.", aliases=("类目", "商品分类")),
    Field("quantity", "数量", Kind.NUMBER, "line", "quantity", "Pieces of the line."),
    Field("unit_price", "单价", Kind.MONEY, "line", "price_minor", "For one piece.", decimals=2),
    Field(
        "line_amount",
        "行金额",
        Kind.MONEY,
        "line",
        "amount_minor",
        "Unit price times quantity.",
        decimals=2,
        aliases=("小计",),
    ),
    Field(
        "sku_stock",
        "商品库存",
        Kind.NUMBER,
        "line",
        "sku_stock",
        "Pieces of the line's SKU that orders may still take, as `stock` tells them.",
        aliases=("SKU库存",),
        about="sku",
        told="stock",
    ),
)

BUYER = (
    Field(
        "buyer_orders",
        "买家订单数",
        Kind.NUMBER,
        "buyer",
        "buyer_orders",
        "Orders that the same buyer has paid before this one.",
        aliases=("历史订单数",),
        least=0,
    ),
    Field(
        "buyer_spent",
        "买家累计实付",
        Kind.MONEY,
        "buyer",
        "buyer_spent_minor",
        "What the buyer has paid for them, in this order's currency, whatever was refunded since.",
        decimals=2,
        aliases=("累计实付",),
    ),
    Field(
        "buyer_first",
        "首单",
        Kind.FLAG,
        "buyer",
        "buyer_first",
        "Whether the buyer has paid none before.",
        aliases=("新买家",),
    ),
    Field(
        "buyer_gap_days",
        "复购间隔",
        Kind.NUMBER,
        "buyer",
        "buyer_gap_days",
        "Whole days since the buyer's last payment before this one.",
        aliases=("复购间隔天数",),
        least=0,
    ),
    Field(
        "buyer_refunds",
        "买家退款数",
        Kind.NUMBER,
        "buyer",
        "buyer_refunds",
        "Orders of the buyer of which something was refunded before this one was paid.",
        aliases=("历史退款数",),
        least=0,
    ),
    Field(
        "buyer_orders_30d",
        "买家近30天订单数",
        Kind.NUMBER,
        "buyer",
        "buyer_orders_30d",
        "Of the buyer's orders before this one those of the 30 days before its payment.",
        aliases=("近30天订单数",),
        least=0,
    ),
    Field(
        "buyer_refunds_30d",
        "买家近30天退款数",
        Kind.NUMBER,
        "buyer",
        "buyer_refunds_30d",
        "Of the buyer's refunds those of the 30 days before this order was paid.",
        aliases=("近30天退款数",),
        least=0,
    ),
)

SIGNAL = (
    Field(
        "livestream_audience",
        "直播间在线人数",
        Kind.NUMBER,
        "signal",
        "livestream_audience",
        "Viewers of the shop's livestream at that time.",
        aliases=("在线人数", "直播在线人数"),
    ),
    Field("storm", "暴雨", Kind.FLAG, "signal", "storm", "Whether a storm is reported where the parcel goes."),
    Field(
        "courier_outage",
        "快递停运",
        Kind.FLAG,
        "signal",
        "courier_outage",
        "Whether couriers are reported not to serve the place where the parcel goes.",
        aliases=("停运",),
    ),
)

MEASURED = (
    Field(
        "load",
        "负荷",
        Kind.NUMBER,
        "signal",
        "load",
        "Orders that a warehouse has for the day, in percent of those that it takes.",
        unit="%",
        aliases=("仓库负荷",),
        about="warehouse",
    ),
    Field(
        "stock",
        "库存",
        Kind.NUMBER,
        "signal",
        "stock",
        "Pieces of a SKU that orders may still take, in all warehouses that report their stock.",
        aliases=("剩余库存",),
        about="sku",
    ),
)
