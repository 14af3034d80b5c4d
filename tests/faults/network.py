"""Storms on both sides of the hub: between the platform and its webhooks, and between the dispatcher and whatever it
calls. Requests are late, cut, dripped, doubled, overtaken, refused, and done without anybody hearing of it; and a crowd
of slow senders holds connections open. Then the weather clears, everything must come to rest, and the oracle looks.

Webhooks are served by a process of their own, so that its life and memory can be watched; absorbing and dispatching are
threads here. The hub's clock runs fast, as in `roles`, and gates go by it: pauses of minutes are over in seconds.
"""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any, NamedTuple

import msgspec
import roles
from invariants import Eyes, Findings, Witness, outbox_open, told_by_itself, waiting
from kills import HOUR, REST_S, Zygote, hash_of
from orders import SHOP, Stream
from outside import RULES, SECRETS, WAREHOUSES, Outside, Yard, named, running
from ports import free_port
from proxy import Proxy
from report import Report
from senders import HttpDoor, Journal, Senders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.sandbox.warehouse import Dock
from orderhub_core import hub as hub_module
from orderhub_core.effects import Effect, PushToWarehouse
from orderhub_core.entry import hooks
from orderhub_core.errors import OrderHubError, Stop
from orderhub_core.flows import dispatch
from orderhub_core.flows.dispatch import Perform
from orderhub_core.flows.gates import Gates
from orderhub_core.hub import Hub
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

NAME = "network"
PER_HOME, SENDERS, DISPATCHERS, LET_GO = 100, 4, 2, 10
BATCH = 60
SPELL_S = 0.5
"""How long a spell lasts, at most, until both sides have felt it."""
TIMEOUT_S = 0.4
"""What the dispatcher waits for a piece of an answer."""
CROWD = 40
GROWS_MB = 64
"""What the webhooks' process may grow by in a storm."""
FORGETS = 0.3
"""Of how many orders the pretend warehouse keeps nothing at first, though it says yes."""


@dataclass
class Weather(Report):
    """What the storm was, beside what came of it."""

    tally: Counter[str] = field(default_factory=Counter)
    pauses: int = 0
    """How often a dispatcher found a gate closed, by its circuit or its rate."""
    grown_mb: float = 0.0
    slow: Counter[str] = field(default_factory=Counter)
    """What became of slow senders."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n  {dict(self.tally)}; {self.pauses} pauses; {self.grown_mb:.0f} MB; {self.slow}"


class Docks(Yard):
    """The sandbox's warehouses, with a book of every hand-over; some orders' first one is forgotten."""

    def __init__(self, seed: str) -> None:
        super().__init__(Random(seed), trouble=0.0)
        self.seed = seed
        self.docks = {name: Dock(name, secret=SECRETS["FAULTS_DOCK_SECRET"]) for name in WAREHOUSES}

    async def take(self, request: Request) -> Response:
        body = json.loads(await request.body())
        no, key = named(body), request.headers.get("idempotency-key", "")
        self.sent.setdefault(no, Counter())[key] += 1
        if self.sent[no].total() == 1 and Random(f"{self.seed}:{no}").random() < FORGETS:
            return JSONResponse(body, status_code=201)
        response: Response = await self._dock(request).routes()[0].endpoint(request)
        return response

    async def show(self, request: Request) -> Response:
        response: Response = await self._dock(request).routes()[1].endpoint(request)
        return response

    def _dock(self, request: Request) -> Dock:
        return self.docks[request.path_params["name"]]

    def holds(self, target: str, effect: dict[str, Any]) -> bool:
        held = self.docks[target].orders.get((effect["shop"], effect["order_no"], effect.get("parcel", 1)))
        return held is not None and held["lines"] == effect["lines"]


class Crowd:
    """Senders who begin and never end: some stop within the head of a request, some within its body."""

    def __init__(self, port: int) -> None:
        head = f"POST /hooks/{SHOP} HTTP/1.1\r\nhost: hub\r\n".encode()
        body = head + b"content-length: 90000\r\n\r\n[" + b" " * 30_000
        self.began = time.monotonic()
        self.held = [(kind, _opened(port, text)) for kind, text in (("head", head), ("body", body)) * (CROWD // 2)]

    def fate(self) -> Counter[str]:
        """How many of each kind were cut off, or are held open still. The latter are let go."""
        found: Counter[str] = Counter()
        for kind, link in self.held:
            with link:
                link.setblocking(False)
                try:
                    link.recv(1_000)
                except BlockingIOError:
                    found[f"{kind} held"] += 1
                except OSError:
                    found[f"{kind} cut"] += 1
                else:
                    found[f"{kind} cut"] += 1
        self.held.clear()
        return found


def _opened(port: int, text: bytes) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=20)
    link.sendall(text)
    return link


class Broken(NamedTuple):
    """What is broken on purpose; nothing, as it stands here."""

    perform: Callable[[Hub], Perform] = lambda hub: hub.targets.perform
    sabotage: str = ""
    """Of the webhooks' process: a name of `sabotage`."""


