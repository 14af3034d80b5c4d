"""Why what was paid is not what went out: the gap of each order, split into parts that sum to it to the cent.

    gap = paid − refunded − outbound         of the rows that lie in the period and can be counted

The law, by which every cent of a gap gets one cause:

  1. A row that repeats another one of its ledger in everything (order, document, amount, time, currency) is a
     `duplicate`: what it adds to the gap is that part.
  2. What of the order lies in another period (`paid_elsewhere`, `refunded_elsewhere`, `shipped_elsewhere`) is that
     part. What is left is the gap of the order's whole life:  paid − refunded − outbound  over all the ledgers.
  3. A row of the order that cannot be counted explains all that is left: `unreadable_time`, `unreadable_amount`,
     `currency_differs`, in this order. So does a platform that does not know it: `unknown_to_platform` where the ERP
     does, else `refund_without_order`.
  4. What was refunded beyond what was paid is `refund_exceeds_paid`. Refunds count up to what was paid from here on.
  5. Nothing went out: `refunded_before_shipping` where nothing is left of the money either; within the time allowed for
     shipping `not_shipped_yet`; later `past_ship_time` where the ERP holds the order, and `no_erp_order` where it
     does not.
  6. More went out than money stayed: the refunds explain it as far as they reach, those after shipping first. Those
     are `lost_parcel` where the courier says so, `not_collected` where it never scanned the parcel and nobody has got
     it, else `refunded_after_shipping`; those before shipping are `shipped_after_refund`.
  7. What is left after 6, or less went out than money stayed: `shipped_unpaid` where nothing was ever paid, or
     `paid_later` where the platform says that it is paid later, as on delivery; `partly_shipped` where less went out
     and the ERP holds rows that have not gone; `rounding` up to the tolerance; `freight` or `discount` where it is just
     that sum; else `amount_differs`.

An order without any gap is `balanced` or `refunded_before_shipping`, with a part of 0.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from orderhub_core.audit.reconcile.ledgers import DEFERRED, Parcel, Problem, Source
from orderhub_core.audit.sources import KEY
from orderhub_core.frames import INSTANT


class Cause(StrEnum):
    BALANCED = "balanced"
    REFUNDED_BEFORE_SHIPPING = "refunded_before_shipping"
    SHIPPED_ELSEWHERE = "shipped_elsewhere"
    PAID_ELSEWHERE = "paid_elsewhere"
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    NOT_SHIPPED_YET = "not_shipped_yet"
    PAST_SHIP_TIME = "past_ship_time"
    NO_ERP_ORDER = "no_erp_order"
    PAID_LATER = "paid_later"
    PARTLY_SHIPPED = "partly_shipped"
    REFUNDED_AFTER_SHIPPING = "refunded_after_shipping"
    NOT_COLLECTED = "not_collected"
    LOST_PARCEL = "lost_parcel"
    SHIPPED_AFTER_REFUND = "shipped_after_refund"
    SHIPPED_UNPAID = "shipped_unpaid"
    UNKNOWN_TO_PLATFORM = "unknown_to_platform"
    REFUND_EXCEEDS_PAID = "refund_exceeds_paid"
    REFUND_WITHOUT_ORDER = "refund_without_order"
    FREIGHT = "freight"
    DISCOUNT = "discount"
    ROUNDING = "rounding"
    AMOUNT_DIFFERS = "amount_differs"
    DUPLICATE = "duplicate"
    CURRENCY_DIFFERS = "currency_differs"
    UNREADABLE_AMOUNT = "unreadable_amount"
    UNREADABLE_TIME = "unreadable_time"


class Group(StrEnum):
    """What to do about it: nothing; wait; hurry; ask for it back; correct the books; mend the file."""

    SETTLED = "settled"
    TIMING = "timing"
    OPEN = "open"
    LOSS = "loss"
    BOOKS = "books"
    DATA = "data"


C = Cause
GROUPS: dict[Cause, Group] = {
    **dict.fromkeys((C.BALANCED, C.REFUNDED_BEFORE_SHIPPING), Group.SETTLED),
    **dict.fromkeys(
        (C.SHIPPED_ELSEWHERE, C.PAID_ELSEWHERE, C.REFUNDED_ELSEWHERE, C.NOT_SHIPPED_YET, C.PAID_LATER), Group.TIMING
    ),
    **dict.fromkeys((C.PAST_SHIP_TIME, C.NO_ERP_ORDER, C.PARTLY_SHIPPED), Group.OPEN),
    **dict.fromkeys(
        (C.REFUNDED_AFTER_SHIPPING, C.NOT_COLLECTED, C.LOST_PARCEL, C.SHIPPED_AFTER_REFUND, C.SHIPPED_UNPAID),
        Group.LOSS,
    ),
    **dict.fromkeys((C.UNKNOWN_TO_PLATFORM, C.REFUND_EXCEEDS_PAID, C.REFUND_WITHOUT_ORDER), Group.LOSS),
    **dict.fromkeys((C.FREIGHT, C.DISCOUNT, C.ROUNDING, C.AMOUNT_DIFFERS), Group.BOOKS),
    **dict.fromkeys((C.DUPLICATE, C.CURRENCY_DIFFERS, C.UNREADABLE_AMOUNT, C.UNREADABLE_TIME), Group.DATA),
}
CAUSES = pl.Enum([cause.value for cause in Cause])
MONEY = (Source.PLATFORM, Source.REFUNDS, Source.ERP)


def marked(rows: pl.DataFrame, start: int, end: int, currency: str) -> pl.DataFrame:
    """`Ledgers.long` with, per row, `counts` (money of this currency that moved), `again` and `inside` the period."""
    same = pl.struct("source", *KEY, "ref", "amount_minor", "at", "currency")
    foreign = (pl.col("currency") != "") & (pl.col("currency") != currency)
    moved = pl.col("amount_minor").is_not_null() & pl.col("at").is_not_null() & pl.col("problem").is_null()
    since, until = (pl.lit(at).cast(INSTANT) for at in (start, end))
    return rows.with_columns(
        foreign=foreign,
        counts=moved & ~foreign & pl.col("source").is_in([source.value for source in MONEY]),
        again=~same.is_first_distinct(),
        inside=((pl.col("at") >= since) & (pl.col("at") < until)).fill_null(False),
    )


def lives(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per order that has anything to do with the period: its sums, times and circumstances.

    `paid`, `refunded`, `outbound` over the whole life; with `_in` inside the period; with `_again` what duplicates add
    inside it. Rows whose time cannot be read may belong to any period, and so to this one.
    """
    amount, at, status = pl.col("amount_minor"), pl.col("at"), pl.col("status")
    of = {source: pl.col("source") == source.value for source in Source}
    money = ~of[Source.COURIER]
    once, again = pl.col("counts") & ~pl.col("again"), pl.col("counts") & pl.col("again")
    names = dict(zip(("paid", "refunded", "outbound"), MONEY, strict=True))
    out = of[Source.ERP] & at.is_not_null()
    shipped_at = at.filter(out).min()
    grouped = rows.group_by(KEY, maintain_order=True).agg(
        *(amount.filter(once & of[source]).sum().alias(name) for name, source in names.items()),
        *(
            amount.filter(once & pl.col("inside") & of[source]).sum().alias(f"{name}_in")
            for name, source in names.items()
        ),
        *(
            amount.filter(again & pl.col("inside") & of[source]).sum().alias(f"{name}_again")
            for name, source in names.items()
        ),
        *(of[source].any().alias(f"has_{source.value}") for source in Source),
        refunded_late=amount.filter(once & of[Source.REFUNDS] & (at >= shipped_at)).sum(),
        waiting=(of[Source.ERP] & at.is_null() & pl.col("problem").is_null()).any(),
        went_out=(pl.col("counts") & of[Source.ERP]).any(),
        foreign=(pl.col("foreign") & money).any(),
        no_amount=(money & (pl.col("problem") == Problem.AMOUNT.value)).any(),
        no_time=(money & (pl.col("problem") == Problem.TIME.value)).any(),
        deferred=(of[Source.PLATFORM] & (status == DEFERRED)).any(),
        arrived=pl.col("confirmed_at").is_not_null().any()
        | (of[Source.COURIER] & status.is_in([Parcel.DELIVERED.value, Parcel.RETURNED.value])).any(),
        lost=(of[Source.COURIER] & (status == Parcel.LOST.value)).any(),
        freight=pl.col("freight_minor").max(),
        discount=pl.col("discount_minor").max(),
        paid_at=at.filter(of[Source.PLATFORM]).min(),
        reviewed_at=pl.col("reviewed_at").filter(of[Source.ERP]).min(),
        shipped_at=shipped_at,
        collected_at=at.filter(of[Source.COURIER]).min(),
        refunded_at=at.filter(of[Source.REFUNDS]).min(),
        inside=(pl.col("inside") & money).any(),
    )
    return grouped.filter(pl.col("inside") | pl.col("no_time")).drop("inside")


