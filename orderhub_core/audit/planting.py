"""Orders whose truth is known: honest touchpoints, and faults written into what they show.

Everything here is made without the audit: own words, own steps, own dice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.frames import INSTANT

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW_S = 1_790_000_000
NOT_YET = np.iinfo(np.int64).max

PENDING, PAID, LOCKED, SHIPPED, COLLECTED, DELIVERED = range(6)
GAPS_S = (0, 10 * MINUTE, 2 * HOUR, 20 * HOUR, 6 * HOUR, 44 * HOUR)
"""From each step to the next, times 0.7 to 1.3."""

Ints = npt.NDArray[np.int64]


class Honest(msgspec.Struct, frozen=True):
    """A touchpoint as it should be."""

    words: tuple[str | None, ...]
    """Per step; None while it need not have the order."""
    lag_s: tuple[int, int]
    cancelled: str
    fields: tuple[str, ...]


_OF_THE_SHOP = ("paid", "paid_at", "tracking_no")
_OF_THE_PARCEL = ("tracking_no",)
_PAGE = ("待付款", "待发货", "待发货", "已发货", "运输中", "已签收")
_CRM = ("未支付", "已支付待审", "配货中", "已交付快递", "已交付快递", "客户已收")
_WMS = (None, "待审核", "已锁库", "已出库", "已揽收", "已揽收")
_TAOBAO = ("等待买家付款", "等待卖家发货", "等待卖家发货", "卖家已发货", "卖家已发货", "卖家已发货")
_ERP = (None, "待审核", "已审核", "已出库", "已出库", "已出库")
_COURIER = (None, None, None, "待揽收", "已揽件", "已签收")
TRIOS: dict[str, dict[str, Honest]] = {
    "service": {
        "page": Honest(_PAGE, (2, 20), "已取消", _OF_THE_SHOP),
        "crm": Honest(_CRM, (60, 900), "关闭", _OF_THE_SHOP),
        "wms": Honest(_WMS, (10, 90), "已取消", _OF_THE_PARCEL),
    },
    "supply": {
        "taobao": Honest(_TAOBAO, (5, 60), "已取消", _OF_THE_SHOP),
        "erp": Honest(_ERP, (120, 1500), "已作废", _OF_THE_SHOP),
        "courier": Honest(_COURIER, (60, 1200), "退回", _OF_THE_PARCEL),
    },
}
NONSENSE = ("STATUS_917", "状态码917", "warp drive", "？？？", "0")
NOTHING = (None, "", "   ", "NULL", "N/A", "-", "无")


@dataclass(eq=False)
class Rows:
    """Rows as arrays, touchpoint × order, into which faults are written."""

    names: list[str]
    honest: list[Honest]
    when: Ints
    """Step × order: when it happened, seconds."""
    lag: Ints
    step: Ints
    """The step that a touchpoint shows, -1 for no row."""
    word: npt.NDArray[np.object_]
    at: Ints
    values: dict[str, npt.NDArray[np.object_]]
    twice: npt.NDArray[np.bool_]
    free: npt.NDArray[np.bool_]
    """Orders without a fault."""
    dice: np.random.Generator
    victim: Ints

    def old(self, step: int, least_s: int = DAY) -> npt.NDArray[np.bool_]:
        """Free orders that reached the step so long ago that everybody has heard, and did nothing since."""
        reached = self.when[step] <= NOW_S - least_s
        recent = ((self.when > NOW_S - 3 * HOUR) & (self.when <= NOW_S)).any(axis=0)
        flags: npt.NDArray[np.bool_] = self.free & reached & ~recent
        return flags

    def show(self, place: int, orders: Ints, step: int) -> None:
        """A touchpoint shows a step as it was then."""
        self.step[place, orders] = step
        self.word[place, orders] = self.honest[place].words[step]
        self.at[place, orders] = self.when[step, orders] + self.lag[place, orders]


def honest(dice: np.random.Generator, trio: dict[str, Honest], orders: int) -> Rows:
    gaps = np.array(GAPS_S)[:, None] * dice.uniform(0.7, 1.3, (len(GAPS_S), orders))
    when = (NOW_S - dice.integers(0, 20 * DAY, orders) + np.cumsum(gaps, axis=0)).astype(np.int64)
    unpaid = dice.random(orders) < 0.05
    when[PAID:, unpaid] = NOT_YET
    lag = np.stack([dice.integers(*own.lag_s, orders, endpoint=True) for own in trio.values()])
    scene = Rows(
        names=list(trio),
        honest=list(trio.values()),
        when=when,
        lag=lag,
        step=np.zeros(lag.shape, dtype=np.int64),
        word=np.full(lag.shape, None, dtype=np.object_),
        at=np.zeros(lag.shape, dtype=np.int64),
        values={name: np.full(lag.shape, None, dtype=np.object_) for name in ("paid", "paid_at", "tracking_no")},
        twice=np.zeros(lag.shape, dtype=np.bool_),
        free=np.ones(orders, dtype=np.bool_),
        dice=dice,
        victim=np.full(orders, -1),
    )
    _tell(scene, np.arange(orders))
    return scene


def _tell(scene: Rows, orders: Ints) -> None:
    """What every touchpoint honestly shows of some orders now."""
    amount, parcel = 1_000 + orders * 7 % 90_000, _parcel(orders)
    for place, own in enumerate(scene.honest):
        heard = scene.when[:, orders] <= NOW_S - scene.lag[place, orders]
        step = heard.sum(axis=0) - 1
        changes = np.array([max(first for first in range(now + 1) if own.words[first] == own.words[now] and (
            first == 0 or own.words[first - 1] != own.words[first])) for now in range(6)])  # fmt: skip
        words = np.array([*own.words, None], dtype=np.object_)
        scene.step[place, orders] = step
        scene.word[place, orders] = words[step]
        since = scene.when[changes[np.maximum(step, 0)], orders]
        scene.at[place, orders] = np.where(step < 0, 0, since + scene.lag[place, orders])
        for name, value, due in (
            ("paid", amount, PAID),
            ("paid_at", scene.when[PAID, orders] * 1_000_000, PAID),
            ("tracking_no", parcel, SHIPPED),
        ):
            shown = [v if s >= due else None for v, s in zip(value.tolist(), step.tolist(), strict=True)]
            scene.values[name][place, orders] = shown


def _parcel(orders: Ints) -> Ints:
    return 730_000_000_000 + orders * 11


def recent(scene: Rows) -> npt.NDArray[np.bool_]:
    lately = (scene.when > NOW_S - HOUR) & (scene.when <= NOW_S)
    flags: npt.NDArray[np.bool_] = np.logical_or.reduce(lately, axis=0)
    return flags


def frames(scene: Rows) -> dict[str, pl.DataFrame]:
    shown = {}
    for place, (name, own) in enumerate(zip(scene.names, scene.honest, strict=True)):
        there = np.flatnonzero((scene.step[place] >= 0) & _has_row(scene, place))
        rows = np.concatenate([there, np.flatnonzero(scene.twice[place])])
        columns = {
            "order_no": pl.Series(rows).cast(pl.String),
            "status": pl.Series(scene.word[place, rows].tolist(), dtype=pl.String),
            "at": pl.Series(scene.at[place, rows] * 1_000_000).cast(INSTANT),
        }
        for field in own.fields:
            kind = {"paid": pl.Int64, "paid_at": pl.Int64, "tracking_no": pl.Int64}[field]
            value = pl.Series(scene.values[field][place, rows].tolist(), dtype=kind)
            columns[field] = value.cast(INSTANT) if field == "paid_at" else value
            if field == "tracking_no":
                columns[field] = value.cast(pl.String)
        shown[name] = pl.DataFrame(columns).sample(fraction=1, shuffle=True, seed=int(scene.dice.integers(1 << 30)))
    return shown


def _has_row(scene: Rows, place: int) -> npt.NDArray[np.bool_]:
    """A touchpoint that need not know an order yet has no row of it."""
    silent = [step for step, word in enumerate(scene.honest[place].words) if word is None]
    return ~np.isin(scene.step[place], silent)


def _drawn(scene: Rows, eligible: npt.NDArray[np.bool_], size: int) -> Ints:
    orders = scene.dice.permutation(np.flatnonzero(eligible & scene.free))[:size]
    scene.free[orders] = False
    return orders


def _victims(scene: Rows, orders: Ints, among: Iterable[int]) -> Iterable[tuple[int, Ints]]:
    """The orders, each given to one touchpoint that the fault befalls."""
    scene.victim[orders] = scene.dice.choice(list(among), len(orders))
    for place in set(among):
        yield place, orders[scene.victim[orders] == place]


def _carrying(scene: Rows, field: str) -> list[int]:
    return [place for place, own in enumerate(scene.honest) if field in own.fields]


def _early(scene: Rows) -> list[int]:
    """Touchpoints that have a word for an order that is being worked on."""
    return [place for place, own in enumerate(scene.honest) if own.words[LOCKED] is not None]


def _lost(scene: Rows, size: int) -> Ints:
    orders = _drawn(scene, scene.old(DELIVERED), size)
    for place, own in _victims(scene, orders, _early(scene)):
        scene.show(place, own, LOCKED)
    return orders


def _slow(scene: Rows, size: int, ago_s: tuple[int, int], shown: int) -> Ints:
    """Orders shipped so long ago, of which the slowest touchpoint still shows that they are being worked on."""
    orders = _drawn(scene, scene.old(DELIVERED), size)
    slowest = max(_early(scene), key=lambda place: scene.honest[place].lag_s[1])
    scene.when[:, orders] += NOW_S - scene.dice.integers(*ago_s, len(orders)) - scene.when[SHIPPED, orders]
    for place, own in enumerate(scene.honest):
        scene.lag[place, orders] = own.lag_s[1] if place == slowest else own.lag_s[0]
    _tell(scene, orders)
    scene.victim[orders] = slowest
    scene.show(slowest, orders, shown)
    scene.values["tracking_no"][slowest, orders] = None
    return orders


def _late_within(scene: Rows, size: int) -> Ints:
    return _slow(scene, size, (5 * MINUTE, 13 * MINUTE), LOCKED)


def _late_beyond(scene: Rows, size: int) -> Ints:
    return _slow(scene, size, (2 * HOUR, 4 * HOUR), LOCKED)


def _regression(scene: Rows, size: int) -> Ints:
    orders = _drawn(scene, scene.old(DELIVERED), size)
    for place, own in _victims(scene, orders, _early(scene)):
        scene.word[place, own] = next(word for word in scene.honest[place].words if word)
        scene.at[place, own] = scene.at[:, own].max(axis=0) + 5 * HOUR
    return orders


def _forged(scene: Rows, size: int) -> Ints:
    """Orders that were locked hours ago; the shop's side says shipped since before that."""
    orders = _drawn(scene, scene.old(DELIVERED), size)
    scene.when[:, orders] += NOW_S - scene.dice.integers(4 * HOUR, 10 * HOUR, len(orders)) - scene.when[LOCKED, orders]
    _tell(scene, orders)
    scene.victim[orders] = 0
    scene.word[0, orders] = scene.honest[0].words[SHIPPED]
    scene.at[0, orders] = scene.when[PAID, orders] + 10 * MINUTE
    scene.values["tracking_no"][0, orders] = _parcel(orders).tolist()
    return orders


