"""Starting several processes together, waiting until they answer, and stopping them together."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from orderhub_core.errors import OrderHubError, UserMistake

READY_S = 90.0
LAST_PORT = 65_535
BEHIND = 10
"""Niceness."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def free_port(wished: int) -> int:
    """The wished port of this machine's loopback, or the next free one."""
    if not 1 <= wished <= LAST_PORT:
        raise UserMistake(
            "there is no port {wished}: name one from 1 to {most} with --port", wished=wished, most=LAST_PORT - 1
        )
    for port in range(wished, min(wished + 100, LAST_PORT + 1)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OrderHubError(
        "no free port between {wished} and {last}: name another with --port", wished=wished, last=wished + 99
    )


class Told(Exception):
    """SIGINT or SIGTERM came."""


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Raises UserMistake when another demonstration runs over the same folder. The lock ends with the process."""
    with (folder / "demo.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserMistake(
                "a demonstration runs in {folder} already: stop it, or name another --data", folder=folder
            ) from None
        yield


class Processes:
    """Children with their log files. Leaving the block ends them all."""

    def __init__(self, logs: Path, env: Mapping[str, str]) -> None:
        self.logs, self.env = logs, dict(env)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.told = threading.Event()

    def start(self, name: str, arguments: Sequence[str], *, behind: bool = False) -> None:
        """`behind`: it gives way to whoever sits before a page, where both want the processor."""
        self._heed()
        with (self.logs / f"{name}.log").open("wb") as log:
            self.children[name] = subprocess.Popen(  # noqa: S603 — our own modules, no shell
                [sys.executable, "-m", *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if behind:
            with contextlib.suppress(OSError):  # it has ended, as `check` will tell
                os.setpriority(os.PRIO_PROCESS, self.children[name].pid, BEHIND)

    def wait_for(self, url: str) -> None:
        """Raises OrderHubError when a child ends or the address does not answer in time."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self._heed()
            self.check()
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=2.0).is_success:
                    return
            time.sleep(0.1)
        raise OrderHubError(
            "{url} does not answer after {seconds:.0f} s; see {logs}", url=url, seconds=READY_S, logs=self.logs
        )

    def check(self) -> None:
        """Raises OrderHubError naming a child that ended, with the end of its log."""
        for name, child in self.children.items():
            if child.poll() is not None:
                log = self.logs / f"{name}.log"
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                raise OrderHubError(
                    "{name} ended with code {code}: {last} (log: {log})",
                    name=name,
                    code=child.returncode,
                    last=" | ".join(last),
                    log=log,
                )

    def _heed(self) -> None:
        if self.told.is_set():
            raise Told

    def stop(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def running(logs: Path, env: Mapping[str, str]) -> Iterator[Processes]:
    """Children that end with this block. SIGTERM and SIGINT leave it early, at the next step, and are no error."""
    logs.mkdir(parents=True, exist_ok=True)
    processes = Processes(logs, env)
    # Before the first child: whoever is told to stop while they start must still end them all.
    before = {number: signal.signal(number, lambda *_: processes.told.set()) for number in SIGNALS}
    try:
        yield processes
    except Told:
        pass
    finally:
        processes.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def until_told(processes: Processes) -> None:
    """Wait for SIGINT or SIGTERM, watching the children."""
    while not processes.told.wait(1.0):
        processes.check()
