"""Deposits that count for more than was paid: 50 down is worth 100 when the rest is due. What each order owes, has
paid and gets back; and where the platform's amounts say otherwise. Whole cents throughout.

Of an order that costs `price` (goods and freight, discounts off), for which `deposit` was paid and counts as `worth`:

    price = deposit + inflation + balance + open        inflation = worth - deposit: granted, and never money
    deposit + balance = refunded + revenue + forfeited + owed_back + held
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.frames import INSTANT

TERMS = pl.Schema(
    {
        "sku": pl.String(),
        "deposit_minor": pl.Int64(),
        "worth_minor": pl.Int64(),
        "since": INSTANT,
        "until": INSTANT,
        "refundable": pl.Boolean(),
    }
)
"""What was promised, of one piece of a SKU; null: of every SKU that has no row of its own. The balance is to be paid
from `since` up to, not including, `until`; null: whenever. `refundable`: whether the deposit goes back where the buyer
does not pay the rest."""
BOUGHT = pl.Schema(
    {
        "order_no": pl.String(),
        "sku": pl.String(),
        "quantity": pl.Int64(),
        "goods_minor": pl.Int64(),
        "freight_minor": pl.Int64(),
        "discount_minor": pl.Int64(),
        "deposit_minor": pl.Int64(),
        "deposit_at": INSTANT,
        "balance_minor": pl.Int64(),
        "balance_at": INSTANT,
        "refunded_minor": pl.Int64(),
        "refunded_at": INSTANT,
        "shop_fault": pl.Boolean(),
        "told_worth_minor": pl.Int64(),
        "told_due_minor": pl.Int64(),
        "told_paid_minor": pl.Int64(),
    }
)
"""One row per presale order. Amounts that are null are none; `told_*` is what the platform states, null where it does
not. What has an instant after the one that is asked for has not happened; what has none, has. `shop_fault`: the shop
calls it off, so that the deposit goes back whatever the terms say."""

STATES = pl.Enum(["not_begun", "waiting", "settled", "lapsed", "called_off"])
ORDERS = pl.Schema(
    {"order_no": pl.String(), "state": STATES}
    | {f"{name}_minor": pl.Int64() for name in (
        "price", "deposit", "worth", "inflation", "due", "balance", "open",
        "refunded", "revenue", "forfeited", "owed_back", "held")}
)  # fmt: skip
"""One row per order. `waiting`: for the balance; `lapsed`: it was not paid in time. `due`: the balance that the terms
ask for; `open`: what is still to be paid, negative where too much was. `held`: money of orders that are not decided
yet; negative where more went back than may."""
ACCOUNTS = {"owed": ("price", "deposit", "inflation", "balance", "open"),
            "money": ("received", "refunded", "revenue", "forfeited", "owed_back", "held")}  # fmt: skip
LEDGER = pl.Schema(
    {"order_no": pl.String(), "book": pl.Enum([*ACCOUNTS]), "account": pl.String(), "amount_minor": pl.Int64()}
)
"""Two books per order: what it owes, and what became of the money. The first account of each is positive, the others
are what it is made of, negative: each book of each order sums to 0, and so does the whole."""
FINDINGS = pl.Schema(
    {"order_no": pl.String(), "finding": pl.String(), "expected_minor": pl.Int64(), "told_minor": pl.Int64()}
)
KINDS: Mapping[str, str] = {
    "no_terms": "there are no terms for what it buys: its deposit counts for what was paid",
    "worth_exceeds_price": "its deposit is worth {expected}, and the order costs {told}: nothing is left to pay",
    "deposit_differs": "the terms ask for a deposit of {expected}, and {told} was paid",
    "worth_differs": "the deposit is worth {expected}, and the platform says {told}",
    "due_differs": "a balance of {expected} is due, and the platform says {told}",
    "balance_differs": "a balance of {expected} was due, and {told} was paid",
    "paid_differs": "{expected} was paid in all, and the platform says {told}",
    "balance_without_deposit": "a balance of {told} was paid and no deposit",
    "early_balance": "the balance of {told} was paid before its time",
    "late_balance": "the balance of {told} was paid after its time",
    "inflation_refunded": "{expected} was paid and may go back, and {told} did: more than money was paid for",
    "refund_exceeds_paid": "{expected} was paid, and {told} went back",
    "deposit_refunded": "{expected} may go back, for the deposit stays, and {told} did",
    "refund_missing": "{expected} goes back, and {told} did",
}
"""English; `locale/zh/presale.po` has the Chinese. In the order in which they are told of an order."""


def settle(bought: pl.DataFrame, terms: pl.DataFrame, now: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """ORDERS and FINDINGS of BOUGHT, in its order, as of an instant in microseconds UTC.

    A deposit that is less than the terms ask for is worth what was paid; one that is more, its worth and the rest."""
    told = _reckoned(_with_terms(_happened(bought, now), terms), now)
    orders = told.select(pl.col(name) for name in ORDERS).cast(ORDERS)
    findings = [
        told.filter(holds).select(
            "place", "order_no", finding=pl.lit(kind), expected_minor=expected.cast(pl.Int64), told_minor=stated
        )
        for kind, (holds, expected, stated) in _findings().items()
    ]
    found = pl.concat(findings).sort("place", maintain_order=True)
    return orders, found.select(FINDINGS.names()).cast(FINDINGS)


def ledger(orders: pl.DataFrame) -> pl.DataFrame:
    """LEDGER of ORDERS; accounts of nothing are left out."""
    told = orders.with_columns(received_minor=pl.col("deposit_minor") + pl.col("balance_minor"))
    books = [
        told.with_row_index("place").select(
            "place", "order_no", book=pl.lit(book), account=pl.lit(account),
            amount_minor=pl.col(f"{account}_minor") * (1 if number == 0 else -1),
        )
        for book, accounts in ACCOUNTS.items() for number, account in enumerate(accounts)
    ]  # fmt: skip
    rows = pl.concat(books).filter(pl.col("amount_minor") != 0).sort("place", maintain_order=True)
    return rows.select(LEDGER.names()).cast(LEDGER)


def _happened(bought: pl.DataFrame, now: int) -> pl.DataFrame:
    """Amounts that are there at that instant."""
    moment = pl.lit(now).cast(INSTANT)
    parts = {"deposit_minor": "deposit_at", "balance_minor": "balance_at", "refunded_minor": "refunded_at"}
    return bought.with_row_index("place").with_columns(
        *(pl.when((pl.col(at) <= moment).fill_null(True)).then(amount).fill_null(0).alias(amount)
          for amount, at in parts.items()),
        pl.col("goods_minor", "freight_minor", "discount_minor").fill_null(0),
        pl.col("quantity").fill_null(1).clip(1),
        pl.col("shop_fault").fill_null(False),
    )  # fmt: skip


def _with_terms(bought: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    own = terms.rename({name: f"terms_{name}" for name in terms.columns if name != "sku"})
    named = own.filter(pl.col("sku").is_not_null()).unique("sku", keep="first", maintain_order=True)
    found = bought.join(named.with_columns(has_terms=True), on="sku", how="left", maintain_order="left")
    usual = own.filter(pl.col("sku").is_null()).head(1).to_dicts()
    if not usual:
        return found.with_columns(pl.col("has_terms").fill_null(False))
    missing = pl.col("has_terms").is_null()
    filled = [
        pl.when(missing).then(pl.lit(value, own.schema[name])).otherwise(name).alias(name)
        for name, value in usual[0].items() if name != "sku"
    ]  # fmt: skip
    return found.with_columns(filled).with_columns(has_terms=pl.lit(True))


def _reckoned(told: pl.DataFrame, now: int) -> pl.DataFrame:
    asked, promised = (pl.col(f"terms_{name}_minor") * pl.col("quantity") for name in ("deposit", "worth"))
    more = pl.col("deposit_minor") - pl.col("asked_minor")
    inflated = pl.col("has_terms") & (pl.col("deposit_minor") > 0) & (more >= 0)
    told = told.with_columns(
        asked_minor=asked,
        promised_minor=promised,
        price_minor=pl.col("goods_minor") + pl.col("freight_minor") - pl.col("discount_minor"),
    ).with_columns(
        worth_minor=pl.when(inflated).then(pl.col("promised_minor") + more).otherwise("deposit_minor"),
        paid_minor=pl.col("deposit_minor") + pl.col("balance_minor"),
    )
    # A deposit is never worth more than there is to pay, but what was paid was paid.
    counted = pl.max_horizontal(pl.min_horizontal("worth_minor", "price_minor"), "deposit_minor")
    told = told.with_columns(inflation_minor=counted - pl.col("deposit_minor")).with_columns(
        due_minor=(pl.col("price_minor") - counted).clip(0),
        open_minor=pl.col("price_minor") - counted - pl.col("balance_minor"),
    )
    over = (pl.col("terms_until") <= pl.lit(now).cast(INSTANT)).fill_null(False)
    state = (
        pl.when(pl.col("paid_minor") == 0).then(pl.lit("not_begun"))
        .when(pl.col("balance_minor") >= pl.col("due_minor")).then(pl.lit("settled"))
        .when("shop_fault").then(pl.lit("called_off"))
        .when(over).then(pl.lit("lapsed")).otherwise(pl.lit("waiting"))
    )  # fmt: skip
    return _returned(told.with_columns(state=state))


def _returned(told: pl.DataFrame) -> pl.DataFrame:
    """What may go back, what has to, and what became of the money."""
    settled, lapsed = pl.col("state") == "settled", pl.col("state") == "lapsed"
    off = pl.col("state") == "called_off"
    back = pl.col("terms_refundable").fill_null(True)
    rest = pl.col("paid_minor") - pl.col("refunded_minor")
    told = told.with_columns(
        may_minor=pl.when(settled | off | back).then("paid_minor").otherwise("balance_minor"),
        must_minor=pl.when(off | (lapsed & back)).then("paid_minor").when(lapsed).then("balance_minor").otherwise(0),
        revenue_minor=pl.when(settled).then(rest).otherwise(0),
    ).with_columns(
        owed_back_minor=(pl.col("must_minor") - pl.col("refunded_minor")).clip(0),
        forfeited_minor=pl.when(lapsed & ~back).then(pl.min_horizontal("deposit_minor", rest.clip(0))).otherwise(0),
    )
    gone = pl.sum_horizontal("revenue_minor", "forfeited_minor", "owed_back_minor")
    return told.with_columns(held_minor=rest - gone)


def _findings() -> dict[str, tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """By kind when it is one, what was expected, and what is told."""
    paid, refunded, balance = pl.col("paid_minor"), pl.col("refunded_minor"), pl.col("balance_minor")
    begun, deposit = pl.col("deposit_minor") > 0, pl.col("deposit_minor")
    cash, worth = paid, pl.col("worth_minor") + balance

    def differs(ours: str, theirs: str) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
        return begun & (pl.col(ours) != pl.col(theirs)).fill_null(False), pl.col(ours), pl.col(theirs)

    paying = balance > 0
    found = {
        "no_terms": (~pl.col("has_terms"), deposit, deposit),
        "worth_exceeds_price": (begun & (pl.col("worth_minor") > pl.col("price_minor")), pl.col("worth_minor"),
                                pl.col("price_minor")),
        "deposit_differs": differs("asked_minor", "deposit_minor"),
        "worth_differs": differs("worth_minor", "told_worth_minor"),
        "due_differs": differs("due_minor", "told_due_minor"),
        "balance_differs": (paying & begun & (balance != pl.col("due_minor")), pl.col("due_minor"), balance),
        "paid_differs": ((paid != pl.col("told_paid_minor")).fill_null(False), paid, pl.col("told_paid_minor")),
        "balance_without_deposit": (paying & ~begun, pl.lit(0), balance),
        "early_balance": (paying & (pl.col("balance_at") < pl.col("terms_since")).fill_null(False), balance, balance),
        "late_balance": (paying & (pl.col("balance_at") >= pl.col("terms_until")).fill_null(False), balance, balance),
        "inflation_refunded": ((refunded > cash) & (refunded <= worth), cash, refunded),
        "refund_exceeds_paid": ((refunded > cash) & (refunded > worth), cash, refunded),
        "deposit_refunded": ((refunded > pl.col("may_minor")) & (refunded <= cash), pl.col("may_minor"), refunded),
        "refund_missing": (pl.col("owed_back_minor") > 0, pl.col("must_minor"), refunded),
    }  # fmt: skip
    return {kind: found[kind] for kind in KINDS}
