"""Real processes, really killed: accept, apply and dispatch under load, SIGKILL at any moment, started, and again.

A run goes through homes of some kills each. Every home is a hub of its own with a platform that pushes to it and a
warehouse that takes from it, both in this process, which is never killed and keeps the journal. After each kill the
oracle glances; at the end of a home the load stops, everything must come to rest, and the oracle looks at all of it.

The seed decides the load, who is killed, how, and when. What the operating system does in between it does not decide:
the same seed gives the same campaign, and nearly the same moments.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from invariants import Eyes, Findings, Witness, outbox_open, told_by_itself, waiting
from orders import SHOP, Stream
from outside import RULES, SECRETS, Outside, running
from ports import free_port
from report import Report
from senders import Door, HttpDoor, Journal, Senders, SocketDoor

from orderhub_core.errors import OrderHubError
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

NAME = "kills"
SENDERS = 4
PER_HOME = 40
LET_GO = 25
"""Deliveries for each kill."""
REST_S = 90.0
"""How long a hub that nobody disturbs any more may take to come to rest."""
STARTED_S = 10.0
"""How long a server that has been sent something may take to start the process that writes for it: one that was killed
is not started again at once, and the machine may be busy with others."""
WRITES_S = 0.5
"""And until it writes."""
ANYHOW = 0.2
"""Part of the blows that fall whether those that are struck have begun to work or not."""
BACK_S = 60.0
"""How long a database that was struck may be away."""
HOUR = 3_600_000_000
ALONE = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
"""The zygote must not have threads."""

WORKERS = ("apply", "dispatch")
TEAM = ("accept", "feed", "apply", "dispatch")
TWINS = ("accept", "feed", "feed", "apply", "apply", "dispatch", "dispatch")
"""Two workers of each kind on one home."""


@dataclass
class Plan:
    """What a run is made of."""

    backend: str = "sqlite"
    team: tuple[str, ...] = TEAM
    blows: dict[str, float] = field(default_factory=lambda: {"kill": 8, "all": 1, "freeze": 1})
    """How often each kind of blow falls, in proportion."""
    victims: tuple[str, ...] = ()
    """Roles that are struck; empty: all."""
    sabotage: str = ""
    """A name of `sabotage`: the product is broken on purpose."""
    per_home: int = PER_HOME
    longest_s: float = 0.25
    chatter: float = 0.7
    poison: float = 0.01
    """Parts of the messages: nothing new, and nothing readable."""
    delivery: int = 4
    """Messages of a delivery, on average."""
    batch: int = 60
    """Messages that are applied at once, at most."""
    let_go: int = LET_GO
    stop_early: bool = False
    """End the run at the first thing that is broken."""


POSTGRES = {"kill": 6.0, "all": 1.0, "freeze": 1.0, "backend": 2.0, "postmaster": 0.5}
PLANS = {
    "sqlite": Plan(),
    "sqlite-twins": Plan(team=TWINS),
    "sqlite-backlog": Plan(blows={"kill": 4, "all": 1, "freeze": 1, "committer": 4}, batch=4),
    "sqlite-scribe": Plan(
        team=("accept", "accept", "apply", "dispatch"),
        blows={"kill": 3, "all": 1, "freeze": 1, "scribe": 6},
        let_go=4 * LET_GO,
        longest_s=1.0,
    ),
    "postgres": Plan("postgres", blows=POSTGRES),
    "postgres-twins": Plan("postgres", TWINS, POSTGRES),
}


class Zygote:
    """The parent of every role; see `roles`."""

    def __init__(self) -> None:
        env = {**os.environ, **SECRETS, **ALONE}
        script = str(Path(__file__).with_name("roles.py"))
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self._hear()

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the zygote ended")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def children(pid: int) -> list[int]:
    told = [file.read_text(encoding="ascii").split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(number) for numbers in told for number in numbers]


class Stage:
    """One home, the roles that live on it, and the world around it."""

    def __init__(self, plan: Plan, seed: str, home: Home, zygote: Zygote, outside: Outside, cluster: Any) -> None:
        self.plan, self.home, self.zygote, self.outside, self.cluster = plan, home, zygote, outside, cluster
        self.dice, self.journal, self.found = Random(seed), Journal(), Findings()
        self.witness = Witness(self.journal, self.found)
        self.alive: dict[int, int] = {}
        """Place in the team to process id."""
        self.blows = self.children_killed = 0
        (home.data / "orderhub.toml").write_text(outside.settings(plan.batch))
        (home.data / "rules.toml").write_text(RULES)
        (home.data / "began").write_text(str(time.time_ns() // 1_000))
        (home.data / "leap").write_bytes(bytes(8))
        self.ports = {place: free_port() for place, role in enumerate(plan.team) if role == "accept"}
        self.doors = self._doors()
        """Each with its place in the team."""
        self.heard: dict[int, int] = {}
        """By place in the team: what its doors had heard when it was started."""
        self.senders = Senders(
            Stream(outside.shop, chatter=plan.chatter, poison=plan.poison, mean=plan.delivery),
            self.journal,
            [door for _, door in self.doors],
            seed,
        )

    def _doors(self) -> list[tuple[int, Door]]:
        ways = [place for place, role in enumerate(self.plan.team) if role in ("accept", "feed")]
        return [
            (place, HttpDoor(self.ports[place]) if place in self.ports else SocketDoor(self._socket(place)))
            for place in (ways * SENDERS)[: max(SENDERS, len(ways))]
        ]

    def _heard(self, place: int) -> int:
        return sum(door.heard for at, door in self.doors if at == place)

    def _socket(self, place: int) -> Path:
        return self.home.data / f"feed-{place}.sock"

    def leap(self, by: int) -> None:
        with (self.home.data / "leap").open("r+b") as file:
            (now,) = struct.unpack("q", file.read(8))
            file.seek(0)
            file.write(struct.pack("q", now + by))

    def start(self, place: int) -> int:
        role = self.plan.team[place]
        self.heard[place] = self._heard(place)
        pid: int = self.zygote.ask(
            do="start",
            role=role,
            data=str(self.home.data),
            database=self.home.database,
            sabotage=self.plan.sabotage,
            port=self.ports.get(place),
            socket=str(self._socket(place)),
            shop=SHOP,
        )["pid"]
        return pid

    def begin(self) -> None:
        for place in range(len(self.plan.team)):
            self.alive[place] = self.start(place)

    def strike(self) -> None:
        """One blow, and everything that was struck is there again."""
        kinds = list(self.plan.blows)
        kind = self.dice.choices(kinds, [self.plan.blows[kind] for kind in kinds])[0]
        struck = [p for p, role in enumerate(self.plan.team) if role in (self.plan.victims or self.plan.team)]
        if kind in ("kill", "freeze"):
            struck = [self.dice.choice(struck)]
        if self.dice.random() > ANYHOW:
            self._await_begun(struck)
        self.senders.let_go(self.plan.let_go)
        self._await_moment()
        blows = {
            "kill": self._kill,
            "all": self._kill,
            "freeze": self._freeze,
            "committer": partial(self._kill_child, "apply", 0.0),
            "scribe": partial(self._kill_child, "accept", STARTED_S),
        }
        blows.get(kind, self._strike_cluster)(struck, kind)

    def _await_begun(self, places: list[int]) -> None:
        """On a busy machine whoever was killed would be killed again before it took anything in, each time."""
        mute = [place for place in places if any(at == place for at, _ in self.doors)]
        deadline = time.monotonic() + STARTED_S
        while any(self._heard(place) == self.heard[place] for place in mute) and time.monotonic() < deadline:
            if self.senders.idle:
                self.senders.let_go(1)
            time.sleep(0.001)

    def _await_moment(self) -> None:
        """While senders send, as often as not: a quick hub is soon done with them."""
        rest = self.dice.uniform(0.0, 1.0) ** 2 * self.plan.longest_s
        if self.dice.random() < 0.5:
            time.sleep(rest)
            return
        few, deadline = self.dice.randrange(self.plan.let_go), time.monotonic() + rest
        while self.senders.left > few and time.monotonic() < deadline:
            time.sleep(0.000_2)
        time.sleep(self.dice.uniform(0.0, 0.003))

    def _kill_child(self, role: str, within_s: float, places: list[int], kind: str) -> None:
        """The processes that write for those of a role, if there are any by then; whoever has them goes on."""
        parents = [self.alive[place] for place, known in enumerate(self.plan.team) if known == role]
        deadline = time.monotonic() + within_s
        while not any(map(children, parents)) and self.senders.left and time.monotonic() < deadline:
            time.sleep(0.01)
        if within_s:  # one that has just begun is to write before it is struck, and as it is struck
            time.sleep(self.dice.uniform(0.0, WRITES_S))
            self.senders.let_go(self.plan.let_go)
            self._await_moment()
        found = [child for pid in parents for child in children(pid)]
        for child in found:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                self.blows += 1
                self.children_killed += 1
        if not found:
            self._kill([self.dice.choice(places)])

    def _kill(self, places: list[int], kind: str = "") -> None:
        for place in places:
            self._end(self.alive.pop(place), self.plan.team[place])
        for place in places:
            self.alive[place] = self.start(place)

    def _end(self, pid: int, role: str) -> None:
        status = self.zygote.ask(do="signal", pid=pid, number=signal.SIGKILL)["status"]
        self.blows += 1
        if not os.WIFSIGNALED(status):
            self.found.broken.append(f"I13 a {role} process ended by itself ({status}): {self._last_words()}")

    def _last_words(self) -> str:
        path = self.home.data / "roles.log"
        return path.read_text(errors="replace")[-1_000:] if path.exists() else "it said nothing"

    def _freeze(self, places: list[int], kind: str) -> None:
        """One is stopped wherever it is, beyond its leases, while others go on; then it goes on itself, not knowing
        what happened. A worker's work is done by a twin meanwhile. In the end one of them is killed."""
        (place,) = places
        role = self.plan.team[place]
        self.zygote.ask(do="signal", pid=self.alive[place], number=signal.SIGSTOP)
        twin = self.start(place) if role in WORKERS else None
        self.leap(HOUR)
        time.sleep(self.dice.uniform(0.05, 0.2))
        self.zygote.ask(do="signal", pid=self.alive[place], number=signal.SIGCONT)
        time.sleep(self.dice.uniform(0.0, 0.1))
        if twin is None:
            self._kill([place])
        else:
            self._end(twin, role)

    def _strike_cluster(self, places: list[int], kind: str) -> None:
        self.blows += self.cluster.strike(kind, self.home.database, self.dice)

    def look(self) -> None:
        """A cluster that was just struck may answer once more before it notices: then once again."""
        deadline = time.monotonic() + BACK_S
        while True:
            try:
                with self.eyes() as eyes:
                    self.witness.glance(eyes)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    @contextmanager
    def eyes(self) -> Iterator[Eyes]:
        eyes = Eyes(self.home)
        try:
            yield eyes
        finally:
            eyes.close()

    def rest(self) -> None:
        """I13: the load stops, and everything comes to rest."""
        deadline = time.monotonic() + REST_S
        while not (self.senders.idle and self._is_at_rest()):
            if time.monotonic() > deadline:
                self.found.broken.append(f"I13 not at rest after {REST_S:g} s: {self._state()}; {self._last_words()}")
                break
            self.leap(HOUR)
            time.sleep(0.05)
        self.close()

    def judge(self, fresh: Home) -> None:
        """Everything is looked at; `fresh` is the home of an empty hub."""
        with self.eyes() as eyes:
            self.witness.stare(eyes, self.outside.yard)
            self.witness.replayed(eyes, fresh)
        self.found.broken += told_by_itself(self.home)

    def close(self) -> None:
        """Nobody sends, nobody works."""
        self.senders.stop()
        while self.alive:
            _, pid = self.alive.popitem()
            self.zygote.ask(do="signal", pid=pid, number=signal.SIGKILL)

    def _is_at_rest(self) -> bool:
        try:
            with self.eyes() as eyes:
                return not (outbox_open(eyes) or waiting(self.home) or outbox_open(eyes))
        except (psycopg.OperationalError, OrderHubError):
            return False

    def _state(self) -> str:
        with self.eyes() as eyes:
            effects = dict(eyes.hub("SELECT state, count(*) FROM outbox GROUP BY state"))
        return f"{waiting(self.home)} messages wait, effects {effects}; answers {self.journal.answers}"


