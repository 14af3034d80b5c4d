"""Backups of a hub at work, put back whole or refused in a sentence, on both homes."""

from __future__ import annotations

import contextlib
import shutil
import threading
from itertools import count

import msgspec
import polars as pl
import psycopg
import pytest
from small_rules import rulebook, total_from

from orderhub_core.errors import Busy, OrderHubError, StoreMissing, UserMistake
from orderhub_core.flows import absorb
from orderhub_core.flows.context import Context, Source
from orderhub_core.model import Content, Event, Line, Observation, Parcel, Person, RawMessage
from orderhub_core.rules.tree import Action, Group, Rule, Rulebook
from orderhub_core.store import archive, backup, backup_postgres, backup_sqlite, checks, homes, keys, schema, statements
from orderhub_core.store.home import SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.known import KnownFrames
from orderhub_core.store.tables import PARTS

SHOP = "shop-1"
NOW = 1_700_000_000_000_000
PLAIN = rulebook(default="hangzhou", gifts={("any", "GIFT"): total_from(100)})
PARCELS = Group("parcels", "all", (Rule("kinds", total_from(1), (Action("split", "category"),)),))
BOOK = Rulebook(PLAIN.version, (*PLAIN.groups, PARCELS))
ENV = {"ORDERHUB_PEPPER": "the pepper of these tests"}
_names = count()


@pytest.fixture
def elsewhere(home, postgres_server_if_asked, tmp_path):
    """Empty places of the same kind as `home`, as many as wanted."""

    def make() -> Home:
        n = next(_names)
        return Home(tmp_path / f"elsewhere{n}", postgres_server_if_asked(f"elsewhere{n}") if home.database else "")

    return make


@pytest.fixture
def postgres_server_if_asked(request):
    def make(name):
        server = request.getfixturevalue("postgres_server")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return server.replace("/postgres?", f"/{name}?")

    return make


def messages(orders, start=0):
    """Five messages of each order's life, interleaved, some of them twice."""
    lives = [
        ((Event.PLACED,), True, False),
        ((Event.PAID,), False, False),
        ((Event.LOCKED,), False, False),
        ((Event.LABELLED, Event.SHIPPED), False, True),
        ((Event.COLLECTED, Event.OUT_FOR_DELIVERY, Event.DELIVERED), False, False),
    ]
    made = []
    for step, (events, content, boxed) in enumerate(lives):
        for n in range(start, start + orders):
            at = NOW + step * 1_000 + n
            stated = Content(
                total_minor=1_000 + n,
                paid_minor=1_000 + n,
                buyer_ref=f"b{n}",
                lines=(Line(1, "SKU", "shirt", "卫衣", 2, 500), Line(2, "SKU2", "cap", "帽", 1, n)),
                person=Person("张三丰", f"1990000{n:04}", "somewhere 5"),
            )
            parcels = (Parcel(f"SF{n}", "sf", True), Parcel(f"ZT{n}", "zto")) if boxed else ()
            seen = Observation(
                f"A{n}",
                {event.value: at + i for i, event in enumerate(events)},
                at,
                stated if content else None,
                parcels,
            )
            made.append(RawMessage(SHOP, f"m{n}.{step}", "order", msgspec.json.encode(seen)))
            if n % 7 == 0:
                made.append(made[-1])
    return made


class Hub:
    """A store with the flow over it."""

    def __init__(self, home, book=BOOK):
        self.store = homes.open_store(home)
        source = Source(SHOP, "douyin", lambda _, body: msgspec.json.decode(body, type=Observation))
        self.context = Context(self.store, lambda _: source, book, keys.kept(self.store, home.data, ENV))

    def take(self, some, size=20):
        for at in range(0, len(some), size):
            self.store.accept(some[at : at + size], NOW)
        absorb.drain(self.context, 50)

    def orders(self):
        """Orders with their parts by number, without what only counts batches."""
        names = ", ".join(n for n in statements.columns("orders") if n not in ("order_id", "changed_version"))
        parts = {
            table: f"SELECT o.order_no, t.* FROM {table} t JOIN orders o USING (order_id) ORDER BY 1, 3, 4"
            for table in ("lines", "parcels", "payments", "persons")
        }
        asked = {"orders": f"SELECT {names} FROM orders ORDER BY order_no", **parts}
        return {
            table: [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in self.store.query("hub", sql)
            ]
            for table, sql in asked.items()
        }


