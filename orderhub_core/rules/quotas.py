"""Gifts that there are only so many of: in all, a day, or for each buyer; granted in the order of payments.

A gift is granted with all its pieces or not at all. What has been granted stays used, even where its order is short or
cancelled later: the buyer has been promised it. Batches and replays go on from the ledger as stock does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import speeds
from orderhub_core.rules.claims import LEDGER, findings
from orderhub_core.rules.speeds import Run
from orderhub_core.rules.turns import Asked, Left, Taken

CLAIMS = pl.Schema(
    {
        "order_id": pl.Int64(),
        "turn": pl.Int64(),
        "paid_at": INSTANT,
        "rule": pl.String(),
        "quantity": pl.Int32(),
        "buyer": pl.String(),
    }
)
"""Gifts that orders have earned, one row per order and gift rule; turns as in `claims.ASKING`. `buyer`: a pseudonym;
one that is not known counts as a buyer of its own."""
QUOTAS = pl.Schema({"rule": pl.String(), "total": pl.Int64(), "per_day": pl.Int64(), "per_buyer": pl.Int64()})
"""Pieces of a gift rule: in all, on each day of payment, to each buyer. Null: any number; a rule without a row, too.
Of two rows the lesser of each holds."""
USED = pl.Schema({"rule": pl.String(), "subject": pl.String(), "used": pl.Int64()})
"""Pieces granted so far. `subject`: `total`, `day 2026-03-01`, `buyer …`, or `order …` of an unknown one."""
GRANTS = pl.Schema({"order_id": pl.Int64(), "rule": pl.String(), "quantity": pl.Int32(), "granted": pl.Boolean()})
"""One row per claim that has an instant of payment, in the order of their turns."""
REFUSALS = pl.Schema(
    {
        "order_id": pl.Int64(),
        "rule": pl.String(),
        "quota": pl.Enum(["total", "day", "buyer"]),
        "left": pl.Int64(),
        "asked": pl.Int64(),
        "limit": pl.Int64(),
    }
)
"""Every quota that a claim that was not granted did not fit in."""

_LIMITS = {"total": "total", "day": "per_day", "buyer": "per_buyer"}
_KINDS = REFUSALS["quota"]


class Granted(NamedTuple):
    grants: pl.DataFrame
    refusals: pl.DataFrame
    ledger: pl.DataFrame
    """Of claims.LEDGER, kind `quota`: the rule `place`, USED's `subject`, and what is used after it."""
    findings: pl.DataFrame
    """claims.FINDINGS: of orders that are not paid and so have no turn, and of quotas that are stated twice."""


def grant(
    claims: pl.DataFrame, quotas: pl.DataFrame, used: pl.DataFrame, *, zone: str, run: Run = speeds.plain
) -> Granted:
    """Which claims are granted. `used`: what is, before them. Claims of no pieces are never refused, and use none."""
    ordered = _in_turn(claims.drop_nulls("paid_at"), zone)
    shares = _shares(ordered, quotas.group_by("rule", maintain_order=True).min())
    counters = shares.select("rule", "subject", "limit").unique(["rule", "subject"], maintain_order=True)
    counters = counters.with_row_index("counter").join(
        used, on=["rule", "subject"], how="left", maintain_order="left"
    )  # fmt: skip
    shares = shares.join(counters.select("rule", "subject", "counter"), on=["rule", "subject"], maintain_order="left")
    asked, left, taken = _numbers(ordered.height, shares, counters)
    run(asked, left, taken)
    return Granted(*_told(ordered, shares, taken), _findings(claims, quotas))


