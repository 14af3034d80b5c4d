"""What the queue view shows of a flow, checked on small values made by hand."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from orderhub_core import i18n
from orderhub_core.health import queue

EN, ZH = i18n.translator("en"), i18n.translator("zh")
ZONE = "Asia/Shanghai"
NOON = 1_762_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 4 * 3_600_000_000
"""12:00 in Shanghai."""


class Lag(NamedTuple):
    source: str
    received_at: int
    waiting: int = 0
    oldest_at: int | None = None


class Flow(NamedTuple):
    as_of: int = NOON
    waiting: int = 0
    oldest_at: int | None = None
    parked: int = 0
    lags: tuple[Lag, ...] = ()
    effects: tuple[tuple[str, str, int], ...] = ()
    refused: tuple[tuple[str, str, int], ...] = ()
    conflicts: tuple[tuple[str, int], ...] = ()
    leased_until: int | None = None
    failures: tuple[tuple[str, int, str], ...] = ()
    still_since: int | None = None


def test_effects_of_a_worker_that_may_be_gone_say_until_when_they_are_leased() -> None:
    assert queue.remarks(Flow(effects=(("w", "waiting", 3),)), ZONE, EN) == []
    flow = Flow(effects=(("w", "leased", 3), ("v", "leased", 1), ("w", "person", 9)), leased_until=NOON + 120_000_000)
    (told,) = queue.remarks(flow, ZONE, EN)
    assert "Effects under way: 4." in told and "tried again after" in told and ":02:00" in told
    assert "4 个" in queue.remarks(flow, ZONE, ZH)[0]


def test_why_a_target_fails_is_told_and_when_it_is_asked_again() -> None:
    why = "hz: cannot reach http://wms.test/orders (Connection refused); check its url and that it is running"
    flow = Flow(effects=(("hz", "failing", 1),), failures=(("hz", NOON + 90_000_000, why),))
    (told,) = queue.remarks(flow, ZONE, EN, lambda kind, known_as: f"{kind} {known_as}")
    assert told.startswith("target hz: hz: cannot reach") and ":01:30" in told
    (told,) = queue.remarks(flow, ZONE, ZH)
    assert "Connection refused" in told and "cannot reach" not in told


def ago(seconds: float) -> int:
    return NOON - round(seconds * 1e6)


@pytest.mark.parametrize(
    ("flow", "told"),
    [
        (Flow(), False),
        (Flow(still_since=ago(9_000)), False),  # nothing waits: whoever applies has nothing to do
        (Flow(waiting=9, oldest_at=ago(60), still_since=ago(9_000)), False),
        (Flow(waiting=9, oldest_at=ago(300), still_since=ago(1)), False),  # a backlog, and somebody at it
        (Flow(waiting=9, oldest_at=ago(300), still_since=ago(200)), True),
    ],
)
def test_where_messages_wait_and_none_is_applied_a_worker_is_asked_for(flow: Flow, told: bool) -> None:
    for tr in (EN, ZH):
        said, kind = queue.idle(flow, ZONE, tr)
        assert (bool(said), "`orderhub worker`" in said, "11:56:40" in said, kind == "bad") == (told,) * 4


@pytest.mark.parametrize(
    ("flow", "alarmed"),
    [
        (Flow(), set()),
        (
            Flow(waiting=9, oldest_at=ago(60), refused=(("a", "bad_signature", 7),), effects=(("w", "waiting", 3),)),
            set(),
        ),
        (Flow(waiting=1, oldest_at=ago(61)), {"Oldest message"}),
        (Flow(parked=1), {"Parked"}),
        (Flow(effects=(("w", "failing", 2),)), set()),
        (Flow(effects=(("w", "failing", 2), ("w", "person", 1))), {"Effects waiting"}),
    ],
)
def test_the_queue_alarms_only_where_a_person_is_needed(flow: Flow, alarmed: set[str]) -> None:
    tiles = queue.tiles(flow, EN)
    assert {name for name, _, _, tone in tiles if tone == "bad"} == alarmed
    assert all(note for _, _, note, tone in tiles if tone == "bad")


def test_the_tiles_count_what_they_say() -> None:
    flow = Flow(
        waiting=1234,
        oldest_at=ago(600),
        parked=5,
        effects=(("a", "waiting", 3), ("a", "failing", 4), ("b", "leased", 1), ("b", "person", 2)),
        refused=(("a", "bad_signature", 6), ("b", "bad_clock", 4), ("a", "too_large", 9)),
        conflicts=(("a", 2), ("b", 5)),
    )
    assert [tile[1] for tile in queue.tiles(flow, EN)] == ["1,234", "10 min", "5", "8", "10", "7"]
    assert queue.tiles(flow, EN)[3][2] == "4 failing · 2 for a person"
    assert queue.tiles(flow, EN)[4][2] == "4 for the sender's clock"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2.0 h")]
)
def test_an_age_is_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert queue.tiles(Flow(waiting=1, oldest_at=ago(seconds)), EN)[1][1] == said


def test_whose_messages_wait_longest_comes_first_and_a_silent_shop_is_listed() -> None:
    lags = (Lag("fast", ago(1), 900, ago(2)), Lag("idle", ago(3_600)), Lag("slow", ago(5), 3, ago(90)))
    rows = queue.sources(Flow(lags=lags), ["slow", "never"], ZONE, EN)
    assert rows.select("Source", "Waiting", "Oldest, s").rows() == [
        ("slow", 3, 90),
        ("fast", 900, 2),
        ("idle", 0, 0),
        ("never", 0, 0),
    ]
    assert [heard[-8:] for heard in rows["Last received"]] == ["11:59:55", "11:59:59", "11:00:00", "—"]


def test_effects_that_need_a_person_come_first() -> None:
    effects = (("b", "waiting", 9), ("a", "leased", 1), ("b", "person", 1), ("a", "failing", 2))
    assert queue.effects(Flow(effects=effects), EN).rows() == [
        ("b", "For a person", 1),
        ("a", "Failing, tried again later", 2),
        ("b", "Waiting", 9),
        ("a", "Under way", 1),
    ]


@pytest.mark.parametrize("tr", [EN, ZH])
def test_a_replay_asks_for_what_was_chosen_or_for_all(tr: i18n.Translate) -> None:
    rows = [{"id": n, "source": "s", "kind": "k", "reason": "r", "parked_at": NOON} for n in range(120)]
    shown = queue.parked(rows, ZONE, tr)
    assert queue.asked(shown[[3, 7]], rows, tr) == [[3, 7]]
    steps = queue.asked(shown.clear(), rows, tr)
    assert [id for step in steps for id in step] == list(range(120))
    assert max(map(len, steps)) == queue.AT_A_TIME


def test_a_replay_says_what_became_of_it() -> None:
    assert queue.replayed(["updated", "parked", "imported"], EN) == (
        "Tried 3 again: 2 were read, 1 are still parked.",
        "warn",
    )
    assert queue.replayed(["updated"], EN)[1] == "good"
