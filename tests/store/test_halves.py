"""Two files are one hub: half of one, or two halves of different ones, take nothing in and apply nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orderhub_core.errors import Stop, StoreMissing
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import backup, homes
from orderhub_core.store.homes import Home


def some(first, count):
    return [RawMessage("nobody", f"m{n}", "order", b"{}") for n in range(first, first + count)]


def moved(home, part, to):
    to.mkdir(exist_ok=True)
    for path in home.data.glob(f"{part}.db*"):
        path.rename(to / path.name)


@pytest.fixture
def home(sqlite_home):
    hub = Hub(sqlite_home)
    hub.receive(some(0, 9))
    hub.drain()
    hub.close()
    return sqlite_home


@pytest.mark.parametrize(("part", "other"), [("inbox", "hub"), ("hub", "inbox")])
def test_nothing_is_begun_anew_beside_half_a_hub(home, tmp_path, part, other):
    moved(home, part, tmp_path / "away")
    for begin in (lambda: Hub(home), lambda: homes.init(home)):
        with pytest.raises(Stop, match=rf"{other}\.db is there and {part}\.db is not: restore a backup"):
            begin()
    assert not list(home.data.glob(f"{part}.db*"))
    moved(home, other, tmp_path / "away")
    homes.init(home)
    assert Hub(home).store.waiting() == (0, None)


@pytest.mark.parametrize(("part", "other"), [("inbox", "hub"), ("hub", "inbox")])
def test_an_empty_file_is_no_half(home, part, other):
    for path in home.data.glob(f"{part}.db*"):
        path.write_bytes(b"")
    with pytest.raises(Stop, match=rf"{other}\.db is there and {part}\.db is not"):
        homes.init(home)


@pytest.mark.parametrize("part", ["inbox", "hub"])
def test_a_hub_whose_making_was_cut_off_is_made_when_it_is_asked_for_again(tmp_path, part):
    home = Home(tmp_path / "new")
    homes.init(home)
    moved(home, part, tmp_path / "away")
    with pytest.raises(StoreMissing, match="db init"):
        Hub(home)
    homes.init(home)
    Hub(home).close()


def test_an_inbox_that_is_older_than_the_hub_takes_nothing_in(home, tmp_path):
    older = Home(tmp_path / "older")
    homes.init(older)
    hub = Hub(older)
    hub.receive(some(0, 4))
    hub.close()
    moved(home, "inbox", tmp_path / "away")
    for path in older.data.glob("inbox.db*"):
        shutil.copy(path, home.data / path.name)
    hub = Hub(home)
    for ask in (lambda: hub.store.accept(some(20, 9), 1), lambda: hub.receive(some(20, 9)), hub.drain):
        with pytest.raises(Stop, match="the inbox ends at message 4, and the hub has applied messages up to 9"):
            ask()
    assert hub.store.query("inbox", "SELECT count(*) FROM inbox") == [(4,)], "an acknowledgement would have been a lie"
    hub.close()


def test_a_restore_that_is_killed_leaves_no_hub_that_anybody_opens_and_is_done_again(home, tmp_path, monkeypatch):
    written = backup.backup(home, tmp_path / "backups")
    for renames in range(5):
        told, rename = [], Path.rename

        def cut_off(self, to, told=told, rename=rename, last=renames):
            if self.name in ("hub.db", "inbox.db"):
                told.append(self.name)
                if len(told) > last:
                    raise KeyboardInterrupt
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", cut_off)
        if renames < 4:
            with pytest.raises(KeyboardInterrupt):
                backup.restore(written.folder, home, force=True)
            monkeypatch.setattr(Path, "rename", rename)
            for begin in (lambda: Hub(home), lambda: homes.init(home)):
                with pytest.raises(Stop, match=r"was cut off: run `orderhub db restore BACKUP --force` again.*aside-"):
                    begin()
        backup.restore(written.folder, home, force=True)
        monkeypatch.setattr(Path, "rename", rename)
        hub = Hub(home)
        assert hub.store.waiting() == (0, None) and len(hub.store.query("inbox", "SELECT id FROM inbox")) == 9
        hub.close()