def without_reading_back(hub: Hub) -> Perform:
    """What the warehouse says is believed."""

    def perform(effect: Effect, key: str) -> None:
        if isinstance(effect, PushToWarehouse):
            hub.targets.warehouse(effect.warehouse).push(effect, key)
        else:
            hub.targets.perform(effect, key)

    return perform


def under_new_keys(hub: Hub) -> Perform:
    """Each try is another hand-over."""
    return lambda effect, key: hub.targets.perform(effect, f"{key}:{token_hex(4)}")


AS_MADE = Broken()
CONTROLS = {
    "done without reading back": (Broken(without_reading_back), "I8 done"),
    "a new key for each try": (Broken(under_new_keys), "I7 one effect under several keys"),
    "no sender is proven": (Broken(sabotage="no sender is proven"), "I12 a shortened body"),
}
"""And what the report must tell."""


class Storm:
    """One home: its platform and warehouses, the weather before and behind it, and what works on it."""

    def __init__(
        self, seed: str, home: Home, outside: Outside, docks: Docks, proxies: tuple[Proxy, Proxy], perform: Any
    ) -> None:
        self.dice, self.home, self.docks, self.proxies = Random(seed), home, docks, proxies
        self.journal, self.found, self.pauses = Journal(), Findings(), 0
        self.witness = Witness(self.journal, self.found)
        self.hub = Hub(home)
        self.hub.settings = _impatient(self.hub.settings)
        self.gates = Gates({"west": 60}, lambda: hub_module.clock() / 1_000_000)
        self._perform = perform(self.hub)
        self._stopping = threading.Event()
        steps = [self._absorb, *(self._dispatcher(f"{seed}:{n}") for n in range(DISPATCHERS))]
        self._threads = [threading.Thread(target=self._work, args=(step,), daemon=True) for step in steps]
        for thread in self._threads:
            thread.start()
        self.senders = Senders(
            Stream(outside.shop, chatter=0.5, poison=0.01, mean=4),
            self.journal,
            [HttpDoor(proxies[0].port) for _ in range(SENDERS)],
            seed,
        )

    def _work(self, step: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            try:
                busy = step()
            except Stop as harm:
                self.found.broken.append(f"I13 the worker stopped: {harm}")
                return
            except OrderHubError:
                busy = False
            except Exception as bug:  # noqa: BLE001 — told, and not to the thread's end
                self.found.broken.append(f"I13 the worker failed: {type(bug).__name__}: {bug}")
                return
            if not busy:
                self._stopping.wait(0.01)

    def _absorb(self) -> bool:
        return self.hub.absorb() is not None

    def _dispatcher(self, name: str) -> Callable[[], bool]:
        dice = Random(name)

        def step() -> bool:
            done = dispatch.dispatch(
                self.hub.store,
                self._perform,
                gates=self.gates,
                clock=hub_module.clock,
                leases=hub_module.clock,
                owner=name,
                dice=dice,
                limit=20,
                attempts=1_000_000,
            )
            self.pauses += bool(self.gates.closed())
            return bool(done)

        return step

    def blow(self) -> None:
        """Some weather, and a load in it."""
        for proxy in self.proxies:
            proxy.trouble = self.dice.choice((0.05, 0.3, 0.3, 0.6, 0.95))
            if self.dice.random() < 0.15:
                proxy.refuse(self.dice.uniform(0.02, 0.4))
        felt = [proxy.tally.total() + LET_GO for proxy in self.proxies]
        self.senders.let_go(LET_GO)
        time.sleep(self.dice.uniform(0.02, 0.25))
        deadline = time.monotonic() + SPELL_S
        while time.monotonic() < deadline and any(
            proxy.tally.total() < enough for proxy, enough in zip(self.proxies, felt, strict=True)
        ):
            time.sleep(0.005)

    def look(self) -> None:
        with _eyes(self.home) as eyes:
            self.witness.glance(eyes)
            self._held(eyes)

    def _held(self, eyes: Eyes) -> None:
        """I8: at any moment, what is called done can be read back."""
        done = eyes.hub("SELECT key, target, payload FROM outbox WHERE key LIKE 'push%' AND state = 'done'")
        self.found.say(
            "I8 done, and the warehouse holds nothing of it",
            {key for key, target, payload in done if not self.docks.holds(target, json.loads(payload))},
        )

    def rest(self, leap: Callable[[int], None]) -> None:
        """I13: the weather clears, and everything comes to rest."""
        for proxy in self.proxies:
            proxy.trouble = 0.0
        deadline = time.monotonic() + REST_S
        while not self._is_at_rest():
            if time.monotonic() > deadline:
                self.found.broken.append(f"I13 not at rest after {REST_S:g} s; answers {self.journal.answers}")
                break
            leap(HOUR)
            time.sleep(0.05)
        self.close()

    def _is_at_rest(self) -> bool:
        if not (self.senders.idle and all(proxy.settled for proxy in self.proxies)):
            return False
        with _eyes(self.home) as eyes:
            return not (outbox_open(eyes) or waiting(self.home) or outbox_open(eyes))

    def judge(self, fresh: Home) -> None:
        with _eyes(self.home) as eyes:
            self.witness.stare(eyes, self.docks)
            self._held(eyes)
            self.witness.replayed(eyes, fresh)
        self.found.broken += told_by_itself(self.home)
        self.found.broken += [f"I12 {what}" for proxy in self.proxies for what in proxy.wrong]

    def close(self) -> None:
        self._stopping.set()
        self.senders.stop()
        for thread in self._threads:
            thread.join()
        self.hub.close()


class Server:
    """Webhooks in a process of their own."""

    def __init__(self, zygote: Zygote, data: Path, sabotage: str) -> None:
        self._zygote, self.port = zygote, free_port()
        order = {"role": "accept", "data": str(data), "port": self.port, "shop": SHOP, "sabotage": sabotage}
        self.pid: int = zygote.ask(do="start", **order)["pid"]
        _until_open(self.port)
        self._began_mb = self._mb("VmRSS")

    def ended(self) -> bool:
        return bool(self._zygote.ask(do="look", pid=self.pid)["ended"])

    def grown_mb(self) -> float:
        return self._mb("VmHWM") - self._began_mb

    def _mb(self, name: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith(name))

    def close(self) -> None:
        self._zygote.ask(do="signal", pid=self.pid, number=9)


def run(rounds: int, seed: int, broken: Broken = AS_MADE, zygote: Zygote | None = None) -> Weather:
    """So many spells of weather, `PER_HOME` over each home."""
    report, began = Weather(NAME, seed), time.monotonic()
    clock = hub_module.clock
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=NAME, ignore_cleanup_errors=True)))
        stack.callback(setattr, hub_module, "clock", clock)
        if zygote is None:
            zygote = Zygote()
            stack.callback(zygote.close)
        homes.init(Home(folder / "empty"))
        number = 0
        while report.rounds < rounds:
            _one_home(f"{seed}:{number}", min(PER_HOME, rounds - report.rounds), folder, zygote, broken, report)
            number += 1
    report.seconds = time.monotonic() - began
    return report


