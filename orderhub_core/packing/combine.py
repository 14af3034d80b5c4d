"""Which orders are packed together: pairs judged by their evidence, a person's word above it, and groups in which every
order goes with every other one.

Laws
  1. A group is never held together by a chain: of each two of its orders the pair itself is to be merged.
  2. A guard is stronger than any evidence, and than a person's word to merge.
  3. What a person has parted is not grouped again, until somebody says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from orderhub_core.packing import evidence
from orderhub_core.packing.evidence import EVIDENCE

VERDICTS = pl.Enum(["merge", "ask", "apart", "forbidden"])
WORDS = pl.Schema(
    {"order_no": pl.String(), "other": pl.String(), "say": pl.String(), "by": pl.String(), "reason": pl.String()}
)
"""What people have said of two orders, the last word last: `apart` parts them, `together` answers a doubt."""
PAIRS = pl.Schema(
    {"order_no": pl.String(), "other": pl.String(), "verdict": VERDICTS, "score": pl.Int64()}
    | {name: pl.String() for name in ("guard", "guarded", "by", "reason")}
    | {name: pl.Int64() for name in EVIDENCE}
)  # fmt: skip
"""One row per pair that was looked at, with each piece of evidence as its points. `by` and `reason`: of a person's
word."""
GROUPS = pl.Schema({"group": pl.String(), "order_no": pl.String(), "orders": pl.Int64()})
"""One row per order that is packed with others; `group` is the number of its first order, as they were told."""


class Combined(NamedTuple):
    groups: pl.DataFrame
    pairs: pl.DataFrame
    crowds: pl.DataFrame
    """`key`, `orders`: digests too common to tell anything."""


def combine(
    orders: pl.DataFrame, words: pl.DataFrame, *, merge: int = evidence.MERGE, ask: int = evidence.ASK
) -> Combined:
    """Of evidence.ORDERS, which have each number once, and WORDS."""
    found, crowds = evidence.pairs(orders)
    told = _spoken(orders, words)
    every = pl.concat([found, told.select("a", "b")]).unique().sort("a", "b")
    made = evidence.scored(orders, every).join(told, on=["a", "b"], how="left", maintain_order="left")
    parted, joined = (pl.col("say") == "apart").fill_null(False), (pl.col("say") == "together").fill_null(False)
    made = made.with_columns(guard=pl.coalesce("guard", pl.when(parted).then(pl.lit("parted"))))
    doubtful = pl.any_horizontal(pl.col(name) != 0 for name in evidence.DOUBTS)
    sure = pl.col("wished") & (pl.col("score") >= merge) & (pl.col("strong") >= evidence.TWO) & ~doubtful
    verdict = (
        pl.when(pl.col("guard").is_not_null()).then(pl.lit("forbidden"))
        .when(joined | sure).then(pl.lit("merge"))
        .when(pl.col("wished") & (pl.col("score") >= ask)).then(pl.lit("ask")).otherwise(pl.lit("apart"))
    )  # fmt: skip
    judged = made.with_columns(verdict=verdict.cast(VERDICTS))
    group = _grouped(judged.filter(pl.col("verdict") == "merge"), orders.height)
    numbers = orders["order_no"]
    pairs = judged.with_columns(order_no=numbers.gather(judged["a"]), other=numbers.gather(judged["b"]))
    return Combined(_groups(numbers, group), pairs.select(PAIRS.names()).cast(PAIRS), crowds)


def around(orders: pl.DataFrame, words: pl.DataFrame, seeds: Collection[str]) -> pl.DataFrame:
    """Those of evidence.ORDERS on which it depends with whom these ones are packed, by their numbers: what `combine`
    says of them and their groups is what it says where it has all."""
    held = evidence.held(orders)
    told = held.filter(~pl.col("crowd")).with_columns(
        code=pl.concat_str("name", "key", separator="\0").rank("dense").cast(pl.Int64) + orders.height
    )
    spoken = _spoken(orders, words)
    a, b = (np.concatenate([told[key], spoken[word]]) for key, word in (("row", "a"), ("code", "b")))
    size = orders.height + told.height + 1
    _, label = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(size, size)), directed=False)
    of_orders = label[: orders.height]
    inside = np.isin(of_orders, of_orders[orders["order_no"].is_in(list(seeds)).to_numpy()])
    # Whoever shares a crowd's key goes with none for that; but a crowd is one only as long as all of it is there.
    common = held.filter("crowd")
    touched = common.filter(pl.Series(inside[common["row"].to_numpy()])).select("name", "key").unique()
    inside[common.join(touched, on=["name", "key"], how="semi")["row"].to_numpy()] = True
    return orders.filter(pl.Series(inside))


def _spoken(orders: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """The last word on each pair, by rows of the orders."""
    rows = orders.select("order_no", row=pl.int_range(pl.len()))
    one = words.join(rows, on="order_no", how="inner", maintain_order="left")
    both = one.join(rows.rename({"order_no": "other", "row": "other_row"}), on="other", how="inner",
                    maintain_order="left")  # fmt: skip
    placed = both.select(
        "say", "by", "reason", a=pl.min_horizontal("row", "other_row"), b=pl.max_horizontal("row", "other_row")
    )
    last = placed.filter(pl.col("a") != pl.col("b")).unique(["a", "b"], keep="last", maintain_order=True)
    return last.select("a", "b", "say", "by", "reason")


def _grouped(merges: pl.DataFrame, orders: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Of each order the row of the first one of its group. Where all of a cluster go with each other they are one group
    at once; only of the others pairs are taken one by one, the best first, and join where nothing is missing."""
    group = np.arange(orders)
    if merges.is_empty():
        return group
    a, b = merges["a"].to_numpy(), merges["b"].to_numpy()
    _, label = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(orders, orders)), directed=False)
    size, edges = np.bincount(label), np.bincount(label[a], minlength=label.max() + 1)
    whole = edges == size * (size - 1) // 2
    first = np.full(len(size), orders)
    np.minimum.at(first, label, group)
    inside = whole[label]
    group[inside] = first[label[inside]]
    _one_by_one(merges.filter(pl.Series(~whole[label[a]])), group)
    return group


def _one_by_one(merges: pl.DataFrame, group: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Writes into `group`."""
    ordered = merges.sort("score", "a", "b", descending=[True, False, False])
    known = set(ordered.select("a", "b").iter_rows())
    members: dict[int, list[int]] = {}
    for a, b in ordered.select("a", "b").iter_rows():
        one, other = sorted((int(group[a]), int(group[b])))
        ours, theirs = members.get(one, [one]), members.get(other, [other])
        if one != other and all((min(x, y), max(x, y)) in known for x in ours for y in theirs):
            members[one] = [*ours, *members.pop(other, [other])]
            group[theirs] = one


def _groups(numbers: pl.Series, group: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.DataFrame:
    told = pl.DataFrame({"order_no": numbers, "first": group}).with_columns(orders=pl.len().over("first"))
    named = told.filter(pl.col("orders") > 1).with_columns(
        group=numbers.gather(told.filter(pl.col("orders") > 1)["first"])
    )
    return named.sort("first", maintain_order=True).select(GROUPS.names()).cast(GROUPS)
