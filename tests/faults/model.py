"""What a hub must hold, in plain dicts: the oracle of the stateful harness.

Written from the README's words, not from the product's fold: facts join by their first instant (what may happen
again by its last), each field of the content by its newest statement, parcels by tracking number; a push is intended
once per order, a fetch renews itself. What people say of versions and of the world outside is kept in `ruling`. Two
things are asked of the product because they are tables or keys rather than behaviour: `lifecycle.settle` and `headline`
over the model's own fact set, and the keyed hashes of people.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from desk import NOTHING, Wish
from ruling import Desk, Speaking
from talk import HASHES, SECOND, Decoder, Said

from orderhub_core.lifecycle import Given, headline, settle
from orderhub_core.model import Case, Content, Event, Line, Observation, Sighting
from orderhub_core.people import BookChange, Keep, Release, Review
from orderhub_core.signals import Measurement, Signal, SignalEnd

Key = tuple[str, str]
"""Source and message id, or shop and order number."""

PLACE = {event.value: place for place, event in enumerate(Event)}
READDRESSING = REQUESTED, SETTLED = "order.address_change_requested", "order.address_change_settled"
KEEPING = KEPT, LET_GO = "order.hold_requested", "order.hold_ended"
AGAIN = frozenset(e for e in PLACE if e.startswith(("after_sale.", "invoice."))) | {
    *READDRESSING,
    *KEEPING,
    "logistics.moved",
    "logistics.out_for_delivery",
}
COLUMN_OF = {
    "order.placed": "placed_at",
    "payment.paid": "paid_at",
    "fulfilment.shipped": "shipped_at",
    "logistics.collected": "collected_at",
    "logistics.delivered": "delivered_at",
}
STOPPING = ("fulfilment.cancelled", "payment.refunded", "payment.voided")
AFTER_SALE = tuple(event.value for event in Event if event.value.startswith("after_sale."))
SHIPPED = ("fulfilment.partly_shipped", "fulfilment.shipped")
OPENING = ("after_sale.applied", "after_sale.return_agreed", "after_sale.return_sent", "after_sale.refund_agreed")
CALM = ("none", "rejected", "closed")
ANOTHER_CASE, MANY_CASES, OWED_AGAIN = "another case", "many cases", "owed again"
CASE_OPENED, CASE_REFUNDED = "order.case_opened", "order.case_refunded"
CARRIED = tuple(event.value for event in Event if event.value.startswith("logistics."))
NUMBERS = ("total_minor", "paid_minor", "freight_minor", "discount_minor")
WORDS = ("currency", "payment_method", "province", "city")
TRIES = 5
PAUSES_S = (2, 10)
FIRST_WAIT, LONGEST_WAIT, LONGEST_ASKED = 1, 3_600, 300
FURTHEST = 6 * 3_600 * SECOND
DICE = 0.75
"""What the harness' dice always show, between a half and the whole."""

_json = msgspec.json.Encoder(order="deterministic").encode


class Mismatch(AssertionError):
    """The hub is not what the model says."""


class Logged(NamedTuple):
    event: str
    occurred_at: int
    recorded_at: int
    before: str
    after: str
    outcome: str
    source: str
    cause: Key


