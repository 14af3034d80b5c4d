"""What speaks for packing two orders together, and what against it: one table of weights, and the pairs worth asking.

Weights are whole points in the manner of Fellegi and Sunter's log-likelihood ratios (A Theory for Record Linkage,
1969): what two orders of one household share that strangers hardly do adds, what they differ in takes away. No single
piece of evidence reaches the mark for merging. Only pseudonyms and digests are read: never a name, a phone or an
address.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.frames import INSTANT

ORDERS = pl.Schema(
    {
        "order_no": pl.String(),
        "channel": pl.String(),
        "paid_at": INSTANT,
        "warehouse": pl.String(),
        "place": pl.String(),
        "phone": pl.String(),
        "receiver": pl.String(),
        "address": pl.String(),
        "buyer": pl.String(),
        "skus": pl.String(),
        "sealed": pl.Boolean(),
        "refund": pl.Boolean(),
        "presale": pl.Boolean(),
        "gone": pl.Boolean(),
        "asks": pl.String(),
    }
)
"""One row per order. `place`: province and city. `phone`, `receiver`, `address`: keyed digests; `buyer`: the channel's
pseudonym of a buyer, who is another one elsewhere. `skus`: what it holds, as one text. `gone`: packed or sent already.
`asks`: what others must share to be packed with it, of SHARED; null: nothing in particular.
What is null is not known, and says nothing."""
GUARDS: Mapping[str, str] = {
    "sealed": "{order} is sealed",
    "refund": "{order} is being refunded",
    "presale": "{order} waits for a presale",
    "gone": "{order} is packed already",
    "warehouse": "they are sent from two warehouses",
    "place": "they go to two places",
    "parted": "{by} has parted them: {reason}",
}
"""Why two orders may never be packed together, whatever speaks for it. English; `locale/zh/packing.po` has the
Chinese."""
ON_AN_ORDER = ("sealed", "refund", "presale", "gone")

EVIDENCE: Mapping[str, tuple[str, int]] = {
    "phone_same": ("same phone", 10),
    "phone_other": ("another phone", -6),
    "receiver_same": ("same receiver", 6),
    "receiver_other": ("another receiver", -4),
    "address_same": ("same address", 9),
    "address_other": ("another address", -8),
    "buyer_same": ("same buyer", 8),
    "buyer_other": ("another buyer of that channel", -3),
    "minutes": ("paid within ten minutes", 3),
    "hours": ("paid within two hours", 1),
    "days": ("paid more than a day apart", -3),
    "skus_same": ("the very same goods: a repeat?", -4),
}
"""What it is called, and its points."""
MERGE, ASK = 15, 8
"""From so many points on two orders are packed together, or a person is asked."""
DOUBTS = ("address_other", "skus_same")
"""Where these hold, a person is asked however much speaks for it: one parcel has one address, and the very same goods
may have been ordered twice by mistake."""
STRONG = ("phone_same", "receiver_same", "address_same", "buyer_same")
TWO = 2
"""Merging needs so many of the strong ones: never a hash alone."""
SHARED: Mapping[str, tuple[str, ...]] = {"buyer": ("buyer_same",), "receiver": ("receiver_same", "phone_same")}
"""What a rule may ask for, and the evidence of which one will do."""
MINUTE = 60_000_000
WINDOW = 72 * 60 * MINUTE
CROWD = 50
"""A digest that more orders than this share within the window tells no household: a forwarder's, a default's."""
KEYS = ("phone", "receiver", "address", "buyer")


def held(orders: pl.DataFrame) -> pl.DataFrame:
    """`row`, `at`, `name`, `key`, `crowd`: each key that an order has, of KEYS, by key and time; and whether it is too
    common to tell anything."""
    numbered = orders.with_row_index("row").with_columns(
        pl.col("row").cast(pl.Int64), at=pl.col("paid_at").to_physical()
    )
    own = pl.concat(_key(numbered, name) for name in KEYS).drop_nulls(["key", "at"]).sort("name", "key", "at", "row")
    return own.with_columns(crowd=_within("at", CROWD).any().over("name", "key"))


def pairs(orders: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows `a` < `b` of orders that share a key and were paid within the WINDOW; and `key`, `orders`: how many orders
    have a key that is too common to tell anything. Each key's orders are laid out in time, so that the work grows with
    what is shared, not with the square of all."""
    keyed = held(orders)
    found, crowds = [pl.DataFrame(schema={"a": pl.Int64, "b": pl.Int64})], []
    for key in KEYS:
        own = keyed.filter(pl.col("name") == key)
        crowds.append((key, int(own["crowd"].sum())))
        left = own.filter(~pl.col("crowd"))
        most = int(left.group_by("key").len()["len"].max() or 0)  # type: ignore[arg-type]
        for apart in range(1, min(most, CROWD + 1)):
            pair = left.select(a="row", b=pl.col("row").shift(-apart), near=_within("at", apart)).filter("near")
            if pair.is_empty():
                break
            found.append(pair.select("a", "b"))
    both = pl.concat(found).select(a=pl.min_horizontal("a", "b"), b=pl.max_horizontal("a", "b"))
    told = pl.DataFrame(crowds, schema={"key": pl.String, "orders": pl.Int64}, orient="row").filter(
        pl.col("orders") > 0
    )
    return both.unique().sort("a", "b"), told


