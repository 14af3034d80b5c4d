"""Snapshots on disk: nothing but our own is touched, readers always see a whole one, damage is told."""

import os
import threading
from pathlib import Path

import msgspec
import polars as pl
import pytest

from orderhub_core.errors import StoreMissing, UserMistake
from orderhub_core.frames import SCHEMAS, empty
from orderhub_core.store import snapshot
from orderhub_core.store.snapshot import Meta


def frames(count):
    return {"sightings": empty("sightings").clear(n=count)}


def digestless(folder):
    """As versions wrote it that kept no digests."""
    (folder / snapshot.META).write_bytes(
        msgspec.json.encode({k: v for k, v in msgspec.to_builtins(snapshot.meta(folder)).items() if k != "files"})
    )


def height(folder):
    return snapshot.scan(folder, "sightings").collect().height


def test_what_is_not_a_snapshot_stays_as_it_is(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(UserMistake, match="not a snapshot"):
        snapshot.write(folder, {}, Meta(1))
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("cat.jpg", b"meow")]
    with pytest.raises(UserMistake, match="--out"):
        snapshot.write(folder / "cat.jpg", {}, Meta(1))
    assert (folder / "cat.jpg").read_bytes() == b"meow"


@pytest.mark.parametrize("before", ["absent", "empty", "killed at the first writing", "a snapshot"])
def test_a_snapshot_is_written_and_replaced(tmp_path, before):
    folder = tmp_path / "deep" / "s"
    if before != "absent":
        folder.mkdir(parents=True)
    if before == "killed at the first writing":
        (folder / f"{snapshot.OURS}half").mkdir()
    if before == "a snapshot":
        snapshot.write(folder, frames(9), Meta(1))
        (folder / "planted.parquet").write_bytes(b"beside it")
    snapshot.write(folder, frames(3), Meta(2, upto=7))
    meta = snapshot.meta(folder)
    assert (meta.as_of, meta.upto, height(folder)) == (2, 7, 3)
    assert all(snapshot.scan(folder, name).collect_schema() == schema for name, schema in SCHEMAS.items())
    assert (folder / "planted.parquet").exists() == (before == "a snapshot")


def test_what_was_replaced_stays_for_its_readers_and_goes_later(tmp_path):
    snapshot.write(tmp_path, frames(1), Meta(1))
    reading = snapshot.scan(tmp_path, "sightings")
    for count in (2, 3):
        snapshot.write(tmp_path, frames(count), Meta(count))
    assert reading.collect().height == 1
    for old in tmp_path.glob(f"{snapshot.OURS}*"):
        os.utime(old, (0, 0))
    snapshot.write(tmp_path, frames(4), Meta(4))
    assert len(list(tmp_path.glob(f"{snapshot.OURS}*"))) == 2, "the one now and the one before it"
    assert height(tmp_path) == 4


def test_a_writing_that_fails_leaves_the_old_one_and_no_litter(tmp_path):
    snapshot.write(tmp_path, frames(1), Meta(1))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserMistake, match="cannot write"):
        snapshot.write(tmp_path, {"orders": pl.DataFrame({"nothing": [1]})}, Meta(2))
    assert sorted(tmp_path.rglob("*")) == before
    assert height(tmp_path) == 1


def test_readers_between_two_writers_always_see_a_whole_one(tmp_path):
    snapshot.write(tmp_path, frames(1), Meta(1))
    done, failures = threading.Event(), []

    def write(count):
        try:
            for _ in range(20):
                snapshot.write(tmp_path, frames(count), Meta(count))
        except Exception as error:  # noqa: BLE001 — told below
            failures.append(error)

    def read():
        while not done.is_set():
            try:
                meta = snapshot.meta(tmp_path)
                assert snapshot.scan(tmp_path, "sightings", meta).collect().height == meta.as_of
            except Exception as error:  # noqa: BLE001 — told below
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(count,)) for count in (1, 2)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert failures == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"as_of": "yesterday"}', b"\xff\xfe"])
def test_a_damaged_snapshot_is_told(tmp_path, content):
    (tmp_path / snapshot.META).write_bytes(content)
    with pytest.raises(StoreMissing, match="damaged"):
        snapshot.meta(tmp_path)
    snapshot.write(tmp_path, frames(1), Meta(1))
    assert height(tmp_path) == 1


