"""Replay: parked messages are tried again, after what they lacked was mended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from orderhub_core.errors import Busy
from orderhub_core.flows.absorb import Outcome, absorb
from orderhub_core.flows.context import Context
from orderhub_core.store.lanes import Overtaken

PATIENCE_S, PAUSE_S = 30.0, 0.05

Key = tuple[str, str]
"""Source and message id."""


def replay(context: Context, ids: Sequence[int], limit: int) -> dict[Key, Outcome]:
    """Try parked messages again, after their decoder or table was mended. What became of each, by source and id.

    Raises Busy as `applied`.
    """
    taken = context.store.requeue(ids)
    asked = {(message.source, message.message_id) for message in taken}
    numbers = [message.id for message in taken]
    outcomes = applied(context, asked, lambda: context.store.waiting_of(numbers), limit)
    names: dict[str, list[str]] = {}
    for source, name in asked:
        names.setdefault(source, []).append(name)
    parked = {(source, name) for source in names for name in context.store.parked_among(source, names[source])}
    return {key: "parked" if key in parked else outcomes.get(key, "noted") for key in asked}


def applied(context: Context, asked: set[Key], waiting: Callable[[], int], limit: int) -> dict[Key, Outcome]:
    """Absorb until none of the messages `asked` is `waiting` any more, by our doing or another worker's. What became
    of those that were ours to apply.

    Raises Busy when other workers keep the hub so busy that some still wait; they are not lost.
    """
    outcomes: dict[Key, Outcome] = {}
    deadline = time.monotonic() + PATIENCE_S
    while waiting():
        done = None
        with contextlib.suppress(Overtaken):
            done = absorb(context, limit)
        ours = {key: outcome for key, outcome in (done.outcomes if done else {}).items() if key in asked}
        outcomes |= ours
        if ours:
            deadline = time.monotonic() + PATIENCE_S
        elif time.monotonic() > deadline:
            raise Busy("the messages wait for a worker that is busy with others; nothing was lost")
        if done is None:
            time.sleep(PAUSE_S)
    return outcomes
