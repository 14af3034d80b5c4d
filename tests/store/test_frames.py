"""A hub's frames: every row once however the commits fall, and never from another hub's snapshot."""

import itertools
import json
import shutil

import msgspec
import polars as pl
import pytest
import structlog
from polars.testing import assert_frame_equal

from orderhub_core.errors import StoreMissing
from orderhub_core.flows.context import Source
from orderhub_core.frames import SCHEMAS
from orderhub_core.hub import Hub
from orderhub_core.model import Content, Event, Line, Observation, RawMessage, Sighting
from orderhub_core.people import Review
from orderhub_core.store import archive, homes, snapshot
from orderhub_core.store import known as module
from orderhub_core.store.homes import Home

KEYS = {"orders": ["order_id"], "lines": ["order_id", "line_no"], "events": ["seq"]}
_numbers = itertools.count()


def source(name):
    kinds = {"order": Observation, "sighting": Sighting, "review": Review}
    return Source("shop-1", "douyin", lambda kind, body: msgspec.json.decode(body, type=kinds[kind]))


def opened(home):
    hub = Hub(home)
    hub.source = source
    return hub


@pytest.fixture
def hub(home):
    made = opened(home)
    yield made
    made.close()


def observed(order_no, at, lines=1):
    positions = tuple(Line(n, f"SKU-{n}", "name", "卫衣", at, 5) for n in range(1, lines + 1))
    seen = Observation(order_no, {Event.PLACED.value: 1, Event.PAID.value: at}, at, Content(lines=positions))
    return RawMessage("shop-1", f"m{next(_numbers)}", "order", msgspec.json.encode(seen))


def take(hub, *messages):
    hub.store.accept(messages, 1_700_000_000_000_000 + next(_numbers))
    hub.drain()


def held_against_the_store(hub, fresh):
    for name in KEYS:
        frame = hub.frame(name)
        assert frame.select(KEYS[name]).is_duplicated().sum() == 0, name
        assert_frame_equal(frame, fresh.frame(name), check_row_order=False)


@pytest.mark.parametrize("name", ["orders", "lines", "events"])
@pytest.mark.parametrize("moment", range(4))
def test_a_commit_between_two_readings_shows_no_row_twice(hub, home, monkeypatch, name, moment):
    """A rival commits before the n-th query of one reading, whichever that is."""
    rival, fresh = opened(home), opened(home)
    take(hub, observed("A1", 5), observed("A2", 5, lines=3))
    hub.frame(name)
    take(hub, observed("A1", 7, lines=2), observed("A3", 7))
    countdown = itertools.count()

    def with_a_commit_before(read):
        def read_between(*arguments):
            if next(countdown) == moment:
                take(rival, observed("A1", 9, lines=3), observed("A2", 9, lines=1), observed("A4", 9))
            return read(*arguments)

        return read_between

    with monkeypatch.context() as racing:
        for name_of_read in ("query", "pieces"):
            racing.setattr(hub.store, name_of_read, with_a_commit_before(getattr(hub.store, name_of_read)))
        frame = hub.frame(name)
        assert frame.select(KEYS[name]).is_duplicated().sum() == 0
    held_against_the_store(hub, fresh)
    rival.close()
    fresh.close()


def test_a_snapshot_written_amid_commits_is_a_sound_beginning(hub, home, monkeypatch):
    rival = opened(home)
    take(hub, observed("A1", 5))
    read = module.frames.refreshed

    def then_a_commit(*arguments):
        found = read(*arguments)
        take(rival, observed("A1", 9 + next(_numbers)), observed(f"B{next(_numbers)}", 9))
        return found

    with monkeypatch.context() as racing:
        racing.setattr(module.frames, "refreshed", then_a_commit)
        folder = hub.write_snapshot()
    meta = snapshot.meta(folder)
    assert snapshot.scan(folder, "events").select(pl.col("seq").max()).collect().item() == max(meta.log).seq
    shutil.copytree(folder, copy := folder.with_name("copy"))
    resumed = opened(home)
    assert resumed._known._from_snapshot(resumed.store.progress()).log == meta.log
    shutil.rmtree(folder)
    whole = opened(home)
    shutil.move(copy, folder)
    for name in SCHEMAS:
        assert_frame_equal(resumed.frame(name), whole.frame(name), check_row_order=False)
    for other in (rival, resumed, whole):
        other.close()


@pytest.mark.parametrize("second", [1, 4])
def test_a_snapshot_of_another_hub_in_our_folder_is_no_beginning(tmp_path, second):
    home = Home(tmp_path / "data")
    homes.init(home)
    first = opened(home)
    take(first, observed("OLD-1", 5), observed("OLD-2", 5))
    first.write_snapshot()
    first.close()
    for file in home.data.glob("*.db*"):
        file.unlink()
    homes.init(home)
    again = opened(home)
    assert again.frame("orders").height == 0
    again.close()
    again = opened(home)
    take(again, *(observed(f"NEW-{n}", 5) for n in range(second)))
    assert set(again.frame("orders")["order_no"]) == {f"NEW-{n}" for n in range(second)}
    assert again.frame("events").height == again.pulse().log_entries
    again.close()


def no_parquet(file):
    file.write_bytes(b"no parquet")


def zeros_within(file):
    """As a power cut leaves it: the length is there, some pages are not."""
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])


def gone(file):
    file.unlink()


def heights(folder):
    return {name: snapshot.scan(folder, name).collect().height for name in SCHEMAS}