def test_a_file_that_is_not_as_it_was_written_is_never_read(tmp_path):
    """Wherever a block of it is lost: Parquet itself notices some of them only."""
    numbers = pl.DataFrame({"order_no": [f"A{n * 7919 % 10_007}" for n in range(2_000)]})
    snapshot.write(tmp_path, {"orders": empty("orders").clear(n=2_000).with_columns(numbers)}, Meta(1))
    (file,) = tmp_path.glob("*/orders.parquet")
    written = file.read_bytes()
    for at in range(0, len(written), 64):
        file.write_bytes(written[:at] + bytes(len(written[at : at + 64])) + written[at + 64 :])
        if file.read_bytes() != written:
            with pytest.raises(snapshot.Damaged, match="`orderhub db snapshot --out") as told:
                snapshot.scan(tmp_path, "orders")
            assert str(file) in str(told.value)
    file.write_bytes(written)
    assert snapshot.scan(tmp_path, "orders").collect().height == 2_000


def test_what_a_version_wrote_that_kept_no_digests_is_read(tmp_path):
    snapshot.write(tmp_path, frames(3), Meta(1))
    digestless(tmp_path)
    assert snapshot.meta(tmp_path).files == {}
    assert height(tmp_path) == 3


def test_what_a_version_wrote_that_had_fewer_words_for_a_state_goes_on_with_ours(tmp_path):
    fewer = pl.Enum([word for word in SCHEMAS["orders"]["payment"].categories if word != "deferred"])
    older = empty("orders").clear(1).with_columns(payment=pl.lit("paid", fewer))
    snapshot.write(tmp_path, {}, Meta(1))
    digestless(tmp_path)
    older.write_parquet(snapshot.file(tmp_path, "orders"))
    known = snapshot.scan(tmp_path, "orders")
    ours = empty("orders").clear(1).with_columns(payment=pl.lit("deferred", SCHEMAS["orders"]["payment"]))
    assert pl.concat([known, ours.lazy()]).collect()["payment"].to_list() == ["paid", "deferred"]


def test_a_disk_that_fails_after_the_new_one_is_named_leaves_it_readable(tmp_path, monkeypatch):
    snapshot.write(tmp_path, frames(1), Meta(1))
    replace = Path.replace

    def named(path, target):
        replace(path, target)
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))

    monkeypatch.setattr(Path, "replace", named)
    with pytest.raises(UserMistake, match="Input/output error"):
        snapshot.write(tmp_path, frames(2), Meta(2))
    assert (snapshot.meta(tmp_path).as_of, height(tmp_path)) == (2, 2)


def test_where_folders_cannot_be_flushed_a_snapshot_is_written_all_the_same(tmp_path, monkeypatch):
    sync = os.fsync

    def picky(handle):
        if Path(f"/proc/self/fd/{handle}").readlink().is_dir():
            raise OSError(22, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", picky)
    snapshot.write(tmp_path, frames(1), Meta(1))
    assert height(tmp_path) == 1


def test_a_snapshot_is_on_disk_before_it_is_named_and_its_name_is_when_it_is_written(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, Path.replace

    def synced(handle):
        sync(handle)
        done.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def named(path, target):
        done.append("named")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", named)
    snapshot.write(tmp_path, frames(1), Meta(1))
    before, after = set(done[: done.index("named")]), set(done[done.index("named") :])
    fresh = tmp_path / snapshot.meta(tmp_path).folder
    assert before >= {str(path) for path in (*fresh.iterdir(), fresh / snapshot.META, fresh, tmp_path)}
    assert len(list(fresh.iterdir())) == len(SCHEMAS)
    assert str(tmp_path) in after
