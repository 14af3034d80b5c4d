"""What the touchpoints show of the truth: their own words, in their own time, and wrongly at known rates.

Laws
  1. A touchpoint's lag is one span per order, so that its rows keep the order of the events.
  2. `at` is the touchpoint's own update time (event + lag) and is always honest; a fault delays, repeats,
     drops or falsifies what can be *read*. The row with the newest `at` that is visible is what it shows.
  3. A false word is never a neighbour of the right one: that would look like a lag.
  4. At most one fault per touchpoint, order and event; all of them stand in `planted`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.model import Event
from orderhub_core.sim.world.course import NEVER
from orderhub_core.sim.world.plan import DAY_S, FAULT_RATES, HOUR_S, Codes, Plan, Rows, Seconds

E = Event


class Voice(NamedTuple):
    """One touchpoint: its least and greatest normal lag, and the word per event, in the order of stages."""

    lag_s: tuple[int, int]
    words: dict[Event, str]


TOUCHPOINTS: dict[str, Voice] = {
    "page": Voice(
        (2, 20),
        {
            E.PLACED: "待付款",
            E.PAID: "待发货",
            E.SHIPPED: "已发货",
            E.COLLECTED: "运输中",
            E.DELIVERED: "已签收",
            E.SETTLED: "已完成",
            E.AFTER_SALE_APPLIED: "退款中",
            E.REFUNDED: "已退款",
            E.VOIDED: "已取消",
        },
    ),
    "crm": Voice(
        (60, 900),
        {
            E.PLACED: "未支付",
            E.PAID: "已支付待审",
            E.LOCKED: "配货中",
            E.SHIPPED: "已交付快递",
            E.OUT_FOR_DELIVERY: "派送中",
            E.DELIVERED: "客户已收",
            E.AFTER_SALE_APPLIED: "售后处理中",
            E.REFUNDED: "已退款",
            E.VOIDED: "关闭",
        },
    ),
    "wms": Voice(
        (10, 90),
        {
            E.PAID: "待审核",
            E.LOCKED: "已锁库",
            E.LABELLED: "已打单",
            E.SHIPPED: "已出库",
            E.COLLECTED: "已揽收",
            E.INTERCEPTED: "已拦截",
            E.CANCELLED: "已取消",
        },
    ),
}
LATE_S = (1800, 2 * DAY_S)
"""Bounds of a planted delay; the least is longer than any normal lag. Typical: three hours."""
TWICE_S = (60, 6 * HOUR_S)
"""Bounds of the time between two showings of one row."""

NAMES = pl.Enum(list(TOUCHPOINTS))
WORDS = pl.Enum(sorted({word for voice in TOUCHPOINTS.values() for word in voice.words.values()}))
WORD_CODES = {word: code for code, word in enumerate(WORDS.categories)}
FAULTS = pl.Enum(FAULT_RATES)


class Told(NamedTuple):
    """One entry per fact that a touchpoint was told; codes are positions in NAMES, `model.Event`, WORDS, FAULTS.

    `fault` is -1 for an honest row; `delay_s` is what the fault adds.
    """

    touchpoint: Codes
    event: Codes
    row: Rows
    word: Codes
    fault: Codes
    happened_s: Seconds
    at_s: Seconds
    delay_s: Seconds


def tell(plan: Plan, at: dict[Event, Seconds]) -> Told:
    """Every fact as its touchpoint was told it, with the fault that the dice gave it."""
    parts = []
    for name, voice in TOUCHPOINTS.items():
        lag_s = plan.dice("lag", name).integers(voice.lag_s[0], voice.lag_s[1], plan.orders, endpoint=True)
        parts += [_fact(plan, name, event, at[event], lag_s) for event in voice.words]
    return Told(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _fact(plan: Plan, name: str, event: Event, happened_s: Seconds, lag_s: Seconds) -> Told:
    dice, words = plan.dice("faults", name, event), TOUCHPOINTS[name].words
    row = np.flatnonzero(happened_s != NEVER).astype(np.int32)
    size = len(row)
    bounds = np.cumsum([getattr(plan, rate) for rate in FAULT_RATES])
    fault = np.searchsorted(bounds, dice.random(size), side="right").astype(np.int8)
    fault[fault == len(FAULT_RATES)] = -1
    late, twice, wrong = (fault == FAULT_RATES.index(kind) for kind in ("late", "twice", "wrong"))

    delay_s = np.zeros(size, dtype=np.int64)
    hours = 3 * HOUR_S * np.exp(dice.standard_normal(int(late.sum())))
    delay_s[late] = np.clip(hours, *LATE_S).astype(np.int64)
    delay_s[twice] = dice.integers(*TWICE_S, int(twice.sum()), endpoint=True)
    own = list(words).index(event)
    codes = [WORD_CODES[word] for word in words.values()]
    word = np.full(size, codes[own], dtype=np.int8)
    word[wrong] = dice.choice([code for place, code in enumerate(codes) if abs(place - own) > 1], int(wrong.sum()))
    return Told(
        np.full(size, list(TOUCHPOINTS).index(name), dtype=np.int8),
        np.full(size, list(Event).index(event), dtype=np.int8),
        row,
        word,
        fault,
        happened_s[row],
        happened_s[row] + lag_s[row],
        delay_s,
    )
