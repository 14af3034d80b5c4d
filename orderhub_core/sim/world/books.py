"""The four ledgers of a world as people export them: Chinese headings, local times, money as text, gaps at known rates.

Laws
  1. What is not planted follows from the world: an order that has not gone out by `as_of` is missing money, one that
     went out and was refunded cost goods. The answer key says so, too.
  2. At most one fault per order; each is drawn among the orders in which it can happen.
  3. The answer key is made from the world and the dice alone, never by reading the ledgers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.model import Event
from orderhub_core.sim.world.build import World
from orderhub_core.sim.world.columns import instant
from orderhub_core.sim.world.course import NEVER
from orderhub_core.sim.world.plan import DAY_S, HOUR_S, SECOND, Plan, Seconds

E = Event
Mask = npt.NDArray[np.bool_]
ZONE = "Asia/Shanghai"
SHIP_S = 48 * HOUR_S
"""Later than this after payment, an order that has not gone out is past its time to ship."""

RATE = 0.004
ROWS = ("no_erp_order", "partly_shipped", "freight", "discount", "rounding", "amount_differs", "duplicate_platform",
        "duplicate_erp", "duplicate_refunds", "currency_differs", "unreadable_amount", "unreadable_time",
        "shipped_after_refund", "lost_parcel", "refund_exceeds_paid", "shipped_unpaid", "no_scan",
        "reviewed_late", "reviewed_before_paid")  # fmt: skip
"""Faults of an order of the world, each at `RATE` of those in which it can happen."""
STRANGERS = ("unknown_to_platform", "refund_without_order")
"""Orders that are none of the world's: `RATE` of its size each."""

FEE_OF = {"douyin": "达人佣金", "pdd": "推广服务费", "weixin": "分销返点", "taobao": "淘宝客佣金"}
SURPRISE, SURPRISE_SHARE = "直播坑位费", 0.3
"""A fee that no dictionary knows, of so many orders."""


@dataclass(frozen=True, eq=False)
class Books:
    """Every column is String, as a file has it; null where the cell is empty."""

    platform: pl.DataFrame
    """订单编号, 店铺, 实付金额, 支付时间, 支付流水号, 运费, 优惠金额, and a column per fee."""
    erp: pl.DataFrame
    """平台单号, 出库金额, 币种, 出库时间, 审核时间, 出库单号."""
    refunds: pl.DataFrame
    """订单编号, 退款金额, 退款时间, 退款单号."""
    courier: pl.DataFrame
    """订单编号, 运单号, 揽收时间, 签收时间, 物流状态."""
    causes: pl.DataFrame
    """The answer key over all days until `as_of`: order_no, `cause`, `part_minor`."""
    conflicts: pl.DataFrame
    """order_no, `conflict`."""

    def ledgers(self) -> dict[str, pl.DataFrame]:
        return {"platform": self.platform, "erp": self.erp, "refunds": self.refunds, "courier": self.courier}


@dataclass
class _Facts:
    """One entry per order, whole seconds UTC; NEVER where it did not happen by `as_of`."""

    plan: Plan
    as_of_s: int
    order_no: pl.Series
    fault: npt.NDArray[np.str_]
    total: Seconds
    freight: Seconds
    discount: Seconds
    placed: Seconds
    paid: Seconds
    shipped: Seconds
    collected: Seconds
    delivered: Seconds
    refunded: Seconds
    labelled: Seconds

    def has(self, fault: str) -> Mask:
        return np.asarray(self.fault == fault)

    def span(self, subject: str, least_s: int, most_s: int) -> Seconds:
        """A span per order, for whoever needs one."""
        drawn: Seconds = self.plan.dice("books", subject).integers(least_s, most_s, len(self.total), endpoint=True)
        return drawn