def _contradiction(scene: Rows, size: int) -> Ints:
    orders = _drawn(scene, scene.old(DELIVERED), size)
    for place, own in _victims(scene, orders, _early(scene)):
        scene.word[place, own] = scene.honest[place].cancelled
    return orders


def _words(words: tuple[str | None, ...]) -> Callable[[Rows, int], Ints]:
    def plant(scene: Rows, size: int) -> Ints:
        orders = _drawn(scene, scene.old(SHIPPED), size)
        for place, own in _victims(scene, orders, range(len(scene.names))):
            scene.word[place, own] = np.array(words, dtype=np.object_)[scene.dice.integers(0, len(words), len(own))]
        return orders

    return plant


def _missing(scene: Rows, size: int) -> Ints:
    orders = _drawn(scene, scene.old(SHIPPED), size)
    for place, own in _victims(scene, orders, range(len(scene.names))):
        scene.step[place, own] = -1
    return orders


def _duplicate(scene: Rows, size: int) -> Ints:
    orders = _drawn(scene, scene.old(SHIPPED), size)
    for place, own in _victims(scene, orders, range(len(scene.names))):
        scene.twice[place, own] = True
    return orders


def _value(field: str, change: Callable[[Rows, Ints], Ints | None]) -> Callable[[Rows, int], Ints]:
    def plant(scene: Rows, size: int) -> Ints:
        orders = _drawn(scene, scene.old(SHIPPED), size)
        for place, own in _victims(scene, orders, _carrying(scene, field)):
            known = scene.values[field][place, own].astype(np.int64)
            changed = change(scene, known)
            scene.values[field][place, own] = None if changed is None else changed.tolist()
        return orders

    return plant


PLANT: dict[str, Callable[[Rows, int], Ints]] = {
    "lost_event": _lost,
    "late_beyond_lag": _late_beyond,
    "late_within_lag": _late_within,
    "illegal_regression": _regression,
    "forged_progress": _forged,
    "contradiction": _contradiction,
    "unknown_word": _words(NONSENSE),
    "nothing_said": _words(NOTHING),
    "missing_row": _missing,
    "duplicate_id": _duplicate,
    "wrong_amount": _value("paid", lambda scene, known: known + scene.dice.integers(1, 900, len(known))),
    "wrong_unit": _value("paid", lambda scene, known: known * 100),
    "wrong_zone": _value("paid_at", lambda scene, known: known - 8 * HOUR * 1_000_000),
    "wrong_parcel": _value(
        "tracking_no", lambda scene, known: known + 500_000_000 + scene.dice.integers(1, 900, len(known))
    ),
    "blank_field": _value("tracking_no", lambda scene, known: None),
    "blank_amount": _value("paid", lambda scene, known: None),
}
