"""What an audit found, for people and for machines, and how the command ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from orderhub_core.audit.report import Report
from orderhub_core.audit.sources import STATUS
from orderhub_core.flows.past import Past

SHOWN = 20
"""Findings listed for people unless they ask for more."""


def tell(
    report: Report, past: Past | None = None, *, as_json: bool, limit: int | None, fail_under: float | None
) -> None:
    """Exits with 1 when the rate is below `fail_under`. `past`: what an audit of a past moment looked at."""
    if as_json:
        typer.echo(report.to_json(limit, {} if past is None else {"past": _rebuilt(past, report)}))
    else:
        typer.echo("\n".join([_sentences(report, SHOWN if limit is None else limit), *_gaps(past)]))
    rate = report.population_share().rate
    if fail_under is not None and rate is not None and rate < fail_under:
        raise typer.Exit(1)


def _rebuilt(past: Past, report: Report) -> dict[str, Any]:
    return {"as_of": report.as_of, "unknown": past.unknown, "undated": past.undated}


def _gaps(past: Past | None) -> Iterator[str]:
    """What could not be rebuilt."""
    if past is None:
        return
    for name, count in past.unknown.items():
        yield (
            f"Not known any more: what {name} showed of {count} orders then, for it was seen again since and the older"
            " messages have expired. They count as not_comparable."
        )
    if past.undated:
        yield f"Not dated: {past.undated} orders of which the log says nothing. They count as known."


def _sentences(report: Report, limit: int) -> str:
    share, drawn, proved = report.population_share(), report.sample_share(), report.interval()
    lines = [
        f"{', '.join(report.touchpoints)}: {share.consistent} of {share.of} orders consistent{_percent(share.rate)}",
        *(f"  {verdict:<15}{count:>10}" for verdict, count in report.by_verdict().items() if count),
        f"Sample of {drawn.of} (seed {report.seed}): {drawn.consistent} consistent{_percent(drawn.rate)}; "
        f"with {proved.level:.0%} confidence the true rate is {proved.low:.1%} to {proved.high:.1%}.",
    ]
    listed = report.problems.head(limit)
    for row in listed.iter_rows(named=True):
        said = ", ".join(f"{name}: {word or '(nothing)'}" for name, word in row["values"].items())
        suspect = f"; probably {row['probably_wrong']} ({row['cause']})" if row["probably_wrong"] else ""
        what = row["verdict"] if row["field"] in (STATUS, "order_no") else f"{row['verdict']} of {row['field']}"
        heals = f"; should mend itself by {row['heals_at']:%Y-%m-%d %H:%M} UTC" if row["heals_at"] else ""
        lines.append(f"  {row['order_no']}  {what}  {said}{suspect}{heals}")
    if report.problems.height > listed.height:
        lines.append(f"  … and {report.problems.height - listed.height} more; --limit lists them, --json has them all")
    return "\n".join(lines)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f" ({rate:.2%})"
