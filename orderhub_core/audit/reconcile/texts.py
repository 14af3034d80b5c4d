"""A reconciliation in people's words. English here; each language translates it. Money is shown in major units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.audit.reconcile.causes import GROUPS as _GROUPS
from orderhub_core.audit.reconcile.causes import Cause, Group
from orderhub_core.audit.reconcile.fees import Fee, Suggestion
from orderhub_core.audit.reconcile.period import Period, months
from orderhub_core.audit.reconcile.result import Reconciliation
from orderhub_core.i18n import Tile, Translate

SOURCES = {"platform": "Platform", "erp": "ERP", "refunds": "Refund ledger", "courier": "Courier"}
STEPS = {"paid": "Amount paid", "refunded": "Amount refunded", "outbound": "Shipped value"}
KINDS = {
    "settled": "Settled",
    "timing": "Only timing",
    "open": "Still to ship",
    "loss": "Money at risk",
    "books": "Booked differently",
    "data": "Data to mend",
}
CAUSES = {
    "balanced": "Balanced",
    "refunded_before_shipping": "Refunded before shipping",
    "shipped_elsewhere": "Shipped in another period",
    "paid_elsewhere": "Paid in another period",
    "refunded_elsewhere": "Refunded in another period",
    "not_shipped_yet": "Not shipped yet, within the time to ship",
    "past_ship_time": "Not shipped, past the time to ship",
    "no_erp_order": "Paid, but the ERP has no order",
    "paid_later": "Shipped, to be paid on delivery or later",
    "partly_shipped": "Shipped in part",
    "refunded_after_shipping": "Refunded after shipping",
    "not_collected": "Refunded, parcel never collected",
    "lost_parcel": "Refunded, parcel lost",
    "shipped_after_refund": "Shipped although refunded",
    "shipped_unpaid": "Shipped without payment",
    "unknown_to_platform": "ERP order unknown to the platform",
    "refund_exceeds_paid": "Refunded more than paid",
    "refund_without_order": "Refund without an order",
    "freight": "Differs by the freight",
    "discount": "Differs by the discount",
    "rounding": "Rounding",
    "amount_differs": "Amount differs",
    "duplicate": "Held twice in one ledger",
    "currency_differs": "Another currency",
    "unreadable_amount": "Amount not readable or not known",
    "unreadable_time": "Time cannot be read",
}
ADVICE = {
    "balanced": "Nothing to do.",
    "refunded_before_shipping": "Nothing to do: the money went back and the goods never left.",
    "shipped_elsewhere": "Nothing to do: look at the period in which the goods went out.",
    "paid_elsewhere": "Nothing to do: the money was booked in the period in which it was paid.",
    "refunded_elsewhere": "Nothing to do: the refund was booked in the period in which it was paid out.",
    "not_shipped_yet": "Wait: it should go out within the time allowed, and then balances by itself.",
    "past_ship_time": "Have the warehouse ship or refund these. If stock ran short, restock, and set an alert "
    "before it runs out.",
    "no_erp_order": "Import these orders into the ERP by hand, and look why the ERP's download missed them.",
    "paid_later": "Wait for the parcel to be taken and the money to come; where it came back, book the return.",
    "partly_shipped": "Ship the rest or refund it, and tell the buyer which.",
    "refunded_after_shipping": "Check that the goods came back, and book the return into stock.",
    "not_collected": "Look for the parcel in the warehouse: the goods should still be there. Cancel the outbound "
    "document.",
    "lost_parcel": "Claim the value from the courier, with the scans as evidence.",
    "shipped_after_refund": "Have the parcel intercepted, or ask the buyer for it. Let a refund lock the order in the "
    "ERP.",
    "shipped_unpaid": "Ask who released the order. Let the ERP review only what is paid.",
    "unknown_to_platform": "Is it a test, an exchange or an order by hand? Give it a type of its own, or cancel it.",
    "refund_exceeds_paid": "Check these refunds one by one: compensation, or paid out twice?",
    "refund_without_order": "Check the order number, and whether the platform's export covers the day of the order.",
    "freight": "Decide whether the ERP books freight, and set it so for every shop.",
    "discount": "Take the price after discounts into the ERP, or book the discount as a document of its own.",
    "rounding": "Nothing to do: the ERP spreads amounts over lines and rounds each of them.",
    "amount_differs": "Compare the lines: a changed price, a wrong article, or a quantity.",
    "duplicate": "Remove the second row from the ledger; an export with one row per article repeats the order's "
    "amount.",
    "currency_differs": "Reconcile each currency by itself, or convert before you export.",
    "unreadable_amount": "Mend the cell in the export, or import the amount, then run again: the row counts as nothing "
    "until then.",
    "unreadable_time": "Mend the cell in the export, then run again: nobody knows to which period it belongs.",
}
CONFLICTS = {
    "shipped_before_paid": "Shipped before it was paid",
    "lost": "The courier lost the parcel",
    "scanned_not_shipped": "The courier has it, the ERP has not shipped it",
    "no_scan": "Shipped, but the courier never scanned it",
    "reviewed_before_paid": "Reviewed before it was paid",
    "reviewed_late": "Reviewed late after payment",
}
CONFLICT_ADVICE = {
    "shipped_before_paid": "Check the time zones of both exports first, then who released the order.",
    "lost": "Claim the value from the courier, and offer the buyer another parcel or the money.",
    "scanned_not_shipped": "Book the outbound document: stock is shown that is not there.",
    "no_scan": "Look for the parcel in the warehouse; if it is with the courier, ask for a scan.",
    "reviewed_before_paid": "Check the time zones of both exports first; then let the ERP review only what is paid.",
    "reviewed_late": "The review waits, mostly for stock to be filled up by hand: set an alert below a least stock, "
    "and let paid orders be reviewed by themselves.",
}
FINDINGS = {
    "unreadable_amount": "{source}: amounts that cannot be read: {rows}, first row {row} ({detail})",
    "blank_amount": "{source}: rows with a time but no amount: {rows}, first row {row} ({detail})",
    "unreadable_time": "{source}: times that cannot be read: {rows}, first row {row} ({detail})",
    "unreadable_fee": "{source}: fees that cannot be read, left out: {rows}, first row {row} ({detail})",
    "unreadable_text": "{source}: cells that cannot be read: {rows}, first row {row} ({detail})",
    "damaged_order_no": "{source}: damaged order numbers: {rows}, first row {row} ({detail})",
    "no_order_no": "{source}: rows without an order number, left out: {rows}, first row {row} ({detail})",
    "unknown_word": "{source}: rows with a status nobody has explained: {rows}, first row {row} ({detail})",
    "empty": "{source}: the file has headings but no rows",
    "duplicate": "{source}: rows that repeat another one: {rows}, first row {row}",
    "currency_differs": "{source}: amounts not in {detail}: {rows}, first row {row}",
    "unknown_paid": "{source}: orders that are paid, but nobody has told how much: {rows}; import a column of amounts "
    "paid",
    "unknown_refund": "{source}: refunds of which nobody has told how much: {rows}; put a refund ledger beside the "
    "hub's",
    "unknown_fee": "{source}: the column {detail} looks like a fee that nobody has named ({rows} rows)",
}
FEES = {
    "channel_cost": "Channel cost",
    "platform_fee": "Platform fee",
    "payment_fee": "Payment fee",
    "freight_insurance": "Freight insurance",
}
ALL_DAYS = "All days"
NO_LEDGERS = (
    "This board has no ledgers: refunds, scans and what finance has to look at are known only as far as orders tell."
    " Put the ledgers into the folder reconcile of the snapshot."
)
SIGNS = (
    "On the way from paid to shipped, what has not arrived is taken away (−). In the table the same amount is a part of"
    " the gap, paid − refunded − shipped, and has the other sign."
)
ALLOWED = (
    "Time to ship: {ship} h from payment, and as long again to the courier's first scan; review: {review} min from"
    " payment. The hub's own, unless `orderhub audit reconcile` is told --ship-hours or --review-minutes. Health's"
    " limits are others: they count from when an order came to its stage."
)
RULE = (
    "Money counts on the day on which it was paid or refunded, goods on the day on which they went out, by the clock "
    "of the business. The gap is paid − refunded − shipped. What of an order lies in another period is told as such; "
    "the rest of its gap goes to the first cause that holds, and the causes sum to the gap to the cent."
)


def amount(minor: int, decimals: int) -> str:
    """With thousands separated, exact."""
    whole, rest = divmod(abs(minor), 10**decimals)
    point = f".{rest:0{decimals}d}" if decimals else ""
    return f"{'−' if minor < 0 else ''}{whole:,}{point}"


def major(column: str, decimals: int) -> pl.Expr:
    """A column of minor units as numbers of major ones, for tables that sort and sum."""
    return (pl.col(column) / pl.lit(10**decimals)).round(decimals)


def spans(everything: Period, tr: Translate) -> dict[str, Period]:
    """What a reader may choose by name: all days, or a month."""
    return {tr(ALL_DAYS): everything, **{month.name: month for month in months(everything)}}


def days(everything: Period, span: Period) -> dict[str, date]:
    """The days of a span that lie in what there is, by name."""
    first, last = max(span.first, everything.first), min(span.last, everything.last)
    listed = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    return {f"{day}": day for day in listed}


def formats(table: pl.DataFrame) -> dict[str, str]:
    """How numbers with decimals are shown in a table."""
    return {name: "{:,.2f}" for name, kind in table.schema.items() if kind == pl.Float64}


def intro(found: Reconciliation, tr: Translate) -> str:
    """What is compared, in one sentence."""
    files = [name for name in found.origins.values() if name]
    origin = ", ".join(files) if files else tr("the hub's own orders")
    text = tr("{orders} orders from {first} to {last}, {currency}; from {origin}; late as of {time}.")
    return text.format(
        orders=f"{found.orders.height:,}",
        first=found.period.first,
        last=found.period.last,
        currency=found.currency,
        origin=origin,
        time=clock(found.as_of, found.period.zone),
    )


def allowed(found: Reconciliation, tr: Translate) -> str:
    """After how long something is late, and where that comes from."""
    return tr(ALLOWED).format(ship=found.allowed.ship_hours, review=found.allowed.review_minutes)


def tiles(found: Reconciliation, waiting: int, tr: Translate) -> list[Tile]:
    """Paid, refunded, shipped, the gap, what of it needs somebody, and how long finance's queue is."""
    totals, by = found.totals, found.by_cause()

    def said(minor: int) -> str:
        return amount(minor, found.decimals)

    def part(*groups: Group) -> int:
        return int(by.filter(pl.col("group").is_in([group.value for group in groups]))["part_minor"].abs().sum())

    risky = part(Group.OPEN, Group.LOSS, Group.BOOKS, Group.DATA)
    calm = tr("too much and too little added up; {n} more is only timing").format(n=said(part(Group.TIMING)))
    return [
        (tr("Amount paid"), said(totals.paid_minor), tr("by buyers, in the period"), "plain"),
        (tr("Amount refunded"), said(totals.refunded_minor), tr("to buyers, in the period"), "plain"),
        (tr("Shipped value"), said(totals.outbound_minor), tr("out of the ERP, in the period"), "plain"),
        (tr("Gap"), said(totals.gap_minor), tr("paid − refunded − shipped"), "plain"),
        (tr("Needs somebody"), said(risky), calm, "plain" if risky else "good"),
        (tr("Finance's queue"), f"{waiting:,}", tr("orders with a conflict to answer"), "bad" if waiting else "good"),
    ]


