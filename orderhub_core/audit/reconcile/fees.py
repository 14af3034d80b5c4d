"""Fees: one word for what each platform calls by its own, what selling through each channel cost, and what a column
that nobody has named might be. The words stand in `fees.toml`; a user's own come first.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
import polars as pl

from orderhub_core.audit.sources import KEY
from orderhub_core.errors import UserMistake

SUGGEST_SHARE = 0.05
"""A channel's cost is a small share of the order: less than this is taken for one (catalogue rule 智能纠错)."""
PROVEN = 1.645
"""A correlation counts where its t statistic is beyond this: by chance, 1 column in 20 would be. Student's test."""


class Fee(StrEnum):
    CHANNEL_COST = "channel_cost"
    PLATFORM_FEE = "platform_fee"
    PAYMENT_FEE = "payment_fee"
    FREIGHT_INSURANCE = "freight_insurance"
    NONE = "none"


class Suggestion(msgspec.Struct, frozen=True):
    """What a column that the dictionary does not know may be, with the evidence. A person confirms it."""

    column: str
    rows: int
    sum_minor: int
    correlation: float | None
    """Pearson's, with what the order's buyer paid; None where it cannot be told."""
    share: float | None
    """Of all that was paid for those orders."""
    suggested: Fee | None

    @property
    def line(self) -> str:
        """What to write into fees.toml."""
        # A string of JSON is one of TOML, but for the one control character that JSON lets stand.
        column = json.dumps(self.column, ensure_ascii=False).replace("\x7f", "\\u007f")
        return f'{column} = "{(self.suggested or Fee.NONE).value}"'


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fees: dict[str, Fee] = {}


def plain(heading: str) -> str:
    """Spellings that are the same heading."""
    spelled = pl.Series([heading]).str.normalize("NFKC").item()
    return "".join(str(spelled).split()).strip("*:：").casefold()


@lru_cache
def _shipped() -> dict[str, Fee]:
    text = resources.files(__package__).joinpath("fees.toml").read_text(encoding="utf-8")
    return _read(tomllib.loads(text), "fees.toml")


def dictionary(own: Mapping[str, Any] | None = None, where: str = "fees") -> dict[str, Fee]:
    """Headings as `plain` writes them, to what they are. `own` is a user's TOML. Raises UserMistake."""
    return {**_shipped(), **(_read(own, where) if own else {})}


def _read(said: Mapping[str, Any], where: str) -> dict[str, Fee]:
    try:
        file = msgspec.convert(dict(said), _File)
    except msgspec.ValidationError as error:
        kinds = ", ".join(Fee)
        raise UserMistake(
            '{where}: {error}; under [fees] write "heading" = one of {kinds}', where=where, error=error, kinds=kinds
        ) from None
    return {plain(heading): fee for heading, fee in file.fees.items()}


def named(fees: pl.DataFrame, words: Mapping[str, Fee]) -> pl.DataFrame:
    """Frames of `ledgers.FEES` with `fee`: a `Fee`, or null where nobody has said what the column is."""
    columns = fees["column"].unique().to_list()
    known = {column: word.value for column in columns if (word := words.get(plain(column)))}
    return fees.with_columns(fee=pl.col("column").replace_strict(known, default=None, return_dtype=pl.String))


def suggestions(fees: pl.DataFrame, paid: pl.DataFrame) -> list[Suggestion]:
    """One per column of `named`, with shop and order_no, that has no name. `paid`: shop, order_no, `paid_minor`."""
    unknown = fees.filter(pl.col("fee").is_null()).join(paid, on=KEY, how="left")
    groups = unknown.group_by("column", maintain_order=True)
    return [_suggestion(str(column), rows) for (column,), rows in groups]


def _suggestion(column: str, rows: pl.DataFrame) -> Suggestion:
    known = rows.filter(pl.col("paid_minor") > 0)
    total = int(known["paid_minor"].sum())
    share = int(known["amount_minor"].sum()) / total if total else None
    together = _correlation(known)
    small = share is not None and 0 < share < SUGGEST_SHARE
    likely = small and together is not None and _t(together, known.height) > PROVEN
    return Suggestion(
        column, rows.height, int(rows["amount_minor"].sum()), together, share, Fee.CHANNEL_COST if likely else None
    )


def _correlation(rows: pl.DataFrame) -> float | None:
    """None where one of the two is the same in all rows."""
    fee, paid = (rows[name].to_numpy().astype(np.float64) for name in ("amount_minor", "paid_minor"))
    if rows.height < 2 or not (np.ptp(fee) and np.ptp(paid)):
        return None
    return float(np.corrcoef(fee, paid)[0, 1])


def _t(correlation: float, rows: int) -> float:
    """r √((n − 2) / (1 − r²)); two rows always lie on a line."""
    if rows <= 2:
        return 0.0
    rest = 1 - correlation**2
    return math.copysign(math.inf, correlation) if rest <= 0 else correlation * math.sqrt((rows - 2) / rest)


def by_channel(orders: pl.DataFrame, fees: pl.DataFrame) -> pl.DataFrame:
    """What each shop brought: shop, orders, paid_minor, refunded_minor, a column `<fee>_minor` for each kind of fee,
    and `net_minor` = paid − refunded − all fees.

    `orders` as `Reconciliation.orders`; `fees` as `named`, with `shop` and whether their row `counts` and lies
    `inside` the period: as the payment beside them, and as no other, they count in it. So the channels of two periods
    sum to those of both.
    """
    kinds = [fee for fee in Fee if fee is not Fee.NONE]
    amount = pl.col("amount_minor")
    cost = (
        fees.filter("counts", "inside")
        .group_by("shop")
        .agg(amount.filter(pl.col("fee") == fee.value).sum().alias(f"{fee.value}_minor") for fee in kinds)
    )
    brought = orders.group_by("shop").agg(
        orders=pl.len(), paid_minor=pl.sum("paid_minor"), refunded_minor=pl.sum("refunded_minor")
    )
    columns = [f"{fee.value}_minor" for fee in kinds]
    return (
        brought.join(cost, on="shop", how="left")
        .with_columns(pl.col(columns).fill_null(0))
        .with_columns(net_minor=pl.col("paid_minor") - pl.col("refunded_minor") - pl.sum_horizontal(columns))
        .sort("paid_minor", "shop", descending=[True, False])
    )
