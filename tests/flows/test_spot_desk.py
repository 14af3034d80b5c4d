"""Spot audits over a hub: read live, kept once, judged by several people, taken back, and all of it in the log."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import polars as pl
import pytest

from orderhub_core.audit.spot import book, seat, sheet
from orderhub_core.audit.spot.seat import Seat
from orderhub_core.audit.spot.sheet import Spec
from orderhub_core.errors import Busy, Unreachable, Unreadable, UserMistake
from orderhub_core.flows import gates, looking, spot
from orderhub_core.flows.shelf import Shelf
from orderhub_core.flows.spot import Desk
from orderhub_core.hub import Hub, SnapshotHub
from orderhub_core.model import RawMessage, Sighting
from orderhub_core.settings import Endpoint, Settings
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import backup, snapshot
from orderhub_core.store.homes import Home

DAY = 86_400_000_000
NOW = 1_790_000_000_000_000
NAMES = ("page", "crm", "wms")


class Place:
    """A touchpoint that shows what the world says, or fails, or is slow."""

    def __init__(self, name: str, rows: pl.DataFrame) -> None:
        own = rows.filter(pl.col("touchpoint").cast(pl.String) == name)
        self.rows = own.select(pl.col("shop", "order_no", "status").cast(pl.String), pl.col("at").cast(pl.Int64))
        self.asked: list[str] = []
        self.fails: Exception | None = None
        self.garbles = 0
        self.gate = threading.Event()
        self.gate.set()

    def look(self, order_nos: list[str]) -> list[RawMessage]:
        self.gate.wait(10)
        self.asked += order_nos
        if self.fails:
            raise self.fails
        shown = self.rows.filter(pl.col("order_no").is_in(order_nos)).to_dicts()
        found = [RawMessage("x", "x", "row", msgspec.json.encode(Sighting(**row))) for row in shown]
        return found + [RawMessage("x", "x", "row", b"{")] * self.garbles

    def decode(self, kind: str, body: bytes) -> Sighting:
        try:
            return msgspec.json.decode(body, type=Sighting)
        except msgspec.DecodeError as error:
            raise Unreadable(str(error)) from None


@pytest.fixture(scope="module")
def world() -> dict[str, pl.DataFrame]:
    return build(Plan(seed=5, orders=1_500, start=NOW - 9 * DAY, end=NOW)).until(NOW)


@pytest.fixture
def places(world) -> dict[str, Place]:
    return {name: Place(name, world["sightings"]) for name in NAMES}


@pytest.fixture
def desk(world, places, tmp_path) -> Callable[[], Desk]:
    known = Settings(touchpoints=tuple(Endpoint(name, "desk") for name in NAMES))
    return lambda: Desk(world.__getitem__, lambda: NOW, known, folder=tmp_path / "spot", touchpoint=places.__getitem__)


def opened(desk: Desk, spec: Spec) -> looking.Reading:
    reading = desk.open(spec)
    assert reading.wait(30)
    return reading


def test_what_is_read_live_is_kept_and_opened_again_without_asking(desk, places):
    first = desk()
    reading = opened(first, Spec(size=120))
    kept = first.sheet(reading.audit)
    assert (reading.done, reading.total) == (360, 360)
    assert [look.state for look in kept.looked] == ["live"] * 3
    assert set(places["crm"].asked) == {card.order_no for card in kept.cards}
    places["crm"].asked.clear()
    again = desk()
    assert opened(again, Spec(size=120)).error is None
    assert again.sheet(reading.audit) == kept and again.audits() == [reading.audit]
    assert places["crm"].asked == []


def test_an_audit_that_is_opened_as_the_week_ends_is_the_one_that_was_asked_for(world, places, tmp_path):
    """Sunday, a moment before midnight; reading ends on Monday."""
    sunday = int(datetime(2026, 9, 20, 23, 59, 59, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()) * 1_000_000
    moments = iter(range(sunday, sunday + 10**12, 2_000_000))
    known = Settings(touchpoints=tuple(Endpoint(name, "desk") for name in NAMES), time_zone="Asia/Shanghai")
    late = Desk(world.__getitem__, lambda: next(moments), known, folder=tmp_path, touchpoint=places.__getitem__)
    reading = opened(late, Spec(size=10))
    assert reading.error is None and late.audits() == [reading.audit]
    assert late.sheet(reading.audit).audit == reading.audit


def test_audits_are_listed_by_their_weeks_whatever_became_of_their_files(desk, tmp_path):
    first = desk()
    folder = tmp_path / "spot"
    folder.mkdir()
    weeks = ("2025-W52", "2026-W09", "2026-W38")
    for week in reversed(weeks):  # the oldest was written last, as after a restore
        (folder / f"spot-{week}-s7-n10-c99-simple.json").write_bytes(b"{}")
    (folder / "notes.json").write_bytes(b"{}")
    newest = [f"spot-{week}-s7-n10-c99-simple" for week in reversed(weeks)]
    assert first.audits() == newest
    gone = folder / "spot-2026-W20-s7-n10-c99-simple.json"
    gone.symlink_to(folder / "removed meanwhile")
    assert first.audits() == [newest[0], gone.stem, *newest[1:]]


def test_the_words_of_the_moment_are_judged_not_the_hubs_copy(desk, places):
    places["page"].rows = places["page"].rows.with_columns(status=pl.lit("没人知道的词"))
    first = desk()
    kept = first.sheet(opened(first, Spec(size=40)).audit)
    verdicts = kept.report().sample["verdict"].cast(pl.String)
    assert set(verdicts) <= {"unknown_word", "missing"} and "unknown_word" in set(verdicts)


def test_a_source_that_fails_is_named_and_the_others_go_on(desk, places):
    places["wms"].fails = Unreachable("wms does not answer")
    first = desk()
    kept = first.sheet(opened(first, Spec(size=30)).audit)
    states = {look.name: (look.state, look.reason) for look in kept.looked}
    assert states["wms"] == ("failed", "wms does not answer")
    assert kept.report().touchpoints == ["page", "crm"]


def test_what_failed_is_read_again_and_nothing_else(desk, places):
    places["wms"].fails = Unreachable("wms does not answer")
    first, other = desk(), desk()
    audit = opened(first, Spec(size=30)).audit
    before = other.sheet(audit)
    for place in places.values():
        place.asked.clear()
    places["wms"].fails = None
    again = first.again(audit)
    assert again.wait(30) and again.error is None and (again.done, again.total) == (30, 30)
    after = first.sheet(audit)
    assert other.sheet(audit) == desk().sheet(audit) == after, "whoever has it open sees it"
    assert after.report().touchpoints == list(NAMES)
    assert (after.spec, after.cards, after.population, after.opened_at) == (
        before.spec, before.cards, before.population, before.opened_at
    )  # fmt: skip
    assert [row for row in after.shown if row.touchpoint != "wms"] == list(before.shown)
    assert places["page"].asked == places["crm"].asked == []
    assert set(places["wms"].asked) == {card.order_no for card in after.cards}
    assert {look.name: (look.state, look.again) for look in after.looked}["wms"] == ("live", True)


def test_what_fails_again_stays_named_and_a_reading_that_is_stopped_changes_nothing(desk, places):
    places["wms"].fails = Unreachable("wms does not answer")
    first = desk()
    audit = opened(first, Spec(size=30)).audit
    before = first.sheet(audit)
    places["wms"].fails = Unreachable("still nothing")
    assert first.again(audit).wait(30)
    assert {look.name: (look.state, look.reason) for look in first.sheet(audit).looked}["wms"] == (
        "failed", "still nothing"
    )  # fmt: skip
    places["wms"].fails = None
    places["wms"].gate.clear()
    stopped = first.again(audit)
    assert first.again(audit) is stopped, "whoever asks the same joins it"
    stopped.cancel()
    places["wms"].gate.set()
    assert stopped.wait(30) and isinstance(stopped.error, looking.Cancelled)
    assert first.sheet(audit).shown == before.shown
    nothing = first.again("spot-2026-W01-s1-n1-simple")
    assert nothing.wait(30) and "cannot be read" in str(nothing.error)


def test_what_one_console_has_read_again_no_slower_one_replaces(desk, places, monkeypatch):
    """The slower one asked while the touchpoint was down, and says so only after the other's sheet was written."""
    places["wms"].fails = Unreachable("wms does not answer")
    slow, fast = desk(), desk()
    audit = opened(slow, Spec(size=30)).audit
    asked, answer = threading.Event(), threading.Event()

    def late(_: list[str]) -> list[RawMessage]:
        asked.set()
        answer.wait(10)
        raise Unreachable("still nothing")

    with monkeypatch.context() as patched:
        patched.setattr(places["wms"], "look", late)
        reading = slow.again(audit)
        assert asked.wait(10)
    places["wms"].fails = None
    assert fast.again(audit).wait(30)
    mended = fast.sheet(audit)
    answer.set()
    assert reading.wait(30) and reading.error is None
    assert slow.sheet(audit) == desk().sheet(audit) == mended
    assert {look.name: look.state for look in mended.looked}["wms"] == "live"


