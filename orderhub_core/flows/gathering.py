"""What speaks for packing together of orders that wait, as of `packing.evidence`: of people keyed hashes alone. It is
remembered from look to look, so that a look reads what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from orderhub_core.flows.companions import key_of
from orderhub_core.flows.doubts import CALM
from orderhub_core.packing import evidence
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.merging import wish
from orderhub_core.store import packs
from orderhub_core.store.base import Store
from orderhub_core.store.packs import Waiting

FREE = pl.Schema({"order_id": pl.Int64(), "version": pl.Int64(), "until": pl.Int64()})
KNOWN = pl.Schema({**FREE, **evidence.ORDERS, "number": pl.String()})
"""By the keys of their hand-overs, as `order_no`."""


class Gathered:
    """Of one hub."""

    def __init__(self, store: Store, hashes: Callable[[], Pseudonyms]) -> None:
        self._store, self._hashes = store, hashes
        self._known = KNOWN.to_frame()

    def free(self) -> pl.DataFrame:
        """KNOWN, of those that wait and were told of none, as they came. Read are those that are new, or of which
        anything was heard since."""
        standing = pl.DataFrame(packs.free(self._store), schema=FREE, orient="row")
        same = self._known.drop("until").join(standing, on=["order_id", "version"], how="inner")
        new = standing.join(same, on="order_id", how="anti")
        read = packs.waiting(self._store, orders=new["order_id"]) if new.height else []
        fresh = self.of(read).with_columns(
            pl.Series("order_id", [one.order_id for one in read], pl.Int64),
            pl.Series("number", [one.handed.asked.order_no for one in read], pl.String),
        )
        fresh = fresh.join(new, on="order_id", how="inner")
        self._known = pl.concat([some.select(KNOWN.names()) for some in (same, fresh)]).sort("order_id")
        return self._known

    def of(self, waiting: Sequence[Waiting]) -> pl.DataFrame:
        """evidence.ORDERS."""
        hashes, wishes = self._hashes(), self._wishes(waiting)
        rows = [
            (
                key_of(one.handed.asked),
                one.handed.asked.shop,
                one.owed_at,
                one.handed.asked.warehouse,
                " ".join(one.place) if all(one.place) else None,
                hashes.phone(one.person.phone) or None,
                hashes.receiver(one.person.name) or None,
                hashes.address(one.person.address) or None,
                one.buyer or None,
                _goods(one),
                False,
                one.after_sale not in CALM,
                False,
                False,
                wishes.get(one.order_id),
            )
            for one in waiting
        ]
        raw = pl.DataFrame(rows, schema={**evidence.ORDERS, "paid_at": pl.Int64()}, orient="row")
        return raw.cast(evidence.ORDERS)

    def _wishes(self, waiting: Iterable[Waiting]) -> dict[int, str]:
        decided: dict[int, list[tuple[str, str]]] = {}
        for number, action, argument, _ in self._store.decided_rows([one.order_id for one in waiting]):
            decided.setdefault(number, []).append((action, argument))
        return {number: asks for number, some in decided.items() if (asks := wish(some))}


def _goods(one: Waiting) -> str | None:
    """What was bought, as one text."""
    pieces: dict[str, int] = {}
    for line in one.handed.asked.lines:
        if line.sku and not line.gift_of:
            pieces[line.sku] = pieces.get(line.sku, 0) + line.quantity
    return ", ".join(f"{sku} × {number}" for sku, number in sorted(pieces.items())) or None
