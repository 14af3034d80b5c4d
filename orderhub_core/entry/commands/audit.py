"""`orderhub audit`: do the systems tell the same story of every order?"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.audit import fields as dictionary
from orderhub_core.audit import presets, selftest
from orderhub_core.audit.consistency.audited import by_touchpoint, facts
from orderhub_core.audit.fields import Dictionary
from orderhub_core.audit.presets import Directory
from orderhub_core.audit.report import audit, columns_alone
from orderhub_core.audit.sources import RAW, STATUS
from orderhub_core.audit.words import EVERYWHERE, STAGES, Lexicon, lexicon
from orderhub_core.entry.commands import audit_index, reconcile
from orderhub_core.entry.commands.audit_told import tell
from orderhub_core.entry.options import columns, instant, spoken, tr, voiced
from orderhub_core.errors import UserMistake
from orderhub_core.flows import past
from orderhub_core.flows.past import Past
from orderhub_core.names import Names
from orderhub_core.settings import toml

app = typer.Typer(no_args_is_help=True, help="Compare what the systems show of every order.")
app.command()(reconcile.reconcile)
app.command()(audit_index.index)

Sample = Annotated[int, typer.Option(min=0, help="Orders to draw for people to look at.")]
Seed = Annotated[int, typer.Option(help="The same seed draws the same orders.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]
AsOf = Annotated[str, typer.Option(metavar="TIME", help="When the data was taken, e.g. 2026-11-11T20:00:00+08:00.")]
Then = Annotated[
    str, typer.Option(metavar="TIME", help="Audit what the hub knew at a past moment, e.g. 2026-11-11T20:00.")
]
Lag = Annotated[
    int | None,
    typer.Option(min=0, help="Seconds that a touchpoint may lag behind; learned from the orders unless given."),
]
Fields = Annotated[Path | None, typer.Option(help="TOML file with fields of your own: [fields.<name>].")]
Preset = Annotated[str, typer.Option(help="Compare only what these touchpoints carry: service, supply, or your own.")]
Touchpoints = Annotated[Path | None, typer.Option(help="TOML file with touchpoints and presets of your own.")]
Words = Annotated[Path | None, typer.Option(help="TOML file with words of your own: [words.<touchpoint>].")]
Limit = Annotated[int | None, typer.Option(min=0, help="List at most this many findings.")]
FAULTS = {
    "lost_event": "an event was lost",
    "late_beyond_lag": "late, and longer than it ever takes",
    "late_within_lag": "late, as it often is",
    "illegal_regression": "goes back to a stage long left",
    "forged_progress": "shipped before anybody packed",
    "contradiction": "contradiction",
    "unknown_word": "unknown word",
    "nothing_said": "no status",
    "missing_row": "order missing",
    "duplicate_id": "held twice",
    "wrong_amount": "wrong amount",
    "wrong_unit": "cents read as yuan",
    "wrong_zone": "another time zone",
    "wrong_parcel": "another tracking number",
    "blank_field": "tracking number left blank",
    "blank_amount": "amount left blank",
}
"""`selftest.KINDS` in a few words."""
FailUnder = Annotated[float | None, typer.Option(min=0, max=1, help="Exit with 1 when the rate is below this.")]


@app.command()
@voiced
def files(
    touchpoint: Annotated[list[str], typer.Option(metavar="NAME=FILE", help="One for each system, at least two.")],
    mapping: Annotated[str, typer.Option(help="Mapping (name or TOML file) that names the columns and words.")] = "",
    words: Words = None,
    fields: Fields = None,
    preset: Preset = "",
    touchpoints: Touchpoints = None,
    sample: Sample = 100,
    seed: Seed = 0,
    as_of: AsOf = "",
    lag_s: Lag = None,
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
    known, directory = _fields(fields), _directory(touchpoints)
    carried = _carried(directory, preset, list(sources))
    read = {name: _compared(reader, path, columns, known, carried.get(name)) for name, path in sources.items()}
    compared = {name: rows for name, (rows, _) in read.items()}
    for name, (rows, damaged) in read.items():
        if not rows.height and damaged:
            raise UserMistake(
                "{name}: all order numbers of {file} are damaged; export it again with that column as text",
                name=name,
                file=sources[name].name,
            )
        if not rows.height:
            raise UserMistake(
                "{name}: {file} has a heading and no rows with an order number; export it again",
                name=name,
                file=sources[name].name,
            )
    report = audit(
        compared,
        sample=sample,
        seed=seed,
        as_of=instant(as_of) if as_of else None,
        words=_words(columns.status if columns else {}, words, absent=bool(preset)),
        fields=known,
        scanning=directory.scanning(),
        allowed_lag_s=None if lag_s is None else dict.fromkeys(sources, lag_s),
    )
    left_out = {name: damaged for name, (_, damaged) in read.items() if damaged}
    alone = columns_alone(compared)
    tell(report, as_json=as_json, limit=limit, fail_under=fail_under, left_out=left_out, alone=alone)


@app.command()
@spoken
def orders(
    words: Words = None,
    sample: Sample = 100,
    seed: Seed = 0,
    as_of: Then = "",
    lag_s: Lag = None,
    limit: Limit = None,
    fail_under: FailUnder = None,
    as_json: AsJson = False,
) -> None:
    """Compare what the hub's touchpoints show of all its orders, or showed at a past moment."""
    connected = hub.connect()
    moment = instant(as_of, connected.settings.time_zone) if as_of else connected.as_of()
    known = past.of(connected, moment) if as_of else Past(connected.frame("orders"), connected.frame("sightings"))
    if as_of:
        past.demand_news(known, connected, moment, connected.settings.time_zone)
    named = by_touchpoint(known.sightings)
    report = audit(
        named,
        sample=sample,
        seed=seed,
        as_of=moment,
        words=_words({}, words, absent=True),
        allowed_lag_s=None if lag_s is None else dict.fromkeys(named, lag_s),
        population=facts(known.orders),
    )
    names = Names(connected.settings, tr)
    tell(report, known if as_of else None, names, as_json=as_json, limit=limit, fail_under=fail_under)