def test_of_several_consoles_that_read_again_each_adds_what_it_could_read(desk, places, tmp_path):
    """One gets an answer from crm, the other from wms, and both write at once."""
    first = desk()
    audit = opened(first, Spec(size=30)).audit
    whole = first.sheet(audit)
    read = {look.name: (look, [row for row in whole.shown if row.touchpoint == look.name]) for look in whole.looked}
    lost = msgspec.structs.replace(
        whole,
        looked=tuple(msgspec.structs.replace(look, state="failed", reason="down") for look in whole.looked),
        shown=(),
    )
    (tmp_path / "spot" / f"{audit}.json").write_bytes(msgspec.json.encode(lost))
    both = threading.Barrier(len(NAMES))

    def add(name: str) -> None:
        def added(now: sheet.Sheet) -> sheet.Sheet:
            return sheet.read_again(now, [read[name]])

        own = Shelf(tmp_path / "spot")
        both.wait(10)
        own.change(audit, added)

    threads = [threading.Thread(target=add, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = desk().sheet(audit)
    assert [look.state for look in after.looked] == ["live"] * 3
    assert sorted(after.shown, key=repr) == sorted(whole.shown, key=repr)


@pytest.mark.parametrize("again", [False, True])
def test_a_touchpoint_is_asked_no_faster_than_its_settings_allow(world, places, monkeypatch, again):
    """Nor where it is read again. By a clock that goes on only when it is asked; the others do not wait for it."""
    ticks = itertools.count()
    monkeypatch.setattr(spot.time, "monotonic", lambda: next(ticks) / 10)
    monkeypatch.setattr(looking, "TICK_S", 0)
    rate = 60
    slow = (Endpoint("page", "desk", calls_per_minute=rate), Endpoint("crm", "desk"), Endpoint("wms", "desk"))
    asked: list[float] = []
    look = places["page"].look
    monkeypatch.setattr(places["page"], "look", lambda numbers: (asked.append(next(ticks) / 10), look(numbers))[1])
    desk = Desk(world.__getitem__, lambda: NOW, Settings(touchpoints=slow), touchpoint=places.__getitem__)
    places["page"].fails = Unreachable("page does not answer") if again else None
    audit = opened(desk, Spec(size=1_000)).audit
    places["page"].fails = None
    assert not again or desk.again(audit).wait(30)
    assert {look.state for look in desk.sheet(audit).looked} == {"live"}
    assert len(asked) == again + 1_000 / looking.PORTION
    at_once = gates.SAVED_UP_S * rate / 60
    assert all(
        later - first <= at_once + (asked[later] - asked[first]) * rate / 60
        for first in range(len(asked))
        for later in range(first, len(asked))
    )


def test_with_fewer_than_two_sources_nothing_is_opened(desk, places):
    places["wms"].fails = places["crm"].fails = Unreachable("the network is down")
    first = desk()
    reading = opened(first, Spec(size=30))
    assert "crm: the network is down" in str(reading.error)
    assert first.audits() == []


def test_rows_that_cannot_be_read_are_counted_and_cost_only_themselves(desk, places):
    places["crm"].garbles = 2
    first = desk()
    kept = first.sheet(opened(first, Spec(size=30)).audit)
    assert {look.name: look.unreadable for look in kept.looked} == {"page": 0, "crm": 2, "wms": 0}


def test_a_reading_can_be_stopped_and_then_nothing_was_kept(desk, places):
    places["crm"].gate.clear()
    first = desk()
    reading = first.open(Spec(size=200))
    assert first.open(Spec(size=200)) is reading, "whoever asks the same joins it"
    reading.cancel()
    places["crm"].gate.set()
    assert reading.wait(30)
    assert isinstance(reading.error, looking.Cancelled) and first.audits() == []


def test_of_two_consoles_the_faster_ones_sheet_holds(world, desk, places, tmp_path):
    """The slower one saw another word, and must not put it in the place of what is being judged."""
    late = {name: Place(name, world["sightings"]) for name in NAMES}
    late["crm"].rows = late["crm"].rows.with_columns(status=pl.lit("later word"))
    late["crm"].gate.clear()
    known = Settings(touchpoints=tuple(Endpoint(name, "desk") for name in NAMES))
    other = Desk(world.__getitem__, lambda: NOW, known, folder=tmp_path / "spot", touchpoint=late.__getitem__)
    slow, one = other.open(Spec(size=30)), desk()
    first = one.sheet(opened(one, Spec(size=30)).audit)
    late["crm"].gate.set()
    assert slow.wait(30) and slow.error is None
    assert desk().sheet(slow.audit) == other.sheet(slow.audit) == first


def test_a_damaged_file_or_a_strange_name_is_one_clear_sentence(desk, tmp_path):
    first = desk()
    audit = opened(first, Spec(size=10)).audit
    (tmp_path / "spot" / f"{audit}.json").write_bytes(b"{")
    with pytest.raises(UserMistake, match="is damaged"):
        desk().sheet(audit)
    for name in ("../secrets", "spot-2026-W48-s7-n100-simple/..", ""):
        with pytest.raises(UserMistake, match="no spot audit named"):
            first.sheet(name)


@pytest.mark.parametrize("kind", ["hub", "snapshot"])
def test_sessions_that_come_at_once_share_one_desk(kind, home, world, tmp_path, monkeypatch):
    """Each would know other judgements: a snapshot's live in its desk alone."""
    opened_hub: Hub | SnapshotHub
    if kind == "snapshot":
        snapshot.write(tmp_path / "copy", world, snapshot.Meta(NOW))
        opened_hub = SnapshotHub(tmp_path / "copy")
    else:
        opened_hub = Hub(home, {})
    begin = Desk.__init__
    monkeypatch.setattr(Desk, "__init__", lambda *args: (time.sleep(0.05), begin(*args))[1])
    with ThreadPoolExecutor(4) as sessions:
        desks = list(sessions.map(lambda _: opened_hub.spot, range(4)))
    assert len(set(map(id, desks))) == 1
    if isinstance(opened_hub, Hub):
        opened_hub.close()


# -- judgements, through a real hub


@pytest.fixture
def hub(home) -> Iterator[Hub]:
    opened_hub = Hub(home, {})
    yield opened_hub
    opened_hub.close()


@pytest.fixture
def judged(hub, desk, monkeypatch) -> tuple[Desk, sheet.Sheet, Callable[[str], Seat]]:
    monkeypatch.setattr(seat, "PATIENCE_S", 30.0)  # on disk before the next step, also on a busy machine
    own = desk()
    own._judge, own._reviews = hub.judge, hub.reviews_of
    kept = own.sheet(opened(own, Spec(size=8)).audit)
    folio = book.book(kept, own._frame("orders").lazy(), own._frame("events").lazy())
    return own, kept, lambda name: Seat(own, folio, name, lambda: None, lambda: None)


def test_judgements_and_their_taking_back_outlive_the_process(hub, judged):
    desk, kept, seat = judged
    ann = seat("ann")
    ann.write("page is behind")
    ann.judge(False)
    ann.judge(True)
    ann.undo()
    before = desk.reviews(kept.audit)
    hub.drain()
    stored = hub.reviews_of([kept.audit]).filter(pl.col("consistent").is_not_null())
    assert stored.select("order_no", "consistent", "reviewer", "note").rows() == [
        (kept.cards[0].order_no, False, "ann", "page is behind")
    ]
    assert desk.reviews(kept.audit).drop("at").equals(before.drop("at"))
    assert not desk._said, "what the database holds need not be remembered"
    assert desk.reviews(kept.audit).drop("at").equals(before.drop("at"))
    assert hub.frame("events").sort("recorded_at")["after"].to_list() == ["inconsistent", "consistent", "withdrawn"]


def test_audits_come_back_with_a_restored_hub(home, hub, judged, tmp_path, fresh_database):
    """Sheets are people's work: without them the trend would begin anew."""
    desk, kept, seat = judged
    shutil.copytree(tmp_path / "spot", home.data / "spot")
    seat("ann").judge(True)
    hub.drain()
    backup.backup(home, tmp_path / "backups", env={})
    there = Home(tmp_path / "there", fresh_database() if home.database else "")
    backup.restore(tmp_path / "backups", there, env={})
    again = Hub(there, {})
    try:
        (past,) = again.spot.history(kept.spec)
        assert past.sheet == kept == again.spot.sheet(kept.audit)
        assert past.reviews.drop("at").equals(desk.reviews(kept.audit).drop("at")) and past.reviews.height == 1
        names = [there.data / "spot" / f"{kept.audit}.json", home.data / "spot" / f"{kept.audit}.json"]
        assert names[0].stat().st_mtime_ns == names[1].stat().st_mtime_ns, "the newest stays the newest"
    finally:
        again.close()


def test_the_history_of_a_design_is_one_look_at_the_database_and_opens_no_other_sheets(hub, judged, tmp_path):
    desk, kept, seat = judged
    seat("ann").judge(True)
    hub.drain()
    seat("bob").judge(False)
    others = [desk.sheet(opened(desk, Spec(size=5, seed=seed)).audit) for seed in (1, 2)]
    aged = opened(desk, Spec(size=8, by=("age",))).audit
    (tmp_path / "spot" / f"{aged}.json").write_bytes(b"{")
    asked: list[list[str]] = []
    desk._reviews = lambda audits: (asked.append(list(audits)), hub.reviews_of(audits))[1]
    past = {one.sheet.audit: one.reviews for one in desk.history(kept.spec)}
    assert [sorted(audits) for audits in asked] == [sorted(past)] == [sorted([kept.audit, *(o.audit for o in others)])]
    assert sorted(past[kept.audit]["reviewer"]) == ["ann", "bob"], "also what no worker has applied yet"
    assert all(past[other.audit].is_empty() for other in others)
    assert desk.history(Spec(by=("warehouse",))) == []


def test_the_log_holds_the_words_that_were_judged(hub, judged):
    _, kept, seat = judged
    seat("ann").judge(True)
    hub.drain()
    ((detail,),) = hub.store.query("hub", "SELECT detail FROM log WHERE event = 'audit.reviewed'")
    key = (kept.cards[0].shop, kept.cards[0].order_no)
    assert msgspec.json.decode(detail)["seen"] == sheet.evidence(kept)[key] != {}


def test_two_reviewers_judge_the_same_cards_and_may_differ(judged):
    desk, kept, seat = judged
    ann, bob = seat("ann"), seat("bob")
    ann.judge(True)
    bob.judge(False)
    said = desk.reviews(kept.audit)
    assert said.select("order_no").n_unique() == 1
    assert dict(said.select("reviewer", "consistent").rows()) == {"ann": True, "bob": False}
    bob.undo()
    assert desk.reviews(kept.audit)["reviewer"].to_list() == ["ann"]


def test_a_note_or_name_without_end_is_refused(judged):
    desk, kept, seat = judged
    ann = seat("ann")
    ann.write("x" * 501)
    ann.judge(True)
    assert "at most 500" in str(ann.troubles[0][1]) and desk.reviews(kept.audit).is_empty()


class Disk:
    """In the place of a hub whose disk is slow: it writes, or fails to, when it is told."""

    def __init__(self) -> None:
        self.waiting: list[Future] = []

    def submit(self, *_) -> Future:
        self.waiting.append(Future())
        return self.waiting[-1]


@pytest.fixture
def slow(desk) -> tuple[Disk, Seat, list[str]]:
    own, disk = desk(), Disk()
    own._judge, own._writer = print, disk
    kept = own.sheet(opened(own, Spec(size=4)).audit)
    folio = book.book(kept, own._frame("orders").lazy(), own._frame("events").lazy())
    return disk, Seat(own, folio, "ann", lambda: None, lambda: None), [card.order_no for card in kept.cards]


def test_the_next_card_does_not_wait_for_a_slow_disk_and_what_was_not_written_comes_back(slow):
    disk, ann, cards = slow
    ann.write("page is behind")
    ann.judge(False)
    assert [ann.now(False).key[1], ann.settle()] == [cards[1], 1]
    ann.write("it is right")
    disk.waiting[0].set_exception(Busy("the disk is full"))
    ann.judge(True)
    told = ann.now(False)
    assert told.key[1] == cards[0], "the card that is judged is the one that was shown"
    assert [(name, str(why)) for name, why in told.troubles] == [(cards[0], "the disk is full")]
    assert ann.note == "page is behind"
    assert told.reviews.select("order_no", "note").rows() == [(cards[1], "it is right")]
    disk.waiting[1].set_result([])
    ann.judge(False)
    assert ann.now(False).troubles == [] and ann.settle() == 1


def test_who_pauses_hears_of_it_too_and_every_note_stays_with_its_card(slow):
    disk, ann, cards = slow
    turns: list[bool] = []
    for n in range(3):
        ann.write(f"note of {n}")
        ann.judge(n % 2 == 0)
    ann.write("half a note of 3")
    ann._turned = lambda: turns.append(True)
    assert ann.settle() == 3 and not turns
    for written in (disk.waiting[2], disk.waiting[0]):
        written.set_exception(Busy("the disk is full"))
    assert ann.settle() == 1 and turns == [True]
    told = ann.now(False)
    assert (told.key[1], ann.note) == (cards[0], "note of 0")
    assert [name for name, _ in told.troubles] == [cards[0], cards[2]]
    disk.waiting[1].set_result([])
    assert ann.settle() == 0 and turns == [True]
    ann.judge(True)
    assert (ann.now(False).key[1], ann.note) == (cards[2], "note of 2")
    ann.judge(True)
    assert (ann.now(False).key[1], ann.note) == (cards[3], "half a note of 3")


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_is_told_once_all_is_on_disk_and_no_page_waits_for_ever(slow, monkeypatch, fails):
    monkeypatch.setattr(seat, "LAST_S", 0.01)
    disk, ann, cards = slow
    ended: list[bool] = []
    ann._ended = lambda: ended.append(all(written.done() for written in disk.waiting))
    for _ in cards:
        ann.judge(True)
    assert (ann.now(False).key, ended, ann.settle()) == (None, [], len(cards))
    if fails:
        disk.waiting[-1].set_exception(Busy("the disk is full"))
        assert ann.settle() == len(cards) - 1 and ann.now(False).key[1] == cards[-1]
        ann.judge(True)
    for written in disk.waiting:
        if not written.done():
            written.set_result([])
    assert ann.settle() == 0 and ended == [True]
    assert ann.settle() == 0 and ended == [True], "once"


def test_what_was_said_before_holds_where_its_taking_back_is_not_written(slow):
    disk, ann, cards = slow
    ann.judge(True)
    disk.waiting[0].set_result([])
    ann.undo()
    assert ann.now(False).key[1] == cards[0]
    disk.waiting[1].set_exception(Busy("the disk is full"))
    assert ann.settle() == 0
    told = ann.now(False)
    assert told.reviews["order_no"].to_list() == [cards[0]] and told.troubles[0][0] == cards[0]
    assert told.key[1] == cards[1]


@pytest.mark.parametrize("times", [2, 10**6])
def test_a_hub_that_takes_nothing_just_now_is_asked_again_for_a_while_and_in_turn(desk, monkeypatch, times):
    monkeypatch.setattr(spot, "BUSY_S", 1.0 if times < 10 else 0.1)
    monkeypatch.setattr(spot, "AGAIN_S", 0.001)
    own, asked, taken = desk(), itertools.count(), []

    def judge(*, order_no, **_) -> None:
        if next(asked) < times:
            raise Busy("writing takes long just now")
        taken.append(order_no)

    own._judge = judge
    kept = own.sheet(opened(own, Spec(size=3)).audit)
    keys = [(card.shop, card.order_no) for card in kept.cards]
    written = [own.judge(kept, key, consistent=True, reviewer="ann") for key in keys]
    failed = [one.exception(timeout=30) for one in written]
    if times < 10:
        assert failed == [None] * 3 and taken == [order_no for _, order_no in keys]
    else:
        assert [str(why) for why in failed] == ["writing takes long just now"] * 3 and own.reviews(
            kept.audit
        ).is_empty()


def test_no_folder_no_touchpoints_the_copy_is_compared_and_said_to_be_one(world):
    desk = Desk(world.__getitem__, lambda: NOW, Settings())
    kept = desk.sheet(opened(desk, Spec(size=10)).audit)
    assert {look.state for look in kept.looked} == {"copy"}
    assert not desk.live


def test_a_folder_that_cannot_be_written_is_said(world, places, tmp_path: Path):
    (tmp_path / "spot").write_text("a file is in the way")
    known = Settings(touchpoints=tuple(Endpoint(name, "desk") for name in NAMES))
    desk = Desk(world.__getitem__, lambda: NOW, known, folder=tmp_path / "spot", touchpoint=places.__getitem__)
    assert "cannot be written" in str(opened(desk, Spec(size=10)).error)