class Order:
    """What is known of one order."""

    def __init__(self, shop: str, order_no: str, platform: str) -> None:
        self.shop, self.order_no, self.platform = shop, order_no, platform
        self.facts: dict[str, int] = {}
        self.boxes: dict[str, tuple[str, bool]] = {}
        self.cases: dict[tuple[str, str], int] = {}
        """What a case is about and its number, to what went back; -1: nothing that is known of."""
        self.holds: dict[str, Any] = {}
        """Field of the content to the value that holds."""
        self.stated: dict[str, int] = {}
        """Field of the content to the version of the statement that holds."""
        self.lines: tuple[Line, ...] = ()
        self.gifts: tuple[tuple[Line, str], ...] = ()
        self.person: tuple[str, str, str, str] | None = None
        self.warehouse: str | None = None
        self.warehouse_by = ""
        self.decided = 0
        """In how many parcels it goes, once it is."""
        self.goes: dict[int, int] = {}
        """Line to parcel, as they were when it was decided. What came later has one of its own."""
        self.decisions: set[tuple[Any, ...]] = set()
        """Version, place, group, rule, action, argument, quantity, when, and 1 where a shadow said so."""
        self.updated_at: int | None = None
        self.log: list[Logged] = []
        self._row: dict[str, Any] | None = None

    def settled(self) -> Any:
        return settle(
            tuple(sorted(self.facts, key=lambda event: (self.facts[event], PLACE[event]))),
            Given(bool(self.boxes), any(labelled for _, labelled in self.boxes.values())),
        )

    def goods(self, parcel: int) -> list[tuple[str, int, str]]:
        lines = [*self.lines, *(gift for gift, _ in self.gifts)]
        skus = {line.line_no: line.sku for line in lines}
        own = [line for line in lines if self.decided < 2 or self.goes[line.line_no] == parcel]
        return [(line.sku, line.quantity, skus.get(line.gift_of or 0, "")) for line in own]

    def readdressed(self) -> bool:
        """Whether another address is asked for, or is there and not stated yet."""
        requested, settled = (self.facts.get(event, 0) for event in READDRESSING)
        return requested > settled or self.stated.get("person", settled) < settled

    def kept(self) -> bool:
        """Whether a person wants it kept back."""
        kept, let_go = (self.facts.get(event, 0) for event in KEEPING)
        return kept > let_go

    def pushes(self) -> dict[str, int]:
        """Key to parcel."""
        keys = {f"push:{self.shop}:{self.order_no}": 1}
        return keys | {f"push-{n}:{self.shop}:{self.order_no}": n for n in range(2, self.decided + 1)}

    def part(self) -> int:
        """Put its lines into parcels, one for each SKU. How many those are."""
        sold = sorted((line for line in self.lines if line.gift_of is None), key=lambda line: line.line_no)
        skus = list(dict.fromkeys(line.sku for line in sold))
        own = {line.line_no: skus.index(line.sku) + 1 for line in sold}
        given = [line for line in (*self.lines, *(gift for gift, _ in self.gifts)) if line.gift_of is not None]
        self.goes = own | {line.line_no: own.get(line.gift_of or 0, 1) for line in given}
        return max(1, len(skus))

    # -- joining

    def take(self, seen: Observation, said: Said, received_at: int) -> tuple[list[Logged], bool, bool]:
        """The log's new entries, whether anything was taken, and whether the lines were stated anew."""
        self._row = None
        at = received_at if seen.at is None else seen.at
        news: list[Logged] = []
        self.reopened = self.many = False
        """Whether the buyer opened another case after one that was paid back; whether these are several since."""

        def log(event: str, when: int, before: str, after: str, outcome: str) -> None:
            news.append(Logged(event, when, received_at, before, after, outcome, said.key[0], said.key))

        for box in seen.parcels:
            carrier, labelled = self.boxes.get(box.tracking_no, ("", False))
            joined = (max(carrier, box.carrier), labelled or box.labelled)
            if self.boxes.get(box.tracking_no) != joined:
                self.boxes[box.tracking_no] = joined
                log("order.parcel", at, "", "", "changed")
        open_before = self.settled().after_sale not in CALM
        for event, when in sorted(seen.facts.items(), key=lambda fact: fact[1]):
            self._fact(event, when, log)
        cases = dict(self.cases)
        for case in seen.cases:
            self._case(case, lambda event: log(event, at, "", "", "changed"))
        self.many = self._is_one_of_many(news, open_before)
        first, stated, changed, relined = not self.stated, dict(self.stated), False, False
        if seen.content is not None:
            changed, relined = self._content(seen.content, at)
        if changed and (not first or not news):  # every message that an order has heard is in the log
            log("order.content", at, "", "", "changed")
        taken = bool(news) or stated != self.stated or cases != self.cases
        if taken:
            self.updated_at = max([*self.facts.values(), *self.stated.values()], default=None)
        return news, taken, relined

    def _fact(self, event: str, when: int, log: Any) -> None:
        known = self.facts.get(event)
        if known is not None and not (when > known if event in AGAIN else when < known):
            return
        before = self.settled()
        self.reopened |= event in OPENING and (known or 0) <= self.facts.get("after_sale.refunded", when) < when
        self.facts[event] = when
        after = self.settled()
        axis = event.partition(".")[0]
        was, now = (getattr(before, axis), getattr(after, axis)) if axis != "order" else ("", headline(after))
        outcome = next(step.outcome for step in after.steps if step.event == event)
        log(event, when, str(was), str(now), "late" if known is not None and event not in AGAIN else outcome)

    def _case(self, case: Case, log: Any) -> None:
        name, back = (case.about, case.number), -1 if case.refunded_minor is None else case.refunded_minor
        before = [_at_least(self._numbers(case.about, over)) for over in (-2, -1)]
        self.cases[name] = max(self.cases.get(name, -2), back)
        after = [_at_least(self._numbers(case.about, over)) for over in (-2, -1)]
        if before != after:
            log(CASE_REFUNDED if before[1] < after[1] else CASE_OPENED)

    def _numbers(self, about: str, over: int = -2) -> set[str]:
        """Of the cases about a line of which more than that went back."""
        return {number for (line, number), back in self.cases.items() if line == about and back > over}

    def has_many(self) -> bool:
        """Whether it has several cases. One that is told of no line may be that of any line which tells no number."""
        lines = {about: self._numbers(about) for about, _ in self.cases if about}
        elsewhere = self._numbers("") - set().union(*lines.values()) - {""}
        free = sum(numbers == {""} for numbers in lines.values())
        return sum(map(_at_least, lines.values())) + max(0, len(elsewhere) - free) > 1

    def _is_one_of_many(self, news: list[Logged], open_before: bool) -> bool:
        """Whether these tell of a case while another is not over."""
        told = sum(entry.event in (CASE_OPENED, CASE_REFUNDED) for entry in news)
        together = told > 1 and self.settled().after_sale not in CALM
        unanswered = together or open_before or "payment.partly_refunded" in self.facts
        return bool(told) and self.has_many() and unanswered

    def _content(self, content: Content, at: int) -> tuple[bool, bool]:
        changed = False

        def wins(field: str, value: Any) -> bool:
            """Whether it is news. The newest statement holds; of two of one time the greater."""
            nonlocal changed
            before = self.stated.get(field)
            if before is not None and (at < before or (at == before and value <= self.holds[field])):
                return False
            news = bool(value != self.holds.get(field, _BLANK.get(field)))
            changed |= news
            self.stated[field], self.holds[field] = at, value
            return news

        for field in (*NUMBERS, *WORDS, "promised_at"):
            if (value := getattr(content, field)) not in (None, ""):
                wins(field, value)
        if buyer := HASHES.buyer(self.shop, content.buyer_ref):
            wins("buyer_key", buyer)
        if content.warehouse and self.warehouse_by != "rule" and wins("warehouse", content.warehouse):
            self.warehouse, self.warehouse_by = content.warehouse, "channel"
        relined = False
        if content.lines is not None:
            relined = wins("lines", blake2b(_json(content.lines), digest_size=16).digest())
            self.lines = content.lines if relined else self.lines
        if (person := content.person) is not None and wins("person", HASHES.person(person, content.note)):
            self.person = (person.name, person.phone, person.address, content.note)
        return changed, relined

    # -- what follows from it

    def row(self) -> dict[str, Any]:
        """The order's row, by column; without ids, digests and versions."""
        if self._row is None:
            self._row = self._derive()
        return self._row

    def touch(self) -> None:
        self._row = None

    def _derive(self) -> dict[str, Any]:
        now = self.settled()
        box = min(self.boxes) if self.boxes else None
        return {
            "platform": self.platform,
            **{column: self.facts.get(event) for event, column in COLUMN_OF.items()},
            "promised_at": self.holds.get("promised_at"),
            "updated_at": self.updated_at,
            "headline_at": self._since(),
            **{axis: str(getattr(now, axis)) for axis in now._fields[:5]},
            "headline": str(headline(now)),
            **{field: self.holds.get(field, 0) for field in NUMBERS},
            **{field: self.holds.get(field, "") for field in WORDS},
            "item_count": sum(line.quantity for line in self.lines),
            "warehouse": self.warehouse,
            "warehouse_by": self.warehouse_by,
            "tracking_no": box,
            "carrier": self.boxes[box][0] or None if box else None,
            "buyer_key": self.holds.get("buyer_key", ""),
            "contradictions": sum(step.outcome == "refused" for step in now.steps),
            "decided": self.decided,
            "facts": self.facts,
            "stated": self.stated,
            "parcels": self.boxes,
            "cases": self.cases,
            "deleted_at": None,
        }

    def _since(self) -> int | None:
        """When the present headline began."""
        given = Given(bool(self.boxes), any(labelled for _, labelled in self.boxes.values()))
        events = sorted(self.facts, key=lambda event: (self.facts[event], PLACE[event]))
        words = [headline(settle(tuple(events[:count]), given)) for count in range(1, len(events) + 1)]
        turning = None
        for place, word in enumerate(words):
            if not place or word != words[place - 1]:
                turning = self.facts[events[place]]
        return turning


