"""The oracle: reads the databases with SQL of its own and compares them with the journal of the outside.

It shares no code with the store. What it knows of the product are the names of its tables, and for I4 and I10 a fresh
hub to which the same messages are given once, in order, by one process that nobody disturbs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from orders import PARKED, SHOP
from outside import Yard
from pysqlite3 import dbapi2 as sqlite
from senders import Journal

from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

Ask = Callable[[str], list[tuple[Any, ...]]]
SHOWN = 5

ORDER = (
    "shop, order_no, platform, placed_at, paid_at, shipped_at, collected_at, delivered_at, promised_at, updated_at,"
    " headline_at, payment, fulfilment, logistics, after_sale, invoice, headline, currency, total_minor, paid_minor,"
    " freight_minor, discount_minor, payment_method, item_count, warehouse, warehouse_by, carrier, tracking_no,"
    " province, city, buyer_key, contradictions, decided, facts, stated, parcels, lines_digest,"
    " person_digest, deleted_at"
)
STATE = {
    "orders": f"SELECT {ORDER} FROM orders",
    "lines": "SELECT shop, order_no, line_no, sku, l.name, category, quantity, price_minor, gift_of, rule, l.deleted_at"
    " FROM lines l JOIN orders USING (order_id)",
    "parcels": "SELECT shop, order_no, p.tracking_no, p.carrier, labelled FROM parcels p JOIN orders USING (order_id)",
    "payments": "SELECT shop, order_no, payment_no, method, p.currency, amount_minor, p.paid_at"
    " FROM payments p JOIN orders USING (order_id)",
    "persons": "SELECT shop, order_no, name, phone, address, note FROM persons JOIN orders USING (order_id)",
    "decisions": "SELECT shop, order_no, rule, version, action, argument, reason"
    " FROM decisions JOIN orders USING (order_id)",
    "parked": "SELECT source, message_id, reason FROM parked",
    "dismissed": "SELECT source, message_id, dismissal, dismissed_by FROM parked WHERE dismissed_at IS NOT NULL",
    "pushes": "SELECT key, target, payload FROM outbox WHERE key LIKE 'push%'",
}
"""What must be equal in every hub that got the same messages: numbers of rows and of commits are not."""

KINDS = """SELECT order_no, count(DISTINCT sku) FROM orders JOIN lines USING (order_id)
    WHERE rule = '' AND lines.deleted_at IS NULL AND total_minor >= 30000 GROUP BY order_no"""
"""SKUs of orders that go in a parcel for each, by outside.RULES."""
FIRST_BOOK = {"rulebook:save:faults-1:0", "rulebook:publish:faults-1:0"}
"""Messages of the workers' own: the file of the settings becomes the first version, once."""


class Eyes:
    """Both parts of a home, read only."""

    def __init__(self, home: Home) -> None:
        self._links: list[Any] = []
        try:
            self.inbox, self.hub = self._open(home, "inbox"), self._open(home, "hub")
        except BaseException:
            self.close()
            raise
        self.one_database = bool(home.database)

    def _open(self, home: Home, part: str) -> Ask:
        if home.database:
            link = psycopg.connect(home.database, autocommit=True)
        else:
            link = sqlite.connect(f"file:{home.data / part}.db?mode=ro", uri=True, check_same_thread=False)
        self._links.append(link)
        return lambda sql: link.execute(sql).fetchall()

    def close(self) -> None:
        for link in self._links:
            link.close()


@dataclass
class Findings:
    """Counts for the report, and what is broken in words."""

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    double_effects: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def say(self, what: str, names: Any) -> None:
        """Nothing, when there is nothing to name."""
        if found := sorted(names, key=repr):
            text = ", ".join(str(name) for name in found[:SHOWN])
            self.broken.append(f"{what}: {text}" + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""))


