"""A plan becomes a world: dice first, frames last, no order touched by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from orderhub_core.model import Event
from orderhub_core.sim.world import goods, people, records, touchpoints
from orderhub_core.sim.world.columns import instant
from orderhub_core.sim.world.course import FATES, NEVER, Course, arrivals, course
from orderhub_core.sim.world.known import events_known, lines_known, orders_known, sightings_known
from orderhub_core.sim.world.plan import HOUR_S, Plan, Seconds, check

CARRIERS = (("SF", 0.18), ("ZTO", 0.24), ("YTO", 0.18), ("YUNDA", 0.16), ("STO", 0.1), ("JTSD", 0.1), ("EMS", 0.04))
PAYMENT_METHODS = {
    "douyin": ("douyin_pay", "alipay", "wechat"),
    "taobao": ("alipay",),
    "pdd": ("wechat", "alipay", "pdd_pay"),
    "weixin": ("wechat",),
}
NOTES = (
    "请尽快发货",
    "放门口就好",
    "送人的，不要放价签",
    "工作日送货",
    "放驿站",
    "麻烦包装仔细些",
    "要发票",
    "颜色随机即可",
)
NOTE_SHARE = 0.12
PROMISE_S = 48 * HOUR_S
"""The shop promises to hand over to the carrier within this span of placing."""


@dataclass(frozen=True, eq=False)
class World:
    """Frames of one world. Instants are INSTANT at whole seconds; money is fen; `order_id` counts from 1 by placing."""

    plan: Plan
    orders: pl.DataFrame
    """order_id, order_no, shop, platform, placed_at, buyer_ref, province, city, total_minor, paid_minor, freight_minor,
    discount_minor, payment_method, note, carrier, tracking_no (null if never labelled), warehouse, promised_at
    (hand-over to the carrier), fate. Sorted by placed_at."""
    lines: pl.DataFrame
    """order_id, order_no, line_no, sku, name, category, quantity, price_minor, gift_of."""
    persons: pl.DataFrame
    """order_no, name, phone, address. Invented."""
    moments: pl.DataFrame
    """order_id and one INSTANT column per `model.Event` value that occurs: the truth, one row per order."""
    timeline: pl.DataFrame
    """order_id, order_no, event, before, after (states of the event's axis), at: the truth, sorted by at."""
    sightings: pl.DataFrame
    """touchpoint, shop, order_id, order_no, status, at, visible_at; sorted by visible_at."""
    planted: pl.DataFrame
    """touchpoint, order_no, event, fault, at (when the event happened), delay_s (what the fault adds to the lag; for
    `twice` the time between the showings; else 0)."""

    def until(self, as_of: int) -> dict[str, pl.DataFrame]:
        """The frames of `frames.SCHEMAS` as a hub that misses nothing would know them at `as_of` (microseconds UTC)."""
        orders = orders_known(self.orders, self.lines, self.moments, as_of)
        return {
            "orders": orders,
            "lines": lines_known(self.lines, orders),
            "events": events_known(self.timeline, orders, as_of),
            "sightings": sightings_known(self.sightings, orders, as_of),
        }


def build(plan: Plan) -> World:
    """Raises UserMistake when no world follows from the plan."""
    check(plan)
    placed_s, buyers, baskets = arrivals(plan), people.buyers(plan), goods.baskets(plan)
    truth = course(plan, placed_s, buyers.warehouse)
    orders = _orders(plan, placed_s, buyers, baskets, truth)
    order_no = orders["order_no"]
    told = touchpoints.tell(plan, truth.at)
    return World(
        plan=plan,
        orders=orders,
        lines=goods.lines_frame(baskets, order_no),
        persons=people.persons_frame(plan, buyers, order_no),
        moments=pl.DataFrame(
            {"order_id": orders["order_id"], **{event.value: instant(at) for event, at in truth.at.items()}}
        ),
        timeline=records.timeline(truth, order_no),
        sightings=records.sightings(told, orders),
        planted=records.planted(told, order_no),
    )


def _spread(plan: Plan, subject: str) -> Seconds:
    """A different number below 2**32 for each order: an odd multiple is one-to-one there."""
    odd, shift = plan.dice(subject).integers(1 << 31, 1 << 32, 2) | 1
    spread: Seconds = np.arange(plan.orders) * odd + shift
    return spread & 0xFFFF_FFFF


def _orders(
    plan: Plan, placed_s: Seconds, buyers: people.Buyers, baskets: goods.Baskets, truth: Course
) -> pl.DataFrame:
    dice, size = plan.dice("orders"), plan.orders
    share = 1.0 / np.arange(1, len(plan.shops) + 1)
    shop = dice.choice(len(plan.shops), size, p=share / share.sum())
    methods = [PAYMENT_METHODS.get(platform, ("wechat",)) for _, platform in plan.shops]
    method = pl.Series([list(choice) for choice in methods]).gather(shop)
    goods_minor = baskets.goods_minor
    freight_minor = np.where(goods_minor >= 9900, 0, dice.choice([600, 800, 1000], size))
    discount_minor = np.where(dice.random(size) < 0.3, goods_minor * dice.integers(3, 16, size) // 10_000 * 100, 0)
    total_minor = goods_minor + freight_minor - discount_minor
    carrier = pl.Series([name for name, _ in CARRIERS]).gather(
        dice.choice(len(CARRIERS), size, p=[part for _, part in CARRIERS])
    )
    note = pl.Series(["", *NOTES]).gather(
        np.where(dice.random(size) < NOTE_SHARE, dice.integers(1, len(NOTES) + 1, size), 0)
    )
    place = pl.DataFrame(people.CITIES, schema=["province", "city", "nearest", "weight"], orient="row")[buyers.city]
    return pl.DataFrame(
        {
            "order_id": np.arange(1, size + 1),
            # Platforms count upwards in time: the second in the upper half, a scattered counter in the lower.
            "order_no": pl.Series(placed_s << 32 | _spread(plan, "order_no")).cast(pl.String),
            "shop": pl.Series([name for name, _ in plan.shops]).gather(shop),
            "platform": pl.Series([platform for _, platform in plan.shops]).gather(shop),
            "placed_at": instant(placed_s),
            "buyer_ref": pl.Series(buyers.buyer + 10_000_000).cast(pl.String),
            "province": place["province"],
            "city": place["city"],
            "total_minor": total_minor,
            "paid_minor": np.where(truth.at[Event.PAID] != NEVER, total_minor, 0),
            "freight_minor": freight_minor,
            "discount_minor": discount_minor,
            "payment_method": method.list.get(pl.Series(dice.integers(0, 60, size)) % method.list.len()),
            "note": note,
            "carrier": carrier,
            "tracking_no": pl.Series(_spread(plan, "tracking_no") + 730_000_000_000).cast(pl.String),
            "warehouse": pl.Series(people.WAREHOUSES).gather(buyers.warehouse),
            "promised_at": instant(placed_s + PROMISE_S),
            "fate": pl.Series(FATES).gather(truth.fate),
        }
    ).with_columns(
        buyer_ref="b" + pl.col("buyer_ref"),
        tracking_no=pl.when(pl.Series(truth.at[Event.LABELLED] != NEVER)).then(
            pl.col("carrier") + pl.col("tracking_no")
        ),
    )
