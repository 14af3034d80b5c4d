"""Is the hub whole? Every finding says what is wrong, where, and how to mend it.

Safe while the hub works: whatever is compared is read in an order, or again, such that work going on meanwhile is
never taken for damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from orderhub_core import effects, pseudonym
from orderhub_core.errors import Fault, Stop, StoreMissing
from orderhub_core.fold import FACT_COLUMNS, Head, Parcels
from orderhub_core.lifecycle import Given, headline, in_order, settle
from orderhub_core.model import Event
from orderhub_core.standing import turning_event
from orderhub_core.stated import is_sound, read_stated
from orderhub_core.store import archive, homes, keys, ledger, lost, schema, snapshot, statements
from orderhub_core.store import sqlite as sqlite_home
from orderhub_core.store.base import Store
from orderhub_core.store.findings import ANEW, MOST_OF_A_KIND, REPLAY, RESTORE, Finding
from orderhub_core.store.home import SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.known import is_ours
from orderhub_core.store.sqlite import SqliteStore
from orderhub_core.store.unit import Row, digest_of

EVENTS = frozenset(event.value for event in Event)
BLOCK = 5_000

_instants = msgspec.json.Decoder(dict[str, int]).decode
_boxes = msgspec.json.Decoder(Parcels).decode


Check = Callable[[], Iterator[Finding]]


def findings(
    home: Home, *, quick: bool = False, tell: archive.Tell = lambda *_: None, env: Mapping[str, str] | None = None
) -> list[Finding]:
    """What is wrong with the hub; nothing, when all is well. `quick` leaves out what reads every row; with `env`, it is
    seen whether the key of the pseudonyms is there.

    Raises StoreMissing when there is no hub.
    """
    store = homes.open_store(home)
    try:
        found = [*_guarded("schema", partial(_schema, home)), *_guarded("file", partial(_pages, store, quick=quick))]
        if found:
            return found  # whatever else is asked of such a database, its answers mean little
        steps: dict[str, Check] = {
            "home": partial(_home, store),
            "inbox": partial(_inbox, store),
            "parts": partial(_parts, store),
        }
        if env is not None:
            steps["key"] = partial(_key, store, home, env)
        if not quick:
            steps |= {
                "log": partial(_log, store),
                "bodies": partial(_bodies, store),
                "orders": partial(_orders, store),
                "ledger": partial(_ledger, store),
                "splits": partial(lost.parcels, store),
                "losses": partial(lost.rows, store),
                "packs": partial(_packs, store),
                "snapshot": partial(_snapshot, home.data / SNAPSHOT, store),
            }
        for name, step in steps.items():
            tell(f"check {name}", 0, 0)
            found += _guarded(name, step)
        return found
    finally:
        store.close()


def _guarded(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except Stop as damage:
        return [Finding(name, damage, RESTORE)]


def _schema(home: Home) -> Iterator[Finding]:
    outdated, later = homes.outdated(home), homes.later(home)
    for part in outdated:
        mend = Fault("start the version that brought it there") if part in later else Fault("run `orderhub db init`")
        yield Finding(part, Fault("the schema is not this version's"), mend)
    if not outdated and schema.differences(home):
        yield Finding("schema", Fault("tables were changed by hand"), RESTORE)


def _home(store: Store) -> Iterator[Finding]:
    for doubt in store.doubts():
        yield Finding("inbox", doubt, Fault("see docs/jetstream.md and docs/scale.md"))


def _snapshot(folder: Path, store: Store) -> Iterator[Finding]:
    """The hub's own: boards refuse what is damaged, and show what tells of another hub."""
    try:
        meta = snapshot.meta(folder)
    except snapshot.Damaged:
        yield Finding("snapshot", _damaged(folder / snapshot.META), ANEW)
        return
    except StoreMissing:
        return
    found = [_damaged(path) for path in snapshot.damaged(folder, meta)]
    if not is_ours(store, meta, store.progress()):
        found = [Fault("{folder} tells of another history than this hub's", folder=folder)]
    if found and snapshot.meta(folder) != meta:  # a worker wrote the next one meanwhile
        yield from _snapshot(folder, store)
    else:
        yield from (Finding("snapshot", what, ANEW) for what in found)


