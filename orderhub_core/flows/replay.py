"""Replay: parked messages are tried again, after what they lacked was mended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from orderhub_core.errors import Busy
from orderhub_core.flows.absorb import Context, Outcome, absorb
from orderhub_core.store.base import Overtaken

PATIENCE_S, PAUSE_S = 30.0, 0.05


def replay(context: Context, ids: Sequence[int], limit: int) -> dict[tuple[str, str], Outcome]:
    """Try parked messages again, after their decoder or table was mended. What became of each, by source and id.

    Raises Busy when other workers keep the hub so busy that some still wait; they are not lost.
    """
    taken = context.store.requeue(ids)
    asked = {(message.source, message.message_id) for message in taken}
    outcomes: dict[tuple[str, str], Outcome] = {}
    deadline = time.monotonic() + PATIENCE_S
    while context.store.waiting_of([message.id for message in taken]):
        done = None
        with contextlib.suppress(Overtaken):
            done = absorb(context, limit)
        ours = {key: outcome for key, outcome in (done.outcomes if done else {}).items() if key in asked}
        outcomes |= ours
        if ours:
            deadline = time.monotonic() + PATIENCE_S
        elif time.monotonic() > deadline:
            raise Busy("the messages wait to be tried again by a worker that is busy with others; nothing was lost")
        if done is None:
            time.sleep(PAUSE_S)
    parked = {(source, name) for source in {source for source, _ in asked} for name in context.store.parked_of(source)}
    return {key: "parked" if key in parked else outcomes.get(key, "noted") for key in asked}
