"""One life of a hub: the product's receiver, absorb and dispatch over one folder, and what it told the outside.

Runs in processes where another library may stand in for pysqlite3: the product is imported late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

GATE_S = 5.0
"""How long a delivery may take to reach its commit."""
SECOND = 1_000_000


@dataclass
class Told:
    """What the outside had been told before the cut."""

    acknowledged: dict[tuple[str, str], bytes] = field(default_factory=dict)
    conflicts: set[tuple[str, str, bytes]] = field(default_factory=set)
    log_head: tuple[int, bytes] | None = None
    parked: set[str] = field(default_factory=set)
    performed: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)

    def take(self, word: str, told: Any) -> None:
        match word:
            case "acknowledged":
                for message, receipt in told:
                    key, digest = (message.source, message.message_id), _digest(message.body)
                    if receipt == "conflict":
                        self.conflicts.add((*key, digest))
                    else:
                        self.acknowledged[key] = digest
            case "applied":
                self.log_head, self.parked = told
            case "performed":
                self.performed[told[0]] = told[1]
            case "finished":
                self.finished.update(told)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


class Product:
    """The product's code over one folder, whatever disk the driver names; tells the disk's log what it tells others."""

    def __init__(self, folder: Path, told: Told, mark: Callable[[str, Any], None], now: int) -> None:
        from orderhub_core.flows.receive import Receiver
        from orderhub_core.pseudonym import Pseudonyms
        from orderhub_core.store import homes

        self.told, self._mark, self._now = told, mark, now
        self.store = homes.open_store(homes.Home(folder))
        self.context = absorbing(self.store, Pseudonyms(b"a pepper of some length"))
        self._gate = threading.Event()
        self._at_gate = threading.Event()
        self.receiver = Receiver(self.store, self._gated_clock, most_waiting=10_000)
        self.repeated: list[str] = []
        self.failures: list[Exception] = []
        """What senders were told instead of an acknowledgement."""

    def _clock(self) -> int:
        self._now += SECOND
        return self._now

    def _gated_clock(self) -> int:
        self._at_gate.set()
        self._gate.wait()
        return self._clock()

    def deliver(self, deliveries: list[list[Any]]) -> None:
        """Deliveries that come while the first is being written: the rest share a commit, the same on every run."""
        self._gate.clear()
        self._at_gate.clear()
        futures = []
        for index, messages in enumerate(deliveries):
            future = self.receiver.submit(messages)
            future.add_done_callback(lambda done, messages=messages: self._acknowledged(messages, done))
            futures.append(future)
            if not index:
                self._at_gate.wait(GATE_S)
        self._gate.set()
        self.failures += [failure for failure in (future.exception() for future in futures) if failure is not None]

    def _acknowledged(self, messages: list[Any], done: Any) -> None:
        if done.exception() is None:
            self._mark("acknowledged", list(zip(messages, done.result(), strict=True)))

    def hurdle(self, key: str) -> None:
        """May raise what a target's trouble raises."""

    def absorb(self, limit: int) -> bool:
        from orderhub_core.flows import absorb

        done = absorb.absorb(self.context, limit)
        if done is not None:
            heads = self.store.query("hub", "SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1")
            parked = {row[0] for row in self.store.query("hub", "SELECT message_id FROM parked")}
            self._mark("applied", (heads[0] if heads else None, parked))
        return done is not None

    def dispatch(self, limit: int) -> bool:
        from orderhub_core.effects import encode
        from orderhub_core.flows import dispatch
        from orderhub_core.flows.gates import Gates

        def perform(effect: Any, key: str) -> None:
            self.hurdle(key)
            if key in self.told.finished:
                self.repeated.append(key)
            self.told.performed[key] = encode(effect).decode()
            self._mark("performed", (key, encode(effect).decode()))

        done = dispatch.dispatch(
            self.store,
            perform,
            gates=Gates({}, count(0, 1_000).__next__),  # time flies: no gate stays closed
            clock=self._clock,
            leases=self._clock,
            owner="me",
            dice=Random(0),
            limit=limit,
            attempts=3,
        )
        self._mark("finished", [result.leased.key for result in done if result.state == "done"])
        return bool(done)

    def finish(self, deliveries: list[list[Any]]) -> None:
        """Take everything in (again), and work until nothing waits."""
        for at in range(0, len(deliveries), 8):
            self.deliver(deliveries[at : at + 8])
        while self.absorb(20):
            pass
        while self.dispatch(10):
            pass

    def close(self) -> None:
        self._gate.set()
        self.receiver.close()
        self.store.close()