def _damaged(path: Path) -> Fault:
    return Fault("{path} is damaged", path=path)


def _key(store: Store, home: Home, env: Mapping[str, str]) -> Iterator[Finding]:
    if keys.doubt(store, home.data, env):
        text = "the key under which the hub knows its buyers is not there, or {name} is another"
        mend = Fault("put it back: docs/backup.md says how, and what to do where it is lost")
        yield Finding("key", Fault(text, name=pseudonym.name(env)), mend)


def _pages(store: Store, *, quick: bool) -> Iterator[Finding]:
    if isinstance(store, SqliteStore):
        for part in sqlite_home.PAGE_BYTES:
            for (line,) in store.query(part, f"PRAGMA {'quick' if quick else 'integrity'}_check(3)"):
                if line != "ok":
                    yield Finding(part, Fault("the file is damaged ({why})", why=line), RESTORE)


def _log(store: Store) -> Iterator[Finding]:
    verdict = store.verify_log()
    if verdict.reason is not None:
        mend = Fault("{restore}; what is after the break cannot be trusted", restore=RESTORE)
        yield Finding("log", verdict.reason, mend)


def _ledger(store: Store) -> Iterator[Finding]:
    for what in islice(ledger.broken(store), MOST_OF_A_KIND):
        yield Finding("ledger", what, RESTORE)


_PACKED = """SELECT o.shop, o.order_no, e.payload, p.shop, p.order_no FROM packs AS p
    JOIN orders AS o ON o.order_id = p.order_id JOIN outbox AS e ON e.key = 'push:' || o.shop || ':' || o.order_no
    WHERE p.order_no <> '' ORDER BY p.order_id"""
_LEFT_BEHIND = f"""SELECT o.shop, o.order_no, p.order_no FROM packs AS p
    JOIN orders AS o ON o.order_id = p.order_id
    JOIN outbox AS gone ON gone.key = 'push:' || o.shop || ':' || o.order_no AND gone.done_at IS NOT NULL
    JOIN outbox AS other ON other.key = 'push:' || p.shop || ':' || p.order_no AND other.state = 'withdrawn'
    ORDER BY p.order_id LIMIT {MOST_OF_A_KIND}"""


def _packs(store: Store) -> Iterator[Finding]:
    """Hand-overs say what is kept of who is packed with whom, and no warehouse waits for one that was withdrawn."""
    rows = store.query("hub", _PACKED)
    for (shop, order_no, payload), some in groupby(rows, key=itemgetter(0, 1, 2)):
        asked = effects.decode(payload)
        named = {(one.shop, one.order_no) for one in getattr(asked, "pack_with", ())}
        if named != {(row[3], row[4]) for row in some}:
            text = "order {order} of {shop} says otherwise what it is packed with"
            yield Finding("packs", Fault(text, order=order_no, shop=shop), RESTORE)
    for shop, order_no, other in store.query("hub", _LEFT_BEHIND):
        text = "order {order} of {shop} has gone to be packed with {other}, which was withdrawn"
        mend = Fault("tell its warehouse that {other} does not come", other=other)
        yield Finding("packs", Fault(text, order=order_no, shop=shop, other=other), mend)


# -- the inbox against the hub