def split(found: pl.DataFrame, *, late_before: int, courier: bool, tolerance: int) -> pl.DataFrame:
    """The parts of each order of `lives`: shop, order_no, `cause` (CAUSES), `part_minor`.

    `late_before`: what was paid before this instant (microseconds UTC) should have gone out. `courier`: whether there
    is a courier's ledger at all. An order without parts gets one of 0.
    """
    judged = _judged(found, late_before, courier, tolerance)
    pieces = [
        judged.select(
            *KEY, pl.col(cause).cast(CAUSES).alias("cause"), pl.col(part).alias("part_minor"), head=pl.lit(head)
        )
        for cause, part, head in _PIECES
    ]
    rows = pl.concat(pieces).filter(pl.col("cause").is_not_null())
    return (
        rows.filter((pl.col("part_minor") != 0) | pl.col("head"))
        .filter((pl.col("part_minor") != 0) | ~(pl.col("part_minor") != 0).any().over(KEY))
        .drop("head")
    )


_PIECES = (
    ("duplicate", "duplicate_part", False),
    ("paid_elsewhere", "paid_elsewhere_part", False),
    ("refunded_elsewhere", "refunded_elsewhere_part", False),
    ("shipped_elsewhere", "shipped_elsewhere_part", False),
    ("whole", "whole_part", True),
    ("excess", "excess_part", False),
    ("after", "after_part", False),
    ("before", "before_part", False),
    ("left", "left_part", False),
)
"""Column of the cause, column of the part, and whether it names the order where all parts are 0."""


