"""What the orders themselves teach about the touchpoints: see `lag`, and `blame` for who was found wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from orderhub_core.audit import lag
from orderhub_core.audit.align import picked
from orderhub_core.audit.blame import singled_out
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.engine import judge
from orderhub_core.audit.merge import ABSENT
from orderhub_core.audit.scene import Scene
from orderhub_core.audit.verdicts import CONFLICT

MOST_ORDERS = 30_000
"""So many orders, evenly spread, teach enough; a million would teach no more."""


def learn(seen: Scene, as_of: int | None, allowed_lag_s: Mapping[str, int] | None = None) -> Calibration:
    """From at most MOST_ORDERS orders. `allowed_lag_s`: delays that somebody decided, in place of learned ones."""
    size = seen.aligned.size
    step = -(-size // MOST_ORDERS) or 1
    part = seen.take(np.arange(0, size, step))
    names = [source.name for source in seen.sources]
    lags = _lags(part) if allowed_lag_s is None else lag.given(allowed_lag_s, names)
    first = Calibration(lags=lags)
    judged = judge(part, first, as_of)
    disputed = part.take(np.flatnonzero(judged.fields["status"] == CONFLICT))
    wrong = singled_out(disputed)
    counts = {name: int((wrong == place).sum()) for place, name in enumerate(names)}
    return Calibration(lags=lags, wrong=counts, orders=part.aligned.size)


def _lags(part: Scene) -> dict[str, lag.Lag]:
    """From orders that tell one story only: what contradicts the others says nothing of how long news take."""
    part = part.take(np.flatnonzero((part.story.common() != 0)[part.numbers]))
    at = [part.at(place) for place in range(len(part.sources))]
    table = part.meanings.entered()
    rows = part.aligned.rows
    words = [
        picked(own.status.codes, rows[place], own.status.words.len() - 1) for place, own in enumerate(part.sources)
    ]
    absent = rows == ABSENT
    entered = np.stack([table[place][part.meanings.codes[place][word]] for place, word in enumerate(words)])
    entered[absent] = -1
    found = lag.delays(at, entered, part.facts)
    return {source.name: lag.allowance(own) for source, own in zip(part.sources, found, strict=True)}