SHOP = "shop"


def absorbing(store: Any, pseudonyms: Any) -> Any:
    import msgspec

    from orderhub_core.errors import Unreadable
    from orderhub_core.flows.context import Context, Source
    from orderhub_core.model import Observation
    from orderhub_core.rules.tree import Action, Group, Leaf, Op, Rule, Rulebook

    south = Rule("coats-south", Leaf("category", Op.IS, ("coat",)), (Action("assign_warehouse", "guangzhou"),))
    gift = Rule("over-100", Leaf("total", Op.AT_LEAST, (10_000,)), (Action("add_gift", "GIFT-1"),))
    routing = Group("routing", "first", (south,), (Action("assign_warehouse", "hangzhou"),))
    book = Rulebook("v1", (routing, Group("gifts", "all", (gift,))))

    def decode(kind: str, body: bytes) -> Observation:
        try:
            return msgspec.json.decode(body, type=Observation)
        except msgspec.DecodeError as error:
            raise Unreadable(str(error)) from None

    return Context(store, lambda name: Source(SHOP, "douyin", decode), book, pseudonyms)


def deliveries_of(dice: Random) -> list[list[Any]]:
    """Some orders' messages: in order, repeated, out of order, contradicting and unreadable, in small deliveries."""
    import msgspec

    from orderhub_core.model import Content, Event, Line, Observation, Person, RawMessage

    def message(order_no: str, word: str, seen: Any) -> Any:
        return RawMessage(SHOP, f"{order_no}:{word}", "order", msgspec.json.encode(seen))

    streams = []
    for number in range(dice.randint(5, 9)):
        no, at = f"A{number}", 1_000_000 * (number + 1)
        total = dice.choice((5_000, 20_000))
        line = Line(1, "SKU", "name", dice.choice(("coat", "shirt")), 1, total)
        person = Person("张三丰", "19900001234", "somewhere 5")
        padding = "x" * dice.choice((0, 300, 2_000, 9_000))
        content = Content(
            total_minor=total, paid_minor=total, buyer_ref="b", lines=(line,), person=person, note=padding
        )
        stream = [
            message(no, "placed", Observation(no, {Event.PLACED.value: at}, at, content)),
            message(no, "paid", Observation(no, {Event.PAID.value: at + 5}, at + 5)),
        ]
        if dice.random() < 0.5:
            stream.append(message(no, "invoice", Observation(no, {Event.INVOICE_REQUESTED.value: at + 6}, at + 6)))
        if dice.random() < 0.3:
            stream.append(RawMessage(SHOP, f"{no}:poison", "order", b"not json"))
        if dice.random() < 0.3:
            # The same id with another body: recorded as a conflict. It means the same, whichever of them comes first.
            stream.append(RawMessage(SHOP, f"{no}:paid", "order", stream[1].body + b" "))
        stream += dice.sample(stream, dice.randint(0, 1))
        streams.append(stream)
    mixed = []
    while streams:
        stream = dice.choice(streams)
        mixed.append(stream.pop(0))
        streams = [rest for rest in streams if rest]
    deliveries = []
    while mixed:
        size = dice.choice((1, 1, 2, 4))
        deliveries.append(mixed[:size])
        mixed = mixed[size:]
    return deliveries


def state_of(store: Any) -> dict[str, list[Any]]:
    """Everything that does not depend on when a message came, by order number."""
    questions = {
        "orders": "SELECT shop, order_no, placed_at, paid_at, payment, fulfilment, logistics, after_sale, invoice,"
        " headline, total_minor, paid_minor, warehouse, warehouse_by, item_count, contradictions, decided, facts,"
        " stated FROM orders",
        "lines": "SELECT o.order_no, l.line_no, l.sku, l.quantity, l.price_minor, l.gift_of, l.rule, l.deleted_at IS"
        " NULL FROM lines l JOIN orders o USING (order_id)",
        "persons": "SELECT o.order_no, p.name, p.phone, p.note FROM persons p JOIN orders o USING (order_id)",
        "log": "SELECT DISTINCT o.order_no, l.event, l.occurred_at * (l.source = 'shop') FROM log l JOIN orders o"
        " USING (order_id)",
        "outbox": "SELECT key, target, payload, state FROM outbox",
        "parked": "SELECT source, message_id FROM parked",
    }
    return {name: sorted(store.query("hub", sql), key=repr) for name, sql in questions.items()}
