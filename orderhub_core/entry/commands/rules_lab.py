"""`orderhub rules replay` and `orderhub rules sweep`: a draft on past orders, and gifts that past orders have missed.

Orders come from files, and then no database is needed, or from the hub.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub, i18n
from orderhub_core.entry.books import named
from orderhub_core.entry.commands.rules_eval import lying
from orderhub_core.entry.options import AsJson, InLanguage, Lang, instant, stored, tell
from orderhub_core.errors import UserMistake
from orderhub_core.flows import tariffs
from orderhub_core.flows.editions import Editions
from orderhub_core.flows.ground import Ground
from orderhub_core.flows.lab import Lab, Period
from orderhub_core.frames import INSTANT
from orderhub_core.names import Names
from orderhub_core.rules import buyers, exports, rewording
from orderhub_core.rules.lab import board, tables, texts
from orderhub_core.rules.lab.comparing import ONCE
from orderhub_core.rules.lab.loads import CAPACITY
from orderhub_core.rules.lab.parcels import Prices
from orderhub_core.rules.lab.result import Figures, Result, document, result
from orderhub_core.rules.lab.sections import sections
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings

TOLD = 20
"""Rows of a table that are told in words."""
app = typer.Typer()
Orders = Annotated[
    Path | None,
    typer.Option(
        "--orders", callback=lying("orders"), metavar="FILE", help="Parquet, one row per order; else the hub's."
    ),
]
Lines = Annotated[
    Path | None,
    typer.Option("--lines", callback=lying("lines"), metavar="FILE", help="Parquet, one row per line of an order."),
]
Signals = Annotated[Path | None, typer.Option("--signals", metavar="FILE", help="Parquet, one row per report.")]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Orders paid, or accepted, from then on.")]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Orders paid, or accepted, before then.")]


class _Source(NamedTuple):
    """Orders of a period, and what is known of the warehouses."""

    ground: Ground
    capacity: pl.DataFrame
    prices: Prices | None


@app.command()
@stored
def replay(
    draft: Annotated[str, typer.Argument(help="A rulebook's file, or a version that `orderhub rules list` names.")],
    against: Annotated[
        str | None, typer.Option(metavar="BOOK", help="Another one; by default what decides now, of files nothing.")
    ] = None,
    orders: Orders = None,
    lines: Lines = None,
    signals: Signals = None,
    since: From = None,
    until: To = None,
    capacity: Annotated[
        list[str] | None, typer.Option(metavar="WAREHOUSE=N", help="Orders an hour, with --orders; may be repeated.")
    ] = None,
    freight: Annotated[
        Path | None, typer.Option(metavar="DIR", help="weights.csv, zones.csv, tariffs.csv; see docs/rules.md.")
    ] = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> int:
    """What a draft does to past orders: who goes elsewhere, what it costs, whose gift is lost, which rules do nothing.

    Exit code 1 where it changes anything. Nothing is written.
    """
    place = orders or hub.connect().lab
    after = named(draft, _editions(place))
    before = named(against, _editions(place)) if against else _active(place)
    period = _period(since, until, after.zone)
    if isinstance(place, Path):
        source = _Source(_filed(after, before, place, lines, signals, period), _capacity(capacity or []), None)
    else:
        source = _Source(place.ground(period), place.capacity(), place.prices())
    if freight and (found := tariffs.read(freight)) is None:
        raise UserMistake("--freight {freight}: there is no weights.csv, zones.csv or tariffs.csv", freight=freight)
    if freight:
        source = source._replace(prices=found)
    ground = source.ground
    compared = ground.compared(ground.wanted(before), after)
    figures = result(compared, source.capacity, source.prices)
    rules, cliffs = ground.traffic(after), ground.cliffs(after)
    verbs = tuple(verb for verb in ONCE if verb in figures.by_verb)
    words = board.words(after, lang.value, _names(place, i18n.translator(lang.value)))
    heading = words.tr("{before} → {after}, orders: {n}").format(
        before=compared.before.version, after=compared.after.version, n=f"{compared.orders:,}"
    )
    limited = board.limits_gifts(before, after)
    lines_told = [heading, *(f"  {line}" for line in _tiles(figures.figures, words, limited=limited))]
    every = [(one.title, one.shown) for one in sections(figures, rules, cliffs, words)]
    for title, table in [*_matrices(figures, verbs, words), *every]:
        lines_told += ["", title, *_rows(table)]
    lines_told += [line for note in board.left_out(before, after, tr=words.tr) for line in ("", note)]
    answer = document(figures, rules, cliffs, verbs=verbs) | {"left_out": board.left_out(before, after, tr=str)}
    tell(answer, "\n".join(lines_told), as_json=as_json)
    return 1 if figures.figures.changed else 0


@app.command()
@stored
def sweep(
    rules: Annotated[
        str | None, typer.Option("--rules", metavar="BOOK", help="A file or a version; by default what decides now.")
    ] = None,
    orders: Orders = None,
    lines: Lines = None,
    signals: Signals = None,
    since: From = None,
    until: To = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> int:
    """Past orders that a gift rule gives a gift to and that have none: order, gift, pieces, rule and reason.

    Exit code 1 where there is any. Of the hub, orders that were refunded or cancelled are left out, and those that are
    older than the rule are told apart.
    """
    place = orders or hub.connect().lab
    if rules is None and isinstance(place, Path):
        raise UserMistake("name the rulebook by --rules: files have none that decides")
    book = named(rules, _editions(place)) if rules else _active(place)
    period = _period(since, until, book.zone)
    if isinstance(place, Path):
        found = _filed(book, Rulebook(), place, lines, signals, period).missed(book)
    else:
        found = place.missed(book, period)
    tr = i18n.translator(lang.value)
    words = board.words(book, lang.value, _names(place, tr))
    missed, older = found.filter("known"), found.filter(~pl.col("known"))
    told = _swept(tr("{orders} orders miss {pieces} pieces of gifts by version {version}"), missed, book, words)
    if older.height:
        text = tr("{orders} orders are older than the rule; it would have given them {pieces} pieces")
        told += _swept(text, older, book, words)
    told += [tr(texts.ANY_AGE)] if found.height and not (isinstance(place, Lab) and place.writable) else []
    answer = {
        "version": book.version,
        "orders": missed["order_id"].n_unique(),
        "missed": missed.drop("order_id", "known").to_dicts(),
        "older": older.drop("order_id", "known").to_dicts(),
    }
    tell(answer, "\n".join(told), as_json=as_json)
    return 1 if missed.height else 0


def _swept(text: str, found: pl.DataFrame, book: Rulebook, words: texts.Words) -> list[str]:
    """A heading, and below it each gift with the reason."""
    heading = text.format(orders=found["order_id"].n_unique(), pieces=found["missing"].sum(), version=book.version)
    shown = tables.missed(found, words, book.zone)
    reasons = [f"    {words.tr('; ').join(rewording.parts(reason, words.tr))}" for reason in found["reason"]]
    rows = [line for pair in zip(_rows(shown, found.height), ["", *reasons], strict=False) for line in pair if line]
    return [heading, *(rows if found.height else [])]


def _editions(place: Lab | Path) -> Editions | None:
    return place.editions if isinstance(place, Lab) else None


def _names(place: Lab | Path, tr: i18n.Translate) -> Names:
    """Of files only what everybody knows: carriers."""
    return Names(place.settings if isinstance(place, Lab) else Settings(), tr)


def _active(place: Lab | Path) -> Rulebook:
    return Rulebook() if isinstance(place, Path) else place.active()


def _period(since: str | None, until: str | None, zone: str) -> Period:
    found = [
        None if text is None else datetime.fromtimestamp(instant(text, zone, option) / 1e6, ZoneInfo("UTC"))
        for text, option in ((since, "--from"), (until, "--to"))
    ]
    return Period(*found)


def _filed(
    book: Rulebook, other: Rulebook, orders: Path, lines: Path | None, signals: Path | None, period: Period
) -> Ground:
    """Orders of files, as they stand there."""
    exported = exports.read(book, orders, lines, signals)
    own = buyers.completed(exported.orders, other)  # before a period leaves out what was paid before it
    if period != Period():
        if "paid_at" not in own:
            raise UserMistake("{orders}: there is no column 'paid_at', and --from and --to ask for it", orders=orders)
        at = pl.col("paid_at").cast(INSTANT)
        own = own.filter(
            (at >= period.since) if period.since else pl.lit(True),
            (at < period.until) if period.until else pl.lit(True),
        )
    ground = Ground(own, exported.lines, exported.reports)
    ground.wanted(other)
    return ground


def _capacity(written: list[str]) -> pl.DataFrame:
    rows = []
    for text in written:
        warehouse, _, number = text.partition("=")
        if not warehouse or not number.isdecimal():
            raise UserMistake("--capacity {text!r}: write a warehouse and orders an hour, like hangzhou=300", text=text)
        rows.append((warehouse, int(number)))
    return pl.DataFrame(rows, schema=CAPACITY, orient="row")


def _tiles(figures: Figures, words: texts.Words, *, limited: bool) -> Iterator[str]:
    for name, value, note, tone in texts.tiles(figures, words.tr, limited=limited):
        mark = {"bad": " !", "good": " ✓"}.get(tone, "")
        yield f"{name}: {value}{mark}" + (f" ({note})" if note else "")


def _matrices(found: Result, verbs: tuple[str, ...], words: texts.Words) -> Iterator[tuple[str, pl.DataFrame]]:
    for verb in verbs:
        title = words.tr("From where to where: {verb}").format(verb=words.verb(verb))
        yield title, tables.matrix_table(found.compared.matrix(verb), verb, words)


def _rows(table: pl.DataFrame, most: int = TOLD) -> Iterator[str]:
    yield "  " + " | ".join(table.columns)
    for row in table.head(most).iter_rows():
        yield "  " + " | ".join(_cell(value) for value in row)
    if table.height > most:
        yield f"  … {table.height - most}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