@app.command("selftest")
@voiced
def check_the_checker(
    seed: Seed = 7,
    orders: Annotated[int, typer.Option(min=2000, help="Orders in each of the two trios.")] = 40_000,
    rate: Annotated[float, typer.Option(min=0.001, max=0.02, help="Share of the orders given each fault.")] = 0.01,
    as_json: AsJson = False,
) -> None:
    """Plant every kind of fault at a known rate, and see what the audit makes of it. Exit code 1 below the bars."""
    result = selftest.run(seed, orders, rate)
    typer.echo(selftest.to_json(result) if as_json else _table(result))
    if not result.passed():
        raise typer.Exit(1)


def _table(result: selftest.Result) -> str:
    text = tr("Seed {seed}: {orders} orders in each of two trios, each fault in {rate} of them")
    lines = [text.format(seed=result.seed, orders=f"{result.orders:,}", rate=f"{result.rate:.2%}")]
    headings = ("trio", "fault", "planted", "found", "recall", "precision", "blamed", "rightly")
    lines += columns(headings, [_outcome(one) for one in result.outcomes])
    told, alarms = result.equal_without_knowledge, f"{result.false_alarms:,}"
    lines.append(tr("told consistent though something is unknown or missing: {n}").format(n=told))
    lines.append(tr("false alarms: {n} of {of} orders without a fault").format(n=alarms, of=f"{result.honest:,}"))
    met = tr("bars {bar} each: met") if result.passed() else tr("bars {bar} each: MISSED")
    return "\n".join([*lines, met.format(bar=f"{selftest.BAR:.2f}")])


def _outcome(one: selftest.Outcome) -> tuple[object, ...]:
    shares = (f"{share:.4f}" for share in (one.recall, one.precision))
    return one.trio, tr(FAULTS[one.kind]), one.planted, one.found, *shares, one.named, one.named_rightly


def _carried(directory: Directory, preset: str, names: list[str]) -> dict[str, set[str]]:
    """With a preset, the fields that each touchpoint carries; without one, the files say."""
    if not preset:
        return {}
    chosen = directory.preset(preset)
    strange = [name for name in names if name not in chosen.touchpoints]
    if strange:
        raise UserMistake(
            "--touchpoint {strange}: preset {preset!r} compares {touchpoints}; use these names, or leave --preset out",
            strange=strange[0],
            preset=preset,
            touchpoints=tuple(chosen.touchpoints),
        )
    return {name: set(directory.touchpoints[name].fields) for name in names}


