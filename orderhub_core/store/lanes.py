"""Where a lane stands, and the ledger that all share: every commit moves its lane on from where its plan began, and
seals what it logs. So two that begin at one place are never both committed, and nobody commits into another schema
than his own.
"""

from __future__ import annotations

from collections.abc import Sequence

from orderhub_core.errors import Later, Stop
from orderhub_core.store import chain
from orderhub_core.store.revisions import REVISIONS
from orderhub_core.store.statements import Batch, insert
from orderhub_core.store.unit import Claim, Row, Writes

MOVE_ON = """UPDATE lanes SET version = version + 1, next_order_id = ?,
    applied_upto = CASE WHEN applied_upto < ? THEN ? ELSE applied_upto END
    WHERE lane = ? AND version = ? AND log_hash = ?
    RETURNING log_seq, log_hash, (SELECT version_num FROM alembic_version_hub)"""
SEAL = "UPDATE lanes SET log_seq = ?, log_hash = ? WHERE lane = ?"

SINCE = """SELECT min(received_at) FROM lanes CROSS JOIN LATERAL
    (SELECT id FROM todo WHERE todo.lane = lanes.lane ORDER BY id LIMIT 1) AS first JOIN inbox USING (id)"""
"""When the oldest message came that waits in any: a look at the head of each, however many wait."""

TAKE_TURN = "UPDATE resources SET balance = ? WHERE kind = 'turn' AND balance = ?"
"""What is taken of stock and room was there when it was planned: whoever else took of it meanwhile, of whichever lane,
has moved this on."""


class Overtaken(Later):
    """Another writer committed first; claim again."""


def end_of(claim: Claim, writes: Writes) -> Row:
    """Of MOVE_ON: where the lane stands after these writes, and must stand before them: as many commits lie behind it,
    and the same ones. What the claim is based on is committed by now."""
    return writes.next_order_id, claim.upto, claim.upto, claim.lane, claim.version, claim.state


def sealed(lane: int, step: int, entries: Sequence[Row], end: chain.Head) -> tuple[list[Batch], chain.Head]:
    """Entries of a lane as rows of its log, which ended there before, and where it ends with them."""
    rows, end = chain.extend(end, entries, step)
    return [Batch(insert("log"), rows, "log"), Batch(SEAL, [(*end, lane)])] if rows else [], end


def advanced(moved: Sequence[Row], turns: int) -> chain.Head:
    """Where a lane's log ends, by what MOVE_ON has returned. Raises Overtaken when the lane stands elsewhere than the
    plan begins, or the ledger, where the plan takes part in it and TAKE_TURN has not changed its one row; and Stop when
    the hub was brought to another version meanwhile, for which this one's plans mean nothing."""
    if len(moved) != 1 or turns != 1:
        raise Overtaken("another writer applied messages meanwhile")
    ((seq, last, revision),) = moved
    if revision != REVISIONS["hub"]:
        raise Stop(
            "the hub was brought to another version ({revision}; this one works on {own}): stop this process, and"
            " start the version that it was brought to",
            revision=revision,
            own=REVISIONS["hub"],
        )
    return chain.Head(seq, bytes(last))