@pytest.fixture
def opened(home):
    """Opens hubs, and closes them with the test."""
    with contextlib.ExitStack() as stack:

        def open_(at=home, **how):
            hub = Hub(at, **how)
            stack.callback(hub.store.close)
            return hub

        yield open_


@pytest.fixture
def hub(opened):
    made = opened()
    lives = messages(20)
    made.take(lives[:46])  # paid, and the rulebook speaks
    made.take(lives[46:])
    return made


def everything(home):
    """Every row of every table. PostgreSQL's number of the transaction that changed it is the server's own."""
    hidden = {"changed_version"} if home.database else set()
    store = homes.open_store(home)
    found = {}
    for part, metadata in PARTS.items():
        for table in metadata.tables.values():
            names = ", ".join(column.name for column in table.columns if column.name not in hidden)
            rows = store.query(part, f"SELECT {names} FROM {table.name}")
            found[table.name] = sorted((tuple(map(plain, row)) for row in rows), key=repr)
    store.close()
    return found


def plain(value):
    return bytes(value) if isinstance(value, memoryview) else value


def listing(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- there and back


def test_a_restored_hub_holds_every_row_and_goes_on(home, hub, elsewhere, opened, tmp_path):
    hub.store.accept([RawMessage(SHOP, "bad", "order", b"nonsense"), *messages(1, 500)], NOW)
    written = backup.backup(home, tmp_path / "b", env=ENV)
    there = elsewhere()
    backup.restore(tmp_path / "b", there, env=ENV)
    assert everything(there) == everything(home)
    assert checks.findings(there) == []
    assert schema.differences(there) == []
    assert written.manifest.counts["orders"] == 20
    again = opened(there)
    for one in (hub, again):
        one.take(messages(5, 900))
    assert again.orders() == hub.orders()
    assert len(again.orders()["orders"]) == 26
    assert checks.findings(there) == []


def test_a_rehearsal_and_a_restore_while_messages_keep_coming_end_in_the_same_orders(home, elsewhere, opened, tmp_path):
    hub = opened(book=Rulebook())  # what the rulebook says of an order depends on the batch that it is seen in
    hub.take(messages(20))
    rest = messages(400, 1_000)
    stop, failed = threading.Event(), []

    def accepting():
        for at in range(0, len(rest), 10):
            hub.store.accept(rest[at : at + 10], NOW)

    def absorbing():
        while not stop.is_set():
            try:
                absorb.drain(hub.context, 40)
            except OrderHubError as failure:
                failed.append(failure)

    threads = [threading.Thread(target=accepting), threading.Thread(target=absorbing)]
    for thread in threads:
        thread.start()
    rehearsed, live = [], []
    while threads[0].is_alive() or len(rehearsed) < 2:
        backup.backup(home, tmp_path / "b", keep=2, env=ENV)
        rehearsed.append(backup.rehearse(tmp_path / "b", home))
        live += checks.findings(home)
    last = rehearsed[0].backup if rehearsed[0].backup.exists() else rehearsed[-1].backup
    stop.set()
    for thread in threads:
        thread.join()
    absorb.drain(hub.context, 100)
    assert [failure for failure in failed if not isinstance(failure, Busy)] == []
    assert [r.findings for r in rehearsed] == [[]] * len(rehearsed)
    assert live == []
    assert all(r.age_s >= 0 and r.restore_s > 0 for r in rehearsed)

    there = elsewhere()
    restored = backup.restore(last, there, env=ENV)
    again = opened(there, book=Rulebook())
    assert restored.manifest.counts["inbox"] == again.store.query("inbox", "SELECT count(*) FROM inbox")[0][0]
    again.take(messages(20) + rest)  # what came before the backup comes again, too, and changes nothing
    mine, theirs = again.orders(), hub.orders()
    assert {t: [row[:1] + row[2:] for row in mine[t]] if t != "orders" else mine[t] for t in mine} == {
        t: [row[:1] + row[2:] for row in theirs[t]] if t != "orders" else theirs[t] for t in theirs
    }
    assert len(mine["orders"]) == 420
    assert checks.findings(there) == []
    assert leftovers(home) == []


def test_a_snapshot_of_the_living_hub_is_no_fault_of_the_backup(home, hub, tmp_path):
    """It tells of later: a worker writes one every few minutes."""
    backup.backup(home, tmp_path / "b", env=ENV)
    hub.take(messages(5, 900))
    KnownFrames(hub.store, home.data / SNAPSHOT).write(home.data / SNAPSHOT, lambda: NOW)
    assert backup.rehearse(tmp_path / "b", home).findings == []
    assert checks.findings(home) == []
    assert leftovers(home) == []


def leftovers(home):
    """What backups and rehearsals leave in the hub's place."""
    found = [path.name for path in home.data.glob(".*")] if home.data.exists() else []
    if home.database:
        with psycopg.connect(home.database) as connection:
            sql = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'restoring%'"
            found += [row[0] for row in connection.execute(sql).fetchall()]
    return found


def test_what_is_applied_during_the_copy_is_not_half_in_it(home, hub, elsewhere, tmp_path):
    more = iter(messages(100, 3_000))

    def tell(*_):
        hub.take([next(more) for _ in range(5)])

    before = everything(home)
    backup.backup(home, tmp_path / "b", tell=tell, env=ENV)
    assert everything(home) != before
    there = elsewhere()
    backup.restore(tmp_path / "b", there, env=ENV)
    assert everything(there) == before
    assert checks.findings(there) == []


def test_settings_rulebook_and_key_come_along_and_secrets_do_not(sqlite_home, tmp_path):
    (sqlite_home.data / "orderhub.toml").write_text(
        f'rulebook = "rules/book.toml"\n[[shops]]\nid = "s"\nconnector = "douyin"\nsecret_file = "{tmp_path}/secret"\n'
    )
    (sqlite_home.data / "rules").mkdir()
    (sqlite_home.data / "rules" / "book.toml").write_text("# rules")
    (sqlite_home.data / "pepper.key").write_bytes(b"0123456789abcdef")
    (tmp_path / "secret").write_text("hush")
    written = backup.backup(sqlite_home, tmp_path / "b", env={})
    there = Home(tmp_path / "there")
    backup.restore(tmp_path / "b", there, env={})
    for name in ("orderhub.toml", "rules/book.toml", "pepper.key"):
        assert (there.data / name).read_bytes() == (sqlite_home.data / name).read_bytes()
    assert (there.data / "pepper.key").stat().st_mode & 0o777 == 0o600
    assert not any(b"hush" in content for content in listing(written.folder).values())


def test_another_key_from_the_environment_is_refused(sqlite_home, tmp_path):
    backup.backup(sqlite_home, tmp_path / "b", env=ENV)
    with pytest.raises(UserMistake, match="ORDERHUB_PEPPER"):
        backup.restore(tmp_path / "b", Home(tmp_path / "there"), env={"ORDERHUB_PEPPER": "another pepper altogether"})
    backup.restore(tmp_path / "b", Home(tmp_path / "there"), env=ENV)


def test_a_hub_whose_key_is_elsewhere_says_so_when_it_is_restored_and_does_nothing_without(
    sqlite_home, opened, tmp_path
):
    opened(sqlite_home).take(messages(3))
    backup.backup(sqlite_home, tmp_path / "b", env={})  # by a timer that knows no key
    there = Home(tmp_path / "there")
    done = backup.restore(tmp_path / "b", there, env={})
    assert "ORDERHUB_PEPPER" in str(done.key)
    restored = homes.open_store(there)
    for env, what in (
        ({}, "a key that is not here"),
        ({"ORDERHUB_PEPPER": "another pepper altogether"}, "is not the key"),
    ):
        for use in (keys.kept, keys.passing):
            with pytest.raises(UserMistake, match=what):
                use(restored, there.data, env)
        (found,) = [one for one in checks.findings(there, env=env) if one.part == "key"]
        assert "docs/backup.md" in str(found)
    assert not (there.data / "pepper.key").exists()
    assert keys.kept(restored, there.data, ENV).fingerprint == keys.fingerprint(restored)
    assert checks.findings(there, env=ENV) == checks.findings(there) == []
    restored.close()


def test_the_key_of_a_backup_that_an_older_version_wrote_is_known_after_its_restore(sqlite_home, opened, tmp_path):
    opened(sqlite_home).take(messages(3))
    with contextlib.closing(homes.open_store(sqlite_home)) as store, store.transaction("hub") as cursor:
        cursor.execute("DELETE FROM keys")
    backup.backup(sqlite_home, tmp_path / "b", env=ENV)
    there = Home(tmp_path / "there")
    assert backup.restore(tmp_path / "b", there, env=ENV).key is None
    with contextlib.closing(homes.open_store(there)) as restored, pytest.raises(UserMistake, match="not here"):
        keys.kept(restored, there.data, {})


# -- whole or not at all


def test_only_its_owner_can_read_a_backup(home, hub, tmp_path):
    folder = backup.backup(home, tmp_path / "b", env=ENV).folder
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert (folder.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_only_its_owner_can_read_what_was_restored(sqlite_home, tmp_path):
    backup.backup(sqlite_home, tmp_path / "b", env=ENV)
    backup.restore(tmp_path / "b", there := Home(tmp_path / "there"), env=ENV)
    homes.open_store(there).close()
    assert {path.name: path.stat().st_mode & 0o077 for path in there.data.glob("*.db*")} == {"hub.db": 0, "inbox.db": 0}


def test_a_folder_that_a_hub_makes_for_itself_is_its_owner_s_alone(home, hub, tmp_path, fresh_database):
    backup.backup(home, tmp_path / "b", env=ENV)
    there = Home(tmp_path / "there", fresh_database() if home.database else "")
    backup.restore(tmp_path / "b", there, env=ENV)
    homes.init(new := Home(tmp_path / "new", fresh_database() if home.database else ""))
    (tmp_path / "shared").mkdir(mode=0o750)
    homes.init(given := Home(tmp_path / "shared", fresh_database() if home.database else ""))
    modes = [folder.stat().st_mode & 0o777 for folder in (tmp_path / "b", there.data, new.data, given.data)]
    assert modes == [0o700, 0o700, 0o700, 0o750], "who made one for others keeps it so"


def test_a_backup_that_is_broken_off_is_not_there(home, hub, tmp_path):
    def tell(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.backup(home, tmp_path / "b", tell=tell, env=ENV)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_restore_that_is_broken_off_leaves_no_hub(home, hub, elsewhere, tmp_path):
    backup.backup(home, tmp_path / "b", env=ENV)
    there = elsewhere()

    def tell(what, *_):
        if what.startswith("restore"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.restore(tmp_path / "b", there, tell=tell, env=ENV)
    assert backup.MEDIA[backup.kind_of(there)].occupied(there) == []
    assert leftovers(there) == []
    backup.restore(tmp_path / "b", there, env=ENV)
    assert checks.findings(there) == []


def test_old_backups_are_rotated_and_never_the_one_just_written(home, hub, tmp_path, monkeypatch):
    (tmp_path / "b" / "orderhub-mine").mkdir(parents=True)  # named like one, but none
    folders = [backup.backup(home, tmp_path / "b", keep=2, env=ENV).folder for _ in range(4)]
    assert archive.backups(tmp_path / "b") == folders[2:]
    assert archive.newest(tmp_path / "b") == folders[3]
    monkeypatch.setattr(archive, "now", lambda: NOW)  # the clock was set back by years
    back = backup.backup(home, tmp_path / "b", keep=2, env=ENV).folder
    assert back in archive.backups(tmp_path / "b")
    assert len(archive.backups(tmp_path / "b")) == 2
    assert (tmp_path / "b" / "orderhub-mine").is_dir()


def test_a_backup_made_while_the_clock_was_ahead_is_nobodys_newest(home, hub, tmp_path, monkeypatch):
    right = archive.now
    monkeypatch.setattr(archive, "now", lambda: right() + 86_400_000_000)
    ahead = backup.backup(home, tmp_path / "b", keep=2, env=ENV).folder
    assert archive.newest(tmp_path / "b") == ahead, "there is no other"
    monkeypatch.setattr(archive, "now", right)
    first, second = [backup.backup(home, tmp_path / "b", keep=2, env=ENV) for _ in range(2)]
    assert (first.removed, second.removed) == ([], [ahead])
    assert archive.newest(tmp_path / "b") == second.folder


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def damages(folder):
    for path in sorted(folder.iterdir()):
        if path.suffix == ".copy" and path.stem not in ("inbox", "log", "reviews"):
            continue  # one table is like the other
        size = path.stat().st_size
        yield path.name, lambda path=path, size=size: flip(path, size // 2)
        yield path.name, lambda path=path, size=size: path.write_bytes(path.read_bytes()[: size * 2 // 3])
        yield path.name, path.unlink


def test_a_damaged_backup_is_refused_before_anything_is_touched(home, hub, elsewhere, tmp_path):
    folder = backup.backup(home, tmp_path / "b", env=ENV).folder
    there = elsewhere()
    there.data.mkdir()
    good = tmp_path / "good"
    shutil.copytree(folder, good)
    tried = 0
    for index in range(len(list(damages(folder)))):
        shutil.rmtree(folder)
        shutil.copytree(good, folder)
        name, damage = list(damages(folder))[index]
        damage()
        for attempt in (backup.restore, backup.rehearse):
            with pytest.raises(UserMistake) as told:
                attempt(folder, there)
            assert str(folder) in str(told.value)
            assert "\n" not in str(told.value)
            assert name in str(told.value)
        assert listing(there.data) == {}
        assert backup.MEDIA[backup.kind_of(there)].occupied(there) == []
        tried += 1
    assert tried >= 9


def reseal(folder, **changes):
    known = msgspec.json.decode((folder / archive.MANIFEST).read_bytes())["manifest"]
    written = msgspec.json.encode(known | changes)
    sealed = {"seal": archive._seal(written), "manifest": msgspec.Raw(written)}
    (folder / archive.MANIFEST).write_bytes(msgspec.json.encode(sealed))


def test_what_is_no_backup_of_ours_is_refused(home, hub, elsewhere, tmp_path):
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "photos", tmp_path / "nowhere", home.data):
        with pytest.raises(UserMistake, match="backup"):
            backup.restore(path, elsewhere())
    folder = backup.backup(home, tmp_path / "b", env=ENV).folder
    known = archive.manifest(folder)
    for changes in ({"format": 2}, {"revisions": {"hub": "hub_9999", "inbox": "inbox_9999"}}):
        reseal(folder, **changes)
        with pytest.raises(UserMistake, match="newer"):
            backup.restore(folder, elsewhere())
        reseal(folder, format=1, revisions=known.revisions)
    reseal(folder, files={**known.files, "../../escaped": archive.File(1, "")})
    with pytest.raises(UserMistake, match="outside"):
        backup.restore(folder, elsewhere())
    reseal(folder, files=known.files)
    other = Home(tmp_path / "x", "" if home.database else "postgresql://nobody@localhost/none")
    with pytest.raises(UserMistake, match="--database"):
        backup.restore(folder, other)


def test_a_rehearsal_finds_rows_that_do_not_come_back(home, hub, tmp_path):
    folder = backup.backup(home, tmp_path / "b", env=ENV).folder
    counts = archive.manifest(folder).counts
    reseal(folder, counts={**counts, "lines": counts["lines"] + 1})
    (finding,) = backup.rehearse(folder, home).findings
    assert "lines" in str(finding.what)


BEFORE_LANES = {"hub": "hub_0001", "inbox": "inbox_0001"}


def test_a_backup_of_an_older_schema_is_brought_to_this_one(elsewhere, opened, tmp_path, monkeypatch):
    """Written as the version that had one row of progress and no lanes wrote it."""
    old, there = elsewhere(), elsewhere()
    old.data.mkdir()
    homes.init(old, BEFORE_LANES)
    rows = (
        "INSERT INTO progress VALUES ('hub', 7, 1, 1, 0, {})".format("'\\x00'" if old.database else "x'00'"),
        "INSERT INTO inbox (source, message_id, kind, received_at, digest, body) VALUES ('s', 'm1', 'k', 1, {0}, {0}),"
        " ('s', 'm2', 'k', 2, {0}, {0})".format("'\\x01'" if old.database else "x'01'"),
        *(["INSERT INTO todo VALUES (2)"] if old.database else []),
    )
    store = homes.open_store(old)
    for sql in rows:
        with store.transaction("inbox" if " inbox " in sql else "hub") as cursor:
            cursor.execute(sql)
    store.close()
    if old.database:  # that version knew its own tables
        monkeypatch.setattr(backup_postgres, "OURS", [*backup_postgres.OURS, "progress"])
        monkeypatch.setattr(backup_postgres.homes, "outdated", lambda _: [])
        monkeypatch.setattr(backup_postgres, "lanes", lambda _: [])
    folder = backup.backup(old, tmp_path / "b", env=ENV).folder
    monkeypatch.undo()
    assert archive.manifest(folder).revisions == BEFORE_LANES
    backup.restore(folder, there, env=ENV)
    assert homes.outdated(there) == []
    restored = opened(there).store
    assert restored.waiting() == (1, 2)
    # The one lane goes on from there; 0019, 0021 and 0022 each move it on, past what was planned before them.
    assert restored.query("hub", "SELECT lane, version FROM lanes") == [(0, 7 + 3)]


def test_an_outdated_hub_in_postgresql_is_told_how_to_be_backed_up(elsewhere, tmp_path):
    old = elsewhere()
    old.data.mkdir()
    homes.init(old, BEFORE_LANES)
    if old.database:
        with pytest.raises(StoreMissing, match="db init"):
            backup.backup(old, tmp_path / "b", env=ENV)


# -- places that are taken


def test_a_hub_is_never_overwritten_and_with_force_kept_aside(home, hub, elsewhere, opened, tmp_path):
    settings = home.data / "orderhub.toml"
    settings.write_text("# before\n")
    backup.backup(home, tmp_path / "b", env=ENV)
    held = everything(home)
    hub.take(messages(3, 700))
    settings.write_text("# after\n")
    lost = everything(home)
    with pytest.raises(UserMistake, match="--force"):
        backup.restore(tmp_path / "b", home, env=ENV)
    with pytest.raises(UserMistake, match="in use"):
        backup.restore(tmp_path / "b", home, force=True, env=ENV)
    assert everything(home) == lost
    assert settings.read_text() == "# after\n"
    hub.store.close()
    done = backup.restore(tmp_path / "b", home, force=True, env=ENV)
    assert everything(home) == held
    assert checks.findings(home) == []
    assert settings.read_text() == "# before\n"
    (aside,) = [name for name in done.aside if settings.name not in name]
    if home.database:
        old = Home(home.data, f"{home.database}&options=-csearch_path%3D{aside.removeprefix('schema ')}")
    else:
        old = Home(home.data / aside)
    assert everything(old) == lost
    opened().take(messages(3, 700))
    assert checks.findings(home) == []


def test_boards_of_a_host_that_was_off_do_not_begin_at_its_snapshot_of_before_the_restore(home, hub, tmp_path):
    """Of the time before the backup: the log has gone on from there in both. Its folder is not the one restored to."""
    hub.take(messages(3, 30))
    other = KnownFrames(hub.store, tmp_path / "other host")
    other.write(tmp_path / "other host", lambda: NOW)
    hub.take(messages(2, 40))
    hub.store.close()
    made = backup.backup(home, tmp_path / "backups", env=ENV)
    backup.restore(made.folder, home, force=True, env=ENV)
    with contextlib.closing(homes.open_store(home)) as store:
        shown = KnownFrames(store, tmp_path / "other host").frame("orders")
        stored = store.query("hub", "SELECT order_no, headline FROM orders")
    assert sorted(shown.select("order_no", pl.col("headline").cast(pl.String)).rows()) == sorted(stored)


def test_boards_do_not_begin_at_a_snapshot_of_another_time(home, hub, elsewhere, tmp_path):
    """It counts changes as the lost hub did: a board that began at it would miss some of the restored hub's."""
    backup.backup(home, tmp_path / "b", env=ENV)
    there = elsewhere()
    (there.data / "snapshot").mkdir(parents=True)
    done = backup.restore(tmp_path / "b", there, env=ENV)
    assert not (there.data / "snapshot").exists()
    assert any("snapshot" in kept for kept in done.aside)


def test_settings_of_this_machine_are_not_overwritten_silently(sqlite_home, tmp_path):
    (sqlite_home.data / "orderhub.toml").write_text('time_zone = "UTC"')
    backup.backup(sqlite_home, tmp_path / "b", env=ENV)
    there = Home(tmp_path / "there")
    there.data.mkdir()
    (there.data / "orderhub.toml").write_text("# mine")
    with pytest.raises(UserMistake, match=r"orderhub\.toml"):
        backup.restore(tmp_path / "b", there, env=ENV)
    assert (there.data / "orderhub.toml").read_text() == "# mine"
    done = backup.restore(tmp_path / "b", there, force=True, env=ENV)
    (kept,) = done.aside
    assert (tmp_path / kept).read_text() == "# mine"


def test_the_inbox_is_put_in_place_before_the_hub(sqlite_home, tmp_path, monkeypatch):
    """Whatever moment a restore is killed at, no hub stands over an inbox that is not its own."""
    backup.backup(sqlite_home, tmp_path / "b", env=ENV)
    seen = []
    real = archive.sync

    def watch(path):
        real(path)
        seen.append({p.name for p in (tmp_path / "there").glob("*.db")})

    monkeypatch.setattr(backup_sqlite.archive, "sync", watch)
    backup.restore(tmp_path / "b", Home(tmp_path / "there"), env=ENV)
    assert {"hub.db"} not in seen
    assert seen[-1] == {"hub.db", "inbox.db"}