_BLANK = {**dict.fromkeys(NUMBERS, 0), **dict.fromkeys(WORDS, ""), "buyer_key": ""}


class Effect:
    """An effect as it must stand in the outbox."""

    def __init__(self, target: str, due: int, goods: list[tuple[str, int, str]] | None, state: str = "waiting") -> None:
        self.target, self.goods, self.next_at = target, goods, due
        self.state, self.attempts, self.intent = state, 0, 0
        self.released = -1
        """The moment when a person let it go."""
        self.owner, self.lease_until, self.done_at = "", 0, None
        self.generation = -1
        """As the hub numbered the newest intent we saw leased."""
        self.plain = state == "waiting"
        """Whether nothing was said of it yet, or a person has let it go since."""
        self.only: set[str] = set()
        """All that is said of it, where each may be over by itself: that the buyer wants something back ("case"), or
        another address."""
        self.told: set[str] = set()
        """Why it should not have been done."""
        self.back_at = -1
        """The moment when it was taken up again after a stop."""
        self.done_of: set[int] = set()
        """Intents that were recorded as done."""


class Grip(NamedTuple):
    """A lease as its holder knows it."""

    key: str
    intent: int
    owner: str


class Model:
    """One hub."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.broken: BaseException | None = None
        """The first promise that was broken, wherever it was noticed."""
        self.spoken: dict[tuple[Key, bytes], Said] = {}
        """What a body under an id means, whether or not it was received."""
        self.said: dict[Key, Said] = {}
        self.inbox: dict[Key, tuple[int, bytes]] = {}
        self.conflicts: set[tuple[str, str, bytes]] = set()
        self.waiting: dict[Key, None] = {}
        self.put_off: dict[Key, tuple[int, int]] = {}
        """Of what waits and was tried in vain: how often, and when it is due again."""
        self.parked: dict[Key, None] = {}
        self.became: dict[Key, str] = {}
        """What became of each message when it was tried last."""
        self.orders: dict[Key, Order] = {}
        self.outbox: dict[str, Effect] = {}
        self.grips: dict[tuple[str, int], Grip] = {}
        """By key and generation."""
        self.sightings: dict[tuple[str, str, str], tuple[str, int, int]] = {}
        self.reviews: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        """What was said (-1: taken back) and when."""
        self.strays: list[Logged] = []
        """Log entries of what is said of no order, or of one that nobody knew."""
        self.desk = Desk()
        self.numbers: dict[int, Key] = {}
        """Inbox numbers of messages that were applied."""
        self.moment = 0
        """Counts the messages as they are applied."""
        self.began, self.gone = 0, set[str]()
        """The moment before the batch, and what was withdrawn by then."""

    # -- accept

    def accept(self, messages: list[Any], received_at: int) -> list[str]:
        receipts = []
        for message in messages:
            one = self.spoken[(message.source, message.message_id), message.body]
            known = self.inbox.get(one.key)
            if known is None:
                self.said[one.key] = one
                self.inbox[one.key] = (received_at, message.body)
                self.waiting[one.key] = None
                receipts.append("new")
            elif known[1] == message.body:
                receipts.append("duplicate")
            else:
                self.conflicts.add((*one.key, message.body))
                receipts.append("conflict")
        return receipts

    # -- absorb

    def requeue(self, keys: list[Key]) -> None:
        """Parked messages wait again."""
        for key in keys:
            if key not in self.parked:
                raise Mismatch(f"{key} was taken out of the parked ones, but is not there")
            del self.parked[key]
            self.waiting[key] = None

    def is_due(self, key: Key, now: int) -> bool:
        _, due = self.put_off.get(key, (0, now))
        return not now < due <= now + FURTHEST

    def try_later(self, key: Key, tries: int, due: int, now: int) -> None:
        """A batch put a message off for a passing reason, or (without a try) passed it on to another lane."""
        if key not in self.waiting:
            raise Mismatch(f"{key} was put off, but it did not wait")
        before, _ = self.put_off.pop(key, (0, 0))
        if not tries:
            return
        said = self.said[key]
        if said.needs != "trouble" or self.decoder.reads(said):
            raise Mismatch(f"{key} was put off, but nothing ails it")
        pause = PAUSES_S[before] * SECOND if before < len(PAUSES_S) else 0
        if tries != before + 1 or not now - 100 * SECOND <= due - pause <= now:
            raise Mismatch(
                f"{key} was put off for the {tries}. time until {due}; it had been {before} times, now {now}"
            )
        self.put_off[key] = (tries, due)

    def apply(self, keys: list[Key], speaking: Speaking | None) -> dict[Key, str]:
        """One committed batch, decided by what spoke when it was planned. What must have become of each message."""
        outcomes: dict[Key, str] = {}
        self.began, self.gone = self.moment, {name for name, one in self.outbox.items() if one.state == "withdrawn"}
        for key in keys:
            if key not in self.waiting:
                raise Mismatch(f"{key} was applied, but it did not wait")
            del self.waiting[key]
            tries, _ = self.put_off.pop(key, (0, 0))
            if self.said[key].needs == "trouble" and not self.decoder.reads(self.said[key]) and tries < len(PAUSES_S):
                raise Mismatch(f"{key} was given up after {tries} tries")
            outcomes[key] = self._understand(key, speaking)
            if isinstance(self.said[key].means, BookChange | Signal | SignalEnd | Measurement):
                speaking = self.desk.speaking()  # whatever comes after a word is decided accordingly
        return outcomes

    def _understand(self, key: Key, speaking: Speaking | None) -> str:
        said, (received_at, _) = self.said[key], self.inbox[key]
        self.moment += 1
        if said.poison or not self.decoder.reads(said):
            self.parked[key] = None
            return "parked"
        match said.means:
            case Observation() as seen:
                return self._observe(key, said, seen, speaking)
            case Sighting() as shown:
                at = received_at if shown.at is None else shown.at
                place = (said.key[0], shown.shop, shown.order_no)
                if place not in self.sightings or at >= self.sightings[place][1]:
                    self.sightings[place] = (shown.status, at, received_at)
            case BookChange() as asked:
                self.desk.change(asked, key, received_at, self.numbers.get(asked.seen, key) if asked.seen else None)
                self._log(("", ""), f"rulebook.{asked.act}", asked.version, "changed", key)
            case Signal() as told:
                self.desk.report(told, key[1], key)
                self._log(("", ""), "signal.reported", told.field, "changed", key)
            case SignalEnd() as told:
                self.desk.end(told, key, received_at)
                self._log(("", ""), "signal.ended", told.name, "changed", key)
            case Measurement() as told:
                self.desk.measure(told, key)
                self._log(("", ""), "signal.measured", told.field, "changed", key)
            case Release() as let:
                about = self.orders.get((let.shop, let.order_no))
                for name, parcel in (about.pushes() if about else {}).items():
                    if let.parcel in (0, parcel):
                        self._release(name, about)
                if not let.parcel:
                    self._release(f"fetch:{let.shop}:{let.order_no}", None)
                self._log((let.shop, let.order_no), "order.released", "go", "asked", key)
                if about and not let.parcel and about.kept():
                    self._heed(key, said, about, LET_GO, speaking)
            case Keep() as kept:
                self._log((kept.shop, kept.order_no), "order.kept", "keep", "asked", key)
                if about := self.orders.get((kept.shop, kept.order_no)):
                    self._heed(key, said, about, KEPT, speaking)
            case Review() as judged:
                said_so = -1 if judged.withdrawn else int(judged.consistent)
                place = (judged.audit, judged.shop, judged.order_no, judged.reviewer)
                if received_at >= self.reviews.get(place, (0, 0))[1]:
                    self.reviews[place] = (said_so, received_at)
                verdict = {-1: "withdrawn", 0: "inconsistent", 1: "consistent"}[said_so]
                self._log((judged.shop, judged.order_no), "audit.reviewed", verdict, "reviewed", key)
        return "noted"

    def _log(self, about: Key, event: str, what: str, outcome: str, cause: Key) -> None:
        """A person's word."""
        order, (at, _) = self.orders.get(about), self.inbox[cause]
        (order.log if order else self.strays).append(Logged(event, at, at, "", what, outcome, cause[0], cause))

    def _heed(self, key: Key, said: Said, order: Order, event: str, speaking: Speaking | None) -> None:
        """It holds after all that was said of it before."""
        received_at, _ = self.inbox[key]
        at = max(received_at, *(order.facts.get(one, 0) + 1 for one in KEEPING))
        entries, _, _ = order.take(Observation(order.order_no, {event: at}, at), said, received_at)
        order.log += entries
        for name, parcel in order.pushes().items() if order.decided and order.warehouse_by == "rule" else ():
            self._follow(order, self.outbox[name], parcel, {event}, False, False, set())
        self._decide(order, key, speaking)

    def _release(self, name: str, order: Order | None) -> None:
        """What was tried may have arrived: it stays as it is. What is done stays done. Nobody has seen what was
        withdrawn and waits for a person since this batch."""
        effect = self.outbox.get(name)
        if effect is None or effect.state == "withdrawn" or (name in self.gone and effect.back_at > self.began):
            return
        effect.released = self.moment
        effect.only = set()
        if effect.done_at is not None:
            effect.state = "done"
        elif effect.state == "person" and not effect.attempts and not (order and _is_stopped(order.settled())):
            effect.state = "waiting"
        effect.plain = effect.state == "waiting" and not effect.attempts

    def _observe(self, key: Key, said: Said, seen: Observation, speaking: Speaking | None) -> str:
        source, (received_at, _) = self.decoder.source(key[0]), self.inbox[key]
        order_key = (source.shop, seen.order_no)
        new = order_key not in self.orders
        order = self.orders.setdefault(order_key, Order(*order_key, source.platform))
        stopped = order.decided > 0 and _is_stopped(order.settled())
        goods = {line.line_no: (line.sku, line.quantity, line.gift_of) for line in order.lines}
        before = {(line.line_no, line.sku) for line in order.lines}
        entries, taken, lines = order.take(seen, said, received_at)
        others = before != {(line.line_no, line.sku) for line in order.lines}
        after = {line.line_no: (line.sku, line.quantity, line.gift_of) for line in order.lines}
        anew = {line_no for line_no in goods | after if goods.get(line_no) != after.get(line_no)}
        order.log += entries
        if taken and not entries and not order.decided and order.settled().fulfilment == "waiting":
            order.log.append(Logged("order.restated", received_at, received_at, "", "", "noted", key[0], key))
        if taken:
            later = [line.line_no for line in order.lines if line.line_no not in order.goes]
            if order.decided > 1 and later:
                order.decided += 1
                order.goes |= dict.fromkeys(later, order.decided)
                *_, name = order.pushes()
                self._intend(name, Effect(order.warehouse or "", received_at, order.goods(order.decided)))
            for name, parcel in order.pushes().items() if order.decided and order.warehouse_by == "rule" else ():
                fresh = {
                    entry.event
                    for entry in entries
                    if entry.before != entry.after or not entry.event.startswith("after_sale.")
                    if entry.before == "none" != entry.after or not entry.event.startswith("logistics.")
                } | {
                    what
                    for what, so in ((ANOTHER_CASE, order.reopened), (MANY_CASES, order.many), (OWED_AGAIN, stopped))
                    if so
                }
                self._follow(order, self.outbox[name], parcel, fresh, lines, others, anew)
            if any(_is_under_way(entry) for entry in entries):
                self._beware(order)
            self._decide(order, key, speaking)
        if source.live and (seen.incomplete or "lines" not in order.stated):
            name = "fetch:{}:{}".format(*order_key)
            known = self.outbox.setdefault(name, Effect(order.shop, received_at, None))
            known.state, known.attempts, known.next_at, known.done_at = "waiting", 0, received_at, None
            known.intent += 1
        return "imported" if new else "updated" if entries else "unchanged"

    def _follow(
        self, order: Order, push: Effect, parcel: int, fresh: set[str], relined: bool, others: bool, anew: set[int]
    ) -> None:  # fmt: skip
        """What news mean for a push. Who has let it go knew all that had been applied. `relined`: its lines were stated
        anew; `others`: they are others; `anew`: those that are other goods."""

        def unknown_to_who_let_it_go(*events: str) -> bool:
            return push.released < (self.moment if fresh.intersection(events) else 0)

        if relined and push.done_at is None:
            push.goods = order.goods(parcel)
        now = order.settled()
        open_ = push.state in ("waiting", "leased")
        several, left = order.decided > 1, order.facts.keys() & {"fulfilment.shipped", "logistics.delivered"}
        in_parts = "fulfilment.partly_shipped" in order.facts
        gone = left if several or in_parts else now.logistics != "none" or order.facts.keys() & set(SHIPPED)
        there = push.state == "done" and not gone
        if _is_stopped(now):
            why = f"the order is {headline(now)}"
            unseen = there and why not in push.told and fresh.intersection(STOPPING) and push.released < self.moment
            if unseen or open_ or push.state == "person":
                push.state = "person" if push.attempts else "withdrawn"
                push.told.add(why)
                push.plain, push.only = False, set()
            return

        away = now.logistics != "none" and not several and not (in_parts and not left)
        if OWED_AGAIN in fresh and not away and not (push.state == "done" and gone):
            push.state, push.back_at, push.plain, push.only = "person", self.moment, False, set()
        refunds, cases = ("payment.partly_refunded", CASE_REFUNDED), (*AFTER_SALE, ANOTHER_CASE, CASE_OPENED)
        refunded = "payment.partly_refunded" in order.facts and unknown_to_who_let_it_go(*refunds)
        case = now.after_sale not in CALM and unknown_to_who_let_it_go(*cases)
        address = order.readdressed() and unknown_to_who_let_it_go(*READDRESSING)
        many, kept = MANY_CASES in fresh, order.kept() and unknown_to_who_let_it_go(KEPT) and KEPT in fresh
        passing = {why for why, holds in (("case", case), ("address", address)) if holds}
        if open_ and (refunded or passing or many or kept):
            alone = push.plain and push.state == "waiting" and not push.attempts and not (refunded or many or kept)
            push.state, push.plain, push.only = "person", False, passing if alone else set()
        elif refunded or many or kept:
            push.only = set()
        elif push.only:
            push.only |= passing
        if there and push.released < self.moment:
            in_it = anew if order.decided == 1 else {line_no for line_no in anew if order.goes.get(line_no) == parcel}
            told = (*(refunds if refunded else ()), *(cases if case else ()), *READDRESSING)
            if in_it or many or kept or fresh.intersection(told):
                push.state = "person"
        calm = now.after_sale in CALM and fresh.intersection(AFTER_SALE)
        over = {why for why, ends in (("case", calm), ("address", not order.readdressed())) if ends}
        if push.only and push.state == "person" and not push.attempts:
            push.only -= over
            if not push.only:
                push.state, push.plain = "waiting", True
        if several and others and push.state in ("waiting", "leased", "person"):
            push.state, push.plain, push.only = "person", False, set()
        carried = now.logistics != "none"
        if push.done_at is None and (carried or now.fulfilment in ("partly_shipped", "shipped")):
            news = unknown_to_who_let_it_go(*SHIPPED, *CARRIED)
            if away and not push.attempts and push.state in ("waiting", "person"):
                push.state = "withdrawn"
            elif push.state in ("waiting", "leased") and news:
                push.state, push.plain, push.only = "person", False, set()
            if not several or left:
                push.plain, push.only = False, set()

    def _beware(self, order: Order) -> None:
        """It has left: another shop's order of its number may be the same one."""
        for other in self.orders.values():
            if other is order or other.order_no != order.order_no or _is_days_apart(order, other):
                continue
            sent = {"fulfilment.shipped", "logistics.delivered"}
            in_parts = other.decided > 1 or "fulfilment.partly_shipped" in other.facts
            gone = other.facts.keys() & sent or (not in_parts and other.settled().logistics != "none")
            for name in other.pushes() if other.decided and other.warehouse_by == "rule" else ():
                push = self.outbox[name]
                unasked = push.state == "done" and not (gone or order.decided) and push.released < 0
                if push.state in ("waiting", "leased") or unasked:
                    push.state = "person"
                if push.state == "person":
                    push.plain, push.only = False, set()

    def _decide(self, order: Order, cause: Key, speaking: Speaking | None) -> None:
        now = order.settled()
        paid, untouched = (
            now.payment in ("deferred", "paid", "partly_refunded"),
            (now.fulfilment, now.logistics) == ("waiting", "none"),
        )
        if order.decided or not paid or not untouched or "lines" not in order.stated:
            return
        if speaking is None:
            raise Mismatch(f"{order.shop} {order.order_no} was decided, but nobody asked which version decides")
        order.touch()
        sold = [line for line in order.lines if line.gift_of is None]
        about = {"shop": order.shop, **{name: order.holds.get(name, "") for name in ("province", "city")}}
        owed = [order.facts[event] for event in ("payment.deferred", "payment.paid") if event in order.facts]
        asked = speaking.asked(sold, order.holds.get("total_minor", 0), min(owed, default=None), about)
        if (shadow := speaking.shadow) is not None:
            self._note(order, shadow.version, _named(order, shadow.wishes(asked)) or [NOTHING], cause, shadow=1)
        book = speaking.of(order.shop, order.order_no)
        done = _named(order, book.wishes(asked))
        if all(wish.action != "assign_warehouse" for wish in done):
            done = [wish._replace(quantity=1) if wish.action == "split" else wish for wish in done]
        for wish in done:
            self._carry_out(order, wish, cause)
        self._note(order, book.version, done, cause)
        ours = order.warehouse_by == "rule"
        order.decided = order.part() if ours and any(wish.action == "split" for wish in done) else 1
        case, refunded = now.after_sale not in CALM, "payment.partly_refunded" in order.facts
        passing = {why for why, holds in (("case", case), ("address", order.readdressed())) if holds}
        twice, ruled = self._is_sent_by_another_shop(order), any(wish.action in ("hold", "approve") for wish in done)
        kept, many = order.kept(), order.has_many()
        state = "person" if passing or refunded or twice or ruled or kept or many else "waiting"
        for name, parcel in order.pushes().items() if ours else ():
            push = Effect(order.warehouse or "", self.inbox[cause][0], order.goods(parcel), state)
            alone = bool(passing) and not (ruled or refunded or twice or kept or many)
            push.only = passing if alone else set()
            self._intend(name, push)

    def _is_sent_by_another_shop(self, order: Order) -> bool:
        """Whether one of that number has left, or somebody is about to send it, and it may be the same one."""
        for other in self.orders.values():
            if other is order or other.order_no != order.order_no:
                continue
            now = other.settled()
            left = now.logistics != "none" or other.facts.keys() & set(SHIPPED)
            begun = (other.decided and other.warehouse_by == "rule") or now.fulfilment != "waiting"
            if (left or (begun and not _is_stopped(now))) and not _is_days_apart(order, other):
                return True
        return False

    def _carry_out(self, order: Order, wish: Wish, cause: Key) -> None:
        at = self.inbox[cause][0]
        if wish.action == "assign_warehouse":
            order.warehouse, order.warehouse_by = wish.argument, "rule"
        elif wish.action == "add_gift":
            gift = Line(1_000 + len(order.gifts), wish.argument, quantity=wish.quantity, gift_of=wish.parent)
            order.gifts = (*order.gifts, (gift, wish.rule))
        elif wish.action == "notify":
            name = f"notify:{wish.argument}:{wish.rule}:{order.shop}:{order.order_no}"
            self._intend(name, Effect(wish.argument, at, None))
        order.log.append(Logged(f"rule.{wish.action}", at, at, "", wish.argument, "decided", "rules", cause))

    def _note(self, order: Order, version: str, wishes: list[Wish], cause: Key, *, shadow: int = 0) -> None:
        at = self.inbox[cause][0]
        order.decisions |= {(version, place, *wish[:5], at, shadow) for place, wish in enumerate(wishes)}

    def _intend(self, name: str, effect: Effect) -> None:
        if name in self.outbox:
            raise Mismatch(f"{name} would be intended twice")
        self.outbox[name] = effect

    # -- effects

    def lease(
        self, leased: list[Any], *, now: int, until: int, owner: str, limit: int, without: Any = (), only: Any = None
    ) -> list[Grip]:
        """Check that these effects could be leased, and hold them as leased."""
        due = {
            key: effect
            for key, effect in self.outbox.items()
            if self._is_due(effect, now, until - now) and effect.target not in without and only in (None, effect.target)
        }
        keys = [one.key for one in leased]
        if strange := [key for key in keys if key not in due] or len(set(keys)) < len(keys):
            raise Mismatch(f"leased, but not due: {strange}; due are {sorted(due)}")
        if len(keys) != min(limit, len(due)):
            raise Mismatch(f"{len(keys)} effects leased of {len(due)} that are due, limit {limit}")
        left = [effect.next_at for key, effect in due.items() if key not in keys]
        if left and max((due[key].next_at for key in keys), default=0) > min(left):
            raise Mismatch("an effect that is due later was leased before one that is due sooner")
        return [self._leased(one, due[one.key], until, owner) for one in leased]

    @staticmethod
    def _is_due(effect: Effect, now: int, lease: int) -> bool:
        """What lies further ahead than anybody plans was planned before the clock was set back."""
        if effect.state == "waiting":
            return not now < effect.next_at <= now + FURTHEST
        return effect.state == "leased" and not now < effect.lease_until <= now + 2 * lease

    def _leased(self, leased: Any, effect: Effect, until: int, owner: str) -> Grip:
        effect.state, effect.owner, effect.lease_until = "leased", owner, until
        effect.attempts += 1
        if leased.attempts != effect.attempts or leased.target != effect.target:
            raise Mismatch(f"{leased.key}: leased as {leased}, the model has try {effect.attempts} at {effect.target}")
        if effect.goods is not None and _goods(leased) != effect.goods:
            raise Mismatch(f"{leased.key}: pushes {_goods(leased)}, the order has {effect.goods}")
        if leased.generation < effect.generation:
            raise Mismatch(f"{leased.key}: generation went back")
        effect.generation = leased.generation
        return Grip(leased.key, effect.intent, owner)

    def finish(self, grip: Grip, result: Any, now: int) -> None:
        """A result counts only for the intent it was leased for, and only while its holder has the lease. What was held
        for a person while it may have been performed: a person must look; what was not begun had no try."""
        effect, state, attempts = self.outbox[grip.key], result.state, result.leased.attempts
        if effect.owner != grip.owner or effect.intent != grip.intent:
            return
        if effect.state == "leased":
            if state == "done" and effect.goods is not None and _goods(result.leased) != effect.goods:
                state = "person"
            effect.next_at, effect.attempts, effect.back_at = result.next_at, attempts, -1
        elif effect.state in ("withdrawn", "person") and effect.lease_until and result.tried:
            state = "person"
        elif effect.state in ("withdrawn", "person") and effect.lease_until:
            effect.attempts = attempts
            order = next(one for one in self.orders.values() if grip.key in one.pushes())
            stopped = not attempts and _is_stopped(order.settled())
            effect.state, effect.lease_until = "withdrawn" if stopped else effect.state, 0
            return
        else:
            return
        if state == "done":
            if effect.intent in effect.done_of:
                raise Mismatch(f"{grip.key} was done twice")
            effect.done_of.add(effect.intent)
        effect.state, effect.lease_until = state, 0
        effect.done_at = now if result.state == "done" else None