def run(rounds: int, seed: int, plan: Plan | str = "sqlite") -> Report:
    """So many kills, by a plan or the name of one of `PLANS`."""
    name = plan if isinstance(plan, str) else plan.sabotage
    plan = PLANS[plan] if isinstance(plan, str) else plan
    report = Report(f"{NAME} {name}", seed)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills", ignore_cleanup_errors=True)))
        cluster = None
        if plan.backend == "postgres":
            from cluster import Cluster

            cluster = stack.enter_context(Cluster.started(folder / "cluster"))
        zygote = Zygote()
        stack.callback(zygote.close)
        homes.init(Home(folder / "empty"))
        number = 0
        while report.rounds < rounds and not (plan.stop_early and not report.fine):
            _one_home(
                plan, f"{seed}:{number}", min(plan.per_home, rounds - report.rounds), folder, zygote, cluster, report
            )
            number += 1
    report.seconds = time.monotonic() - began
    return report


def _one_home(plan: Plan, seed: str, kills: int, folder: Path, zygote: Zygote, cluster: Any, report: Report) -> None:
    place = Path(tempfile.mkdtemp(dir=folder))
    with staged(plan, seed, place, folder / "empty", zygote, cluster) as (stage, fresh):
        while stage.blows < kills:
            stage.strike()
            stage.look()
            if plan.stop_early and stage.found.broken:
                break
        stage.rest()
        stage.judge(fresh)
    report.rounds += stage.blows
    report.children += stage.children_killed
    report.acknowledged += len(stage.journal.acknowledged)
    report.lost += len(stage.found.lost)
    report.doubled += len(stage.found.doubled)
    report.double_effects += len(stage.found.double_effects)
    report.broken += [f"home {seed}: {line}" for line in stage.found.broken]
    shutil.rmtree(place, ignore_errors=True)


@contextmanager
def staged(
    plan: Plan, seed: str, place: Path, empty: Path, zygote: Zygote, cluster: Any = None
) -> Iterator[tuple[Stage, Home]]:
    """A home in `place` with all its roles at work, and the home of an empty hub of the same settings."""
    shutil.copytree(empty, place / "fresh")
    shutil.copytree(empty, place / "home")
    home, fresh = Home(place / "home", cluster.fresh() if cluster else ""), Home(place / "fresh")
    with running(Outside(hash_of(seed))) as outside:
        stage = Stage(plan, seed, home, zygote, outside, cluster)
        for name in ("orderhub.toml", "rules.toml"):
            shutil.copy(home.data / name, fresh.data / name)
        try:
            stage.begin()
            yield stage, fresh
        finally:
            stage.close()


def hash_of(seed: str) -> int:
    return Random(seed).randrange(2**31)
