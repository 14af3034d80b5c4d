"""`orderhub audit index`: how far what the hub says of orders can be relied on, and what has cost points."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from orderhub_core import hub
from orderhub_core.audit.credibility.index import DIMENSIONS, Index, Share, of_hub
from orderhub_core.audit.credibility.losses import losses
from orderhub_core.entry.options import AsJson, counted, stored, tell
from orderhub_core.errors import UserMistake

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


@stored
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
        raise UserMistake(f"--by {unknown[0]}: write {', '.join(DIMENSIONS)}")
    found = of_hub(hub.connect())
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
    tell(answer, _sentences(found, answer, SHOWN if limit is None else limit), as_json=as_json)
    if fail_under is not None and (answer.index is None or answer.index < fail_under):
        raise typer.Exit(1)


def _sentences(found: Index, answer: Answer, limit: int) -> str:
    if answer.index is None:
        return "The hub has nothing yet that could be checked: there is no index."
    lines = [
        f"Credibility index {answer.index:.2f} of 100, over {counted(answer.orders, 'order')} as of {answer.as_of}.",
        *(_part(name, share, found.weights.get(name, 0.0)) for name, share in found.parts.items()),
    ]
    for row in answer.losses[:limit]:
        where = " ".join(f"{name} {row[name] or '(none)'}" for name in DIMENSIONS if name in row)
        cause = f"{row['part']}: {row['source'] or '(unknown)'} {row['field']} {row['cause']}"
        lines.append(
            f"  -{row['points']:.3f}  {cause}; {where}: {counted(row['orders'], 'order')}".replace(";  ", "; ")
        )
    if answer.losses_total > limit:
        lines.append(f"  … and {answer.losses_total - limit} more; --limit lists them, --json has them all")
    return "\n".join(lines)


def _part(name: str, share: Share, weight: float) -> str:
    if share.rate is None:
        return f"  {name:<13} not checked: nothing to check it by"
    return f"  {name:<13}{share.rate:>9.2%}  {share.good} of {share.of}, weight {weight:.0%}"