def _judged(found: pl.DataFrame, late_before: int, courier: bool, tolerance: int) -> pl.DataFrame:
    """`found` with a column for each cause and part of `_PIECES`: exactly the parts of the law, each in its step."""
    paid, refunded, outbound = pl.col("paid"), pl.col("refunded"), pl.col("outbound")
    elsewhere = (C.DUPLICATE, C.PAID_ELSEWHERE, C.REFUNDED_ELSEWHERE, C.SHIPPED_ELSEWHERE)
    told = found.with_columns(
        *(_name(cause).alias(cause.value) for cause in elsewhere),
        duplicate_part=pl.col("paid_again") - pl.col("refunded_again") - pl.col("outbound_again"),
        paid_elsewhere_part=pl.col("paid_in") - paid,
        refunded_elsewhere_part=refunded - pl.col("refunded_in"),
        shipped_elsewhere_part=outbound - pl.col("outbound_in"),
        life=paid - refunded - outbound,
        whole=_whole(late_before),
        excess_part=-(refunded - paid).clip(lower_bound=0),
    )
    taken = pl.col("whole").is_not_null()
    told = told.with_columns(_unless(taken, "excess_part"), over=pl.col("life") - pl.col("excess_part"))
    goods = pl.col("went_out") & ~taken
    by_refund = (
        pl.when(goods & (pl.col("over") < 0)).then(pl.min_horizontal(-pl.col("over"), refunded, paid)).otherwise(0)
    )
    after = pl.min_horizontal(by_refund, "refunded_late")
    return told.with_columns(
        whole_part=pl.when(taken).then("life").otherwise(0),
        excess=_name(C.REFUND_EXCEEDS_PAID),
        after=_after(courier),
        after_part=-after,
        before=_name(C.SHIPPED_AFTER_REFUND),
        before_part=after - by_refund,
        left_part=pl.when(goods).then(pl.col("over") + by_refund).otherwise(0),
    ).with_columns(left=_left(tolerance), whole=pl.when(taken).then("whole").otherwise(_name(C.BALANCED)))