def used_after(used: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """USED, once what the ledger says has been granted, too."""
    own = ledger.filter(pl.col("kind") == "quota").select(rule="place", subject="subject", used="balance")
    return pl.concat([used, own]).unique(["rule", "subject"], keep="last", maintain_order=True)


def _in_turn(claims: pl.DataFrame, zone: str) -> pl.DataFrame:
    buyer = pl.format("buyer {}", "buyer").fill_null(pl.format("order {}", "order_id"))
    day = pl.col("paid_at").dt.convert_time_zone(zone).dt.date().dt.to_string("iso")
    ordered = claims.sort("turn", "paid_at", "order_id", maintain_order=True).with_row_index("claim")
    return ordered.with_columns(
        pl.col("quantity").fill_null(0).clip(0), total=pl.lit("total"), day=pl.format("day {}", day), buyer=buyer
    )


def _shares(ordered: pl.DataFrame, quotas: pl.DataFrame) -> pl.DataFrame:
    """One row per claim and quota that limits it: `claim`, `quota`, `subject`, `limit`."""
    limited = ordered.join(quotas.rename({"total": "total_limit"}), on="rule", how="inner", maintain_order="left")
    named = limited.rename({"total_limit": "total:limit", "per_day": "day:limit", "per_buyer": "buyer:limit"})
    parts = [
        named.select(
            "claim",
            "rule",
            "quantity",
            quota=pl.lit(kind, _KINDS),
            subject=kind,
            limit=f"{kind}:limit",
        ).drop_nulls("limit")
        for kind in _LIMITS
    ]
    return pl.concat(parts).sort("claim", maintain_order=True)


def _numbers(claims: int, shares: pl.DataFrame, counters: pl.DataFrame) -> tuple[Asked, Left, Taken]:
    """A claim is an order that asks one place for a piece of each of its counters."""
    every, none = np.arange(claims + 1), np.empty(0, np.int64)
    count, zeros = shares.height, np.zeros(claims, np.int64)
    owner = shares["claim"].to_numpy()
    asked = Asked(
        groups=every,
        lines=np.searchsorted(owner, every),
        candidates=every,
        supplies=np.zeros(claims + 1, np.int64),
        sku=shares["counter"].cast(pl.Int64).to_numpy(),
        need=shares["quantity"].cast(pl.Int64).to_numpy(),
        place=zeros,
        gate=zeros,
        parcels=zeros + 1,
        partly=zeros,
        cell=none,
        supplied=none,
    )
    free = (counters["limit"] - counters["used"].fill_null(0)).to_numpy().copy()
    left = Left(free, np.zeros_like(free), np.array([claims]), 1)
    return asked, left, Taken.blank(lines=count, entries=count + claims, lacks=count + claims)


def _findings(claims: pl.DataFrame, quotas: pl.DataFrame) -> pl.DataFrame:
    return findings(
        {
            "not_paid": claims.filter(pl.col("paid_at").is_null()).unique("order_id", maintain_order=True),
            "quota_twice": quotas.filter(pl.col("rule").is_duplicated())
            .select(subject="rule")
            .unique(maintain_order=True),
        }
    )


def _told(ordered: pl.DataFrame, shares: pl.DataFrame, taken: Taken) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Grants, refusals and the ledger."""
    entries, lacks = (int(count) for count in taken.counts)
    claim, line = taken.entry_order[:entries], taken.entry_line[:entries]
    granted = np.zeros(ordered.height, np.bool_)
    granted[claim] = True
    of_quota = line >= 0
    order = ordered.select("order_id", "claim")
    limits = shares.join(order, on="claim", how="left", maintain_order="left")
    entered = limits[line[of_quota]].with_columns(balance=pl.Series(taken.entry_left[:entries][of_quota]))
    ledger = entered.select(
        kind=pl.lit("quota", LEDGER["kind"]), place="rule", subject="subject", order_id="order_id",
        line_no=pl.lit(None, pl.Int32), quantity=pl.col("quantity").cast(pl.Int64),
        balance=pl.col("limit") - pl.col("balance"),
    )  # fmt: skip
    refused = limits[taken.lack_line[:lacks]].with_columns(left=pl.Series(taken.lack_left[:lacks]))
    refusals = refused.select(
        "order_id", "rule", "quota", "left", asked=pl.col("quantity").cast(pl.Int64), limit="limit"
    )  # fmt: skip
    grants = ordered.select("order_id", "rule", "quantity").with_columns(granted=pl.Series(granted))
    return grants, refusals, ledger
