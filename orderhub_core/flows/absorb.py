"""Absorb: claimed messages become orders, log entries, decisions and effects, in one transaction per batch.

`plan` is pure apart from reading the rows that a batch touches: the dry run of an import is the same call
without the commit. A message that cannot be read is parked alone; the rest of its batch lands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from orderhub_core import effects
from orderhub_core.errors import Later, Stop, Unreadable
from orderhub_core.flows import rows
from orderhub_core.fold import Entry, Head, Origin, Pseudonymous, fold
from orderhub_core.model import Content, Decoded, Line, Observation, Person, Review, Sighting
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.book import Book
from orderhub_core.rules.decide import Decision, decide
from orderhub_core.store import chain
from orderhub_core.store.base import Overtaken, Store
from orderhub_core.store.unit import Claim, Message, Requeued, Writes, lane_of

Outcome = Literal["imported", "updated", "unchanged", "parked", "noted"]
FIRST_ADDED_LINE = 1_000
_json = msgspec.json.Encoder(order="deterministic").encode


def wall_clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1_000


class Source(NamedTuple):
    """Who speaks: the shop its orders belong to, and how to read it. `live` sources can be asked for a whole order."""

    shop: str
    platform: str
    decode: Callable[[str, bytes], Decoded]
    live: bool = False


class Context(NamedTuple):
    """What absorbing needs besides the messages."""

    store: Store
    source: Callable[[str], Source]
    """Raises Unreadable for a source that the settings do not know."""
    book: Book
    pseudonyms: Pseudonyms
    clock: Callable[[], int] = wall_clock


class Plan(NamedTuple):
    writes: Writes
    outcomes: dict[tuple[str, str], Outcome]
    """By source and message id."""


def absorb(context: Context, limit: int) -> Plan | None:
    """One batch: claim, plan, commit. None when nothing waited. Raises Later or Stop; then nothing changed.

    A message that breaks its batch is found by halving and parked alone.
    """
    claim = context.store.claim(limit, context.clock())
    if claim is None:
        return None
    try:
        return _apply(context, claim, plan(context, claim))
    except (Later, Stop):
        raise
    except Exception as bug:  # noqa: BLE001 — whatever a message does to us must cost that message only
        if len(claim.messages) > 1:
            return absorb(context, len(claim.messages) // 2)
        return _set_aside(context, type(bug).__name__)
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


def _apply(context: Context, claim: Claim, planned: Plan) -> Plan:
    context.store.commit(claim, planned.writes)
    return planned


def _set_aside(context: Context, reason: str) -> Plan | None:
    """Park the next message unread: reading or applying it failed in a way that nobody foresaw."""
    claim = context.store.claim(1, context.clock())
    if claim is None:
        return None
    batch = _Batch(context, claim)
    (message,) = claim.messages
    batch.park(message, f"internal: {reason} while applying; a developer must look")
    batch.write()
    return _apply(context, claim, Plan(batch.writes, {(message.source, message.message_id): "parked"}))


def plan(context: Context, claim: Claim) -> Plan:
    return _Batch(context, claim).plan()


class _Batch:
    """The working state of one batch."""

    def __init__(self, context: Context, claim: Claim) -> None:
        self.context, self.claim = context, claim
        self.writes = Writes()
        self.heads: dict[tuple[str, str], Head] = {}
        self.lines: dict[int, tuple[Line, ...]] = {}
        self.persons: dict[int, Content] = {}
        self.created: set[int] = set()
        self.touched: dict[int, Head] = {}
        self.entries: list[Entry] = []
        self.sightings: dict[tuple[str, str, str], tuple[Sighting, int]] = {}
        self.last_message: dict[int, Message] = {}
        self.next_order_id = claim.next_order_id

    def plan(self) -> Plan:
        read = [
            (message, decoded)
            for message in self.claim.messages
            if not self._passed_on(message, decoded := self._read(message))
        ]
        self._load({(key.shop, key.order_no) for key in (_key(decoded) for _, decoded in read) if key is not None})
        outcomes: dict[tuple[str, str], Outcome] = {
            (message.source, message.message_id): self._take(message, *decoded) if decoded else "parked"
            for message, decoded in read
        }
        self._decide()
        self.write()
        return Plan(self.writes, outcomes)

    def _read(self, message: Message) -> tuple[Source, Decoded] | None:
        try:
            source = self.context.source(message.source)
            return source, source.decode(message.kind, message.body)
        except Unreadable as reason:
            self.park(message, str(reason))
        except Exception as bug:  # noqa: BLE001 — a decoder's bug must cost its own message, not the batch
            self.park(message, f"internal: {type(bug).__name__} while reading; a developer must look")
        return None

    def _passed_on(self, message: Message, read: tuple[Source, Decoded] | None) -> bool:
        """Whether its order is another lane's. Orders are safe because nobody else touches those of a claimed lane."""
        if read is None or self.claim.lanes == 1:
            return False
        lane = lane_of(read[1].order_no, self.claim.lanes)
        if lane == self.claim.lane:
            return False
        self.writes.requeued.append(Requeued(lane, message.id))
        return True

    def park(self, message: Message, reason: str) -> None:
        row = (message.id, message.source, message.message_id, reason, message.received_at)
        self.writes.upserts["parked"].append(row)

    def _load(self, keys: set[tuple[str, str]]) -> None:
        for row in self.context.store.order_rows(keys):
            head = rows.head(row)
            self.heads[head.shop, head.order_no] = head

    def _take(self, message: Message, source: Source, decoded: Decoded) -> Outcome:
        match decoded:
            case Observation():
                return self._observe(message, source, decoded)
            case Sighting():
                self._sight(message, decoded)
            case Review():
                self._review(message, decoded)
        return "noted"

    def _observe(self, message: Message, source: Source, seen: Observation) -> Outcome:
        head = self.heads.get((source.shop, seen.order_no))
        new = head is None
        if head is None:
            head = Head(self.next_order_id, source.shop, source.platform, seen.order_no)
            self.next_order_id += self.claim.lanes
            self.heads[head.shop, head.order_no] = head
            self.created.add(head.order_id)
            self.touched[head.order_id] = head
        folded = fold(head, seen, Origin(message.source, message.id, message.received_at), self._hidden(head, seen))
        if folded.lines is not None:
            self.lines[head.order_id] = folded.lines
        if folded.person and seen.content is not None:
            self.persons[head.order_id] = seen.content
        if folded.changed:
            self.entries += folded.entries
            self.touched[head.order_id] = head
            self.last_message[head.order_id] = message
        if source.live and (seen.incomplete or head.lines_digest is None):
            fetch = effects.FetchOrder(head.shop, head.order_no)
            self.writes.latest_effects.append(
                rows.effect_row(f"fetch:{head.shop}:{head.order_no}", head, fetch, message)
            )
        if new:
            return "imported"
        return "updated" if folded.entries else "unchanged"

    def _hidden(self, head: Head, seen: Observation) -> Pseudonymous:
        if seen.content is None:
            return Pseudonymous()
        hashes, person = self.context.pseudonyms, seen.content.person
        return Pseudonymous(
            hashes.buyer(head.shop, seen.content.buyer_ref), None if person is None else hashes.person(person)
        )

    def _sight(self, message: Message, sighting: Sighting) -> None:
        key = (message.source, sighting.shop, sighting.order_no)
        at = message.received_at if sighting.at is None else sighting.at
        known = self.sightings.get(key)
        if known is None or at >= (known[0].at or known[1]):
            self.sightings[key] = (sighting, message.received_at)

    def _review(self, message: Message, review: Review) -> None:
        at = message.received_at
        self.writes.upserts["reviews"].append(
            (review.audit, review.shop, review.order_no, review.reviewer, int(review.consistent), review.note, at)
        )
        head = self.heads.get((review.shop, review.order_no))
        verdict = "consistent" if review.consistent else "inconsistent"
        detail = _json({"audit": review.audit, "reviewer": review.reviewer}).decode()
        order_id = head.order_id if head else 0
        self.entries.append(
            Entry(order_id, "audit.reviewed", at, at, "", verdict, "reviewed", message.source, message.id, detail)
        )

    # -- rules

    def _decide(self) -> None:
        self._withdraw()
        book = self.context.book
        undecided = [head for head in self.touched.values() if _is_undecided(head)]
        if not undecided or not (book.routing or book.gift or book.default_warehouse):
            return
        lines = self._lines_of(undecided)
        decisions = decide(rows.orders_frame(undecided), rows.lines_frame(lines), book)
        by_order: dict[int, list[Decision]] = {}
        for order_id, *decision in decisions.iter_rows():
            by_order.setdefault(order_id, []).append(Decision(*decision))
        for head in undecided:
            self._carry_out(head, lines[head.order_id], by_order.get(head.order_id, []))

    def _carry_out(self, head: Head, lines: Sequence[Line], decisions: list[Decision]) -> None:
        message, version = self.last_message[head.order_id], self.context.book.version
        at = message.received_at
        gifts: list[Line] = []
        for rule, action, argument, quantity, parent, reason in decisions:
            if action == "assign_warehouse":
                if head.warehouse is not None:
                    continue
                head.warehouse, head.warehouse_by = argument, "rule"
            else:
                gifts.append(Line(FIRST_ADDED_LINE + len(gifts), argument, quantity=quantity, gift_of=parent))
                self.writes.upserts["lines"].append(rows.line_row(head.order_id, gifts[-1], rule))
            detail = _json({"rule": rule, "version": version}).decode()
            self.entries.append(
                Entry(head.order_id, f"rule.{action}", at, at, "", argument, "decided", "rules", message.id, detail)
            )
            self.writes.new["decisions"].append((head.order_id, rule, version, action, argument, reason, at))
        head.decided = 1
        if head.warehouse_by == "rule":
            self.writes.new["outbox"].append(rows.push_row(head, [*lines, *gifts], message))

    def _withdraw(self) -> None:
        """What was intended for an order that has stopped, or has other lines now, and nobody has performed yet."""
        routed = [head for head in self.touched.values() if head.decided and head.warehouse_by == "rule"]
        for head in routed:
            if head.payment != "paid" or head.fulfilment in STOPPED:
                self.writes.withdrawn.append((f"the order is {head.headline}", rows.push_key(head)))
        renewed = [head for head in routed if head.order_id in self.lines]
        gifts = self._added_lines(renewed)
        for head in renewed:
            lines = [*self.lines[head.order_id], *gifts.get(head.order_id, ())]
            self.writes.renewed_effects.append(rows.push_row(head, lines, self.last_message[head.order_id]))

    def _lines_of(self, heads: Sequence[Head]) -> dict[int, Sequence[Line]]:
        missing = [head.order_id for head in heads if head.order_id not in self.lines]
        stored: dict[int, list[Line]] = {order_id: [] for order_id in missing}
        for order_id, *fields in self.context.store.line_rows(missing) if missing else ():
            stored[order_id].append(Line(*fields))
        return {head.order_id: self.lines.get(head.order_id) or stored.get(head.order_id, []) for head in heads}

    def _added_lines(self, heads: Sequence[Head]) -> dict[int, list[Line]]:
        added: dict[int, list[Line]] = {}
        for order_id, *fields in self.context.store.line_rows([h.order_id for h in heads]) if heads else ():
            line = Line(*fields)
            if line.line_no >= FIRST_ADDED_LINE:
                added.setdefault(order_id, []).append(line)
        return added

    # -- rows

    def write(self) -> None:
        writes, version = self.writes, self.claim.stamp
        for head in self.touched.values():
            head.changed_version = version
            writes.upserts["orders"].append(rows.order_row(head))
            self._write_parts(head)
        for (touchpoint, shop, order_no), (sighting, seen_at) in self.sightings.items():
            at = seen_at if sighting.at is None else sighting.at
            writes.sightings.append((touchpoint, shop, order_no, sighting.status, at, seen_at, version))
        seq, before = self.claim.log_seq, self.claim.log_hash
        for entry in self.entries:
            seq += self.claim.lanes
            fields = (seq, *entry)
            before = chain.link(before, fields)
            writes.inserts["log"].append((*fields, before))
        writes.next_order_id, writes.log_seq, writes.log_hash = self.next_order_id, seq, before

    def _write_parts(self, head: Head) -> None:
        """Payment, parcels, lines and receiver of an order whose row is written."""
        upserts, order_id = self.writes.upserts, head.order_id
        if head.paid_minor:
            upserts["payments"].append((order_id, 1, head.payment_method, head.currency, head.paid_minor, head.paid_at))
        for tracking_no, (carrier, labelled) in head.parcels.items():
            upserts["parcels"].append((order_id, tracking_no, carrier, int(labelled)))
        if (lines := self.lines.get(order_id)) is not None:
            if order_id not in self.created:
                self.writes.retired_lines.append((self.last_message[order_id].received_at, order_id))
            upserts["lines"] += [rows.line_row(order_id, line, "") for line in lines]
        if content := self.persons.get(order_id):
            person = content.person or Person()
            phone_hash = self.context.pseudonyms.phone(person.phone)
            upserts["persons"].append((order_id, person.name, person.phone, phone_hash, person.address, content.note))


STOPPED = frozenset({"cancelled", "intercepted"})


class _Key(NamedTuple):
    shop: str
    order_no: str


def _key(read: tuple[Source, Decoded] | None) -> _Key | None:
    match read:
        case (source, Observation() as seen):
            return _Key(source.shop, seen.order_no)
        case (_, Review() as review):
            return _Key(review.shop, review.order_no)
    return None


def _is_undecided(head: Head) -> bool:
    """Paid, its lines known, nothing done for it yet, and the rulebook has not spoken."""
    return (
        head.payment == "paid" and head.fulfilment == "waiting" and not head.decided and head.lines_digest is not None
    )