class Witness:
    """Looks at one home again and again, and remembers: what was in the log once may never change."""

    def __init__(self, journal: Journal, found: Findings) -> None:
        self.journal, self.found = journal, found
        self._log: dict[int, bytes] = {}
        self._astray: set[str] = set()

    def glance(self, eyes: Eyes) -> None:
        """After every kill, while others work on: I1, I2, I9, and I3 where one look shows all."""
        with self.journal.lock:
            acknowledged = set(self.journal.acknowledged)
        self._exactly_once(eyes, acknowledged)
        self._append_only(eyes)
        if eyes.one_database:
            self._queued(eyes)

    def _queued(self, eyes: Eyes) -> None:
        """I3, in one snapshot of the database: what is stored waits, or left something behind."""
        rows = eyes.hub(
            "SELECT message_id FROM inbox WHERE NOT EXISTS (SELECT FROM todo WHERE todo.id = inbox.id)"
            " AND NOT EXISTS (SELECT FROM log WHERE message = inbox.id)"
            " AND NOT EXISTS (SELECT FROM parked WHERE parked.id = inbox.id)"
        )
        with self.journal.lock:
            due = {name for (name,) in rows if name in self.journal.sent and self._leaves(name)}
        self.found.say("I3 neither waiting nor applied", due - self._astray)
        self._astray |= due

    def _exactly_once(self, eyes: Eyes, acknowledged: set[str]) -> None:
        stored = Counter(name for (name,) in eyes.inbox(f"SELECT message_id FROM inbox WHERE source = '{SHOP}'"))
        lost = acknowledged - stored.keys() - self.found.lost
        doubled = {name for name, count in stored.items() if count > 1} - self.found.doubled
        self.found.say("I1 acknowledged and not stored", lost)
        self.found.say("I2 stored more than once", doubled)
        self.found.lost |= lost
        self.found.doubled |= doubled

    def _append_only(self, eyes: Eyes) -> None:
        rows = {seq: bytes(link) for seq, link in eyes.hub("SELECT seq, hash FROM log")}
        self.found.say(
            "I9 log entries gone or changed", (seq for seq, link in self._log.items() if rows.get(seq) != link)
        )
        self._log = rows

    # -- when everything has come to rest

    def stare(self, eyes: Eyes, yard: Yard) -> None:
        """I1-I3, I5-I7 and what the journal tells, of a home in which nothing waits."""
        self.glance(eyes)
        self._inbox(eyes)
        self._applied(eyes)
        self._steps(eyes)
        self._effects(eyes, yard)
        self.found.broken += self.journal.wrong + yard.wrong

    def _inbox(self, eyes: Eyes) -> None:
        bodies = {name: bytes(body) for name, body in eyes.inbox("SELECT message_id, body FROM inbox")}
        asked = {name for name in bodies if name.startswith("order:")}
        say, journal = self.found.say, self.journal
        say("I2 stored and never sent", bodies.keys() - journal.sent.keys() - asked - FIRST_BOOK)
        say("I2 forged and stored", journal.forged - journal.sent.keys() & bodies.keys())
        say("I2 stored with another body", (n for n, i in journal.sent.items() if bodies.get(n, i.body) != i.body))
        noted = {(name, bytes(body)) for name, body in eyes.inbox("SELECT message_id, body FROM conflict")}
        say("I2 a contradiction was not recorded", set(journal.contradictions.items()) - noted)
        say("I2 a contradiction nobody sent", {name for name, _ in noted} - journal.maybe_contradicted)

    def _applied(self, eyes: Eyes) -> None:
        """I3: every message left what it had to leave, once."""
        names = dict(eyes.inbox("SELECT id, message_id FROM inbox"))
        left: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for number, event in eyes.hub("SELECT message, event FROM log"):
            left[names.get(number, f"message {number}")][event] += 1
        parked = {name for (name,) in eyes.hub("SELECT message_id FROM parked")}
        say = self.found.say
        say("I3 in the log and never received", left.keys() - set(names.values()))
        poison = {name for name in names.values() if name in self.journal.sent and self._leaves(name) == PARKED}
        say("I3 not parked", poison - parked)
        say("I3 parked without need", parked - poison)
        facts = {
            name for name in names.values() if name in self.journal.sent and self._leaves(name) not in ("", PARKED)
        }
        say("I3 stored and never applied", (name for name in facts if not left[name][self._leaves(name)]))
        say("I3 applied more than once", (name for name in facts if left[name][self._leaves(name)] > 1))

    def _leaves(self, name: str) -> str:
        return self.journal.sent[name].leaves

    def _steps(self, eyes: Eyes) -> None:
        """I5: each step of an axis begins where the last one ended."""
        rows = eyes.hub("SELECT order_id, event, before, after FROM log WHERE before <> '' ORDER BY seq")
        last: dict[tuple[int, str], str] = {}
        for order_id, event, before, after in rows:
            axis = order_id, event.partition(".")[0]
            if last.get(axis, before) != before:
                self.found.broken.append(
                    f"I5 {event} of order {order_id} leaves {before}, but {last[axis]} was reached"
                )
            last[axis] = after

    def _effects(self, eyes: Eyes, yard: Yard) -> None:
        """I6 and I7: what the rules intend is a row, once, and reached the warehouse under one key."""
        say = self.found.say
        paid = eyes.inbox("SELECT message_id FROM inbox WHERE message_id LIKE '%:payment.paid'")
        kinds = dict(eyes.hub(KINDS))
        numbers = {name.partition(":")[0] for (name,) in paid}
        intended = numbers | {f"{no}/{n}" for no in numbers for n in range(2, kinds.get(no, 1) + 1)}
        rows = dict(eyes.hub("SELECT key, state FROM outbox"))
        pushed = {_parcel(key) for key in rows if key.startswith("push")}
        say("I6 intended and not written", intended - pushed)
        say("I6 written and not intended", pushed - intended)
        say("I6 effects that are not done", (f"{key} {state}" for key, state in rows.items() if state != "done"))
        say("I7 effects that the warehouse never saw", intended - yard.sent.keys())
        say("I7 pushed and not intended", yard.sent.keys() - intended)
        double = {no for no, keys in yard.sent.items() if len(keys) > 1} - self.found.double_effects
        say("I7 one effect under several keys", double)
        self.found.double_effects |= double

    def replayed(self, eyes: Eyes, fresh: Home) -> None:
        """I4, I10, I11: a fresh hub that gets the same messages once, in order, ends in the same state."""
        undisturbed = Eyes(_fed(fresh, eyes))
        expected = _states(undisturbed)
        undisturbed.close()
        for name, rows in _states(eyes).items():
            missing, extra = expected[name] - rows, rows - expected[name]
            if missing or extra:
                self.found.broken.append(
                    f"I4 {name} differ from an undisturbed hub's: {_first(missing)} expected, {_first(extra)} found"
                    f" ({len(missing)} and {len(extra)} rows)"
                )