def _one_home(seed: str, spells: int, folder: Path, zygote: Zygote, broken: Broken, report: Weather) -> None:
    place = Path(tempfile.mkdtemp(dir=folder))
    home, fresh = Home(place / "home"), Home(place / "fresh")
    outside, docks = Outside(hash_of(seed)), Docks(f"{seed}:docks")
    outside.yard = docks
    with ExitStack() as stack:
        stack.enter_context(running(outside))
        behind = Proxy(int(outside.url.rpartition(":")[2]), f"{seed}:behind", proves=False)
        stack.callback(behind.close)
        outside.url = f"http://127.0.0.1:{behind.port}"
        for each in (home, fresh):
            shutil.copytree(folder / "empty", each.data)
            (each.data / "orderhub.toml").write_text(outside.settings(BATCH))
            (each.data / "rules.toml").write_text(RULES)
        leap = _hastened(home.data)
        server = Server(zygote, home.data, broken.sabotage)
        stack.callback(server.close)
        before = Proxy(server.port, f"{seed}:before", proves=True)
        stack.callback(before.close)
        storm, crowd = Storm(seed, home, outside, docks, (before, behind), broken.perform), Crowd(server.port)
        stack.callback(storm.close)
        for spell in range(spells):
            storm.blow()
            if spell % 5 == 4:
                storm.look()
        storm.rest(leap)
        storm.judge(fresh)
        _watched(server, crowd, storm.found, report)
    _tell(report, seed, spells, storm)
    shutil.rmtree(place, ignore_errors=True)


