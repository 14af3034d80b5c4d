"""Several senders' deliveries in one commit, and what becomes of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple

from orderhub_core.errors import OrderHubError, Unwritable
from orderhub_core.model import RawMessage
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Receipt

MOST_PER_COMMIT = 1_000
BYTES_PER_COMMIT = 4 * 1024 * 1024

Delivery = Sequence[RawMessage]
Outcome = list[Receipt] | OrderHubError
"""Of a delivery: a receipt for each message, or why none of them was written."""


class Commit(NamedTuple):
    """Which of the deliveries it wrote down, as a slice of them, and how long it took."""

    first: int
    last: int
    seconds: float


def accept(
    store: Store, deliveries: Sequence[Delivery], received_at: int, first: int = 0
) -> tuple[list[Outcome], list[Commit]]:
    """What became of each delivery, and the commits it took: one, unless some delivery cannot be written, which must
    not hold up the others. `first` is the number of the first delivery. Raises nothing."""
    messages = list(chain.from_iterable(deliveries))
    began = time.perf_counter()
    try:
        receipts = store.accept(messages, received_at) if messages else []
    except OrderHubError as failure:
        return [failure] * len(deliveries), []
    except Exception as bug:  # noqa: BLE001 — whoever writes must outlive any one message; the sender is told
        if len(deliveries) == 1:
            return [Unwritable("not written: {kind}", kind=type(bug).__name__)], []
        outcomes, commits = zip(
            *(accept(store, [one], received_at, first + at) for at, one in enumerate(deliveries)), strict=True
        )
        return list(chain.from_iterable(outcomes)), list(chain.from_iterable(commits))
    rest = iter(receipts)
    commit = Commit(first, first + len(deliveries), time.perf_counter() - began)
    return [list(islice(rest, len(one))) for one in deliveries], [commit] if messages else []
