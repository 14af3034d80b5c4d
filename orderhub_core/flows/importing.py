"""Import: an export file goes through the same door as a webhook. Its preview is the same call without the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import Context, Plan, drain, plan
from orderhub_core.model import RawMessage
from orderhub_core.ports import Files
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Claim, Message

ON_ERROR = ("reject-all", "skip-failed")


class Imported(msgspec.Struct, frozen=True):
    """What became of a file. `rows` = imported + updated + unchanged + refused."""

    file: str
    mapping: str
    dry_run: bool
    rows: int
    imported: int
    updated: int
    unchanged: int
    refused: int
    reasons: list[dict[str, Any]]
    """Per refused row: row_no (as a spreadsheet counts), order_no, column, value, reason."""
    rejected: bool = False
    """True when refused rows kept the whole file out."""


def import_file(
    context: Context, files: Files, path: Path, mapping_name: str, *, on_error: str, dry_run: bool, now: int, batch: int
) -> Imported:
    """Take a file in. Raises UserMistake for a file or mapping that cannot be used at all; then nothing was written."""
    if on_error not in ON_ERROR:
        raise UserMistake(f"--on-error {on_error!r}: choose reject-all or skip-failed")
    mapping = files.load_mapping(mapping_name)
    reading = files.observe(files.read_table(path), mapping)
    source = f"file/{mapping.platform or 'file'}/{mapping.shop}"
    messages = [msgspec.structs.replace(message, source=source) for message in reading.messages]
    rejected = bool(reading.refused.height) and on_error == "reject-all"
    tally: Counter[str] = Counter()
    if not rejected:
        tally = _preview(context, messages, now, batch) if dry_run else _apply(context, messages, now, batch)
    return Imported(
        file=path.name,
        mapping=mapping_name,
        dry_run=dry_run,
        rows=reading.rows,
        imported=tally["imported"],
        updated=tally["updated"],
        unchanged=tally["unchanged"],
        refused=reading.rows if rejected else reading.rows - sum(tally.values()),
        reasons=reading.refused.to_dicts(),
        rejected=rejected,
    )


def _apply(context: Context, messages: list[RawMessage], now: int, batch: int) -> Counter[str]:
    store, tally, fresh = context.store, Counter[str](), []
    for group in _groups(messages, batch):
        receipts = store.accept(group, now)
        fresh += [m.message_id for m, receipt in zip(group, receipts, strict=True) if receipt == "new"]
    tally["unchanged"] = len(messages) - len(fresh)
    outcomes = _outcomes(drain(context, batch))
    source = messages[0].source if messages else ""
    elsewhere = []
    for message_id in fresh:
        if outcome := outcomes.get((source, message_id)):
            tally[outcome] += 1
        else:
            elsewhere.append(message_id)
    return tally + _told_by_log(store, source, elsewhere)


def _outcomes(plans: Sequence[Plan]) -> dict[tuple[str, str], str]:
    return {key: outcome for done in plans for key, outcome in done.outcomes.items()}


def _told_by_log(store: Store, source: str, message_ids: list[str]) -> Counter[str]:
    """What another worker, running beside us, made of our messages."""
    tally: Counter[str] = Counter()
    if not message_ids:
        return tally
    ids = store.message_ids(source, message_ids)
    entries = store.entries_of(ids)
    placed = {message for message, event in entries if event == "order.placed"}
    touched = {message for message, _ in entries}
    tally["imported"], tally["updated"] = len(placed), len(touched - placed)
    tally["unchanged"] = len(ids) - len(touched)
    return tally


def _preview(context: Context, messages: list[RawMessage], now: int, batch: int) -> Counter[str]:
    """Plan against the hub as it is, write nothing."""
    version, _, next_order_id, log_seq, log_hash = context.store.progress()
    tally: Counter[str] = Counter()
    for group in _groups(messages, batch):
        rows = [Message(-n, m.source, m.message_id, m.kind, now, m.body) for n, m in enumerate(group, 1)]
        claim = Claim(rows, 0, version, next_order_id, log_seq, bytes(log_hash))
        tally.update(plan(context, claim).outcomes.values())
    return tally


def _groups(messages: Sequence[RawMessage], size: int) -> Iterator[Sequence[RawMessage]]:
    return (messages[at : at + size] for at in range(0, len(messages), size))