def _whole(late_before: int) -> pl.Expr:
    """The cause that takes the order's whole life, by steps 3 and 5; null where steps 4, 6 and 7 split it."""
    has = {source: pl.col(f"has_{source.value}") for source in Source}
    nothing_out, owed = ~pl.col("went_out"), pl.col("paid") - pl.col("refunded")
    in_time = pl.col("paid_at") >= pl.lit(late_before).cast(INSTANT)
    chain: list[tuple[pl.Expr, Cause]] = [
        (pl.col("no_time"), C.UNREADABLE_TIME),
        (pl.col("no_amount"), C.UNREADABLE_AMOUNT),
        (pl.col("foreign"), C.CURRENCY_DIFFERS),
        (~has[Source.PLATFORM] & has[Source.ERP], C.UNKNOWN_TO_PLATFORM),
        (~has[Source.PLATFORM], C.REFUND_WITHOUT_ORDER),
        (nothing_out & (owed > 0) & in_time, C.NOT_SHIPPED_YET),
        (nothing_out & (owed > 0) & has[Source.ERP], C.PAST_SHIP_TIME),
        (nothing_out & (owed > 0), C.NO_ERP_ORDER),
        (nothing_out & (owed == 0) & (pl.col("paid") > 0), C.REFUNDED_BEFORE_SHIPPING),
    ]
    return pl.coalesce(pl.when(holds).then(_name(cause)) for holds, cause in chain)


def _after(courier: bool) -> pl.Expr:
    never = pl.lit(courier) & pl.col("collected_at").is_null() & ~pl.col("arrived")
    return (
        pl.when("lost")
        .then(_name(C.LOST_PARCEL))
        .when(never)
        .then(_name(C.NOT_COLLECTED))
        .otherwise(_name(C.REFUNDED_AFTER_SHIPPING))
    )


def _left(tolerance: int) -> pl.Expr:
    size = pl.col("left_part").abs()
    return (
        pl.when((pl.col("paid") == 0) & pl.col("deferred"))
        .then(_name(C.PAID_LATER))
        .when(pl.col("paid") == 0)
        .then(_name(C.SHIPPED_UNPAID))
        .when((pl.col("left_part") > 0) & pl.col("waiting"))
        .then(_name(C.PARTLY_SHIPPED))
        .when(size <= tolerance)
        .then(_name(C.ROUNDING))
        .when(size == pl.col("freight"))
        .then(_name(C.FREIGHT))
        .when(size == pl.col("discount"))
        .then(_name(C.DISCOUNT))
        .otherwise(_name(C.AMOUNT_DIFFERS))
    )


def _name(cause: Cause) -> pl.Expr:
    return pl.lit(cause.value)


def _unless(taken: pl.Expr, column: str) -> pl.Expr:
    return pl.when(taken).then(0).otherwise(pl.col(column)).alias(column)
