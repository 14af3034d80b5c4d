"""A disk that is full, or fails to write or sync, while the product takes messages in, applies them and dispatches.

The same lives and the same cuts as `powercut`, but now and then the disk says no. Then nobody may be told "on disk",
the failure must be typed (a full disk is Busy: come back; a failing one is Busy or Stop), and what had been told
before stands. A full disk needs no restart once there is room; after Stop the process is started again. Where a
sync failed, the system forgets what it had not written: a cut afterwards shows whether anybody relied on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from life import SECOND, Product, Told, deliveries_of, state_of
from powercut import Harness, in_child, main
from report import Report

NAME = "disk"
TROUBLES = ("full", "write", "sync")


def run(rounds: int, seed: int, control: str = "") -> Report:
    """So many cuts of lives on a bad disk."""
    return in_child(__file__, rounds=rounds, seed=seed, control=control)


class Troubled(Harness):
    name = NAME
    cuts_per_world = 100

    def run(self) -> Report:
        self.bitten: Counter[str] = Counter()
        report = super().run()
        if idle := [trouble for trouble in TROUBLES if not self.bitten[trouble]]:
            self._break(f"seed {self.seed}: {', '.join(idle)} never troubled anyone: more rounds")
        return report

    def _live(self, folder: Path, deliveries: list[list[Any]]) -> None:
        dice, rest = self.dice, list(deliveries)
        product = Product(folder, Told(), self.disk.mark, now=SECOND)
        while rest:
            trouble = dice.choice(("", *TROUBLES))
            self.disk.trouble = self._saying(trouble)
            fine = True
            for _ in range(dice.randint(1, 4)):
                size = dice.randint(1, 5)
                fine &= self._step(product, trouble, rest[:size])
                rest = rest[size:]
            self.disk.trouble = self._saying("")
            if not fine or dice.random() < 0.1:
                product.close()
                product = Product(folder, product.told, self.disk.mark, now=product._now)
        product.failures.clear()
        # The senders come again with what was not acknowledged; twice is harmless.
        product.finish(deliveries)
        if product.failures:
            self._break(f"seed {self.seed}: the disk is sound again, and senders were told {product.failures[0]!r}")
        self._compare(product, deliveries)
        product.close()

    def _saying(self, trouble: str) -> Any:
        import apsw
        from simulated import no_trouble

        def say(kind: str, grows: bool) -> None:
            if trouble == "full" and grows:
                raise apsw.FullError("database or disk is full")
            if trouble == kind and self.dice.random() < 0.5:
                raise apsw.IOError("disk I/O error")

        return say if trouble else no_trouble

    def _step(self, product: Product, trouble: str, deliveries: list[list[Any]]) -> bool:
        """One thing the product does. False when it says that it must not go on."""
        from orderhub_core.errors import Busy, OrderHubError, Stop

        product.failures.clear()
        try:
            if deliveries:
                product.deliver(deliveries)
            if self.dice.random() < 0.5:
                product.absorb(self.dice.choice((1, 3, 10)))
            else:
                product.dispatch(3)
        except OrderHubError as failure:
            product.failures.append(failure)
        self.bitten[trouble] += len(product.failures)
        allowed = {"": (), "full": (Busy,)}.get(trouble, (Busy, Stop))
        for failure in product.failures:
            if not isinstance(failure, allowed):
                self._break(f"seed {self.seed}: trouble {trouble or 'none'} was told as {failure!r}")
        return not any(isinstance(failure, Stop) for failure in product.failures)

    def _compare(self, product: Product, deliveries: list[list[Any]]) -> None:
        self.disk.recording = False
        state = state_of(product.store)
        told = {(m.source, m.message_id) for some in deliveries for m in some}
        stored = product.store.query("inbox", "SELECT source, message_id FROM inbox")
        if len(stored) != len(set(stored)) or set(stored) != told or product.store.waiting()[0]:
            self._break(f"seed {self.seed}: after the trouble {len(stored)} of {len(told)} messages, or some wait")
        if not state["orders"]:
            self._break(f"seed {self.seed}: nothing was applied")
        self.disk.recording = True


# -- a real file system without room


def fill(seed: int) -> Report:
    """The product as it is (its own SQLite) on a small file system that somebody else has filled."""
    folder = tempfile.mkdtemp(prefix="disk")
    mount = f'mount -t tmpfs -o size=6m none {folder} && exec "$0" "$@"'
    command = ["unshare", "-Urm", "sh", "-c", mount, sys.executable, __file__, "fill", folder, str(seed)]
    report = Report(f"{NAME}, filled", seed)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    Path(folder).rmdir()
    if done.returncode:
        report.broken.append(done.stderr[-2000:])
        return report
    report.rounds, report.acknowledged, report.lost, report.doubled = map(int, done.stdout.split())
    return report


def can_fill() -> bool:
    """May this machine's users mount a file system of their own?"""
    return not subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    ).returncode


def _fill(folder: Path, seed: int) -> None:
    from orderhub_core import runtime  # noqa: F401
    from orderhub_core.errors import Busy
    from orderhub_core.store import homes

    homes.init(homes.Home(folder))
    told = Told()
    product = Product(folder, told, told.take, now=SECOND)
    dice, rounds = Random(seed), 0
    refused = {"taking in": 0, "applying": 0}
    everything = []
    for number in range(6):
        deliveries = [[_renamed(m, number) for m in some] for some in deliveries_of(dice)]
        everything += deliveries
        ballast = folder / "ballast"
        if number % 2:
            product.deliver(deliveries[::2])
        _take_all_room(ballast)
        product.deliver(deliveries)
        refused["taking in"] += len(product.failures)
        assert all(isinstance(failure, Busy) for failure in product.failures), product.failures
        try:
            while product.absorb(20):
                pass
        except Busy:
            refused["applying"] += 1
        ballast.unlink()
        product.failures.clear()
        product.finish(deliveries)
        assert not product.failures, product.failures
        rounds += 1
    assert all(refused.values()), f"the file system was never full: {refused}"
    assert product.store.waiting()[0] == 0
    assert product.store.verify_log().broken_seq is None
    stored = product.store.query("inbox", "SELECT source, message_id FROM inbox")
    product.close()
    print(rounds, len(told.acknowledged), len(told.acknowledged.keys() - set(stored)), len(stored) - len(set(stored)))


def _renamed(message: Any, number: int) -> Any:
    import msgspec

    return msgspec.structs.replace(
        message, message_id=f"{number}-{message.message_id}", body=message.body.replace(b'"A', b'"%dA' % number)
    )


def _take_all_room(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4_096):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        _fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(Troubled)
