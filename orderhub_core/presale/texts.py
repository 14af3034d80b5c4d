"""Deposits and batches in people's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from orderhub_core.i18n import Named, Translate, by_id, yuan
from orderhub_core.presale.batches import Planned
from orderhub_core.presale.deposits import KINDS

STATES: Mapping[str, str] = {
    "not_begun": "nothing paid",
    "waiting": "waiting for the balance",
    "settled": "settled",
    "lapsed": "lapsed",
    "called_off": "called off",
}
ACCOUNTS: Mapping[str, str] = {
    "price": "price",
    "deposit": "deposits paid",
    "inflation": "granted on top of deposits",
    "balance": "balances paid",
    "open": "still to be paid",
    "received": "received",
    "refunded": "refunded",
    "revenue": "earned",
    "forfeited": "deposits that stay",
    "owed_back": "to be paid back",
    "held": "not decided yet",
}


def deposits(orders: pl.DataFrame, ledger: pl.DataFrame, findings: pl.DataFrame, tr: Translate) -> Iterator[str]:
    """How many orders are in which state, both books summed up, and every finding."""
    counted = orders.group_by("state").len().sort("state")
    yield tr(", ").join(f"{tr(STATES[state])} {n:,}" for state, n in counted.iter_rows()) or tr("no orders")
    summed = ledger.group_by("book", "account", maintain_order=True).agg(pl.col("amount_minor").sum())
    for account, amount in summed.select("account", "amount_minor").iter_rows():
        yield f"  {yuan(amount):>16}  {tr(ACCOUNTS[account])}"
    yield tr("the parts sum to {rest}").format(rest=yuan(int(ledger["amount_minor"].sum())))
    for order_no, kind, expected, told in findings.iter_rows():
        sentence = tr(KINDS[kind]).format(expected=yuan(expected or 0), told=yuan(told or 0))
        yield f"! {order_no}{tr(': ')}{sentence}"


def batches(planned: Planned, tr: Translate) -> Iterator[str]:
    """How full each batch is, and the orders whose promise is at risk."""
    for sku, name, at, pieces, taken, _ in planned.batches.iter_rows():
        text = tr("{sku} {batch}, ready {at}: {taken} of {pieces} pieces taken")
        yield text.format(sku=sku, batch=name, at=_day(at, tr), taken=taken, pieces=pieces)
    orders = planned.orders
    risky = orders.filter("at_risk")
    text = tr("orders: {orders}, moved: {moved}, promises at risk: {risk}, of which not so as planned: {new}")
    yield text.format(
        orders=orders.height, moved=orders["moved"].sum(), risk=risky.height, new=(~risky["was_at_risk"]).sum()
    )
    if lost := orders["at"].null_count():
        yield tr("! orders for which no batch has enough, or whose batch has no day: {n}").format(n=lost)
    for order_no, at, promised, *_ in risky.iter_rows():
        text = tr("! {order}: promised until {promised}, ready {at}")
        yield text.format(order=order_no, promised=_day(promised, tr), at=_day(at, tr))


def schedule(
    orders: pl.DataFrame, batches: pl.DataFrame, unplanned: pl.DataFrame, tr: Translate, names: Named = by_id
) -> Iterator[str]:  # fmt: skip
    """Of the hub's own orders: how full each batch is, whose promise is at risk, who waits for what nobody plans."""
    for sku, name, at, pieces, taken, _, there, overdue in batches.iter_rows():
        text = tr("{sku} {batch}, ready {at}: {taken} of {pieces} pieces taken")
        if there:
            text = tr("{sku} {batch}, there since {at}: {taken} of {pieces} pieces taken")
        if overdue:
            text = tr(
                "! {sku} {batch} is overdue, or nobody has said that it is there: {taken} of {pieces} pieces taken"
            )
        yield text.format(sku=sku, batch=name, at=_day(at, tr), taken=taken, pieces=pieces)
    risky = orders.filter("at_risk")
    text = tr(
        "orders with a batch: {orders}, let go: {gone}, promises at risk: {risk}, of which not so as planned: {new}"
    )
    yield text.format(
        orders=orders.height, gone=orders["gone"].sum(), risk=risky.height, new=(~risky["was_at_risk"]).sum()
    )
    for shop, order_no, batch, at, promised in risky.select("shop", "order_no", "batch", "at", "promised_at").rows():
        text = tr("! {shop} {order}: promised until {promised}, with batch {batch}, ready {at}")
        yield text.format(
            shop=names("shop", shop), order=order_no, promised=_day(promised, tr), batch=batch or tr("none"),
            at=_day(at, tr),
        )  # fmt: skip
    for sku, orders_, pieces in lost(unplanned).iter_rows():
        text = tr("! {sku}: no batch is planned; orders that wait for it: {orders}, pieces: {pieces}")
        yield text.format(sku=sku, orders=orders_, pieces=pieces)
    for shop, order_no, sku, _ in unplanned.iter_rows():
        text = tr("! {shop} {order}: no batch is planned of {sku}, which it waits for")
        yield text.format(shop=names("shop", shop), order=order_no, sku=sku)


def lost(unplanned: pl.DataFrame) -> pl.DataFrame:
    """By SKU that nobody has planned: orders that wait for it, and pieces; the most first."""
    counted = unplanned.group_by("sku", maintain_order=True).agg(
        orders=pl.struct("shop", "order_no").n_unique(), pieces=pl.col("pieces").sum()
    )
    return counted.sort("orders", descending=True, maintain_order=True)


def _day(at: object, tr: Translate) -> str:
    return tr("nobody knows when") if at is None else f"{at:%Y-%m-%d %H:%M}"
