"""Absorb: claimed messages become orders, log entries, decisions and effects, in one transaction per batch.

`plan` is pure apart from reading the rows that a batch touches: the dry run of an import is the same call
without the commit. A message that cannot be read is parked alone; the rest of its batch lands.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import msgspec
import structlog

from orderhub_core import effects
from orderhub_core.errors import Later, NeedsPerson, OrderHubError, Stop, Unreadable
from orderhub_core.flows import dealing, heeding, ops, reporting, rows
from orderhub_core.flows.behind import Behind, Key
from orderhub_core.flows.context import Context, Source
from orderhub_core.flows.garbage import uncollected
from orderhub_core.flows.intend import Intentions, Outside
from orderhub_core.flows.news import News
from orderhub_core.flows.recent import Known, Orders, find, put, remembered_if_committed
from orderhub_core.flows.sighted import Sightings
from orderhub_core.flows.timely import timely
from orderhub_core.fold import Head, Origin, fold
from orderhub_core.model import Decoded, Observation, OfNoOrder, Sighting
from orderhub_core.people import Dismissal, OrderWord, Packing, Word
from orderhub_core.store import ledger
from orderhub_core.store.ahead import Reads
from orderhub_core.store.base import FURTHEST
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.unit import MOMENTS, Claim, Message, Requeued, Writes, lane_of
from orderhub_core.supply import Dealing, StockReport

log = structlog.get_logger()

Outcome = Literal["imported", "updated", "unchanged", "parked", "noted"]
PAUSES_S = (2, 10)
"""Before the second and the third try of a message that failed for a passing reason; after that a person must look."""
_json = msgspec.json.Encoder(order="deterministic").encode


class Plan(NamedTuple):
    writes: Writes
    outcomes: dict[tuple[str, str], Outcome]
    """By source and message id."""
    orders: Orders
    """As it would leave them; none any more of one that was applied."""


def absorb(context: Context, limit: int) -> Plan | None:
    """One batch: claim, plan, commit. None when nothing waited. Raises Later or Stop; then nothing changed.

    A message that breaks its batch is found by halving and parked alone.
    """
    with uncollected():
        return _next(context, limit)


def _next(context: Context, limit: int) -> Plan | None:
    claim = context.store.claim(limit, context.clock())
    if claim is None:
        return None
    # A claim may be longer than it was asked to be, and is then as short as can be.
    if (most := ops.turning(claim.messages)) < min(len(claim.messages), limit):
        context.store.release(claim)
        return _next(context, most)
    try:
        return _absorb(context, claim)
    except (Later, NeedsPerson, Stop):
        raise  # the store's own trouble: no message's fault
    except Exception as bug:  # noqa: BLE001 — whatever a message does to us must cost that message only
        if len(claim.messages) > 1:
            log.warning("a batch failed; half of it is tried", messages=len(claim.messages), error=type(bug).__name__)
            return _next(context, len(claim.messages) // 2)
        return _set_aside(context, claim.messages[0], type(bug).__name__)
    finally:
        context.store.release(claim)


def drain(context: Context, limit: int, patience: int = 100) -> dict[tuple[str, str], Outcome]:
    """Absorb until nothing waits, sharing the hub with other workers. What became of each message that we applied."""
    outcomes: dict[tuple[str, str], Outcome] = {}
    while True:
        try:
            done = absorb(context, limit)
        except Overtaken:
            patience -= 1
            if not patience:
                raise
            continue
        if done is None:
            return outcomes
        outcomes |= done.outcomes


def _absorb(context: Context, claim: Claim) -> Plan:
    with remembered_if_committed(context.recent, claim):
        return _apply(context, claim, prepare(context, claim))


def prepare(context: Context, claim: Claim, ahead: Reads | None = None, *, unwritten: bool = False) -> Plan:
    """Plan a claim, by what is remembered of its orders; what it makes of them is remembered in turn, as if it were
    committed already. `ahead` is asked for what the store may not have yet.

    Where it is `unwritten`, what the claim is based on is not in the store yet, only its orders are remembered. Raises
    Overtaken when they are not, because somebody else has taken them in meanwhile.
    """
    if context.recent is None:
        return _Batch(context, claim, {}).plan()
    kept = context.recent.take(context.store, claim)
    if kept is None and unwritten:
        raise Overtaken("what the batch before has made of its orders is not remembered")
    kept = kept or {}
    batch = _Batch(context, claim, kept, ahead)
    planned = batch.plan()
    context.recent.keep(context.store, claim, batch.writes, kept, batch.orders)
    return planned


def _apply(context: Context, claim: Claim, planned: Plan) -> Plan:
    """The rows are in the database then, and nobody keeps them."""
    context.store.commit(claim, planned.writes)
    if context.recent is not None:
        context.recent.settle(claim, planned.writes)
    return Plan(Writes(), planned.outcomes, {})


def _set_aside(context: Context, broken: Message, bug: str) -> Plan | None:
    """Park a message unread: reading or applying it failed in a way that nobody foresaw."""
    claim = context.store.claim(1, context.clock())
    if claim is None:
        return None
    if claim.messages[0].id != broken.id:
        # Another worker has set it aside, or another lane is served first: this message has done no harm yet.
        context.store.release(claim)
        return _next(context, 1)
    batch = _Batch(context, claim, {})
    (message,) = claim.messages
    batch.park(message, Unreadable("internal: {bug} while applying; a developer must look", bug=bug))
    batch.write()
    return _apply(context, claim, Plan(batch.writes, {(message.source, message.message_id): "parked"}, {}))


def plan(context: Context, claim: Claim) -> Plan:
    return _Batch(context, claim, {}).plan()


Found = tuple[Message, tuple[Source, Decoded] | None, Key | None]
"""A message, what it says (None where that cannot be read), and of which order that must be known to apply it."""


class _Batch:
    """The working state of one batch. Orders that it touches move from `kept` into `orders`, and change there."""

    def __init__(self, context: Context, claim: Claim, kept: Orders, reads: Reads | None = None) -> None:
        self.context, self.claim, self.kept, self.reads = context, claim, kept, reads or context.store
        self.now, self.writes = context.clock(), Writes()
        self.orders: Orders = {}
        self.news = News()
        in_force = partial(context.in_force, context.store, context.book)
        outside = Outside(partial(reporting.reports, context.store), partial(reporting.closings, context.store))
        self.counters = context.counters(self.reads, context.places.zone)
        self.intentions = Intentions(
            self.reads, in_force, outside, context.places, self.counters, context.buyers(self.reads), self.orders,
            self.news, self.writes, context.merge_wait_us,
        )  # fmt: skip
        self.sightings = Sightings()
        self.put_off: set[int] = set()
        self.next_order_id = claim.next_order_id
        self.moment = (claim.version + 1) << MOMENTS
        """Counts the messages of the lane as they are applied, commit by commit: not all are as they came."""

    def plan(self) -> Plan:
        read: list[Found] = [
            (message, found, None if found is None else _key(*found))
            for message in self.claim.messages
            if not self._passed_on(message, found := self._read(message))
        ]
        keys = {key for _, _, key in read if key is not None}
        self._load(numbers := {number for _, number in keys})
        outcomes: dict[tuple[str, str], Outcome] = {}
        while read:
            # What follows in the batch on the message that makes an order the rulebook's waits until that has spoken.
            read = self._take_all(read, outcomes, twice=len(keys) > len(numbers))
            self.intentions.decide()
        self.intentions.following.settle()
        self.write()
        return Plan(self.writes, outcomes, self.orders)

    def _take_all(self, read: list[Found], outcomes: dict[tuple[str, str], Outcome], *, twice: bool) -> list[Found]:
        """The messages whose order must wait for the rulebook. `twice`: whether some are of one number's two orders."""
        waiting: list[Found] = []
        orders, intentions, behind = self.orders, self.intentions, Behind(self.context.pseudonyms)
        somebody = False  # is in `behind`
        for place, one in enumerate(read):
            message, found, key = one
            if found is None:
                outcomes[message.source, message.message_id] = "parked"
                continue
            known = None if key is None else find(orders, *key)
            # Most are decided, and await nothing.
            awaits = known is not None and not known.head.decided and intentions.awaits(known.head)
            overtaken = somebody and not awaits and behind.holds(key, *found, known)
            if overtaken and intentions.shares:
                return waiting + read[place:]
            if awaits or overtaken:
                waiting.append(one)
                buyers = intentions.asks_buyers
            else:
                outcomes[message.source, message.message_id] = self._take(message, *found, known)
                known = find(orders, *key) if known is None and key is not None else known
                if known is None or known.head.decided or not intentions.awaits(known.head):
                    continue
                buyers = intentions.reads_buyer(known.head)
            if key is not None and (twice or buyers):
                behind.add(key, *found, known, buyers=buyers)
                somebody = True
        return waiting

    def _read(self, message: Message) -> tuple[Source, Decoded] | None:
        try:
            source = self.context.source(message.source)
            return source, timely(source.decode(message.kind, message.body), message.received_at, self.now)
        except Stop:
            raise
        except Later as failure:
            self._try_again(message, failure)
        except OrderHubError as reason:
            self.park(message, reason)
        except Exception as bug:  # noqa: BLE001 — a decoder's bug must cost its own message, not the batch
            failed = Unreadable("internal: {bug} while reading; a developer must look", bug=type(bug).__name__)
            self.park(message, failed)
        return None

    def _passed_on(self, message: Message, read: tuple[Source, Decoded] | None) -> bool:
        """Whether it comes later, or its order is another lane's: nobody else touches the orders of a claimed lane."""
        if read is None:
            return message.id in self.put_off
        if self.claim.lanes == 1 or isinstance(read[1], Dismissal | OfNoOrder):
            return False
        lane = lane_of(ops.TURN_KEY if isinstance(read[1], ops.TURNING) else read[1].order_no, self.claim.lanes)
        if lane == self.claim.lane:
            return False
        self.writes.requeued.append(Requeued(lane, message.id))
        return True

    def _try_again(self, message: Message, failure: Later) -> None:
        """What passes for one message holds up no other. The queue keeps the count, so a restart forgets none."""
        tried = self.claim.attempts.get(message.id, 0) + 1
        if tried > len(PAUSES_S):
            self.park(message, Unreadable("tried {tries} times: {failure}", tries=tried, failure=failure))
            return
        pause_s = max(PAUSES_S[tried - 1], failure.after_s or 0)
        due = self.context.clock() + min(FURTHEST, int(pause_s * 1_000_000))
        self.put_off.add(message.id)
        self.writes.requeued.append(Requeued(self.claim.lane, message.id, tried, due))

    def park(self, message: Message, reason: OrderHubError) -> None:
        row = (message.id, message.source, message.message_id, str(reason), self.context.clock(), None, None, None)
        self.writes.upserts["parked"].append(row)

    def _load(self, numbers: set[str]) -> None:
        unknown = [number for number in numbers if number not in self.kept]
        self.orders |= {number: self.kept.pop(number) for number in numbers.difference(unknown)}
        for row in self.reads.order_rows(unknown) if unknown else ():
            put(self.orders, Known(rows.head(row)))

    def _take(self, message: Message, source: Source, decoded: Decoded, known: Known | None) -> Outcome:
        self.moment += 1
        if isinstance(decoded, Observation):
            return self._observe(message, source, decoded, known)
        if isinstance(decoded, Sighting):
            self.sightings.add(message, decoded)
        elif not isinstance(decoded, OfNoOrder):
            self._say(message, decoded, known.head if known else None)
        return "noted"

    def _observe(self, message: Message, source: Source, seen: Observation, known: Known | None) -> Outcome:
        new = known is None
        known = known or self._create(source, seen.order_no)
        head, content = known.head, seen.content
        before = head.payment, head.fulfilment
        hidden = known.hidden(content, self.context.pseudonyms)
        folded = fold(head, seen, Origin(message.source, message.id, message.received_at), hidden, known.told)
        if content is not None:
            known.told = content if folded.whole else None
        if folded.changed:
            self.news.note(head, content, folded, message)
            self.intentions.following.follow(head, folded, self.moment, before)
            if known.beside:
                self.intentions.following.beware(head, folded.entries, self.moment)
        if source.live and (seen.incomplete or head.lines_digest is None):
            key, fetch = rows.fetch_key(head.shop, head.order_no), effects.FetchOrder(head.shop, head.order_no)
            self.writes.latest_effects.append(rows.effect_row(key, head, fetch, message))
        return "imported" if new else "updated" if folded.entries else "unchanged"

    def _create(self, source: Source, order_no: str) -> Known:
        head = Head(self.next_order_id, source.shop, source.platform, order_no)
        self.next_order_id += self.claim.lanes
        self.news.create(head)
        return put(self.orders, Known(head))

    def _say(self, message: Message, said: Word, head: Head | None) -> None:
        wait_us = self.context.merge_wait_us
        self.news.entries.append(ops.noted(message, said, head, self.moment, self.writes, merge_wait_us=wait_us))
        if head is not None and (folded := heeding.heeded(message, said, head)).changed:
            self.news.note(head, None, folded, message)
            states, why = (head.payment, head.fulfilment), heeding.why(said)
            self.intentions.following.follow(head, folded, self.moment, states, why)
        if isinstance(said, StockReport):
            self._count(message, said)
        elif isinstance(said, Packing) and head is not None:
            self.intentions.following.pack(head, said, message, self.moment)
        elif isinstance(said, Dealing):
            self.writes.words += dealing.steps(self.context.store, message)

    def _count(self, message: Message, said: StockReport) -> None:
        """One that speaks of an earlier moment than the last says nothing new."""
        if said.at >= self.reads.counted().get(said.warehouse, 0):
            promised = partial(ledger.promised, self.context.store, said.warehouse, said.at)
            self.counters.count(said, promised, message)

    # -- rows

    def write(self) -> None:
        writes, version = self.writes, self.claim.stamp
        self.news.write(writes, version)
        self.counters.write(writes)
        self.sightings.write(writes, version)
        writes.entries = self.news.entries
        writes.next_order_id = self.next_order_id


def _key(source: Source, decoded: Decoded) -> Key | None:
    """The order that a message speaks of, where that order must be known to apply it."""
    if isinstance(decoded, Observation):
        return source.shop, decoded.order_no
    return (decoded.shop, decoded.order_no) if isinstance(decoded, OrderWord) else None