def _inbox(store: Store) -> Iterator[Finding]:
    """Nothing is applied or parked that the inbox does not hold, and what still waits has its body."""
    parked = [row[0] for row in store.query("hub", "SELECT id FROM parked")]
    if missing := _missing(store, parked):
        text = "{n} parked messages are not in the inbox (first: {first})"
        yield Finding("inbox", Fault(text, n=len(missing), first=missing[0]), RESTORE)
    needed = [row[0] for row in store.query("hub", f"SELECT id FROM {statements.OPEN_PARKED}")]
    bare = _bare(store, f"{store.among('id')} AND body IS NULL", (store.listed(needed),))
    upto = store.watermark()
    if upto is not None:
        (last,) = store.query("inbox", "SELECT coalesce(max(id), 0) FROM inbox")[0]
        if upto > last:
            text = "the hub applied messages up to {upto}, but the inbox ends at {last}"
            yield Finding("inbox", Fault(text, upto=upto, last=last), RESTORE)
        # What is bare was applied before it became so: the watermark is read after it.
        fresh = _bare(store, "body IS NULL AND id > ?", (upto,))
        bare += [message for message in fresh if message > (store.watermark() or 0)]
    queued = [row[0] for row in store.query("hub", "SELECT id FROM todo")]
    bare += _bare(store, f"{store.among('id')} AND body IS NULL", (store.listed(queued),))
    if lost := set(_missing(store, queued)) & {row[0] for row in store.query("hub", "SELECT id FROM todo")}:
        yield Finding("inbox", Fault("{n} messages wait that the inbox does not hold", n=len(lost)), RESTORE)
    if bare:
        text = "{n} messages wait without their body (first: {first})"
        yield Finding("inbox", Fault(text, n=len(bare), first=min(bare)), REPLAY)


def _bare(store: Store, where: str, parameters: Sequence[Any] = ()) -> list[int]:
    return [row[0] for row in store.query("inbox", f"SELECT id FROM inbox WHERE {where}", parameters)]


def _missing(store: Store, messages: Sequence[int]) -> list[int]:
    sql = f"SELECT id FROM inbox WHERE {store.among('id')}"
    held = {row[0] for row in store.query("inbox", sql, (store.listed(messages),))}
    return sorted(set(messages) - held)


