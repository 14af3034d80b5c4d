"""Import: an export file goes through the same door as a webhook. Its preview is the same call without the commit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from orderhub_core.errors import Busy, UserMistake
from orderhub_core.flows import fates
from orderhub_core.flows.absorb import Outcome, drain, plan
from orderhub_core.flows.context import Context
from orderhub_core.flows.intend import is_due, is_undecided, lacks_lines
from orderhub_core.flows.rows import head
from orderhub_core.fold import Head
from orderhub_core.model import RawMessage
from orderhub_core.ports import FileMapping, Files
from orderhub_core.settings import FILE_NAME, Endpoint
from orderhub_core.stated import version_of
from orderhub_core.store import elsewhere
from orderhub_core.store.base import Store
from orderhub_core.store.progress import Progress
from orderhub_core.store.unit import Message

T = TypeVar("T")
ON_ERROR = ("reject-all", "skip-failed")
PAUSE_S, PATIENCE_S = 0.1, 60.0
"""How often to ask whether a worker beside us has applied our messages, and how long without any headway."""


PARKED = "parked: {reason}"
"""Why a row that could not be read is refused."""


class Imported(msgspec.Struct, frozen=True):
    """What became of a file. An order is counted once, a refused row each by itself; where refused rows kept the whole
    file out, they alone are counted."""

    file: str
    mapping: str
    shop: str
    """Whose the orders are."""
    dry_run: bool
    rows: int
    imported: int
    updated: int
    unchanged: int
    refused: int
    reasons: list[dict[str, Any]]
    """Per refused row: row_no (as a spreadsheet counts), order_no, column, value, reason. Parked messages are among
    them: they are kept, and `orderhub inbox replay` tries them again."""
    rejected: bool = False
    """True when refused rows kept the whole file out."""
    unread: list[str] = []
    """Headings of the file that the mapping has no use for: one of them may be misspelt."""
    without_lines: int = 0
    """Orders of the file that are to be sent, and of which nobody has told what is in them: no warehouse gets them."""
    without_total: int = 0
    """Orders of the file that are to be sent, and whose amount nobody has told, though their lines: rules read 0."""
    going: int = 0
    """Orders that it makes rules send to their warehouses; `held`: that wait for a person first."""
    held: int = 0
    undecided: int = 0
    """Orders of the file that are to be sent, and that no rulebook decides on: they go nowhere."""


def import_file(
    context: Context, files: Files, path: Path, mapping_name: str, *, on_error: str, dry_run: bool, now: int,
    batch: int, shops: Sequence[Endpoint] = (), into: str = "", other_orders: bool = False
) -> Imported:  # fmt: skip
    """Take a file in: `into` a shop, one of the settings' `shops` or one that has orders, or the mapping's own.

    Raises UserMistake for a file, mapping or shop that cannot be used, and where other shops have orders of these
    numbers, unless they are `other_orders`; then nothing was written of the file.
    """
    if on_error not in ON_ERROR:
        raise UserMistake("--on-error {word!r}: choose reject-all or skip-failed", word=on_error)
    mapping = files.load_mapping(mapping_name)
    reading = files.observe(files.read_table(path), mapping)
    shop, platform = _owner(context.store, mapping, shops, into)
    if not other_orders:
        if not dry_run:
            drain(context, batch)  # what waits may be the same orders
        _demand_new(context.store, path.name, shop, reading.order_nos, batch)
    source = f"file/{platform}/{shop}"
    messages = [msgspec.structs.replace(message, source=source) for message in reading.messages]
    rejected = bool(reading.refused.height) and on_error == "reject-all"
    made = _Made({}, {}, {}, {})
    if not rejected:
        made = _preview(context, messages, now, batch) if dry_run else _apply(context, messages, now, batch)
    tally = Counter(made.outcomes.values())
    row_of = {m.message_id: row for m, row in zip(messages, reading.message_rows, strict=True)}
    parked = [
        {
            "row_no": row_of[message_id],
            "order_no": None,
            "column": None,
            "value": None,
            "reason": PARKED.format(reason=reason),
        }
        for message_id, reason in made.parked.items()
    ]
    repeated = 0 if rejected else len(messages) - len(row_of)
    heads = [] if rejected else list(_heads(context.store, shop, reading.order_nos, made.planned, batch))
    pushed = Counter((made.pushed if dry_run else fates.of_orders(context.store, heads, now)).values())
    return Imported(
        file=path.name,
        mapping=mapping_name,
        shop=shop,
        dry_run=dry_run,
        rows=reading.rows,
        imported=tally["imported"],
        updated=tally["updated"],
        unchanged=tally["unchanged"] + repeated,
        refused=reading.refused.height + len(parked),
        reasons=reading.refused.to_dicts() + parked,
        rejected=rejected,
        unread=reading.unread,
        without_lines=sum(map(lacks_lines, heads)),
        without_total=sum(map(_lacks_total, heads)),
        going=pushed[False],
        held=pushed[True],
        undecided=sum(map(is_undecided, heads)),
    )


def _owner(store: Store, mapping: FileMapping, shops: Sequence[Endpoint], into: str) -> tuple[str, str]:
    """Whose orders they are, and of which platform: a live shop's are the same ones as its connector brings."""
    live = {shop.id: shop.connector for shop in shops}
    if into and into not in {*live, mapping.shop} and not elsewhere.has_orders(store, into):
        raise UserMistake(
            "no shop {shop!r} in {path}, and none that has orders; there are: {known}. A mapping of your own may name"
            " another",
            shop=into, path=FILE_NAME, known=tuple(live),
        )  # fmt: skip
    shop = into or mapping.shop
    return shop, live.get(shop) or mapping.platform or "file"