def _compared(
    reader: ModuleType, path: Path, mapping: Any, known: Dictionary, carried: set[str] | None
) -> tuple[pl.DataFrame, int]:
    """A file's rows as the audit wants them: keys, status, time, and its other columns, read as their fields say; and
    how many have an order number that is none any more."""
    everything = reader.read_touchpoint(path, mapping)
    rows = _kept(everything, path)
    columns = {"order_no": rows["order_no"], STATUS: rows[STATUS], "at": rows["updated_at"]}
    skipped = []
    for heading in rows.columns[len(_READ) :]:
        field = known.heading(heading)
        if field is None:
            skipped.append(heading)
        elif carried is not None and field.name not in carried:
            skipped += [] if field.headings else [heading]  # of others the preset says that they are not compared
        elif field.name not in columns:
            read = reader.read_values(rows[heading], field.kind, mapping)
            columns[field.name], columns[RAW + field.name] = read["value"], read["raw"]
    if skipped:
        text = tr("{path}: not compared, nor shown: {names}")
        typer.echo(text.format(path=path, names=tr(", ").join(skipped)), err=True)
    return pl.DataFrame(columns), everything["order_no_problem"].count()


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise UserMistake("--touchpoint {text!r}: write NAME=FILE, e.g. --touchpoint wms=wms.csv", text=text)
    return name, Path(path)


def _kept(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """What can be compared; what cannot is told on the error stream."""
    nameless = rows.filter(pl.col("order_no").is_null() | (pl.col("order_no") == ""))
    if nameless.height:
        text = tr("{path}: rows without an order number left out: {n}, first row {row}")
        typer.echo(text.format(path=path, n=f"{nameless.height:,}", row=nameless["row_no"][0]), err=True)
    damaged = rows.filter(pl.col("order_no_problem").is_not_null())
    if damaged.height:
        text = tr("{path}: order numbers that are damaged, left out: {n}, first row {row}: {why}")
        first = {"row": damaged["row_no"][0], "why": tr(damaged["order_no_problem"][0])}
        typer.echo(text.format(path=path, n=f"{damaged.height:,}", **first), err=True)
    untimed = rows.filter(pl.col("time_problem").is_not_null())
    if untimed.height:
        text = tr("{path}: update times that cannot be read, taken as unknown: {n}, first row {row}: {why}")
        first = {"row": untimed["row_no"][0], "why": tr(untimed["time_problem"][0])}
        typer.echo(text.format(path=path, n=f"{untimed.height:,}", **first), err=True)
    kept = rows.join(pl.concat([nameless, damaged]), on="row_no", how="anti", maintain_order="left")
    return kept.select(*_READ, pl.exclude(_READ))


_READ = ("order_no", "status", "updated_at", "time_problem", "order_no_problem", "row_no")
"""What `read_touchpoint` makes of a file; the rest are the file's own columns."""


def _fields(path: Path | None) -> Dictionary:
    return dictionary.dictionary(toml(path)) if path else dictionary.default()


def _directory(path: Path | None) -> Directory:
    return presets.directory(toml(path)) if path else presets.default()


def _words(statuses: Mapping[str, str | list[str]], words: Path | None, *, absent: bool) -> Lexicon:
    """Our words, then the status words of the column mapping, then the user's own."""
    own = toml(words) if words else {}
    known = own.get("words", {})
    if not isinstance(known, dict) or not all(isinstance(table, dict) for table in known.values()):
        raise UserMistake(
            '{words}: write words in tables, e.g. [words.wms] and below it "已出库" = ["shipped"]', words=words
        )
    generic = {word: stages for word, parts in statuses.items() if (stages := _stages(parts))}
    tables = dict(known)
    tables[EVERYWHERE] = {**generic, **tables.get(EVERYWHERE, {})}
    return lexicon({**own, "words": tables}, absent=absent)


def _stages(parts: str | list[str]) -> list[str]:
    """A mapping's status may also name bare events: those say nothing of the whole order."""
    return [part for part in ([parts] if isinstance(parts, str) else parts) if part in STAGES]
