"""What rules may want done: every verb with its two names, the argument it takes and the sentence that says it.

The list is closed: a new verb is a design decision, a new rule is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from orderhub_core.rules import choices

Takes = Literal["name", "number", "choice"]
"""A name of something that is written down elsewhere; a whole number; one of the verb's own words."""

NEAREST = "nearest"
"""The place nearest to the buyer, in the stead of a place's own name."""
NEVER = "never"
_NEAREST = {"最近": NEAREST}


class Hold(NamedTuple):
    """A kind of hold. Several may lie on an order at once; each is released on its own."""

    zh: str
    blocks: tuple[str, ...]
    """Those of STEPS that it keeps from happening."""
    doc: str


STEPS = ("allocate", "push", "ship")
"""Choosing stock; handing over to the warehouse; the parcel leaving it."""
HOLDS: Mapping[str, Hold] = MappingProxyType(
    {
        "review": Hold("人工审核", ("allocate", "push", "ship"), "A person must look at the order first."),
        "risk": Hold("风控", ("allocate", "push", "ship"), "It may be a fraud."),
        "stock": Hold("缺货", ("push", "ship"), "Something is not there yet."),
        "gift_stock": Hold("赠品缺货", ("push", "ship"), "Its gift is not there yet."),
        "presale": Hold("预售", ("push", "ship"), "Its batch has not come."),
        "address": Hold("地址待核", ("push", "ship"), "The address must be confirmed; stock may be kept for it."),
        "merge": Hold("待合单", ("push",), "More of the same buyer may come."),
        "courier": Hold("停运", ("ship",), "No carrier goes there now; it may be packed."),
    }
)


class Verb(NamedTuple):
    name: str
    """As decisions and trees have it."""
    en: str
    """As people write it."""
    zh: str
    takes: Takes
    of: str
    """What the argument is a value of: the key of its words in a rulebook, e.g. `warehouse`."""
    doc: str
    words: Mapping[str, str] = {}
    """Arguments by their Chinese word. Of a `choice` all that there are."""
    quantity: bool = False
    """Whether it also takes a number of pieces: `gift FREE-01 × 2`."""
    parcels: bool = False
    """Whether it also takes the most parcels that there may be: `split category at most 3`. See `ways`."""
    once: bool = False
    """Whether only one of the kind can be carried out on an order."""
    aliases: tuple[str, ...] = ()


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "assign_warehouse",
            "assign",
            "分仓",
            "name",
            "warehouse",
            "This warehouse ships the order; `nearest` leaves the choice to stock, capacity and distance.",
            words=_NEAREST,
            once=True,
        ),
        Verb("tag", "tag", "标记", "name", "tag", "The order carries this tag.", aliases=("打标",)),
        Verb(
            "priority",
            "priority",
            "优先级",
            "number",
            "priority",
            "Points added to the order's picking priority; negative ones put it back.",
            words={"加急": "100", "高": "50", "低": "-50"},
            aliases=("prioritise",),
        ),
        Verb(
            "add_gift",
            "gift",
            "赠品",
            "name",
            "sku",
            "The parcel also holds this SKU, bound to the line that earned it.",
            quantity=True,
            aliases=("送",),
        ),
        Verb(
            "hold",
            "hold",
            "挂起",
            "choice",
            "hold",
            "The order waits; the kind of hold says for what, and which steps it blocks.",
            words={hold.zh: name for name, hold in HOLDS.items()},
        ),
        Verb(
            "split",
            "split",
            "拆单",
            "choice",
            "split",
            "The order goes in several parcels; `never` keeps it in one whatever other rules say.",
            words={"按品类": "category", "按仓库": "warehouse", "按现货": "stock", "按SKU": "sku", "禁止": NEVER},
            parcels=True,
            once=True,
        ),
        Verb(
            "merge",
            "merge",
            "合并",
            "choice",
            "merge",
            "It may be packed with others of the same buyer or receiver; `never` keeps it apart.",
            words={"同买家": "buyer", "同收件人": "receiver", "禁止": NEVER},
            once=True,
            aliases=("合单",),
        ),
        Verb("approve", "approve", "审批", "name", "role", "The order waits until somebody of this role agrees."),
        Verb("notify", "notify", "通知", "name", "notifier", "Tell people through this notifier of the settings."),
        Verb(
            "carrier",
            "carrier",
            "快递",
            "name",
            "carrier",
            "This carrier takes the parcel.",
            words=choices.CARRIER,
            once=True,
        ),
        Verb(
            "work_order",
            "work_order",
            "生产工单",
            "name",
            "base",
            "A production base makes what is ordered; `nearest` takes the one nearest to the buyer.",
            words=_NEAREST,
            once=True,
        ),
    )
}
"""By the name that decisions have."""

BY_ANY_NAME: Mapping[str, Verb] = {
    name: verb
    for verb in VERBS.values()
    for name in dict.fromkeys((verb.name, verb.en, verb.zh, *verb.aliases, verb.en.replace("_", "-")))
}
MOST_PIECES = 10_000
"""Of one gift for one order."""
LONGEST_PRIORITY = 1_000
"""Points that one rule may give or take."""
