"""`orderhub audit`: do the systems tell the same story of every order?"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.audit.lag import DEFAULT_LAG_S
from orderhub_core.audit.report import Report, audit
from orderhub_core.audit.words import EVERYWHERE, STAGES, Lexicon, lexicon
from orderhub_core.entry.commands import audit_index, reconcile
from orderhub_core.entry.options import instant, stored
from orderhub_core.errors import UserMistake

app = typer.Typer(no_args_is_help=True, help="Compare what the systems show of every order.")
app.command()(reconcile.reconcile)
app.command()(audit_index.index)

SHOWN = 20
"""Findings listed for people unless they ask for more."""

Sample = Annotated[int, typer.Option(min=0, help="Orders to draw for people to look at.")]
Seed = Annotated[int, typer.Option(help="The same seed draws the same orders.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]
AsOf = Annotated[str, typer.Option(metavar="TIME", help="When the data was taken, e.g. 2026-11-11T20:00:00+08:00.")]
Lag = Annotated[int, typer.Option(min=0, help="Seconds that a touchpoint may lag behind the others.")]
Words = Annotated[Path | None, typer.Option(help="TOML file with words of your own: [words.<touchpoint>].")]
Limit = Annotated[int | None, typer.Option(min=0, help="List at most this many findings.")]
FailUnder = Annotated[float | None, typer.Option(min=0, max=1, help="Exit with 1 when the rate is below this.")]


@app.command()
def files(
    touchpoint: Annotated[list[str], typer.Option(metavar="NAME=FILE", help="One for each system, at least two.")],
    mapping: Annotated[str, typer.Option(help="Mapping (name or TOML file) that names the columns and words.")] = "",
    words: Words = None,
    sample: Sample = 100,
    seed: Seed = 0,
    as_of: AsOf = "",
    lag_s: Lag = DEFAULT_LAG_S,
    limit: Limit = None,
    fail_under: FailUnder = None,
    as_json: AsJson = False,
) -> None:
    """Compare files exported from two or more systems. Every order missing from a file counts."""
    sources = dict(_named_file(text) for text in touchpoint)
    if len(sources) < len(touchpoint):
        raise UserMistake("--touchpoint: two files have the same name; give each system a name of its own")
    reader = importlib.import_module("connectors.files")
    columns = reader.load_mapping(mapping) if mapping else None
    report = audit(
        {name: _kept(reader.read_touchpoint(path, columns), path) for name, path in sources.items()},
        sample=sample,
        seed=seed,
        as_of=instant(as_of) if as_of else None,
        words=_words(columns.status if columns else {}, words, absent=False),
        allowed_lag_s=dict.fromkeys(sources, lag_s),
    )
    _tell(report, as_json=as_json, limit=limit, fail_under=fail_under)


@app.command()
@stored
def orders(
    words: Words = None,
    sample: Sample = 100,
    seed: Seed = 0,
    lag_s: Lag = DEFAULT_LAG_S,
    limit: Limit = None,
    fail_under: FailUnder = None,
    as_json: AsJson = False,
) -> None:
    """Compare what the hub's touchpoints show of all its orders."""
    connected = hub.connect()
    sightings = connected.frame("sightings").partition_by("touchpoint", as_dict=True)
    named = {str(name): frame for (name,), frame in sorted(sightings.items())}
    report = audit(
        named,
        sample=sample,
        seed=seed,
        as_of=connected.as_of(),
        words=_words({}, words, absent=True),
        allowed_lag_s=dict.fromkeys(named, lag_s),
        population=connected.frame("orders").select("shop", "order_no", "placed_at"),
    )
    _tell(report, as_json=as_json, limit=limit, fail_under=fail_under)


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise UserMistake(f"--touchpoint {text!r}: write NAME=FILE, e.g. --touchpoint wms=wms.csv")
    return name, Path(path)


def _kept(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """What can be compared; what cannot is told on the error stream."""
    nameless = rows.filter(pl.col("order_no").is_null() | (pl.col("order_no") == ""))
    if nameless.height:
        typer.echo(
            f"{path}: {nameless.height} rows without an order number left out, first row {nameless['row_no'][0]}",
            err=True,
        )
    untimed = rows.filter(pl.col("time_problem").is_not_null())
    if untimed.height:
        first = f"first row {untimed['row_no'][0]}: {untimed['time_problem'][0]}"
        typer.echo(f"{path}: {untimed.height} update times cannot be read and count as unknown, {first}", err=True)
    return rows.join(nameless, on="row_no", how="anti").select("order_no", "status", at="updated_at")


def _words(statuses: Mapping[str, str | list[str]], words: Path | None, *, absent: bool) -> Lexicon:
    """Our words, then the status words of the column mapping, then the user's own."""
    own = _toml(words) if words else {}
    known = own.get("words", {})
    if not isinstance(known, dict) or not all(isinstance(table, dict) for table in known.values()):
        raise UserMistake(f'{words}: write words in tables, e.g. [words.wms] and below it "已出库" = ["shipped"]')
    generic = {word: stages for word, parts in statuses.items() if (stages := _stages(parts))}
    tables = dict(known)
    tables[EVERYWHERE] = {**generic, **tables.get(EVERYWHERE, {})}
    return lexicon({**own, "words": tables}, absent=absent)


def _stages(parts: str | list[str]) -> list[str]:
    """A mapping's status may also name bare events: those say nothing of the whole order."""
    return [part for part in ([parts] if isinstance(parts, str) else parts) if part in STAGES]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserMistake(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserMistake(f"{path} is not TOML: {error}") from None


def _tell(report: Report, *, as_json: bool, limit: int | None, fail_under: float | None) -> None:
    typer.echo(report.to_json(limit) if as_json else _sentences(report, SHOWN if limit is None else limit))
    rate = report.population_share().rate
    if fail_under is not None and rate is not None and rate < fail_under:
        raise typer.Exit(1)


def _sentences(report: Report, limit: int) -> str:
    share, drawn, proved = report.population_share(), report.sample_share(), report.interval()
    lines = [
        f"{', '.join(report.touchpoints)}: {share.consistent} of {share.of} orders consistent{_percent(share.rate)}",
        *(f"  {verdict:<15}{count:>10}" for verdict, count in report.by_verdict().items() if count),
        f"Sample of {drawn.of} (seed {report.seed}): {drawn.consistent} consistent{_percent(drawn.rate)}; "
        f"with {proved.level:.0%} confidence the true rate is {proved.low:.1%} to {proved.high:.1%}.",
    ]
    listed = report.findings.head(limit)
    for row in listed.iter_rows(named=True):
        said = ", ".join(f"{name}: {word or '(nothing)'}" for name, word in row["values"].items())
        suspect = f"; probably {row['probably_wrong']} ({row['cause']})" if row["probably_wrong"] else ""
        lines.append(f"  {row['order_no']}  {row['verdict']}  {said}{suspect}")
    if report.findings.height > listed.height:
        lines.append(f"  … and {report.findings.height - listed.height} more; --limit lists them, --json has them all")
    return "\n".join(lines)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f" ({rate:.2%})"