@pytest.mark.parametrize("damage", [no_parquet, zeros_within, gone])
def test_a_damaged_snapshot_only_costs_time(hub, damage):
    take(hub, *(observed(f"A{n}", 5) for n in range(200)))
    folder = hub.write_snapshot()
    for file in folder.rglob("*.parquet"):
        damage(file)
    again = opened(hub.home)
    with structlog.testing.capture_logs() as logs:
        assert again.frame("orders").height == 200
    again.close()
    again = opened(hub.home)
    with structlog.testing.capture_logs() as more:
        assert heights(again.write_snapshot())["orders"] == 200
    for said in logs, more:
        assert [line["event"] for line in said] == ["the snapshot is not built upon: all is read from the database"]
        assert said[0]["log_level"] == "warning" and str(folder) in said[0]["reason"]
    with structlog.testing.capture_logs() as nothing:
        again.write_snapshot()
    assert nothing == []
    again.close()


@pytest.mark.parametrize("name", ["orders", "events"])
def test_no_lost_block_of_a_snapshot_gets_into_what_is_read_or_written_next(hub, name):
    """Parquet notices some of them only; and what one snapshot has wrong, the next would have from it."""
    take(hub, *(observed(f"A{n}", 5 + n * 7919 % 997, lines=n % 3) for n in range(300)))
    folder = hub.write_snapshot()
    take(hub, observed("A300", 5))
    fresh = module.KnownFrames(hub.store, folder / "none").frame(name)
    meta, parquet = (folder / snapshot.META).read_bytes(), folder / snapshot.meta(folder).folder / f"{name}.parquet"
    whole = parquet.read_bytes()
    for at in range(4, len(whole), 256):
        parquet.write_bytes(whole[:at] + bytes(len(whole[at : at + 256])) + whole[at + 256 :])
        (folder / snapshot.META).write_bytes(meta)
        assert_frame_equal(module.KnownFrames(hub.store, folder).frame(name), fresh, check_row_order=False)
        written = module.KnownFrames(hub.store, folder).write(folder, lambda: 1)
        assert_frame_equal(snapshot.scan(written, name).collect(), fresh, check_row_order=False)


def test_what_keeps_no_digests_is_not_built_upon(hub):
    """It may have been wrong for long."""
    take(hub, observed("A1", 5))
    folder = hub.write_snapshot()
    wrong = snapshot.scan(folder, "orders").with_columns(order_no=pl.lit("nobody's")).collect()
    (file,) = folder.rglob("orders.parquet")
    wrong.write_parquet(file)
    meta = msgspec.structs.replace(snapshot.meta(folder), files={})
    (folder / snapshot.META).write_bytes(msgspec.json.encode(meta))
    again = opened(hub.home)
    assert list(snapshot.scan(again.write_snapshot(), "orders").collect()["order_no"]) == ["A1"]
    assert list(again.frame("orders")["order_no"]) == ["A1"]
    again.close()


def test_what_was_written_and_nobody_reads_is_not_kept(hub):
    take(hub, observed("A1", 5))
    hub.write_snapshot()
    take(hub, observed("A1", 7, lines=2), observed("A2", 6))
    folder = hub.write_snapshot()
    assert hub._known._frames == {}
    assert heights(folder) == {"orders": 2, "lines": 3, "events": 5, "sightings": 0}


def test_a_channel_is_had_while_frames_are_read(hub):
    """The event loop asks for it with every webhook."""
    import threading

    from orderhub_core.errors import UserMistake
    from orderhub_core.settings import Endpoint, Settings

    hub.settings = Settings(shops=(Endpoint("shop-1", "no-such-connector"),))
    answered = threading.Event()

    def ask():
        try:
            hub.channel("shop-1")
        except UserMistake:
            answered.set()

    with hub._known._lock:
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        assert answered.wait(5)
    thread.join()


@pytest.mark.parametrize(("name", "lacks"), [("events", ("message", "rule")), ("orders", ("deferred_at",))])
def test_a_snapshot_of_an_earlier_version_only_costs_time(hub, name, lacks):
    take(hub, observed("A1", 5))
    folder = hub.write_snapshot()
    (file,) = folder.rglob(f"{name}.parquet")
    pl.read_parquet(file).drop(lacks).write_parquet(file)
    meta = snapshot.meta(folder)
    meta.files[name] = archive.digest(file)
    (folder / snapshot.META).write_bytes(msgspec.json.encode(meta))
    with pytest.raises(StoreMissing, match=rf"its {name} have no {', '.join(lacks)}; write it anew"):
        snapshot.scan(folder, name)
    again = opened(hub.home)
    take(again, observed("A2", 6))
    assert again.frame("events")["message"].null_count() == 0
    assert again.frame("events").height == again.pulse().log_entries
    assert again.frame("orders")["order_no"].sort().to_list() == ["A1", "A2"]
    again.close()


def test_a_decision_shows_its_rule_and_nobody_who_judged(home):
    (home.data / "orderhub.toml").write_text('rulebook = "rulebook.toml"', encoding="utf-8")
    (home.data / "rulebook.toml").write_text(
        'version = "7"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign hangzhou"\n',
        encoding="utf-8",
    )
    hub = opened(home)
    take(hub, observed("A1", 5))
    review = Review("spot", "shop-1", "A1", False, "somebody", "a note")
    take(hub, RawMessage("shop-1", "judged", "review", msgspec.json.encode(review)))
    events = hub.frame("events").sort("seq")
    said = {event: json.loads(rule) for event, rule in events.select("event", "rule").iter_rows() if rule}
    assert said == {"rule.assign_warehouse": {"rule": "otherwise", "version": "7"}}
    assert events["event"][-1] == "audit.reviewed"
    ids = hub.store.query("inbox", "SELECT id FROM inbox")
    assert set(events["message"]) == {number for (number,) in ids}
    hub.close()
