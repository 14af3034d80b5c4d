"""Names that last: of fields, groups and rules. A name is a term, not a remark; `老板要看的` is refused, and
`boss_report_flag` offered."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from orderhub_core.rules.dictionary import FIELDS

LONGEST = 64
_TERM = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
_CHINESE = re.compile(r"[㐀-鿿][㐀-鿿A-Za-z0-9]*(?:[_-][㐀-鿿A-Za-z0-9]+)*")
_TALK = re.compile(r"[的了吗呢吧啊嘛呀哦我你他她它咱]|老板|要看|想要|搞|弄|一下|啥|怎么|这个|那个|东西|随便|赶紧|千万")
"""What people say and a term does not hold."""
GLOSSARY = {
    "老板": "boss",
    "要看的": "report_flag",
    "要看": "report",
    "想要": "wanted",
    "标记": "flag",
    "报表": "report",
    "客户": "customer",
    "买家": "buyer",
    "会员": "member",
    "老客": "returning",
    "新客": "new_customer",
    "订单": "order",
    "商品": "goods",
    "赠品": "gift",
    "礼盒": "gift_box",
    "小样": "sample",
    "福袋": "lucky_bag",
    "加急": "urgent",
    "紧急": "urgent",
    "急单": "urgent",
    "优先": "priority",
    "大单": "large",
    "特殊": "special",
    "预售": "presale",
    "直播": "livestream",
    "秒杀": "flash_sale",
    "活动": "campaign",
    "新年": "new_year",
    "满": "over",
    "省": "province",
    "地区": "region",
    "偏远": "remote",
    "金额": "amount",
    "价格": "price",
    "时间": "time",
    "日期": "date",
    "数量": "quantity",
    "重量": "weight",
    "备注": "note",
    "原因": "reason",
    "抖音": "douyin",
    "淘宝": "taobao",
    "天猫": "tmall",
    "拼多多": "pinduoduo",
    "小程序": "mini_program",
    "杭州": "hangzhou",
    "广州": "guangzhou",
    "成都": "chengdu",
    "仓库": "warehouse",
    "仓": "warehouse",
    "退款": "refund",
    "售后": "after_sale",
    "拆单": "split",
    "合单": "merge",
    "快递": "carrier",
    "停运": "outage",
    "测试": "test",
    "临时": "temporary",
    "重要": "important",
    "问题": "problem",
    "检查": "check",
    "审核": "review",
}
_ENGLISH = {**GLOSSARY, **{field.zh: field.name for field in FIELDS.values()}}
_WORDS = re.compile("|".join(sorted(map(re.escape, _ENGLISH), key=len, reverse=True)))


class Refused(NamedTuple):
    why: str
    """A key of `mistakes.KINDS`."""
    suggestion: str
    """A name that would pass; empty where none can be made of it."""


def judge(name: str) -> Refused | None:
    """None for a name that may be used: an English term in lower case, or a Chinese one without talk in it."""
    why = _why(name)
    if why is None:
        return None
    mended = mend(name)
    return Refused(why, mended if _why(mended) is None else "")


def _why(name: str) -> str | None:
    if len(name) > LONGEST:
        return "long"
    if any(char.isspace() for char in name):
        return "spaces"
    if _TALK.search(name):
        return "colloquial"
    if _TERM.fullmatch(name) or _CHINESE.fullmatch(name):
        return None
    if name.isascii() and name.lower() != name and _TERM.fullmatch(name.lower()):
        return "capitals"
    return "digits" if name[:1].isdigit() else "signs"


def mend(name: str) -> str:
    """The English term that comes nearest; what no term is known for is left out."""
    narrow = unicodedata.normalize("NFKC", name)
    english = _WORDS.sub(lambda found: f" {_ENGLISH[found[0]]} ", narrow)
    parts = re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", english)
    joined = "_".join(part.lower() for part in parts)[:LONGEST].strip("_")
    return joined if not joined[:1].isdigit() else f"n_{joined}"[:LONGEST]
