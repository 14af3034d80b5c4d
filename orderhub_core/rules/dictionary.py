"""What rules may speak of: every field with its names, its type, its unit and where its value lies.

The text, the TOML file, the form, the compiled expression and the explanation all read this one table. A text that is
empty is a missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Literal, NamedTuple

from orderhub_core.rules import choices

Level = Literal["order", "line", "buyer", "signal"]


class Kind(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    """One of the field's own words."""
    NUMBER = "number"
    MONEY = "money"
    INSTANT = "instant"
    TIME_OF_DAY = "time of day"
    FLAG = "flag"


class Field(NamedTuple):
    name: str
    """English: lower case, words joined by `_`."""
    zh: str
    kind: Kind
    level: Level
    column: str
    """Of the frame of its level, or of what `facts` adds to it."""
    doc: str
    decimals: int = 0
    """How many of them a person writes of a NUMBER that is kept as a whole one: 3 for kilograms kept in grams."""
    unit: str = ""
    words: Mapping[str, str] = {}
    """Values by their Chinese word: `抖音` is `douyin`. Of a CHOICE all that there are."""
    aliases: tuple[str, ...] = ()
    spellings: Mapping[str, str] = {}
    """Other ways to write a value: read, and not written. A NUMBER's are also the English words of its values."""


def _instant(name: str, zh: str, doc: str, *aliases: str) -> Field:
    return Field(name, zh, Kind.INSTANT, "order", name, doc, aliases=aliases)


def _choice(name: str, zh: str, words: Mapping[str, str], doc: str, *aliases: str) -> Field:
    return Field(name, zh, Kind.CHOICE, "order", name, doc, words=words, aliases=aliases)


def _weekday(name: str, zh: str, column: str, doc: str, *aliases: str) -> Field:
    words, spellings = choices.WEEKDAY, choices.WEEKDAY_SPELLINGS
    return Field(name, zh, Kind.NUMBER, "order", column, doc, words=words, spellings=spellings, aliases=aliases)


_ORDER = (
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
    Field("sku_count", "款数", Kind.NUMBER, "order", "sku_count", "Different SKUs.", aliases=("SKU数",)),
    Field("line_count", "行数", Kind.NUMBER, "order", "line_count", "Lines of the order.", aliases=("明细行数",)),
    _instant("placed_at", "下单时间", "When the order was placed."),
    _instant("paid_at", "付款时间", "When it was paid.", "支付时间"),
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
        aliases=("承运商",),
    ),
    Field("tracking_no", "运单号", Kind.TEXT, "order", "tracking_no", "Of its first parcel.", aliases=("快递单号",)),
    Field("contradictions", "矛盾数", Kind.NUMBER, "order", "contradictions", "Claims that cannot all be true."),
)

_LINE = (
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
)

_BUYER = (
    Field(
        "buyer_orders",
        "买家订单数",
        Kind.NUMBER,
        "buyer",
        "buyer_orders",
        "Orders that the same buyer has paid before this one.",
        aliases=("历史订单数",),
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
    ),
    Field(
        "buyer_refunds",
        "买家退款数",
        Kind.NUMBER,
        "buyer",
        "buyer_refunds",
        "Orders of the buyer of which something was refunded before this one was paid.",
        aliases=("历史退款数",),
    ),
)

_SIGNAL = (
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

FIELDS: Mapping[str, Field] = {field.name: field for field in (*_ORDER, *_LINE, *_BUYER, *_SIGNAL)}
"""By English name."""

_BY_ANY_NAME = {
    name: field for field in FIELDS.values() for name in dict.fromkeys((field.name, field.zh, *field.aliases))
}
_PREFIXES = ("商品明细.", "订单.", "line.", "order.")
"""Of the table that a field stands in, as other systems write it: `商品明细.品类`. Not needed here."""


def lookup(name: str) -> Field | None:
    """The field of this name, in either language."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return _BY_ANY_NAME.get(name)


def nearest_field(name: str) -> str:
    """The field name most like this one, in its language; empty where none is like it."""
    return nearest(name, _BY_ANY_NAME)


def nearest(word: str, known: Iterable[str]) -> str:
    """Of the words that one might have meant the most likely one, capitals aside; empty where none is like it."""
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else ""


def chinese_prefix(word: str) -> str:
    """The longest Chinese field name that a word begins with: it lacks a blank after it. Empty where there is none."""
    table = next((prefix for prefix in _PREFIXES if word.startswith(prefix)), "")
    rest = word.removeprefix(table)
    found = [name for name in _BY_ANY_NAME if not name.isascii() and rest.startswith(name)]
    return table + max(found, key=len) if found else ""