def causes(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """`Reconciliation.by_cause` as a table, with advice."""
    return found.by_cause().select(
        named("cause", CAUSES, tr).alias(tr("Cause")),
        major("part_minor", found.decimals).alias(tr("Part of the gap")),
        pl.col("orders").alias(tr("Orders")),
        named("group", KINDS, tr).alias(tr("Kind")),
        named("cause", ADVICE, tr).alias(tr("Advice")),
    )


def choices(found: Reconciliation, tr: Translate) -> dict[str, str]:
    """The causes that occur, by name, the largest first among those that are not settled: what a reader may open."""
    settled = {cause.value for cause in Cause if _GROUPS[cause] is Group.SETTLED}
    rows = found.by_cause().sort(pl.col("cause").cast(pl.String).is_in(sorted(settled)), -pl.col("part_minor").abs())
    return {tr(CAUSES[cause]): cause for cause in rows["cause"].cast(pl.String)}


def orders(found: Reconciliation, cause: str, tr: Translate) -> pl.DataFrame:
    """The orders of a cause as a table."""
    money = {"part_minor": tr("Part of the gap"), **{f"{step}_minor": tr(name) for step, name in STEPS.items()}}
    times = {"paid_at": tr("Paid at"), "shipped_at": tr("Shipped at"), "refunded_at": tr("Refunded at")}
    return found.of_cause(cause).select(
        pl.col("order_no").alias(tr("Order")),
        *(major(column, found.decimals).alias(name) for column, name in money.items()),
        *(local(column, found.period.zone).alias(name) for column, name in times.items()),
        pl.col("shop").alias(tr("Shop")),
    )


def channels(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """`Reconciliation.channels` as a table, with the channel's cost as a share of what was paid."""
    kept = pl.col("paid_minor") - pl.col("refunded_minor")
    share = pl.when(kept > 0).then((100 * pl.col("channel_cost_minor") / kept).round(2))
    return found.channels.select(
        pl.col("shop").replace("", tr("(none)")).alias(tr("Channel")),
        pl.col("orders").alias(tr("Orders")),
        major("paid_minor", found.decimals).alias(tr("Amount paid")),
        major("refunded_minor", found.decimals).alias(tr("Amount refunded")),
        *(major(f"{fee.value}_minor", found.decimals).alias(tr(FEES[fee.value])) for fee in Fee if fee is not Fee.NONE),
        share.alias(tr("Channel cost, %")),
        major("net_minor", found.decimals).alias(tr("Left")),
    )


def suggestion(fee: Suggestion, decimals: int, tr: Translate) -> str:
    """What an unknown column may be, with the evidence and how to confirm it."""
    evidence = tr("{column}: {sum} in {rows} rows, {share} of what was paid, correlation {r}.").format(
        column=fee.column,
        sum=amount(fee.sum_minor, decimals),
        rows=f"{fee.rows:,}",
        share="–" if fee.share is None else f"{fee.share:.2%}",
        r="–" if fee.correlation is None else f"{fee.correlation:.2f}",
    )
    if fee.suggested:
        said = tr("Probably channel cost: to confirm, write {line} under [fees] in reconcile/fees.toml.")
    else:
        said = tr("It cannot be told what it is: write {line} under [fees] in reconcile/fees.toml, or its kind.")
    return f"{evidence} {said.format(line=fee.line)}"


def findings(found: Reconciliation, tr: Translate) -> list[str]:
    """What is wrong with the data, one sentence each."""
    told = [
        tr(FINDINGS[row["finding"]]).format(
            source=tr(SOURCES[row["source"]]),
            rows=f"{row['rows']:,}",
            row=row["first_row"],
            detail=_detail(row["detail"], tr),
        )
        for row in found.findings.iter_rows(named=True)
        if row["finding"] != "unknown_fee"
    ]
    return told + [suggestion(fee, found.decimals, tr) for fee in found.unknown_fees]


def _detail(said: str, tr: Translate) -> str:
    """A heading and, where there is one, the reason."""
    heading, separator, reason = said.partition(": ")
    return f"{heading}{separator}{tr(reason)}" if reason else said


def named(column: str, names: Mapping[str, str], tr: Translate) -> pl.Expr:
    """A column of codes as their names."""
    return pl.col(column).cast(pl.String).replace({code: tr(name) for code, name in names.items()})


def local(column: str, zone: str) -> pl.Expr:
    """Instants in the zone's clock; an unknown one is blank."""
    return pl.col(column).dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").fill_null("")


def clock(at: int, zone: str) -> str:
    """Microseconds UTC in the zone's clock."""
    return f"{datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)):%Y-%m-%d %H:%M}"