def _named(order: Order, wishes: list[Wish]) -> list[Wish]:
    """Where its channel names a warehouse, it goes there, whatever rules say. The hub has none of that name: a person
    must look."""
    if order.warehouse is None:
        return wishes
    own = next((wish for wish in wishes if wish.action == "assign_warehouse"), None)
    goes = (own or Wish("", "channel", "assign_warehouse", ""))._replace(argument=order.warehouse)
    rest = [goes if wish is own else wish for wish in wishes] if own else [goes, *wishes]
    return [*rest, Wish(goes.group, goes.rule, "hold", "review")]


def _is_stopped(now: Any) -> bool:
    return now.fulfilment in ("cancelled", "intercepted") or now.payment not in (
        "deferred",
        "paid",
        "settled",
        "partly_refunded",
    )


def _at_least(numbers: set[str]) -> int:
    """How many cases these are: one without a number may be any of the others."""
    return len(numbers - {""}) or len(numbers)


def _is_under_way(entry: Logged) -> bool:
    return entry.event in SHIPPED or (entry.event in CARRIED and entry.before == "none" != entry.after)


def _is_days_apart(order: Order, other: Order) -> bool:
    """By when they were placed; where that is not known of both, by when they were to be sent."""
    for events in (("order.placed",), ("payment.deferred", "payment.paid")):
        one, two = (min((o.facts[e] for e in events if e in o.facts), default=None) for o in (order, other))
        if one is not None and two is not None:
            return abs(one - two) >= 2 * 86_400 * SECOND
    return False


def _goods(leased: Any) -> list[tuple[str, int, str]]:
    return [(line["sku"], line["quantity"], line["gift_of"]) for line in msgspec.json.decode(leased.payload)["lines"]]


def after(attempt: int, now: int, asked_s: float | None, *, asks: bool = False) -> int:
    """When a failed effect is tried again; sooner where it only `asks`."""
    wait = max(min(LONGEST_ASKED if asks else LONGEST_WAIT, FIRST_WAIT * 2**attempt) * DICE, asked_s or 0.0)
    return now + min(FURTHEST, int(wait * SECOND))