def _hastened(data: Path) -> Callable[[int], None]:
    """The hub's clock, in all processes; the answer moves it on."""
    (data / "began").write_text(str(time.time_ns() // 1_000))
    (data / "leap").write_bytes(bytes(8))
    roles.hasten(data)
    ahead = 0

    def leap(by: int) -> None:
        nonlocal ahead
        ahead += by
        with (data / "leap").open("r+b") as file:
            file.write(ahead.to_bytes(8, "little"))

    return leap


def _watched(server: Server, crowd: Crowd, found: Findings, report: Weather) -> None:
    """The webhooks' process lives, did not grow, and got rid of who never came to an end."""
    age_s = time.monotonic() - crowd.began
    fate = crowd.fate()
    report.slow += fate
    if server.ended():
        found.broken.append("I13 the webhooks' process ended by itself")
        return
    grown = server.grown_mb()
    report.grown_mb = max(report.grown_mb, grown)
    if grown > GROWS_MB:
        found.broken.append(f"I13 the webhooks' process grew by {grown:.0f} MB")
    if age_s > hooks.LONGEST_BODY_S + 5 and fate["body held"]:
        found.broken.append(f"I13 {fate['body held']} slow senders are held for {age_s:.0f} s")


def _tell(report: Weather, seed: str, spells: int, storm: Storm) -> None:
    found = storm.found
    report.rounds += spells
    report.acknowledged += len(storm.journal.acknowledged)
    report.lost += len(found.lost)
    report.doubled += len(found.doubled)
    report.double_effects += len(found.double_effects)
    report.broken += [f"home {seed}: {line}" for line in found.broken]
    report.pauses += storm.pauses
    for name, proxy in zip(("before", "behind"), storm.proxies, strict=True):
        report.tally.update({f"{name} {toxic}": count for toxic, count in sorted(proxy.tally.items())})


def _impatient(settings: Any) -> Any:
    short = {
        kind: tuple(msgspec.structs.replace(end, timeout_s=TIMEOUT_S) for end in getattr(settings, kind))
        for kind in ("shops", "warehouses")
    }
    return msgspec.structs.replace(settings, **short)


@contextmanager
def _eyes(home: Home) -> Iterator[Eyes]:
    eyes = Eyes(home)
    try:
        yield eyes
    finally:
        eyes.close()


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
