"""Absorb: claimed messages become orders, log entries, decisions and effects, in one transaction per batch.

`plan` is pure apart from reading the rows that a batch touches: the dry run of an import is the same call
without the commit. A message that cannot be read is parked alone; the rest of its batch lands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec
import polars as pl

from orderhub_core import effects, frames
from orderhub_core.errors import Unreadable
from orderhub_core.fold import Entry, Head, Origin, fold
from orderhub_core.model import Content, Decoded, Line, Observation, Review, Sighting
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.book import Book
from orderhub_core.rules.decide import decide
from orderhub_core.store import chain
from orderhub_core.store.base import Overtaken, Store
from orderhub_core.store.unit import Claim, Message, Writes

Outcome = Literal["imported", "updated", "unchanged", "parked", "noted"]
FIRST_ADDED_LINE = 1_000
_json = msgspec.json.Encoder(order="deterministic").encode
_facts = msgspec.json.Decoder(dict[str, int]).decode


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


class Plan(NamedTuple):
    writes: Writes
    outcomes: dict[tuple[str, str], Outcome]
    """By source and message id."""


def absorb(context: Context, limit: int) -> Plan | None:
    """One batch: claim, plan, commit. None when nothing waited. Raises Later; then nothing changed."""
    claim = context.store.claim(limit)
    return None if claim is None else _apply(context, claim)


def replay(context: Context, ids: Sequence[int] | None = None) -> Plan | None:
    """Try parked messages again, after their decoder or table was mended."""
    claim = context.store.replay(ids)
    return None if claim is None else _apply(context, claim)


def drain(context: Context, limit: int, patience: int = 100) -> list[Plan]:
    """Absorb until nothing waits, sharing the hub with other workers."""
    plans: list[Plan] = []
    while True:
        try:
            done = absorb(context, limit)
        except Overtaken:
            patience -= 1
            if not patience:
                raise
            continue
        if done is None:
            return plans
        plans.append(done)


def _apply(context: Context, claim: Claim) -> Plan:
    try:
        planned = plan(context, claim)
        context.store.commit(claim, planned.writes)
    except BaseException:
        context.store.release(claim)
        raise
    return planned


def plan(context: Context, claim: Claim) -> Plan:
    return _Batch(context, claim).plan()


class _Batch:
    """The working state of one batch."""

    def __init__(self, context: Context, claim: Claim) -> None:
        self.context, self.claim = context, claim
        self.writes = Writes()
        self.heads: dict[tuple[str, str], Head] = {}
        self.contents: dict[int, Content] = {}
        self.created: set[int] = set()
        self.touched: dict[int, Head] = {}
        self.entries: list[Entry] = []
        self.sightings: dict[tuple[str, str, str], tuple[Sighting, int]] = {}
        self.last_message: dict[int, Message] = {}
        self.next_order_id = claim.next_order_id

    def plan(self) -> Plan:
        read = [self._read(message) for message in self.claim.messages]
        self._load({(key.shop, key.order_no) for key in (_key(r) for r in read) if key is not None})
        outcomes: dict[tuple[str, str], Outcome] = {
            (message.source, message.message_id): self._take(message, *decoded) if decoded else "parked"
            for message, decoded in zip(self.claim.messages, read, strict=True)
        }
        self._decide()
        self._write()
        return Plan(self.writes, outcomes)

    def _read(self, message: Message) -> tuple[Source, Decoded] | None:
        try:
            source = self.context.source(message.source)
            return source, source.decode(message.kind, message.body)
        except Unreadable as reason:
            self._park(message, str(reason))
        except Exception as bug:  # noqa: BLE001 — a decoder's bug must cost its own message, not the batch
            self._park(message, f"internal: {type(bug).__name__} while reading; a developer must look")
        return None

    def _park(self, message: Message, reason: str) -> None:
        row = (message.id, message.source, message.message_id, reason, message.received_at)
        self.writes.upserts["parked"].append(row)

    def _load(self, keys: set[tuple[str, str]]) -> None:
        for row in self.context.store.order_rows(keys):
            head = Head(*row)
            head.facts = _facts(row[HEAD_FACTS])
            head.content_digest = None if head.content_digest is None else bytes(head.content_digest)
            self.heads[head.shop, head.order_no] = head

    def _take(self, message: Message, source: Source, decoded: Decoded) -> Outcome:
        if self.claim.replayed:
            self.writes.unparked.append(message.id)
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
            self.next_order_id += 1
            self.heads[head.shop, head.order_no] = head
            self.created.add(head.order_id)
            self.touched[head.order_id] = head
        buyer = seen.content.buyer_ref if seen.content else ""
        origin = Origin(message.source, message.id, message.received_at)
        entries, content = fold(head, seen, origin, self.context.pseudonyms.buyer(head.shop, buyer))
        if content is not None:
            self.contents[head.order_id] = content
        if entries or content is not None:
            self.entries += entries
            self.touched[head.order_id] = head
            self.last_message[head.order_id] = message
            for parcel in seen.parcels:
                labelled = parcel.labelled or (parcel.tracking_no == head.tracking_no and head.labelled)
                row = (head.order_id, parcel.tracking_no, parcel.carrier, int(labelled))
                self.writes.upserts["parcels"].append(row)
        if source.live and head.content_digest is None:
            self._intend(
                head, f"fetch:{head.shop}:{head.order_no}", effects.FetchOrder(head.shop, head.order_no), message
            )
        if new:
            return "imported"
        return "updated" if entries or content is not None else "unchanged"

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
        book = self.context.book
        undecided = [head for head in self.touched.values() if _is_undecided(head)]
        if not undecided or not (book.routing or book.gift or book.default_warehouse):
            return
        lines = self._lines(undecided)
        decisions = decide(_orders_frame(undecided), _lines_frame(lines), book)
        by_order: dict[int, list[tuple[str, str, str, int, str]]] = {}
        for order_id, *decision in decisions.iter_rows():
            by_order.setdefault(order_id, []).append(tuple(decision))
        for head in undecided:
            self._carry_out(head, lines[head.order_id], by_order.get(head.order_id, []))

    def _carry_out(self, head: Head, lines: Sequence[Line], decisions: list[tuple[str, str, str, int, str]]) -> None:
        message, version = self.last_message[head.order_id], self.context.book.version
        at = message.received_at
        gifts: list[Line] = []
        for rule, action, argument, quantity, reason in decisions:
            if action == "assign_warehouse":
                head.warehouse = argument
            else:
                parent = lines[0].line_no if lines else None
                gifts.append(Line(FIRST_ADDED_LINE + len(gifts), argument, quantity=quantity, gift_of=parent))
                self.writes.upserts["lines"].append(_line_row(head.order_id, gifts[-1], rule))
            detail = _json({"rule": rule, "version": version}).decode()
            self.entries.append(
                Entry(head.order_id, f"rule.{action}", at, at, "", argument, "decided", "rules", message.id, detail)
            )
            self.writes.new["decisions"].append((head.order_id, rule, version, action, argument, reason, at))
        if head.warehouse:
            parents = {line.line_no: line.sku for line in lines}
            effect = effects.PushToWarehouse(
                head.shop,
                head.order_no,
                head.warehouse,
                tuple(
                    effects.WarehouseLine(line.sku, line.quantity, parents.get(line.gift_of or 0, ""))
                    for line in (*lines, *gifts)
                ),
            )
            self._intend(head, f"push:{head.shop}:{head.order_no}:{version}", effect, message)

    def _lines(self, heads: Sequence[Head]) -> dict[int, Sequence[Line]]:
        missing = [head.order_id for head in heads if head.order_id not in self.contents]
        lines: dict[int, list[Line]] = {head.order_id: [] for head in heads}
        for order_id, *fields in self.context.store.line_rows(missing) if missing else ():
            lines[order_id].append(Line(*fields))
        return {
            head.order_id: self.contents[head.order_id].lines
            if head.order_id in self.contents
            else lines[head.order_id]
            for head in heads
        }

    def _intend(self, head: Head, key: str, effect: effects.Effect, message: Message) -> None:
        at, payload = message.received_at, effects.encode(effect).decode()
        row = (key, head.order_id, effect.target, payload, "waiting", 0, 0, at, None, "", at, None, "")
        (self.writes.latest_effects if effect.mode == "latest" else self.writes.new["outbox"]).append(row)

    # -- rows

    def _write(self) -> None:
        writes, version = self.writes, self.claim.version + 1
        for head in self.touched.values():
            head.changed_version = version
            row = list(msgspec.structs.astuple(head))
            row[HEAD_FACTS] = _json(head.facts).decode()
            writes.upserts["orders"].append(tuple(row))
        for order_id, content in self.contents.items():
            self._write_content(self.touched[order_id], content)
        for (touchpoint, shop, order_no), (sighting, seen_at) in self.sightings.items():
            at = seen_at if sighting.at is None else sighting.at
            writes.sightings.append((touchpoint, shop, order_no, sighting.status, at, seen_at, version))
        seq, before = self.claim.log_seq, self.claim.log_hash
        for entry in self.entries:
            seq += 1
            fields = (seq, *entry)
            before = chain.link(before, fields)
            writes.inserts["log"].append((*fields, before))
        writes.next_order_id, writes.log_seq, writes.log_hash = self.next_order_id, seq, before

    def _write_content(self, head: Head, content: Content) -> None:
        writes, order_id = self.writes, head.order_id
        if order_id not in self.created:
            writes.retired_lines.append((head.content_at, order_id))
        writes.upserts["lines"] += [_line_row(order_id, line, "") for line in content.lines]
        if content.paid_minor:
            writes.upserts["payments"].append(
                (order_id, 1, content.payment_method, content.currency, content.paid_minor, head.paid_at)
            )
        if person := content.person:
            phone_hash = self.context.pseudonyms.phone(person.phone)
            writes.upserts["persons"].append(
                (order_id, person.name, person.phone, phone_hash, person.address, content.note)
            )


HEAD_FACTS = [field.name for field in msgspec.structs.fields(Head)].index("facts")


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
    return (
        head.payment == "paid"
        and head.fulfilment == "waiting"
        and head.warehouse is None
        and head.content_digest is not None
    )


def _line_row(order_id: int, line: Line, rule: str) -> tuple[object, ...]:
    return (order_id, *msgspec.structs.astuple(line), rule, None)


RULE_COLUMNS = ("order_id", "shop", "platform", "province", "total_minor", "paid_at")


def _orders_frame(heads: Sequence[Head]) -> pl.DataFrame:
    """The columns that rules ask about, in the types of ORDERS."""
    schema = {name: frames.ORDERS[name] for name in RULE_COLUMNS}
    rows = [(h.order_id, h.shop, h.platform, h.province, h.total_minor, h.paid_at) for h in heads]
    raw = {name: pl.Int64 if kind == frames.INSTANT else kind for name, kind in schema.items()}
    return pl.DataFrame(rows, schema=raw, orient="row").cast(schema)  # type: ignore[arg-type]  # a dict of dtypes


def _lines_frame(lines: dict[int, Sequence[Line]]) -> pl.DataFrame:
    rows = [(order_id, *msgspec.structs.astuple(line)) for order_id, some in lines.items() for line in some]
    return pl.DataFrame(rows, schema=frames.LINES, orient="row")
