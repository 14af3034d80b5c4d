"""The checker checked: faults of every kind, planted at known rates, and what the audit makes of them.

The truth is made in `planting` and nowhere else. Each kind has a mark by which the audit must tell it: verdict, field
and cause. Recall is the share of the planted orders that carry it; precision the share of the orders carrying it in
which such a fault was planted. Orders are in two trios of touchpoints, with empty cells, late rows and news that is
still on its way among the honest ones.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.planting import NOW_S, PLANT, TRIOS, Ints, Rows, frames, honest, recent
from orderhub_core.audit.report import Report, audit


class Mark(msgspec.Struct, frozen=True):
    """How the audit must tell a fault."""

    verdict: str
    field: str = "status"
    causes: tuple[str, ...] = ()
    """One of these; none: any."""


class Kind(msgspec.Struct, frozen=True):
    name: str
    mark: Mark
    about: str


LOST = Mark("conflict", causes=("lost_event",))
ANY_BUT_MAPPING = ("unknown", "lost_event")
KINDS = (
    Kind("lost_event", LOST, "one stays at an old word for good"),
    Kind("late_beyond_lag", LOST, "one is hours behind, longer than it ever takes"),
    Kind("late_within_lag", Mark("lagging", causes=("late_poll",)), "one is behind, as it often is"),
    Kind("illegal_regression", Mark("conflict", causes=("illegal_regression",)), "one goes back to a stage long left"),
    Kind(
        "forged_progress", Mark("conflict", causes=("forged_progress",)), "the shop says shipped before anybody packed"
    ),
    Kind("contradiction", Mark("conflict", causes=("unknown",)), "delivered, and cancelled or returned by one"),
    Kind("unknown_word", Mark("unknown_word", causes=("mapping_error",)), "a word that stands in no table"),
    Kind("nothing_said", Mark("not_comparable"), "status null, empty, blanks or 'N/A'"),
    Kind("missing_row", Mark("missing", causes=("missing_row",)), "one does not have the order"),
    Kind("duplicate_id", Mark("duplicate", "order_no", ("duplicate",)), "one has the order twice"),
    Kind("wrong_amount", Mark("conflict", "paid", ANY_BUT_MAPPING), "the amount is off by some cents to yuan"),
    Kind("wrong_unit", Mark("conflict", "paid", ("mapping_error",)), "fen read as yuan"),
    Kind("wrong_zone", Mark("conflict", "paid_at", ("mapping_error",)), "paid_at in another time zone"),
    Kind("wrong_parcel", Mark("conflict", "tracking_no", ANY_BUT_MAPPING), "another tracking number"),
    Kind("blank_field", Mark("not_comparable", "tracking_no"), "no tracking number after shipping"),
    Kind("blank_amount", Mark("not_comparable", "paid"), "no amount after paying"),
)
BAR = 0.99
"""Recall and precision of every kind."""
SILENT = ("unknown_word", "nothing_said", "missing_row", "blank_field", "blank_amount")
"""Kinds in which something is not known: never `equal`."""


class Outcome(msgspec.Struct, frozen=True):
    kind: str
    trio: str
    planted: int
    found: int
    marked: int
    """Orders that carry the mark, whether planted or not."""
    rightly: int
    named: int
    """Found with somebody named, and below: rightly named."""
    named_rightly: int

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        return self.rightly / self.marked if self.marked else 1.0


class Result(msgspec.Struct, frozen=True):
    seed: int
    orders: int
    """Per trio."""
    rate: float
    outcomes: list[Outcome]
    equal_without_knowledge: int
    """Orders told `equal` or `compatible` though something of them is unknown or missing. Must be none."""
    false_alarms: int
    """Orders without a fault that are told worse than `lagging`."""
    honest: int

    def passed(self) -> bool:
        good = all(outcome.recall >= BAR and outcome.precision >= BAR for outcome in self.outcomes)
        return good and not self.equal_without_knowledge


def to_json(result: Result) -> str:
    """One line."""
    kinds = [
        {**msgspec.structs.asdict(one), "recall": one.recall, "precision": one.precision} for one in result.outcomes
    ]
    told = {**msgspec.structs.asdict(result), "passed": result.passed(), "bar": BAR, "outcomes": kinds}
    return msgspec.json.encode(told).decode()


def run(seed: int, orders: int = 40_000, rate: float = 0.01) -> Result:
    """Both trios with `orders` each, every kind planted in `rate` of them. Same arguments, same result."""
    outcomes: list[Outcome] = []
    lies = alarms = calm_orders = 0
    for place, trio in enumerate(TRIOS):
        scene = honest(np.random.default_rng((seed, place)), TRIOS[trio], orders)
        on_the_way = (scene.step.max(axis=0) != scene.step.min(axis=0)) & recent(scene)
        planted = {kind.name: PLANT[kind.name](scene, round(orders * rate)) for kind in KINDS}
        report = audit(frames(scene), as_of=NOW_S * 1_000_000, sample=0)
        told = _told(report)
        outcomes += [_outcome(kind, trio, planted, told, scene, on_the_way) for kind in KINDS]
        verdicts = report.orders.select(pl.col("order_no").cast(pl.Int64), "verdict")
        silent = np.concatenate([planted[name] for name in SILENT])
        calm = verdicts.filter(pl.col("verdict").is_in(["equal", "compatible"]))
        lies += calm.filter(pl.col("order_no").is_in(silent.tolist())).height
        worse = verdicts.filter(~pl.col("verdict").is_in(["equal", "compatible", "lagging"]))
        alarms += worse.filter(pl.col("order_no").is_in(np.flatnonzero(scene.free).tolist())).height
        calm_orders += int(scene.free.sum())
    return Result(seed, orders, rate, outcomes, lies, alarms, calm_orders)


def _told(report: Report) -> pl.DataFrame:
    return report.problems.select(
        pl.col("order_no").cast(pl.Int64), "verdict", "field", "cause", "probably_wrong"
    ).cast({"verdict": pl.String, "cause": pl.String})


def _outcome(
    kind: Kind,
    trio: str,
    planted: dict[str, Ints],
    told: pl.DataFrame,
    scene: Rows,
    on_the_way: npt.NDArray[np.bool_],
) -> Outcome:
    mark = kind.mark
    carrying = told.filter(verdict=mark.verdict, field=mark.field)
    if mark.causes:
        carrying = carrying.filter(pl.col("cause").is_in(mark.causes))
    meant = {name for name in planted for other in KINDS if other.name == name and other.mark == mark}
    truth = set(np.concatenate([planted[name] for name in meant]).tolist())
    if mark.verdict == "lagging":
        truth |= set(np.flatnonzero(on_the_way).tolist())
    own = set(planted[kind.name].tolist())
    marked = carrying["order_no"].to_list()
    found = carrying.filter(pl.col("order_no").is_in(list(own)))
    named = [(no, who) for no, who in found.select("order_no", "probably_wrong").iter_rows() if who]
    rightly = sum(scene.names[scene.victim[no]] == who for no, who in named)
    return Outcome(
        kind.name, trio, len(own), found.height, len(marked), sum(no in truth for no in marked), len(named), rightly
    )
