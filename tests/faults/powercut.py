"""Power cuts: the product's receiver, absorb and dispatch on a simulated disk that is cut at any moment.

One world is one run of the product over a few orders, every write and sync of both files logged. Cuts then fall at
random points of that log: what was synced is there; of the rest nothing, all, a prefix, some writes, torn sectors or
garbage, file by file. After each cut both databases are opened again and compared with what had been told to the
outside before it. Every some cuts the product itself goes on from the wreck (its recovery is recorded and cut, too),
gets what was never acknowledged again, and must end in the state of a run that nothing interrupted.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from copy import deepcopy
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from breakages import BREAKAGES
from life import SECOND, Product, Told, deliveries_of, state_of
from report import Report

NAME = "powercut"
MEMORY = Path("/dev/shm")
CUTS_PER_WORLD = 500
CUTS_PER_RECOVERY = 15
WHOLE_EVERY = 40
"""One cut in so many is recovered from by the product itself."""
MOST_BROKEN = 20
MAKINGS = 200
"""One cut in so many falls while the hub is being made."""


def run(rounds: int, seed: int, control: str = "") -> Report:
    """So many cuts, in a process of their own. `control` breaks the product on purpose: see `breakages`."""
    return in_child(__file__, rounds=rounds, seed=seed, control=control)


def in_child(script: str, **asked: Any) -> Report:
    command = [sys.executable, script, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Report(NAME, asked["seed"], broken=[f"the harness itself failed: {done.stderr[-2000:]}"])
    return Report(**json.loads(done.stdout.splitlines()[-1]))


def main(harness: type[Harness]) -> None:
    from standin import install

    driver = install()
    running = harness(driver, **json.loads(sys.argv[1]))
    try:
        print(json.dumps(asdict(running.run())))
    finally:
        shutil.rmtree(running.work)


# -- below here: in the child, where apsw stands in for pysqlite3


class Harness:
    name = NAME
    cuts_per_world = CUTS_PER_WORLD
    checkpoints: tuple[str, ...] = ("4000", "30", "8")

    def __init__(self, driver: Any, rounds: int, seed: int, control: str = "") -> None:
        from simulated import Disk

        self.rounds, self.seed, self.dice = rounds, seed, Random(seed)
        self.driver = driver
        self.disk = Disk("simulated")
        self.report = Report(f"{self.name}, {control}" if control else self.name, seed)
        self.work = Path(tempfile.mkdtemp(prefix="powercut", dir=MEMORY if MEMORY.is_dir() else None))
        BREAKAGES[control](self)

    def run(self) -> Report:
        began = time.monotonic()
        self._make_home()
        self._check_making(self.rounds // MAKINGS)
        while self.report.rounds < self.rounds and len(self.report.broken) < MOST_BROKEN:
            self._world()
        self.report.seconds = time.monotonic() - began
        return self.report

    # -- recording

    def _make_home(self) -> None:
        """The product's own making of a hub, on the recorded disk."""
        from orderhub_core.store import homes

        folder = self._folder({})
        with self._recorded() as log:
            homes.init(homes.Home(folder))
        self.made = log
        self.empty = _files(folder)

    def _check_making(self, count: int) -> None:
        """A hub whose making was cut off can be made, and what `init` promised is there once it returned."""
        from simulated import Platter

        from orderhub_core.store import homes, schema

        platter, at = Platter({}), 0
        for point in sorted(self.dice.randrange(len(self.made) + 1) for _ in range(count)):
            for op in self.made[at:point]:
                platter.play(op)
            at = point
            fate, image = platter.image(self.dice)
            self.report.rounds += 1
            home = homes.Home(self._folder(image))
            try:
                homes.init(home)
                wrong = homes.outdated(home) or schema.differences(home)
            except Exception as error:  # noqa: BLE001 — whatever it is, a hub that cannot be made is what we look for
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                where = f"seed {self.seed}, cut {self.report.rounds} at {point}/{len(self.made)} of init: {fate}"
                self._break(f"{where}: making it again: {wrong}")
                if len(self.report.broken) >= MOST_BROKEN:
                    return

    def _world(self) -> None:
        dice = self.dice
        deliveries = deliveries_of(dice)
        # The product's own checkpoint comes every 1,000 or 4,000 pages: too late for so few messages.
        self.driver.settings["wal_autocheckpoint"] = dice.choice(self.checkpoints)
        whole = self._uninterrupted(deliveries)
        folder = self._folder(self.empty)
        with self._recorded() as log:
            self._live(folder, deliveries)
        self._check_cuts(self.empty, Told(), log, deliveries, whole, depth=0)

    def _uninterrupted(self, deliveries: list[list[Any]]) -> dict[str, list[Any]]:
        product = Product(self._folder(self.empty), Told(), lambda word, told: None, now=0)
        product.finish(deliveries)
        state = state_of(product.store)
        product.close()
        return state

    def _live(self, folder: Path, deliveries: list[list[Any]]) -> None:
        """A life: deliveries, absorbing and dispatching interleaved, now and then a restart."""
        dice, rest = self.dice, list(deliveries)
        product = Product(folder, Told(), self.disk.mark, now=SECOND)
        while rest:
            match dice.choice("dddaaxr"):
                case "d":
                    size = dice.randint(1, 5)
                    product.deliver(rest[:size])
                    rest = rest[size:]
                case "a":
                    product.absorb(dice.choice((1, 3, 10, 50)))
                case "x":
                    product.dispatch(dice.randint(1, 5))
                case "r" if dice.random() < 0.5:
                    product.close()
                    product = Product(folder, product.told, self.disk.mark, now=product._now)
        product.finish([])
        if product.failures:
            self._break(f"seed {self.seed}: on a sound disk senders were told {product.failures[0]!r}")
        product.close()

    # -- cutting

    def _check_cuts(
        self, files: dict[str, bytes], told: Told, log: list[Any], deliveries: Any, whole: Any, *, depth: int
    ) -> None:
        from simulated import Platter

        count = CUTS_PER_RECOVERY if depth else min(self.cuts_per_world, self.rounds - self.report.rounds)
        points = sorted(self.dice.randrange(len(log) + 1) for _ in range(count))
        self.report.acknowledged += sum(len(op.data) for op in log if op.file == "acknowledged")
        platter, told, at = Platter(files), deepcopy(told), 0
        for point in points:
            for op in log[at:point]:
                if op.kind == "mark":
                    told.take(op.file, op.data)
                else:
                    platter.play(op)
            at = point
            fate, image = platter.image(self.dice)
            self.report.rounds += 1
            where = f"seed {self.seed}, cut {self.report.rounds} at {point}/{len(log)} (depth {depth}): {fate}"
            if self._check(image, told, where) and self.report.rounds % WHOLE_EVERY == 0:
                self._recover(image, told, deliveries, whole, where, depth)
            if len(self.report.broken) >= MOST_BROKEN:
                return

    def _check(self, image: dict[str, bytes], told: Told, where: str) -> bool:
        """The cheap look: nothing damaged, nothing that was told is gone. False when something is wrong."""
        import apsw

        before = len(self.report.broken), self.report.lost, self.report.doubled
        folder = self._folder(image)
        try:
            self._look(folder, told, where)
        except apsw.Error as error:
            self._break(f"{where}: {type(error).__name__} {error}")
        return before == (len(self.report.broken), self.report.lost, self.report.doubled)

    def _look(self, folder: Path, told: Told, where: str) -> None:
        with _opened(folder / "inbox.db") as inbox:
            self._whole(inbox, "inbox", where)
            stored = list(inbox.execute("SELECT id, source, message_id, digest FROM inbox NOT INDEXED"))
            conflicts = set(inbox.execute("SELECT source, message_id, digest FROM conflict"))
        held = {(source, message_id): digest for _, source, message_id, digest in stored}
        twice = [key for key, times in Counter((row[1], row[2]) for row in stored).items() if times > 1]
        lost = [key for key, digest in told.acknowledged.items() if held.get(key) != digest]
        self.report.lost += len(lost) + len(told.conflicts - conflicts)
        self.report.doubled += len(twice)
        if lost or twice or told.conflicts - conflicts:
            self._break(f"{where}: acknowledged and lost {lost[:3]}, {told.conflicts - conflicts or ''}, twice {twice}")
        with _opened(folder / "hub.db") as hub:
            self._whole(hub, "hub", where)
            log = list(hub.execute("SELECT * FROM log ORDER BY seq"))
            parked = dict(hub.execute("SELECT message_id, id FROM parked"))
            done = {row[0] for row in hub.execute("SELECT key FROM outbox WHERE state = 'done'")}
        message = len(log[0]) - 3 if log else 0
        ids = {row[0] for row in stored}
        if strangers := ({row[message] for row in log} | set(parked.values())) - ids:
            self._break(f"{where}: the hub knows messages {sorted(strangers)[:5]} that the inbox does not have")
        if (broken := _broken_entry(log)) is not None:
            self._break(f"{where}: the log's chain is broken at entry {broken}")
        if told.log_head and told.log_head not in {(row[0], row[-1]) for row in log}:
            self._break(f"{where}: a batch that was applied is gone (the log ends at {log[-1][0] if log else 0})")
        if told.parked - parked.keys() or told.finished - done:
            self._break(f"{where}: parked {told.parked - parked.keys()} or finished {told.finished - done} is gone")

    def _whole(self, database: Any, name: str, where: str) -> None:
        verdict = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
        if verdict != ["ok"]:
            self._break(f"{where}: {name} is damaged: {verdict[0]}")

    def _recover(self, image: Any, told: Told, deliveries: Any, whole: Any, where: str, depth: int) -> None:
        """The product goes on from the wreck, and the senders send again whatever was not acknowledged."""
        told = deepcopy(told)
        before = deepcopy(told)
        again = [[m for m in some if (m.source, m.message_id) not in told.acknowledged] for some in deliveries]
        folder = self._folder(image)
        with self._recorded() as log:
            product = Product(folder, told, self.disk.mark, now=10_000 * SECOND)
            product.finish([some for some in again if some] or deliveries[:1])
            state, verdict = state_of(product.store), product.store.verify_log()
            product.close()
        if product.failures:
            self._break(f"{where}: after recovery senders were told {product.failures[0]!r}")
        if verdict.broken_seq is not None:
            self._break(f"{where}: after recovery {verdict.reason}")
        if product.repeated:
            self._break(f"{where}: finished effects performed again: {product.repeated}")
        self.report.double_effects += len(_doubled_effects(told.performed))
        for name, rows in whole.items():
            if rows != state[name]:
                gone, new = [r for r in rows if r not in state[name]], [r for r in state[name] if r not in rows]
                self._break(f"{where}: recovered {name} differ: without {gone[:2]}, with {new[:2]}")
        if not depth:
            self._check_cuts(image, before, log, deliveries, whole, depth=1)

    # -- plumbing

    def _break(self, line: str) -> None:
        self.report.broken.append(line)

    def _recorded(self) -> Any:
        return _Recorded(self)

    def _folder(self, files: dict[str, bytes]) -> Path:
        """The one folder, holding these files only."""
        for old in self.work.iterdir():
            old.unlink()
        for name, content in files.items():
            (self.work / name).write_bytes(content)
        return self.work


