"""What people call orders: how they are marked by their numbers, and named again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from orderhub_core.errors import UserMistake

NAMED = 3
"""Numbers that a refusal names, of many."""


class Called:
    """Orders by what people call them: their number, or SHOP/NO where several shops have it. `where`: what they are of.

    Raises UserMistake for a `shop` of orders that tell none.
    """

    def __init__(self, orders: pl.DataFrame, where: str, shop: str = "") -> None:
        if shop and "shop" not in orders:
            raise UserMistake("--shop {shop}: {path} has no column 'shop'", shop=shop, path=where)
        own = pl.col("shop").cast(pl.String).fill_null("") if "shop" in orders else pl.lit("")
        self._orders = orders.select("order_id", "order_no", shop=own)
        self._orders = self._orders.with_columns(full=pl.concat_str("shop", pl.lit("/"), "order_no"))
        shared = pl.col("order_no").is_duplicated()
        self._orders = self._orders.with_columns(name=pl.when(shared).then("full").otherwise("order_no"))
        self._where, self._shop = where, shop

    def ids(self, numbers: Sequence[str]) -> list[int]:
        """Their order_id. Raises UserMistake for what is no order's number, or that of several."""
        asked = self._orders.filter(pl.col("order_no").is_in(numbers) | pl.col("full").is_in(numbers))
        by_number: defaultdict[str, list[int]] = defaultdict(list)
        by_full: dict[str, int] = {}
        for order_id, number, shop, full, _ in asked.iter_rows():
            by_full[full] = order_id
            if self._shop in ("", shop):
                by_number[number].append(order_id)
        found = {number: by_number.get(number) or [by_full[number]] for number in numbers
                 if number in by_number or number in by_full}  # fmt: skip
        if absent := [number for number in numbers if number not in found]:
            more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
            where = f"{self._where}{f' of the shop {self._shop}' if self._shop else ''}"
            raise UserMistake(
                "there is no order {absent}{more} in {where}",
                absent=tuple(absent[:NAMED]),
                more=more,
                where=where,
            )
        if several := next((number for number, own in found.items() if len(own) > 1), None):
            raise UserMistake(
                "{n} shops have an order {several}: write it with its shop, SHOP/{several}",
                n=len(found[several]),
                several=several,
            )
        return [own[0] for own in found.values()]

    def names(self, ids: Sequence[int]) -> list[str]:
        """As they can be marked again."""
        known = self._orders.filter(pl.col("order_id").is_in(ids)).select("order_id", "name")
        names = dict(known.iter_rows())
        return [names[each] for each in ids]
