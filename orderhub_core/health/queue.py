"""The queue in people's words: what waits and of whom, what is parked and why, which effects are open. Pure.

The names are English; each language translates them. Instants are microseconds UTC, shown in the time zone that is
passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.errors import OrderHubError
from orderhub_core.health.texts import SLOW_S
from orderhub_core.i18n import Named, Tile, Translate, by_id, retold

Kind = Literal["good", "warn", "bad"]

MOST = 500
"""Parked messages that one page shows."""
AT_A_TIME = 50
"""Messages of one step of a replay: the reader sees it move."""

STATES = {
    "waiting": "Waiting",
    "leased": "Under way",
    "failing": "Failing, tried again later",
    "person": "For a person",
}
WORST_FIRST = ("person", "failing", "waiting", "leased")
SNAPSHOT = "A snapshot has no queue: look at the console of the hub itself."
REPLAY, DISMISS = "Try them again", "Dismiss them: nobody needs to read them"
SURE = "Yes, do it; trying again takes all, where none is chosen"
NO_WORKER = (
    "Messages wait, and none was applied since {at}: perhaps no worker runs. `orderhub worker` is one, with the same"
    " --data and --database; where one runs, its log says what keeps it."
)
READ_ONLY = "Read only: replay or dismiss in the hub's own console, or with `orderhub inbox`."


class Lag(Protocol):
    @property
    def source(self) -> str: ...
    @property
    def received_at(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def oldest_at(self) -> int | None: ...


class Flow(Protocol):
    """What is read of a living hub's flow."""

    @property
    def as_of(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def oldest_at(self) -> int | None: ...
    @property
    def parked(self) -> int: ...
    @property
    def lags(self) -> Sequence[Lag]: ...
    @property
    def effects(self) -> Sequence[tuple[str, str, int]]: ...
    @property
    def refused(self) -> Sequence[tuple[str, str, int]]: ...
    @property
    def conflicts(self) -> Sequence[tuple[str, int]]: ...
    @property
    def leased_until(self) -> int | None: ...
    @property
    def failures(self) -> Sequence[tuple[str, int, str]]: ...
    @property
    def still_since(self) -> int | None: ...


class Hub(Protocol):
    """What is done with parked messages."""

    def parked(self) -> Sequence[Mapping[str, Any]]: ...
    def replay(self, ids: Sequence[int], /) -> Mapping[Any, str]: ...
    def dismiss(self, ids: Sequence[int], /, *, reason: str, by: str) -> int: ...


def tiles(flow: Flow, tr: Translate) -> list[Tile]:
    """The queue in figures. Bad is what waits too long, or for a person."""
    states = {state: sum(n for _, at, n in flow.effects if at == state) for state in STATES}
    failing, by_hand = states["failing"], states["person"]
    remarks = [tr("{n} failing").format(n=f"{failing:,}")] if failing else []
    remarks += [tr("{n} for a person").format(n=f"{by_hand:,}")] if by_hand else []
    unproven = {why: sum(n for _, reason, n in flow.refused if reason == why) for why in ("bad_signature", "bad_clock")}
    by_clock = unproven["bad_clock"]
    against = sum(messages for _, messages in flow.conflicts)
    late = _age_s(flow, flow.oldest_at) > SLOW_S
    return [
        (tr("Waiting"), f"{flow.waiting:,}", "", "plain"),
        (
            tr("Oldest message"),
            _ago(_age_s(flow, flow.oldest_at), tr),
            tr("waits too long") if late else "",
            _bad(late),
        ),
        (tr("Parked"), f"{flow.parked:,}", tr("for a person to read") if flow.parked else "", _bad(flow.parked > 0)),
        (tr("Effects waiting"), f"{sum(states.values()) - by_hand:,}", " · ".join(remarks), _bad(by_hand > 0)),
        (
            tr("Refused signatures"),
            f"{sum(unproven.values()):,}",
            tr("{n} for the sender's clock").format(n=f"{by_clock:,}") if by_clock else "",
            "plain",
        ),
        (
            tr("Conflicting messages"),
            f"{against:,}",
            tr("same id, other body: `orderhub inbox conflicts`") * (against > 0),
            "plain",
        ),
    ]


def idle(flow: Flow, zone: str, tr: Translate) -> tuple[str, Kind]:
    """What to know where messages wait and nobody applies any; empty where somebody does, or nothing is late. A worker
    is seen by its work alone."""
    late = _age_s(flow, flow.oldest_at) > SLOW_S and _age_s(flow, flow.still_since) > SLOW_S
    if not late or flow.still_since is None:
        return "", "good"
    return tr(NO_WORKER).format(at=_clock(flow.still_since, zone)), "bad"


def sources(flow: Flow, shops: Collection[str], zone: str, tr: Translate) -> pl.DataFrame:
    """Every shop, and whoever else has sent something: when it was heard of, what waits. Whose waits longest, first."""
    known = {lag.source: lag for lag in flow.lags}
    rows = []
    for source in sorted({*known, *shops}):
        lag = known.get(source)
        age = _age_s(flow, lag.oldest_at) if lag else 0.0
        rows.append((source, lag.waiting if lag else 0, round(age), _clock(lag.received_at, zone) if lag else "—"))
    names = [tr("Source"), tr("Waiting"), tr("Oldest, s"), tr("Last received")]
    kinds = (pl.String, pl.Int64, pl.Int64, pl.String)
    frame = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    return frame.sort(names[2], names[1], descending=True, maintain_order=True)


def effects(flow: Flow, tr: Translate) -> pl.DataFrame:
    """Effects that are not done, those that need somebody first."""
    ranked = sorted(flow.effects, key=lambda effect: (WORST_FIRST.index(effect[1]), -effect[2], effect[0]))
    rows = [(target, tr(STATES[state]), number) for target, state, number in ranked]
    names = {tr("Target"): pl.String, tr("State"): pl.String, tr("Effects"): pl.Int64}
    return pl.DataFrame(rows, schema=names, orient="row")


def remarks(flow: Flow, zone: str, tr: Translate, named: Named = by_id) -> list[str]:
    """What to know of effects besides: why those of a target fail, and when it is asked again at the earliest; when
    what a worker has left that is gone is tried again."""
    failing = tr("{target}: {why} (tried again after {at})")
    told = [
        failing.format(target=named("target", target), why=retold(why, tr), at=_clock(next_at, zone))
        for target, next_at, why in flow.failures
    ]
    count = sum(n for _, state, n in flow.effects if state == "leased")
    if not count or flow.leased_until is None:
        return told
    text = tr("Effects under way: {n}. What a worker has left, because it was killed, is tried again after {at}.")
    return [*told, text.format(n=f"{count:,}", at=_clock(flow.leased_until, zone))]


def parked(rows: Sequence[Mapping[str, Any]], zone: str, tr: Translate) -> pl.DataFrame:
    """Parked messages with the reason, which the hub keeps in English."""
    told = [
        (row["id"], row["source"], retold(row["reason"], tr), row["kind"], _clock(row["parked_at"], zone))
        for row in rows
    ]
    names = [tr("Number"), tr("Source"), tr("Reason"), tr("Kind"), tr("Since")]
    kinds = (pl.Int64, pl.String, pl.String, pl.String, pl.String)
    return pl.DataFrame(told, schema=dict(zip(names, kinds, strict=True)), orient="row")


def asked(chosen: pl.DataFrame, rows: Sequence[Mapping[str, Any]], tr: Translate) -> list[list[int]]:
    """Ids of the messages to try again, in steps: those chosen in the table, or all."""
    ids = chosen[tr("Number")].to_list() if chosen.height else [row["id"] for row in rows]
    return [ids[at : at + AT_A_TIME] for at in range(0, len(ids), AT_A_TIME)]


def choices(tr: Translate) -> dict[str, str]:
    """What may be done with parked messages: its name to the word for it."""
    return {tr(REPLAY): "replay", tr(DISMISS): "dismiss"}


def words(tr: Translate) -> dict[str, str]:
    """What is asked in words besides."""
    return {"reason": tr("Why, if dismissed (name no customer)"), "by": tr("Your name")}


def lacks(asked: Mapping[str, Any], tr: Translate) -> str:
    """What is missing of an answer; empty when nothing is. Dismissing is never for all, and never without a word."""
    if asked["do"] != "dismiss":
        return ""
    if not len(asked["rows"]):
        return tr("Choose the messages to dismiss.")
    return "" if asked["reason"].strip() and asked["by"].strip() else tr("Dismissing needs a reason and your name.")


def carried_out(
    answer: Mapping[str, Any],
    hub: Hub,
    progress: Callable[[list[list[int]]], Iterable[list[int]]],
    tr: Translate,
) -> tuple[str, Kind]:
    """Do with the `rows` of an answer what it says, and tell what became of it. Trying again shows its `progress`."""
    try:
        if answer["do"] == "dismiss":
            ids = answer["rows"][tr("Number")].to_list()
            return dismissed(hub.dismiss(ids, reason=answer["reason"], by=answer["by"]), tr)
        all_there_are = () if answer["rows"].height else hub.parked()
        steps = progress(asked(answer["rows"], all_there_are, tr))
        return replayed([outcome for ids in steps for outcome in hub.replay(ids).values()], tr)
    except OrderHubError as failure:
        return failure.told(tr), "bad"


def dismissed(messages: int, tr: Translate) -> tuple[str, Kind]:
    """What became of a dismissal, and how to take it back."""
    text = tr("Dismissed {n}. They stay in the inbox: `orderhub inbox replay` takes it back.")
    return text.format(n=f"{messages:,}"), "good"


def replayed(outcomes: Collection[str], tr: Translate) -> tuple[str, Kind]:
    """What became of a replay in one sentence, and how that is."""
    still = sum(outcome == "parked" for outcome in outcomes)
    text = tr("Tried {n} again: {read} were read, {still} are still parked.")
    counts = {"n": len(outcomes), "read": len(outcomes) - still, "still": still}
    return text.format(**{name: f"{count:,}" for name, count in counts.items()}), "warn" if still else "good"


def _ago(seconds: float, tr: Translate) -> str:
    if seconds < 120:
        return tr("{n} s").format(n=f"{seconds:,.0f}")
    return (
        tr("{n} min").format(n=f"{seconds / 60:,.0f}")
        if seconds < 7_200
        else tr("{n} h").format(n=f"{seconds / 3_600:,.1f}")
    )


def _age_s(flow: Flow, at: int | None) -> float:
    return 0.0 if at is None else max(0.0, (flow.as_of - at) / 1e6)


def _clock(at: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)):%m-%d %H:%M:%S}"


def _bad(trouble: bool) -> str:
    return "bad" if trouble else "plain"
