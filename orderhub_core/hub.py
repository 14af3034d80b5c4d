"""The composition root and façade: what the command line, the web and the notebooks call.

A notebook shows; it never knows how. What it reads or does is one call on a hub.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from orderhub_core import registry, settings
from orderhub_core.board import Alike, SnapshotHub
from orderhub_core.errors import Unreadable, UserMistake
from orderhub_core.flows import absorb, admitted, importing, ledgers, ops, packing, poll, replay, reporting
from orderhub_core.flows.absorb import Outcome, Plan
from orderhub_core.flows.context import Context, Source
from orderhub_core.flows.dispatch import Dispatch
from orderhub_core.flows.editions import Editions
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.holding import Holds
from orderhub_core.flows.measuring import Measures
from orderhub_core.flows.merging import Merging
from orderhub_core.flows.parking import Parking
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.places import places
from orderhub_core.flows.preselling import Presale
from orderhub_core.flows.receive import Receiver
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.reporting import Signals
from orderhub_core.flows.stocking import Stock, Taken
from orderhub_core.flows.targets import Targets
from orderhub_core.flows.waiting import Failing, GroupWritten
from orderhub_core.memory import Answer, Memory, once
from orderhub_core.model import RawMessage
from orderhub_core.packing.floor import Known
from orderhub_core.people import Review
from orderhub_core.ports import Channel, Touchpoint
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import aside, chain, flow, homes, keys, packs, reviewed, unlogged
from orderhub_core.store.base import Store
from orderhub_core.store.home import SHEETS, SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.known import KnownFrames
from orderhub_core.store.unit import Pulse, Receipt

if TYPE_CHECKING:
    from orderhub_core.flows.audited import Standing
    from orderhub_core.flows.spot import Desk

SAID_AT_ONCE = 1_000
"""Words of people, or of the hub itself."""
__all__ = ["Hub", "SnapshotHub", "connect"]


def clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1_000


class Hub(Alike):
    """A hub with a store. Raises StoreMissing when there is none at its home."""

    writable = True

    def __init__(self, home: Home, env: Mapping[str, str] = os.environ, key: keys.Key = keys.kept) -> None:
        self.home = home
        self.store: Store = homes.open_store(home)
        self.settings = settings.load(home.data)
        self._env, self._key = env, key
        self._known = KnownFrames(self.store, home.data / SNAPSHOT)
        self._channels: dict[str, Channel] = {}
        self._channels_lock = threading.Lock()
        """Webhooks ask for their channel on the event loop: never behind whoever reads frames."""
        self._memory, self.failing = Memory(), Failing()
        self.flow = flow.Latest(self.store, clock)
        """What waits and of whom, what is parked, which effects are open."""
        self.observe_written: Callable[[GroupWritten], None] | None = None
        """Told of every commit of the receiver; set it before the first message."""

    # -- composition

    @cached_property
    def book(self) -> Rulebook:
        """That of the file which the settings name. Raises UserMistake."""
        path = self.home.data / self.settings.rulebook
        return admitted.load(path) if self.settings.rulebook else Rulebook()

    @cached_property
    def context(self) -> Context:
        hashes = self._key(self.store, self.home.data, self._env)
        return Context(
            self.store, self.source, self.book, hashes, Recent(self.store), places=places(self.settings),
            merge_wait_us=int(self.settings.merge_wait_s * 1_000_000),
        )  # fmt: skip

    @cached_property
    def receiver(self) -> Receiver:
        limits = self.settings.limits
        return Receiver(
            self.store, clock, most_waiting=limits.waiting_messages, most_bytes=limits.waiting_bytes,
            observe=self.observe_written, scribe=homes.scribe(self.store), failing=self.failing,
        )  # fmt: skip

    @cached_property
    def _gates(self) -> Gates:
        known = self.settings
        targets = (*known.shops, *known.warehouses, *known.bases, *known.notifiers)
        return Gates({target.id: target.calls_per_minute for target in targets}, time.monotonic)

    def channel(self, shop: str) -> Channel:
        """The connection of a shop. Raises UserMistake for one the settings do not know."""
        endpoint = self.settings.shop(shop)
        if endpoint is None:
            raise UserMistake("no shop {shop!r} in {path}", shop=shop, path=self.home.data / settings.FILE_NAME)
        with self._channels_lock:
            if shop not in self._channels:
                self._channels[shop] = registry.channel(endpoint)
            return self._channels[shop]

    @lru_cache(maxsize=256)  # noqa: B019 — a hub lives as long as its process
    def source(self, name: str) -> Source:
        """How to read what a source has said, for which nobody need be able to sign in there. Raises Unreadable."""
        if endpoint := self.settings.shop(name):
            decode, fetches = registry.channel_decoder(endpoint)
            return Source(name, endpoint.connector, decode, live=fetches)
        if touchpoint := self.settings.touchpoint(name):
            return Source("", "", registry.touchpoint_decoder(touchpoint))
        kind, _, rest = name.partition("/")
        if kind == "file":
            platform, _, shop = rest.partition("/")
            return Source(shop, platform, registry.files().decode)
        if name == ops.OPS:
            return Source("", "", ops.decode)
        raise Unreadable("no shop or touchpoint named {name!r} in the settings", name=name)

    @lru_cache(maxsize=64)  # noqa: B019
    def touchpoint(self, name: str) -> Touchpoint:
        endpoint = self.settings.touchpoint(name)
        if endpoint is None:
            raise UserMistake("no touchpoint {name!r} in {path}", name=name, path=self.home.data / settings.FILE_NAME)
        return registry.touchpoint(endpoint)

    @cached_property
    def targets(self) -> Targets:
        opened, beside = partial(reporting.is_opened, self.store, clock), partial(packs.hand_overs, self.store)
        ahead, unread = partial(unlogged.ahead, self.store), partial(unlogged.is_unread, self.store)
        return Targets(self.settings, self.channel, self.receive, opened, beside, ahead, unread)

    # -- flows

    def receive(self, messages: Sequence[RawMessage]) -> list[Receipt]:
        """Write messages down; when this returns they are on disk. Raises Busy."""
        return self.receiver.submit(messages).result()

    def absorb(self) -> Plan | None:
        """One batch of what waits. None when nothing does."""
        return absorb.absorb(self.context, self.settings.limits.batch)

    def pipeline(self) -> Pipeline:
        """Absorbs batch after batch, for one worker."""
        return Pipeline(self.context, self.settings.limits.batch)

    def drain(self) -> int:
        """Absorb until nothing waits. Returns how many messages were applied."""
        return len(absorb.drain(self.context, self.settings.limits.batch))

    def replay(self, ids: Sequence[int] | None = None) -> dict[tuple[str, str], Outcome]:
        """As `Parking.replay`."""
        return self._parking.replay(ids)

    def dismiss(self, ids: Sequence[int], *, reason: str, by: str = "") -> int:
        """As `Parking.dismiss`."""
        return self._parking.dismiss(ids, reason=reason, by=by)

    @cached_property
    def _parking(self) -> Parking:
        return Parking(self.context, clock, self._say, self.flow.forget, self.settings.limits)

    def _say(self, messages: Sequence[RawMessage]) -> None:
        """Take in what people say, and have it applied before this returns; of very much, some at a time."""
        for at in range(0, len(messages), SAID_AT_ONCE):
            self._say_at_once(messages[at : at + SAID_AT_ONCE])

    def _say_at_once(self, messages: Sequence[RawMessage]) -> None:
        self.receive(messages)
        names = [message.message_id for message in messages]
        try:
            replay.applied(
                self.context,
                {(ops.OPS, name) for name in names},
                lambda: self.store.waiting_among(ops.OPS, names),
                self.settings.limits.batch,
            )
        finally:
            self.flow.forget()

    def poll_shop(self, shop: str, *, history_s: int) -> int:
        return poll.poll(self.store, f"shop:{shop}", self.channel(shop), self.receive, now=clock(), history_s=history_s)

    def poll_touchpoint(self, name: str, *, history_s: int) -> int:
        return poll.poll(
            self.store, f"touchpoint:{name}", self.touchpoint(name), self.receive, now=clock(), history_s=history_s
        )

    @cached_property
    def dispatch(self) -> Dispatch:
        """Performs effects that are due."""
        return Dispatch(self.store, self.targets.perform, self._gates, clock, self.settings.limits.attempts)

    def import_file(
        self, path: Path, mapping: str, *, on_error: str, dry_run: bool, into: str = "", other_orders: bool = False
    ) -> importing.Imported:
        return importing.import_file(
            self.context, registry.files(), path, mapping, on_error=on_error, dry_run=dry_run, now=clock(),
            batch=self.settings.limits.batch, shops=self.settings.shops, into=into, other_orders=other_orders,
        )  # fmt: skip

    # -- reading

    def as_of(self) -> int:
        return clock()

    def frame(self, name: str) -> pl.DataFrame:
        """A frame of `frames.SCHEMAS` as of the last commit, shared by all sessions of the process."""
        return self._known.frame(name)

    def scan(self, name: str) -> pl.LazyFrame:
        return self.frame(name).lazy()

    def remembered(self, question: Hashable, compute: Callable[[], Answer]) -> Answer:
        """The answer to a question about the frames, computed once per commit and process."""
        return self._memory(question, self.store.progress().commits, compute)

    def ledgers(self) -> ledgers.Gathered:
        """What was paid, refunded, shipped and carried: files in the folder `reconcile`, else the hub's own frames."""
        chosen, zone = ledgers.lying(self.home.data), self.settings.time_zone
        return self.remembered(("ledgers", chosen.stamp()), lambda: ledgers.gather(chosen, self.frame, zone))

    @once
    def audited(self) -> Standing:
        """All orders audited, now or as the hub knew them at a moment."""
        from orderhub_core.flows.audited import Standing  # as `spot`

        return Standing(self.store, self)

    def write_snapshot(self, folder: Path | None = None) -> Path:
        """Write all frames as they are now, for boards and audits elsewhere. Raises UserMistake as `snapshot.write`."""
        return self._known.write(folder or self.home.data / SNAPSHOT, clock)

    def parked(
        self, limit: int | None = None, *, source: str | None = None, dismissed: bool = False
    ) -> list[dict[str, Any]]:
        """The oldest parked messages, or those that were dismissed, as `aside.parked` tells them."""
        return aside.parked(self.store, limit, source=source, dismissed=dismissed)

    def reasons(self, *, source: str | None = None) -> list[aside.Reason]:
        """Why messages wait for a person, and how many for each reason."""
        return aside.reasons(self.store, source=source)

    def conflicts(self, limit: int, *, source: str | None = None) -> list[aside.Conflict]:
        """The newest messages that contradict an earlier one of the same id."""
        return aside.conflicts(self.store, limit, source=source)

    def pulse(self) -> Pulse:
        return self.store.pulse(clock())

    def verify_log(self) -> chain.Verdict:
        return self.store.verify_log()

    # -- people

    @cached_property
    def holds(self) -> Holds:
        """Orders that are kept from their warehouse."""
        return Holds(self.store, clock, self._say, self.settings)

    @cached_property
    def signals(self) -> Signals:
        """What is reported of the world outside."""
        return Signals(self.store, clock, self._say, self.settings, self.book)

    @cached_property
    def stock(self) -> Stock:
        """What warehouses have, and who took it."""
        return Stock(self.store, clock, self._say, self.settings, self.book)

    def ask_stock(self, warehouse: str, *, every_s: float = 0) -> Taken | None:
        """As `Stock.ask`, over the warehouse's connector."""
        return self.stock.ask(warehouse, self.targets.warehouse, every_s=every_s)

    @cached_property
    def merging(self) -> Merging:
        """Orders that wait for others to be packed with."""
        return Merging(self.store, clock, self._say, lambda: self.context.pseudonyms)

    @cached_property
    def measures(self) -> Measures:
        """What rules ask of its own warehouses."""
        return Measures(self.store, clock, self._say, self.settings, self.stock, self.book)

    @cached_property
    def presale(self) -> Presale:
        return Presale(self.store, clock, self._say, self.stock)

    def floor(self, now: int | None = None) -> Known:
        """What warehouses are to pack, or have sent lately, as of `now` (microseconds UTC), and what lies there."""
        return packing.known(self, self.store, now)

    def off_the_floor(self, name: str) -> list[packing.Off]:
        return packing.off(self, self.store, name)

    @cached_property
    def editions(self) -> Editions:
        """Versions of the rulebook."""
        return Editions(self.store, clock, self.receive, self._say, self.settings, self.home.data)

    @once
    def spot(self) -> Desk:
        """Where spot audits are opened and judged: one desk for all sessions, for it remembers what they said."""
        from orderhub_core.flows.spot import Desk  # SciPy, 60 MB, which no server and no worker needs

        folder = self.home.data / SHEETS
        return Desk(self.frame, clock, self.settings, folder, self.touchpoint, self.judge, self.reviews_of)

    def judge(
        self, *, audit: str, shop: str, order_no: str, consistent: bool, reviewer: str = "", note: str = "",
        seen: Mapping[str, str] = MappingProxyType({}), withdrawn: bool = False, at: int | None = None
    ) -> None:  # fmt: skip
        """A reviewer's verdict on an audited order, written down when this returns. `seen`: the raw words that were
        judged, by touchpoint. `withdrawn` takes the reviewer's last one back. `at` and what it raises: `judge_all`."""
        self.judge_all([Review(audit, shop, order_no, consistent, reviewer, note, dict(seen), withdrawn)], at)

    def judge_all(self, said: Sequence[Review], at: int | None = None) -> None:
        """Several, said `at` (microseconds UTC; now), written down when this returns. Where it raises Busy or
        Unreachable, some may have been taken (a cluster writes each down by itself); saying it again is harmless."""
        said_at = clock() if at is None else at
        self.receive([ops.review(one, said_at) for one in said])

    def reviews_of(self, audits: Sequence[str]) -> pl.DataFrame:
        """`audit`, shop, order_no, consistent (null where taken back), reviewer, note, at of the judgements in them."""
        return reviewed.reviews(self.store, audits)

    def close(self) -> None:
        if "receiver" in self.__dict__:
            self.receiver.close()
        self.store.close()


@lru_cache
def connect() -> Hub | SnapshotHub:
    """The hub of this process, found through the environment, which the command line sets.

    ORDERHUB_SNAPSHOT names a snapshot folder (read-only boards); else ORDERHUB_DATABASE_URL a database (with
    ORDERHUB_INBOX_URL, what takes messages in for it) and ORDERHUB_DATA a folder (default `data`).
    """
    if folder := os.environ.get("ORDERHUB_SNAPSHOT"):
        return SnapshotHub(Path(folder))
    return Hub(home())


def home() -> Home:
    """Where the environment says that the hub lives."""
    folder, database, inbox = (os.environ.get(f"ORDERHUB_{name}", "") for name in ("DATA", "DATABASE_URL", "INBOX_URL"))
    return Home(Path(folder or "data"), database, inbox)
