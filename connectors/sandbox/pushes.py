"""The pretend Douyin's pushes: signed deliveries of what happens in the world, lost and mangled at known rates.

A delivery counts as taken when the hub answers HTTP 200 with code 0 within five seconds; otherwise it comes again,
later and later. The same world, faults and seed give the same deliveries.
"""

from __future__ import annotations

import asyncio
import heapq
import hmac
import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import msgspec
import numpy as np
import polars as pl

from connectors.sandbox import douyin_order
from connectors.sandbox.ledger import Known, Ledger

SECOND = 1_000_000
BEIJING = timezone(timedelta(hours=8))
AT_ONCE = 50
"""Messages in one delivery at most."""
ANSWER_S = 5.0
RETRY_S = (1, 2, 5, 15, 60, 300, 900)
"""Waits after each failed try. The platform does not publish its own; after the last, the message is lost."""

TAGS = {
    "order.placed": "100",
    "payment.deferred": "101",
    "payment.paid": "101",
    "fulfilment.shipped": "102",
    "payment.settled": "103",
    **dict.fromkeys(douyin_order.CARRIER_STATES, "104"),
    "payment.voided": "106",
    "fulfilment.cancelled": "106",
    "fulfilment.partly_shipped": "108",
    "after_sale.applied": "200",
    "after_sale.refund_agreed": "201",
    "after_sale.return_agreed": "202",
    "after_sale.return_sent": "203",
    "after_sale.rejected": "204",
    "after_sale.refunded": "206",
    "after_sale.closed": "207",
}


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of all messages, between 0 and 1."""

    seed: int = 0
    drop: float = 0.0
    repeat: float = 0.0
    """Delivered a second time, up to two minutes later."""
    delay: float = 0.0
    """Delivered 30 seconds to 5 minutes late."""
    reorder: float = 0.0
    """Delivered up to 10 seconds late: enough to be overtaken."""
    forge: float = 0.0
    """Accompanied by a twin with a wrong signature, which the hub must refuse."""


def due(ledger: Ledger, faults: Faults) -> pl.DataFrame:
    """position, event, at, due (epoch seconds), forged; sorted by due."""
    events = ledger.events.select("position", "event", "at").filter(pl.col("event").is_in(list(TAGS)))
    dice = np.random.default_rng([faults.seed, 0xD0])
    size = events.height

    def struck(rate: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return dice.random(size) < rate

    lag = struck(faults.delay) * dice.uniform(30, 300, size) + struck(faults.reorder) * dice.uniform(0, 10, size)
    events = events.with_columns(due=pl.col("at") + pl.Series(lag), forged=False)
    kept, again, forged = ~struck(faults.drop), struck(faults.repeat), struck(faults.forge)
    echo = pl.col("due") + pl.Series(dice.uniform(0, 120, size))
    copies = (
        events.filter(kept),
        events.with_columns(due=echo).filter(kept & again),
        events.with_columns(forged=True).filter(forged),
    )
    return pl.concat(copies).sort("due", maintain_order=True)


def message(known: Known, event: str, at: int, shop_id: str) -> dict[str, str]:
    """One element of a delivery: tag, msg_id and the data that this tag carries, as JSON text."""
    tag, order_no = TAGS[event], known.order["order_no"]
    data = _after_sale(known, event, at) if tag.startswith("2") else _trade(known, event, at, tag)
    data = {"p_id": int(order_no), "shop_id": int(shop_id), **data}
    return {"tag": tag, "msg_id": f"{order_no}:{tag}:{at}:{shop_id}", "data": json.dumps(data, ensure_ascii=False)}


def _trade(known: Known, event: str, at: int, tag: str) -> dict[str, Any]:
    order, placed = known.order, known.happened["order.placed"]
    lines = [int(douyin_order.line_id(order, line["line_no"])) for line in known.lines]
    status, _ = douyin_order.statuses(known.happened)
    shared = {"s_ids": lines, "order_status": status, "order_type": 0, "create_time": placed, "biz": 2}
    parcel = {"express_company_id": order["carrier"], "logistics_code": order["tracking_no"] or ""}
    own: dict[str, dict[str, Any]] = {
        "101": {"pay_time": at, "pay_type": douyin_order.pay_type(order), "pay_amount": order["total_minor"]},
        "102": {"logistics_msg": parcel, "receiver_msg": {}, "update_time": at},
        "103": {"complete_time": at},
        "104": {
            "logistics_msg": {**parcel, "logistics_status": douyin_order.CARRIER_STATES.get(event, "")},
            "update_time": at,
        },
        "106": {"cancel_reason": "", "cancel_time": at},
        "108": {"logistics_msg": parcel, "receiver_msg": {}, "update_time": at},
    }
    return shared | own.get(tag, {})


def _after_sale(known: Known, event: str, at: int) -> dict[str, Any]:
    """After-sale pushes write their time as ISO-8601 at +08:00, other than all the rest of the platform."""
    case = douyin_order.case({e: happened for e, happened in known.happened.items() if happened <= at} | {event: at})
    line = douyin_order.line_id(known.order, 1)
    return {
        "aftersale_id": int(line) + 1_000_000,
        "aftersale_status": case["after_sale_status"],
        "aftersale_type": case["after_sale_type"],
        "s_id": int(line),
        "refund_amount": known.order["paid_minor"],
        "refund_post_amount": known.order["freight_minor"],
        "reason_code": 0,
        "update_time": datetime.fromtimestamp(at, BEIJING).isoformat(),
    }


class Pusher:
    """Delivers one shop's messages that become due after `since` (epoch seconds), until cancelled."""

    def __init__(
        self, ledger: Ledger, *, app_key: str, secret: str, shop_id: str, url: str, faults: Faults, since: float
    ) -> None:
        self._ledger, self._url = ledger, url
        self._app_key, self._secret, self._shop_id = app_key, secret, shop_id
        self._due = due(ledger, faults).filter(pl.col("due") >= since)
        self._next = 0
        self._again: list[tuple[float, int, int, bytes, str]] = []
        self._count = itertools.count()
        self.taken = self.refused = self.lost = 0
        """Deliveries answered with success, those that were not, and those given up after the last try."""

    @property
    def done(self) -> bool:
        return self._next == self._due.height and not self._again

    async def run(self, clock: Callable[[], int], pause_s: float = 0.2) -> None:
        async with httpx.AsyncClient(timeout=ANSWER_S) as link:
            while not self.done:
                if not await self.tick(link, clock() / SECOND):
                    await asyncio.sleep(pause_s)

    async def tick(self, link: httpx.AsyncClient, now: float) -> bool:
        """Sends what is due; False when there was nothing."""
        if self._again and self._again[0][0] <= now:
            _, _, tries, body, sign = heapq.heappop(self._again)
            await self._send(link, now, tries, body, sign)
            return True
        stop = int(self._due["due"].search_sorted(now, "right"))
        rows = self._due[self._next : min(stop, self._next + AT_ONCE)]
        self._next += rows.height
        for forged in (False, True):
            batch = rows.filter(pl.col("forged") == forged)
            if batch.height:
                body = self._body(batch)
                await self._send(link, now, 0, body, "0" * 64 if forged else self._sign(body))
        return rows.height > 0

    def _body(self, batch: pl.DataFrame) -> bytes:
        """Each message tells the order as it was at its event, however late it is delivered."""
        messages = [
            message(self._ledger.order(position, at), event, at, self._shop_id)
            for position, event, at in batch.select("position", "event", "at").iter_rows()
        ]
        return json.dumps(messages, ensure_ascii=False, separators=(",", ":")).encode()

    def _sign(self, body: bytes) -> str:
        text = self._app_key.encode() + body + self._secret.encode()
        return hmac.digest(self._secret.encode(), text, "sha256").hex()

    async def _send(self, link: httpx.AsyncClient, now: float, tries: int, body: bytes, sign: str) -> None:
        headers = {"app-id": self._app_key, "event-sign": sign, "sign-method": "hmac-sha256"}
        headers["content-type"] = "application/json"
        try:
            response = await link.post(self._url, content=body, headers=headers)
            taken = response.status_code == 200 and response.json().get("code") == 0
        except (httpx.HTTPError, ValueError, AttributeError):
            taken = False
        self.taken += taken
        self.refused += not taken
        # Nobody insists on a forged delivery.
        if taken or not sign.strip("0"):
            return
        if tries < len(RETRY_S):
            heapq.heappush(self._again, (now + RETRY_S[tries], next(self._count), tries + 1, body, sign))
        else:
            self.lost += 1
