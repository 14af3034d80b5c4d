"""What an audit found, for people and for machines, and how the command ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from orderhub_core.audit import texts
from orderhub_core.audit.consistency.texts import gaps
from orderhub_core.audit.report import Report
from orderhub_core.audit.sources import STATUS
from orderhub_core.entry.options import columns, tr
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
        lost = [] if past is None else [text for text, _ in gaps(past, tr)]
        typer.echo("\n".join([*_sentences(report, SHOWN if limit is None else limit), *lost]))
    rate = report.population_share().rate
    if fail_under is not None and rate is not None and rate < fail_under:
        raise typer.Exit(1)


def _rebuilt(past: Past, report: Report) -> dict[str, Any]:
    return {"as_of": report.as_of, "unknown": past.unknown, "undated": past.undated}


def _sentences(report: Report, limit: int) -> Iterator[str]:
    share, drawn, proved = report.population_share(), report.sample_share(), report.interval()
    text = tr("{names}: orders {of}, of which consistent {consistent}{rate}")
    names, rate = tr(", ").join(report.touchpoints), _percent(share.rate)
    yield text.format(names=names, of=f"{share.of:,}", consistent=f"{share.consistent:,}", rate=rate)
    counts = [(tr(texts.VERDICTS[verdict]), count) for verdict, count in report.by_verdict().items() if count]
    yield from (f"  {line}" for line in columns(("Verdict", "Number of orders"), counts) if counts)
    text = tr(
        "Sample of {of} (seed {seed}): {consistent} consistent{rate}; with {level} confidence the true rate is {low} to"
        " {high}."
    )
    proven = {"level": f"{proved.level:.0%}", "low": f"{proved.low:.1%}", "high": f"{proved.high:.1%}"}
    rate = _percent(drawn.rate)
    yield text.format(of=drawn.of, seed=report.seed, consistent=drawn.consistent, rate=rate, **proven)
    listed = report.problems.head(limit)
    yield from (f"  {_problem(row)}" for row in listed.iter_rows(named=True))
    if more := report.problems.height - listed.height:
        yield "  " + tr("… and {count} more: --limit, or all by --json").format(count=f"{more:,}")


def _problem(row: Mapping[str, Any]) -> str:
    """Which order, the field unless it is the status or the whole row, what each touchpoint shows of it, and why."""
    said = [f"{name}{tr(': ')}{word or tr('(nothing)')}" for name, word in row["values"].items()]
    field = [] if row["field"] in (STATUS, "order_no") else [tr(texts.FIELDS.get(row["field"], row["field"]))]
    told = "  ".join([row["order_no"], *field, tr(", ").join(said), texts.why(row, tr)])
    if row["heals_at"] is None:
        return told
    return told + tr(" It should mend itself by {at} UTC.").format(at=f"{row['heals_at']:%Y-%m-%d %H:%M}")


def _percent(rate: float | None) -> str:
    return "" if rate is None else tr(" ({share})").format(share=f"{rate:.2%}")