class _Recorded:
    def __init__(self, harness: Harness) -> None:
        self.disk, self.driver = harness.disk, harness.driver

    def __enter__(self) -> list[Any]:
        self.disk.log, self.driver.vfs = [], self.disk.name
        return self.disk.log

    def __exit__(self, *_: Any) -> None:
        self.disk.log, self.driver.vfs = [], "unix"


class _opened:
    def __init__(self, path: Path) -> None:
        import apsw

        if not path.exists():
            raise apsw.CantOpenError(f"{path.name} is not there")
        self.connection = apsw.Connection(str(path), vfs="unix")

    def __enter__(self) -> Any:
        return self.connection

    def __exit__(self, *_: Any) -> None:
        self.connection.close(True)


def _broken_entry(log: list[Any]) -> int | None:
    """The first entry whose hash is not that of its fields and the hash before it; written apart from the product's."""
    before = bytes(32)
    for place, (*fields, stored) in enumerate(log, 1):
        before = blake2b(before + msgspec.msgpack.encode(fields), digest_size=32).digest()
        if fields[0] != place or before != stored:
            return place
    return None


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def _doubled_effects(performed: dict[str, str]) -> list[str]:
    """What was done outside under more than one key."""
    return [payload for payload, times in Counter(performed.values()).items() if times > 1]


if __name__ == "__main__":
    main(Harness)
