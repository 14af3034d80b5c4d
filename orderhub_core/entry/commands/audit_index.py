"""`orderhub audit index`: how far what the hub says of orders can be relied on, and what has cost points."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from orderhub_core import hub
from orderhub_core.audit.credibility import texts
from orderhub_core.audit.credibility.index import DIMENSIONS, Index, Share, of_hub
from orderhub_core.audit.credibility.losses import losses
from orderhub_core.entry.options import AsJson, spoken, tell, tr
from orderhub_core.errors import UserMistake
from orderhub_core.names import Names

SHOWN = 10
"""Losses listed for people unless they ask for more."""


class Part(msgspec.Struct, frozen=True):
    rate: float | None
    good: int
    of: int


class Answer(msgspec.Struct, frozen=True):
    index: float | None
    """0 to 100; null where nothing could be checked."""
    parts: dict[str, Part]
    weights: dict[str, float]
    """Of the parts that could be checked; they add up to 1."""
    losses_total: int
    losses: list[dict[str, Any]]
    """Dearest first; without a limit, their points and the index add up to 100."""
    freshness: list[dict[str, Any]]
    orders: int
    as_of: str


@spoken
def index(
    by: Annotated[
        list[str] | None, typer.Option(help="Split losses by shop, warehouse or carrier; repeat it. Default: by all.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="List at most this many losses.")] = None,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=100, help="Exit with 1 when the index is below this, or not known.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The credibility index: freshness, consistency, traceability, and where the points are lost."""
    if unknown := sorted(set(by or ()) - set(DIMENSIONS)):
        raise UserMistake("--by {unknown}: write {columns}", unknown=unknown[0], columns=tuple(DIMENSIONS))
    connected = hub.connect()
    found = of_hub(connected)
    lost = losses(found, DIMENSIONS if by is None else by)
    listed = lost if limit is None else lost.head(limit)
    answer = Answer(
        found.value,
        {name: Part(share.rate, share.good, share.of) for name, share in found.parts.items()},
        found.weights,
        lost.height,
        listed.to_dicts(),
        found.by_source.to_dicts(),
        found.orders.height,
        datetime.fromtimestamp(found.as_of / 1e6, UTC).isoformat(timespec="seconds"),
    )
    names = Names(connected.settings, tr)
    tell(answer, _sentences(found, answer, SHOWN if limit is None else limit, names), as_json=as_json)
    if fail_under is not None and (answer.index is None or answer.index < fail_under):
        raise typer.Exit(1)


def _sentences(found: Index, answer: Answer, limit: int, names: Names) -> str:
    if answer.index is None:
        return tr("Nothing could be checked yet: there is no index.")
    text = tr("Credibility index {value} of 100, as of {at}; orders: {orders}")
    lines = [
        text.format(value=f"{answer.index:.2f}", orders=f"{answer.orders:,}", at=answer.as_of),
        *(_part(name, share, found.weights.get(name, 0.0)) for name, share in found.parts.items()),
    ]
    lines += [f"  {texts.title(row, tr, names)}" for row in answer.losses[:limit]]
    if answer.losses_total > limit:
        more = tr("… and {count} more: --limit, or all by --json").format(count=f"{answer.losses_total - limit:,}")
        lines.append(f"  {more}")
    return "\n".join(lines)


def _part(name: str, share: Share, weight: float) -> str:
    if share.rate is None:
        return f"  {tr(texts.PARTS[name])}{tr(': ')}{tr(texts.NOT_CHECKED)}"
    counts = tr("{good} of {of}").format(good=f"{share.good:,}", of=f"{share.of:,}")
    told = f"{share.rate:.2%} · {counts} · {tr('weight {weight}').format(weight=f'{weight:.0%}')}"
    return f"  {tr(texts.PARTS[name])}{tr(': ')}{told}"