def books(world: World, as_of: int, rate: float = RATE) -> Books:
    """Ledgers of the orders placed until `as_of` (microseconds UTC), exported then."""
    facts = _facts(world, as_of)
    _draw(facts, rate)
    shifted = facts.total // 10 + facts.span("differs", 1, 40) * 100 + 37
    value = np.where(facts.has("freight"), facts.total - facts.freight, facts.total)
    value = np.where(facts.has("discount"), facts.total + facts.discount, value)
    value = np.where(facts.has("rounding"), facts.total + facts.span("rounding", 1, 99), value)
    value = np.where(facts.has("amount_differs"), facts.total + shifted, value)
    value = np.where(facts.has("partly_shipped"), facts.total * 3 // 5, value)
    reviewed = _reviews(facts)
    erp, refunds = _erp(facts, value, reviewed), _refunds(facts)
    strange_erp, strange_refunds, strange_scans, strange = _strangers(facts, round(rate * len(facts.total)))
    return Books(
        platform=_platform(facts, world),
        erp=pl.concat([erp, strange_erp]),
        refunds=pl.concat([refunds, strange_refunds]),
        courier=pl.concat([_courier(facts), strange_scans]),
        causes=pl.concat([_causes(facts, value), strange]),
        conflicts=_conflicts(facts),
    )


def _facts(world: World, as_of: int) -> _Facts:
    as_of_s = as_of // SECOND
    orders = world.orders.filter(pl.col("placed_at").to_physical() <= as_of)
    moments = world.moments.head(orders.height)

    def at(event: Event) -> Seconds:
        column = moments[event.value].to_physical() // SECOND
        return column.fill_null(NEVER).to_numpy().copy() if event.value in moments.columns else np.full(0, NEVER)

    happened = {event: np.where(at(event) <= as_of_s, at(event), NEVER) for event in
                (E.PLACED, E.PAID, E.SHIPPED, E.COLLECTED, E.DELIVERED, E.REFUNDED, E.LABELLED)}  # fmt: skip
    return _Facts(
        world.plan,
        as_of_s,
        orders["order_no"],
        np.full(orders.height, "", dtype="<U24"),
        *(orders[name].to_numpy().astype(np.int64) for name in ("total_minor", "freight_minor", "discount_minor")),
        *happened.values(),
    )


def _draw(facts: _Facts, rate: float) -> None:
    """Give each order at most one fault, of those that can happen to it."""
    old = facts.as_of_s - SHIP_S
    out = (facts.shipped != NEVER) & (facts.refunded == NEVER) & (facts.collected != NEVER)
    back = (facts.shipped == NEVER) & (facts.refunded != NEVER)
    able: dict[str, Mask] = {
        **dict.fromkeys(ROWS, out),
        "no_erp_order": out & (facts.paid < old),
        "freight": out & (facts.freight > 99),
        "discount": out & (facts.discount > 99) & (facts.discount != facts.freight),
        "duplicate_refunds": back,
        "refund_exceeds_paid": back,
        "shipped_unpaid": (facts.paid == NEVER) & (facts.placed < facts.as_of_s - 2 * DAY_S),
        "lost_parcel": out & (facts.shipped < facts.as_of_s - 2 * DAY_S),
        "reviewed_late": out & (facts.paid < facts.as_of_s - 6 * HOUR_S),
        "no_scan": out & (facts.shipped < old - HOUR_S),
        "shipped_after_refund": out & (facts.shipped - facts.paid > 2),
    }
    for fault in ROWS:
        hit = facts.plan.dice("books", fault).random(len(facts.total)) < rate
        facts.fault[hit & able[fault] & (facts.fault == "")] = fault


def _reviews(facts: _Facts) -> Seconds:
    """When the ERP reviewed each order that is paid, or was made to ship unpaid."""
    delay = np.where(
        facts.has("reviewed_late"), facts.span("late", 31 * 60, 5 * HOUR_S), facts.span("review", 60, 1200)
    )
    delay = np.where(facts.has("reviewed_before_paid"), -facts.span("early", 31 * 60, 2 * HOUR_S), delay)
    start = np.where(facts.has("shipped_unpaid"), facts.placed, facts.paid)
    at: Seconds = np.where(start != NEVER, start + delay, NEVER)
    return np.where(at <= facts.as_of_s, at, NEVER)


def _platform(facts: _Facts, world: World) -> pl.DataFrame:
    orders, size = world.orders.head(len(facts.total)), len(facts.total)
    share = facts.plan.dice("books", "fee").integers(20, 120, size)
    surprise = facts.plan.dice("books", "surprise").random(size) < SURPRISE_SHARE
    paid, platform = pl.Series(facts.paid != NEVER), orders["platform"]
    costs = {name: pl.Series(facts.total * share // 1000).set(platform != key, None) for key, name in FEE_OF.items()}
    costs = {name: cost for name, cost in costs.items() if cost.is_not_null().any()}
    costs[SURPRISE] = pl.Series(facts.total * (10 + share // 10) // 1000).set(~pl.Series(surprise), None)
    frame = pl.DataFrame(
        {
            "订单编号": facts.order_no,
            "店铺": orders["shop"],
            "实付金额": "￥" + _yuan(facts.total, thousands=True),
            "支付时间": _local(facts.paid),
            "支付流水号": "P" + facts.order_no,
            "运费": _yuan(facts.freight),
            "优惠金额": _yuan(facts.discount),
            **{name: _yuan(cost.set(~paid, None)) for name, cost in costs.items()},
        }
    )
    return pl.concat([frame, frame.filter(pl.Series(facts.has("duplicate_platform")))])


def _erp(facts: _Facts, value: Seconds, reviewed: Seconds) -> pl.DataFrame:
    shipped = np.where(facts.has("shipped_unpaid"), facts.placed + 30 * HOUR_S, facts.shipped)
    time = _local(shipped).set(pl.Series(facts.has("unreadable_time")), "昨天下午")
    frame = pl.DataFrame(
        {
            "平台单号": facts.order_no,
            "出库金额": _yuan(value).set(pl.Series(facts.has("unreadable_amount")), "待核价"),
            "币种": pl.Series(np.where(facts.has("currency_differs"), "USD", "CNY")),
            "出库时间": time,
            "审核时间": _local(reviewed),
            "出库单号": "CK" + facts.order_no,
        }
    )
    partly = facts.has("partly_shipped")
    rest = frame.with_columns(
        pl.lit(None, pl.String).alias("出库时间"),
        _yuan(facts.total - value).alias("出库金额"),
        (pl.col("出库单号") + "-2").alias("出库单号"),
    ).filter(pl.Series(partly))
    held = ((reviewed != NEVER) | (shipped != NEVER)) & ~facts.has("no_erp_order")
    again = pl.Series(facts.has("duplicate_erp") & held)
    return pl.concat([frame.filter(pl.Series(held)), rest, frame.filter(again)])


def _refunds(facts: _Facts) -> pl.DataFrame:
    early, lost = facts.has("shipped_after_refund"), facts.has("lost_parcel")
    at = np.where(early, (facts.paid + facts.shipped) // 2, facts.refunded)
    at = np.where(lost, facts.shipped + DAY_S, at)
    amount = facts.total + np.where(facts.has("refund_exceeds_paid"), 500, 0)
    frame = pl.DataFrame(
        {
            "订单编号": facts.order_no,
            "退款金额": _yuan(amount),
            "退款时间": _local(at),
            "退款单号": "TK" + facts.order_no,
        }
    )
    return pl.concat([frame.filter(pl.Series(at != NEVER)), frame.filter(pl.Series(facts.has("duplicate_refunds")))])


def _courier(facts: _Facts) -> pl.DataFrame:
    unpaid, quiet, lost = facts.has("shipped_unpaid"), facts.has("no_scan"), facts.has("lost_parcel")
    collected = np.where(unpaid, facts.placed + 33 * HOUR_S, np.where(quiet, NEVER, facts.collected))
    delivered = np.where(quiet | lost, NEVER, facts.delivered)
    status = np.where(delivered != NEVER, "已签收", np.where(collected != NEVER, "运输中", "待揽收"))
    return pl.DataFrame(
        {
            "订单编号": facts.order_no,
            "运单号": "YD" + facts.order_no,
            "揽收时间": _local(collected),
            "签收时间": _local(delivered),
            "物流状态": pl.Series(np.where(lost, "丢失", status)),
        }
    ).filter(pl.Series((facts.labelled != NEVER) | unpaid))


def _strangers(facts: _Facts, size: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """ERP rows, refunds and scans of orders that the platform does not know, and their answer key."""
    at = facts.plan.dice("books", "strangers").integers(
        facts.plan.start // SECOND, facts.as_of_s - 4 * HOUR_S, 2 * size
    )
    number = pl.Series([f"9{index:018d}" for index in range(2 * size)], dtype=pl.String)
    minor, time, odd, other = 8_800 + 100 * np.arange(2 * size) % 9_000, _local(at), slice(0, size), slice(size, None)
    erp = pl.DataFrame({"平台单号": number, "出库金额": _yuan(minor), "币种": "CNY", "出库时间": time,
                        "审核时间": time, "出库单号": "CK" + number})[odd]  # fmt: skip
    refunds = pl.DataFrame({"订单编号": number, "退款金额": _yuan(minor), "退款时间": time, "退款单号": "TK" + number})
    scans = pl.DataFrame(
        {"订单编号": number, "运单号": "YD" + number, "揽收时间": _local(at + 3 * HOUR_S)}
    ).with_columns(pl.lit(None, pl.String).alias("签收时间"), pl.lit("运输中").alias("物流状态"))[odd]
    cause = pl.Series([STRANGERS[0]] * size + [STRANGERS[1]] * size, dtype=pl.String)
    key = pl.DataFrame({"order_no": number, "cause": cause, "part_minor": -minor})
    return erp, refunds[other], scans, key


def _causes(facts: _Facts, value: Seconds) -> pl.DataFrame:
    """Every order that is paid or went out, its cause and its part."""
    total, old = facts.total, facts.as_of_s - SHIP_S
    out, back = facts.shipped != NEVER, facts.refunded != NEVER
    cause = np.where(out, np.where(back, "refunded_after_shipping", "balanced"), "refunded_before_shipping")
    cause = np.where(out & back & (facts.collected == NEVER), "not_collected", cause)
    cause = np.where(~out & ~back, np.where(facts.paid >= old, "not_shipped_yet", "past_ship_time"), cause)
    part = np.where(out & back, -total, np.where(~out & ~back, total, 0))
    planted: dict[str, tuple[str, Seconds]] = {
        "no_erp_order": ("no_erp_order", total),
        **{
            name: (name, total - value)
            for name in ("partly_shipped", "freight", "discount", "rounding", "amount_differs")
        },
        "duplicate_platform": ("duplicate", total),
        "duplicate_erp": ("duplicate", -total),
        "duplicate_refunds": ("duplicate", -total),
        **{name: (name, total) for name in ("currency_differs", "unreadable_amount", "unreadable_time")},
        **{name: (name, -total) for name in ("shipped_after_refund", "lost_parcel", "shipped_unpaid")},
        "refund_exceeds_paid": ("refund_exceeds_paid", np.full(len(total), -500)),
    }
    for fault, (name, gap) in planted.items():
        cause, part = np.where(facts.has(fault), name, cause), np.where(facts.has(fault), gap, part)
    frame = pl.DataFrame({"order_no": facts.order_no, "cause": pl.Series(cause, dtype=pl.String), "part_minor": part})
    return frame.filter(pl.Series((facts.paid != NEVER) | facts.has("shipped_unpaid")))


def _conflicts(facts: _Facts) -> pl.DataFrame:
    """Planted ones, and parcels of the world's own that were stopped before the courier scanned them."""
    stopped = (facts.shipped != NEVER) & (facts.collected == NEVER) & (facts.refunded == NEVER)
    stopped &= facts.shipped < facts.as_of_s - SHIP_S
    planted = {"no_scan": facts.has("no_scan") | stopped, "lost": facts.has("lost_parcel")}
    planted |= {name: facts.has(name) for name in ("reviewed_late", "reviewed_before_paid")}
    rows = [facts.order_no.filter(pl.Series(mask)).to_frame("order_no").with_columns(conflict=pl.lit(name))
            for name, mask in planted.items()]  # fmt: skip
    return pl.concat(rows)


def _local(at_s: Seconds) -> pl.Series:
    """As exports write it; null for NEVER."""
    return instant(at_s).dt.convert_time_zone(ZONE).dt.strftime("%Y-%m-%d %H:%M:%S")


def _yuan(minor: Seconds | pl.Series, *, thousands: bool = False) -> pl.Series:
    """Fen as text in yuan."""
    amount = pl.Series("yuan", minor)
    whole = pl.col("yuan") // 100
    grouped = pl.when(whole >= 1000).then(
        pl.format("{},{}", whole // 1000, (whole % 1000).cast(pl.String).str.zfill(3))
    ).otherwise(whole.cast(pl.String)) if thousands else whole.cast(pl.String)  # fmt: skip
    return (
        amount.to_frame()
        .select(pl.format("{}.{}", grouped, (pl.col("yuan") % 100).cast(pl.String).str.zfill(2)))
        .to_series()
    )
