"""What an audit found, for people and for machines, and how the command ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import typer

from orderhub_core.audit import texts
from orderhub_core.audit.consistency.texts import gaps
from orderhub_core.audit.report import Report
from orderhub_core.audit.sources import STATUS
from orderhub_core.entry.options import columns, tr
from orderhub_core.flows.past import Past
from orderhub_core.i18n import Named, by_id

SHOWN = 20
"""Findings listed for people unless they ask for more."""


def tell(
    report: Report, past: Past | None = None, names: Named = by_id, *, as_json: bool, limit: int | None,
    fail_under: float | None,
    left_out: Mapping[str, int] = MappingProxyType({}), alone: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Exits with 1 when the rate is below `fail_under`. `past`: what an audit of a past moment looked at. `left_out`:
    rows of files whose order numbers cannot be read, by touchpoint; `alone`: fields that only that one shows."""
    if as_json:
        more = {} if past is None else {"past": _rebuilt(past, report)}
        typer.echo(report.to_json(limit, {**more, "left_out": dict(left_out), "alone": dict(alone)}))
    else:
        lost = [] if past is None else [text for text, _ in gaps(past, tr, names)]
        told = [*_sentences(report, SHOWN if limit is None else limit, names), *_doubts(left_out, alone), *lost]
        typer.echo("\n".join(told))
    rate = report.population_share().rate
    if fail_under is not None and rate is not None and rate < fail_under:
        raise typer.Exit(1)


def _doubts(left_out: Mapping[str, int], alone: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What the figures do not show."""
    if alone:
        names = tr("; ").join(f"{name}{tr(': ')}{tr(', ').join(map(_field, own))}" for name, own in alone.items())
        text = tr(
            "! shown by one system alone, and compared with nothing ({names}); --fields names columns that mean the"
            " same"
        )
        yield text.format(names=names)
    for name, rows in left_out.items():
        text = tr(
            "! {name}: rows with damaged order numbers are left out ({n}), and their orders are told as missing there"
        )
        yield text.format(name=name, n=f"{rows:,}")


def _field(name: str) -> str:
    return tr(texts.FIELDS.get(name, name))


def _rebuilt(past: Past, report: Report) -> dict[str, Any]:
    return {"as_of": report.as_of, "unknown": past.unknown, "undated": past.undated}


def _sentences(report: Report, limit: int, names: Named) -> Iterator[str]:
    share, drawn, proved = report.population_share(), report.sample_share(), report.interval()
    text = tr("{names}: orders {of}, of which consistent {consistent}{rate}")
    compared = tr(", ").join(names("touchpoint", one) for one in report.touchpoints)
    rate = _percent(share.rate)
    yield text.format(names=compared, of=f"{share.of:,}", consistent=f"{share.consistent:,}", rate=rate)
    counts = [(tr(texts.VERDICTS[verdict]), count) for verdict, count in report.by_verdict().items() if count]
    yield from (f"  {line}" for line in columns(("Verdict", "Number of orders"), counts) if counts)
    if drawn.of == share.of:
        yield tr("The sample is all of them: nothing is left to be estimated.")
    elif drawn.of:
        text = tr(
            "Sample of {of} (seed {seed}): {consistent} consistent{rate}; with {level} confidence the true rate is"
            " {low} to {high}."
        )
        proven = {"level": f"{proved.level:.0%}", "low": f"{proved.low:.1%}", "high": f"{proved.high:.1%}"}
        rate = _percent(drawn.rate)
        yield text.format(of=drawn.of, seed=report.seed, consistent=drawn.consistent, rate=rate, **proven)
    listed = report.problems.head(limit)
    yield from (f"  {_problem(row, names)}" for row in listed.iter_rows(named=True))
    if more := report.problems.height - listed.height:
        yield "  " + tr("… and {count} more: --limit, or all by --json").format(count=f"{more:,}")


def _problem(row: Mapping[str, Any], names: Named) -> str:
    """Which order, the field unless it is the status or the whole row, what each touchpoint shows of it, and why."""
    said = [f"{names('touchpoint', name)}{tr(': ')}{word or tr('(nothing)')}" for name, word in row["values"].items()]
    field = [] if row["field"] in (STATUS, "order_no") else [_field(row["field"])]
    told = "  ".join([row["order_no"], *field, tr(", ").join(said), texts.why(row, tr, names)])
    if row["heals_at"] is None:
        return told
    return told + tr(" It should mend itself by {at} UTC.").format(at=f"{row['heals_at']:%Y-%m-%d %H:%M}")


def _percent(rate: float | None) -> str:
    return "" if rate is None else tr(" ({share})").format(share=f"{rate:.2%}")