def _demand_new(store: Store, file: str, shop: str, order_nos: Sequence[str], batch: int) -> None:
    """One order that two shops have would be sent twice."""
    others: Counter[str] = Counter()
    for some in _groups(order_nos, batch):
        others.update(other for other, _ in elsewhere.in_other_shops(store, shop, some))
    if others:
        raise UserMistake(
            "{file}: the orders would be shop {shop}'s, and these shops have orders with the same numbers already:"
            " {others}. If they are the same orders, name their shop with --shop, or all of them would be sent twice;"
            " if they are not, say --other-orders",
            file=file, shop=shop, others=tuple(f"{other} ({count:,})" for other, count in others.most_common()),
        )  # fmt: skip


class _Made(NamedTuple):
    """What became of each message, and why some are parked, by message id."""

    outcomes: dict[str, Outcome]
    parked: dict[str, str]
    planned: dict[tuple[str, str], Head]
    """By shop and number, the orders that a preview has looked at: the store may not have them so."""
    pushed: dict[str, bool]
    """Of a preview, as of `fates.pushed`."""


def _apply(context: Context, messages: list[RawMessage], now: int, batch: int) -> _Made:
    store, outcomes = context.store, dict[str, Outcome]()
    before = store.progress()
    for group in _groups(messages, batch):
        for message, receipt in zip(group, store.accept(group, now), strict=True):
            if receipt == "new":
                outcomes[message.message_id] = "noted"
            else:
                outcomes.setdefault(message.message_id, "unchanged")
    if not messages:
        return _Made({}, {}, {}, {})
    source = messages[0].source
    fresh = [message_id for message_id, outcome in outcomes.items() if outcome == "noted"]
    ours = _until_applied(context, source, fresh, batch)
    outcomes |= ours | _told_by_log(
        store, source, [message_id for message_id in fresh if message_id not in ours], before
    )
    parked = store.parked_among(source, outcomes)
    return _Made(outcomes | dict.fromkeys(parked, "parked"), parked, {}, {})


def _until_applied(context: Context, source: str, message_ids: list[str], batch: int) -> dict[str, Outcome]:
    """What we made of these messages, once all of them are applied, by us or by a worker beside us."""
    ours: dict[str, Outcome] = {}
    left, deadline = len(message_ids), time.monotonic() + PATIENCE_S
    while True:
        done = drain(context, batch)
        ours |= {message_id: done[source, message_id] for message_id in message_ids if (source, message_id) in done}
        elsewhere = [message_id for message_id in message_ids if message_id not in ours]
        waiting = context.store.waiting_among(source, elsewhere)
        if not waiting:
            return ours
        if waiting < left:
            left, deadline = waiting, time.monotonic() + PATIENCE_S
        if time.monotonic() > deadline:
            raise Busy(
                "{waiting} messages are written down and wait for a worker that is busy with others; nothing was"
                " lost: import the file again later to see what became of them",
                waiting=waiting,
            )
        time.sleep(PAUSE_S)


def _told_by_log(store: Store, source: str, message_ids: list[str], before: Progress) -> dict[str, Outcome]:
    """What another worker, running beside us, made of our messages, which came after `before`."""
    if not message_ids:
        return {}
    ids = store.message_ids(source, message_ids)
    entries = store.entries_of(ids.values(), before)
    placed = {message for message, event in entries if event == "order.placed"}
    touched = {message for message, _ in entries}
    return {
        message_id: "imported" if number in placed else "updated" if number in touched else "unchanged"
        for message_id, number in ids.items()
    }


def _preview(context: Context, messages: list[RawMessage], now: int, batch: int) -> _Made:
    """Plan against the hub as it is, write nothing. What was received before is no news, as when it is imported."""
    made = _Made({}, {}, {}, {})
    for whole in _groups(list({m.message_id: m for m in messages}.values()), batch):
        known = context.store.message_ids(whole[0].source, [m.message_id for m in whole])
        made.outcomes.update(dict.fromkeys(known, "unchanged"))
        group = [m for m in whole if m.message_id not in known]
        rows = [Message(-n, m.source, m.message_id, m.kind, now, m.body) for n, m in enumerate(group, 1)]
        planned = plan(context, context.store.unbound(rows))
        made.outcomes.update({message_id: outcome for (_, message_id), outcome in planned.outcomes.items()})
        made.parked.update({row[2]: row[3] for row in planned.writes.upserts["parked"]})
        made.planned.update(
            ((one.head.shop, number), one.head)
            for number, first in planned.orders.items()
            for one in first.beside or (first,)
        )
        made.pushed.update(fates.pushed((row[0], row[4]) for row in planned.writes.new["outbox"]))
    return made


def _heads(
    store: Store, shop: str, order_nos: Sequence[str], planned: Mapping[tuple[str, str], Head], batch: int
) -> Iterator[Head]:
    """The file's orders as they are after it, planned or stored."""
    numbers = list(dict.fromkeys(order_nos))
    kept = [number for number in numbers if (shop, number) not in planned]
    stored = (head(row) for some in _groups(kept, batch) for row in store.order_rows(some))
    own = (planned[shop, number] for number in numbers if (shop, number) in planned)
    return chain(own, (one for one in stored if one.shop == shop))


def _lacks_total(head: Head) -> bool:
    """Whether rules speak, or spoke, on an order that is still here as if it cost nothing."""
    return head.lines_digest is not None and is_due(head) and version_of("total_minor", head.stated) is None


def _groups(some: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (some[at : at + size] for at in range(0, len(some), size))