def _parcel(key: str) -> str:
    """As `outside.named`."""
    kind, _, number = key.split(":")
    return f"{number}/{kind.removeprefix('push-')}" if "-" in kind else number


def _fed(fresh: Home, eyes: Eyes) -> Home:
    hub = Hub(fresh)
    group: list[RawMessage] = []
    before = None
    for source, name, kind, at, body in eyes.inbox(
        "SELECT source, message_id, kind, received_at, body FROM inbox ORDER BY id"
    ):
        if at != before and group:
            hub.store.accept(group, before)
            group = []
        group.append(RawMessage(source, name, kind, bytes(body)))
        before = at
    if group:
        hub.store.accept(group, before)
    hub.drain()
    hub.close()
    return fresh


def _states(eyes: Eyes) -> dict[str, Counter[tuple[Any, ...]]]:
    return {name: Counter(tuple(map(_plain, row)) for row in eyes.hub(sql)) for name, sql in STATE.items()}


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _first(rows: Counter[tuple[Any, ...]]) -> str:
    return repr(min(rows, key=repr))[:400] if rows else "nothing"


def told_by_itself(home: Home) -> list[str]:
    """I3 and I9: what the product says of a home at rest, where that is not the truth."""
    store, eyes = homes.open_store(home), Eyes(home)
    verdict, pulse = store.verify_log(), store.pulse(0)
    truth = [part(f"SELECT count(*) FROM {name}")[0][0] for part, name in ((eyes.inbox, "inbox"), (eyes.hub, "parked"))]
    # What a person has dismissed is parked like the rest, but waits for nobody.
    truth[1] -= eyes.hub("SELECT count(*) FROM parked WHERE dismissed_at IS NOT NULL")[0][0]
    store.close()
    eyes.close()
    told = [] if verdict.broken_seq is None else [f"I9 the log's chain: {verdict.reason}"]
    # Numbers of a sequence are skipped by whatever is not stored: there the count is an upper bound.
    received = pulse.received if not home.database else min(pulse.received, truth[0])
    if [received, pulse.parked, pulse.waiting] != [*truth, 0]:
        told.append(f"I3 the hub tells {pulse}, but {truth[0]} are stored, {truth[1]} parked, and none waits")
    return told


def waiting(home: Home) -> int:
    """What the product says is not applied yet."""
    store = homes.open_store(home)
    try:
        return store.waiting()[0]
    finally:
        store.close()


def outbox_open(eyes: Eyes) -> int:
    return int(eyes.hub("SELECT count(*) FROM outbox WHERE state IN ('waiting', 'leased')")[0][0])