def _bodies(store: Store) -> Iterator[Finding]:
    """Bodies are what was received, and what the log was caused by is there."""
    after = 0
    while rows := store.query(
        "inbox", "SELECT id, digest, body FROM inbox WHERE id > ? ORDER BY id LIMIT ?", (after, BLOCK // 5)
    ):
        for message, digest, body in rows:
            if body is not None and digest_of(body) != bytes(digest):
                text = "the body of message {message} is not what was received"
                yield Finding("inbox", Fault(text, message=message), RESTORE)
        after = rows[-1][0]
    yield from lost.contradictions(store)
    after = 0
    while rows := store.query(
        "hub", "SELECT seq, message FROM log WHERE seq > ? ORDER BY seq LIMIT ?", (after, BLOCK * 4)
    ):
        if missing := _missing(store, sorted({row[1] for row in rows})):
            text = "entries are caused by messages that the inbox lacks (first: {first})"
            yield Finding("log", Fault(text, first=missing[0]), RESTORE)
            return
        after = rows[-1][0]


# -- orders against their parts, facts and log

ORPHANS = ("lines", "parcels", "payments", "persons", "decisions")


def _parts(store: Store) -> Iterator[Finding]:
    for table in ORPHANS:
        sql = f"SELECT count(*) FROM {table} p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = p.order_id)"
        if lost := store.query("hub", sql)[0][0]:
            yield Finding(table, Fault("{n} rows belong to no order", n=lost), RESTORE)


def _orders(store: Store) -> Iterator[Finding]:
    names = ", ".join(statements.columns("orders"))
    after = 0
    wrong: dict[int, Fault] = {}
    while rows := store.query(
        "hub", f"SELECT {names} FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?", (after, BLOCK)
    ):
        wrong |= _settled(store, _unlike(store, rows))
        after = rows[-1][0]
    for order_id, reason in sorted(wrong.items())[:MOST_OF_A_KIND]:
        text = "order {order}: {reason} ({n} such orders)"
        yield Finding("orders", Fault(text, order=order_id, reason=reason, n=len(wrong)), RESTORE)


def _settled(store: Store, suspects: dict[int, Fault]) -> dict[int, Fault]:
    """Those that are still wrong when they are read again: row, parts and log are not read as of one moment."""
    names = ", ".join(statements.columns("orders"))
    for _ in range(3):
        if suspects:
            sql = f"SELECT {names} FROM orders WHERE {store.among('order_id')}"
            suspects = _unlike(store, store.query("hub", sql, (store.listed(suspects),)))
    return suspects


def _unlike(store: Store, rows: Sequence[Row]) -> dict[int, Fault]:
    """What of these orders does not follow from their facts, parts and log."""
    heads = [_head(row) for row in rows]
    chosen, ids = store.among("order_id"), store.listed([head.order_id for head in heads])
    logged: dict[int, dict[str, int]] = {}
    for order_id, event, at in store.query(
        "hub", f"SELECT order_id, event, occurred_at FROM log WHERE {chosen} ORDER BY seq", (ids,)
    ):
        if event in EVENTS:
            logged.setdefault(order_id, {})[event] = at
    boxes: dict[int, Parcels] = {}
    for order_id, tracking_no, carrier, labelled in store.query(
        "hub", f"SELECT order_id, tracking_no, carrier, labelled FROM parcels WHERE {chosen}", (ids,)
    ):
        boxes.setdefault(order_id, {})[tracking_no] = (carrier, bool(labelled))
    pieces: dict[int, int] = dict(
        store.query(
            "hub",
            f"SELECT order_id, sum(quantity) FROM lines WHERE deleted_at IS NULL AND rule = '' AND {chosen}"
            " GROUP BY order_id",
            (ids,),
        )
    )
    wrong = {}
    for head in heads:
        if head.facts != logged.get(head.order_id, {}):
            wrong[head.order_id] = Fault("its facts are not those in the log")
        elif head.parcels != boxes.get(head.order_id, {}):
            wrong[head.order_id] = Fault("its parcels are not those in the row")
        elif not is_sound(head.stated):
            wrong[head.order_id] = Fault("what was stated of it cannot be read, or a field has two versions")
        elif head.item_count != (there := int(pieces.get(head.order_id, 0))):
            text = "it counts {counted} pieces, its lines {there}"
            wrong[head.order_id] = Fault(text, counted=head.item_count, there=there)
        elif differing := [name for name, value in _derived(head).items() if getattr(head, name) != value]:
            wrong[head.order_id] = Fault("{columns} does not follow from its facts", columns=tuple(differing))
    return wrong


def _head(row: Row) -> Head:
    head = Head(*row)
    head.facts = _instants(row[_FACTS])
    try:
        head.stated = read_stated(row[_STATED])
    except (msgspec.DecodeError, KeyError):
        head.stated = _UNREADABLE
    head.parcels = {number: (carrier, labelled) for number, (carrier, labelled) in _boxes(row[_PARCELS]).items()}
    return head


_FACTS, _STATED, _PARCELS = (statements.columns("orders").index(name) for name in ("facts", "stated", "parcels"))
_UNREADABLE = {0: -1}
"""All fields and more: sound is it not."""


def _derived(head: Head) -> dict[str, Any]:
    """The columns that say nothing of their own, from what they are derived from."""
    given = Given(bool(head.parcels), any(labelled for _, labelled in head.parcels.values()))
    events = in_order(head.facts)
    settled = settle(events, given)
    axes = {axis: getattr(settled, axis) for axis in ("payment", "fulfilment", "logistics", "after_sale", "invoice")}
    instants = {column: head.facts.get(event) for event, column in FACT_COLUMNS.items()}
    return {
        **axes,
        **instants,
        "headline": headline(settled),
        "headline_at": head.facts.get(turning_event(events, given)),
        "contradictions": settled.contradictions,
        "tracking_no": min(head.parcels, default=None),
    }