def _key(numbered: pl.DataFrame, key: str) -> pl.DataFrame:
    """A buyer is one of a channel; a receiver's name alone is too little to look for, with the place it is not."""
    parts = {"buyer": ("channel", "buyer"), "receiver": ("place", "receiver")}.get(key, (key,))
    return numbered.select("row", "at", name=pl.lit(key), key=pl.concat_str(parts, separator="\0"))


def _within(at: str, apart: int) -> pl.Expr:
    """Whether the order so many places further shares the key, and was paid within the window."""
    same = pl.all_horizontal(pl.col(one).shift(-apart) == pl.col(one) for one in ("name", "key"))
    return (same & (pl.col(at).shift(-apart) - pl.col(at) <= WINDOW)).fill_null(False)


def scored(orders: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Of each pair every piece of evidence as its points, 0 where it does not hold; `score`; `strong`: how many strong
    ones; `wished`: whether they share what both ask for; and `guard`: the first of GUARDS that forbids it, null where
    none does, with `guarded`: the order it is of."""
    rows = orders.with_columns(at=pl.col("paid_at").to_physical())
    one = rows[found["a"]].select(pl.all().name.prefix("a_"))
    other = rows[found["b"]].select(pl.all().name.prefix("b_"))
    both = pl.concat([found, one, other], how="horizontal")
    gap = (pl.col("a_at") - pl.col("b_at")).abs()
    holds = {
        **{f"{key}_same": _alike(key) for key in ("phone", "receiver", "address")},
        **{f"{key}_other": ~_alike(key) for key in ("phone", "receiver", "address")},
        "buyer_same": _alike("buyer") & _alike("channel"),
        "buyer_other": ~_alike("buyer") & _alike("channel"),
        "minutes": gap <= 10 * MINUTE,
        "hours": (gap > 10 * MINUTE) & (gap <= 120 * MINUTE),
        "days": gap > 24 * 60 * MINUTE,
        "skus_same": _alike("skus"),
    }
    told = both.with_columns(
        pl.when(holds[name].fill_null(False)).then(points).otherwise(0).cast(pl.Int64).alias(name)
        for name, (_, points) in EVIDENCE.items()
    )
    guards = [(name, pl.col(f"{side}_{name}").fill_null(False), pl.col(f"{side}_order_no"))
              for name in ON_AN_ORDER for side in ("a", "b")]  # fmt: skip
    guards += [(name, (~_alike(name)).fill_null(False), pl.lit(None, pl.String)) for name in ("warehouse", "place")]
    return told.select(
        "a", "b", *EVIDENCE,
        score=pl.sum_horizontal(*EVIDENCE),
        wished=pl.all_horizontal(_wished(side) for side in ("a", "b")),
        strong=pl.sum_horizontal((pl.col(name) > 0).cast(pl.Int64) for name in STRONG),
        guard=pl.coalesce(pl.when(when).then(pl.lit(name)) for name, when, _ in guards),
        guarded=pl.coalesce(pl.when(when).then(whose) for _, when, whose in guards),
    )  # fmt: skip


def _wished(side: str) -> pl.Expr:
    asks = pl.col(f"{side}_asks")
    told = [asks.is_null(), *((asks == what) & pl.any_horizontal(pl.col(name) > 0 for name in names)
                              for what, names in SHARED.items())]  # fmt: skip
    return pl.any_horizontal(told)


def _alike(key: str) -> pl.Expr:
    return pl.col(f"a_{key}") == pl.col(f"b_{key}")
