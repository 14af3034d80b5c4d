"""`orderhub import`: an export file goes through the same door as a webhook."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, spoken, tell, tr
from orderhub_core.entry.start import leaving_nothing, refuse_mistyped
from orderhub_core.errors import StoreMissing, UserMistake
from orderhub_core.flows.importing import PARKED, Imported
from orderhub_core.i18n import retold
from orderhub_core.store import homes, keys

app = typer.Typer()

SHOWN = 20
COUNTS = ("rows", "imported", "updated", "unchanged", "refused")
WITHOUT_LINES = (
    "orders to be sent of which nothing says what is in them, so that no warehouse gets them: {n}; import the report of"
    " their items, too, or this file by a mapping that names its column of item codes (`sku`): docs/import.md"
)
WITHOUT_TOTAL = (
    "orders to be sent whose amount nobody has told: {n}; rules read it as 0.00 and decide only once, so that gifts and"
    " holds by amount pass them by: first take in the report that has the amounts (`total`), then their items:"
    " docs/import.md"
)
GOING = "orders that rules send to their warehouses: {going}; that wait for a person first: {held}"
WOULD_GO = "orders that rules would send to their warehouses: {going}; that would wait for a person first: {held}"
UNDECIDED = (
    "orders to be sent that go nowhere, for no rulebook decides on them: {n}; if they are to go, publish one, and have"
    " it decide on them: `orderhub rules decide --dry-run`"
)


@app.command()
@spoken
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX export; UTF-8 (with or without BOM) or GB18030.")],
    mapping: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A shipped mapping's name, or a TOML file of your own; needed.")
    ] = "",
    on_error: Annotated[
        str, typer.Option(metavar="reject-all|skip-failed", help="What refused rows do to the others.")
    ] = "reject-all",
    shop: Annotated[
        str, typer.Option(metavar="ID", help="Whose orders they are; else the shop that the mapping names.")
    ] = "",
    other_orders: Annotated[
        bool, typer.Option("--other-orders", help="Orders of other shops with the same numbers are other orders.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    as_json: AsJson = False,
) -> int:
    """Take in an export file (CSV or XLSX). Doing it twice changes nothing the second time."""
    refuse_mistyped(home := hub.home())
    with _previewing(home) if dry_run else _made(home) as opened:
        imported = opened.import_file(
            file, mapping, on_error=on_error, dry_run=dry_run, into=shop, other_orders=other_orders
        )
    tell(imported, _sentences(imported), as_json=as_json)
    if imported.rejected:
        raise UserMistake(
            "{file}: nothing imported, rows that cannot be taken in (reasons above): {n:,}; mend them, or take the rest"
            " with --on-error skip-failed",
            file=imported.file,
            n=imported.refused,
        )
    if not imported.rows:
        text = "{file} has a heading and no rows: there is nothing to import; export it again"
        raise UserMistake(text, file=imported.file)
    return 0


@contextlib.contextmanager
def _made(home: homes.Home) -> Iterator[hub.Hub]:
    with leaving_nothing(home):
        homes.init(home)
    opened = hub.Hub(home)
    try:
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def _previewing(home: homes.Home) -> Iterator[hub.Hub]:
    """The hub as it is. Where there is none yet, an empty one that is gone afterwards."""
    try:
        opened = hub.Hub(home, key=keys.passing)
        opened.store.progress()
    except StoreMissing:
        with tempfile.TemporaryDirectory() as folder, _made(homes.Home(Path(folder))) as empty:
            yield empty
        return
    try:
        yield opened
    finally:
        opened.close()


def _sentences(imported: Imported) -> str:
    text = tr("{file}: rows {rows}; imported {imported}, updated {updated}, unchanged {unchanged}, refused {refused}")
    if imported.dry_run:
        text = tr(
            "{file}: rows {rows}; would be imported {imported}, updated {updated}, unchanged {unchanged}, refused"
            " {refused}"
        )
    counts = {name: f"{getattr(imported, name):,}" for name in COUNTS}
    lines = [text.format(file=imported.file, **counts)]
    if imported.unread:
        text = tr("columns that mapping {mapping} does not read: {names}")
        lines.append("  " + text.format(mapping=imported.mapping, names=tr(", ").join(imported.unread)))
    if imported.without_lines:
        lines.append("  " + tr(WITHOUT_LINES).format(n=f"{imported.without_lines:,}"))
    if imported.without_total:
        lines.append("  " + tr(WITHOUT_TOTAL).format(n=f"{imported.without_total:,}"))
    if imported.going or imported.held:
        text = tr(WOULD_GO if imported.dry_run else GOING)
        lines.append("  " + text.format(going=f"{imported.going:,}", held=f"{imported.held:,}"))
    if imported.undecided:
        lines.append("  " + tr(UNDECIDED).format(n=f"{imported.undecided:,}"))
    for reason in imported.reasons[:SHOWN]:
        cell = "" if reason["value"] is None else f" = {reason['value']!r}"
        where = f"{reason['column']}{cell}{tr(': ')}" if reason["column"] else ""
        lines.append("  " + tr("row {row}: {what}").format(row=reason["row_no"], what=where + _why(reason["reason"])))
    if (more := len(imported.reasons) - SHOWN) > 0:
        lines.append("  " + tr("… and {count} more: all by --json").format(count=f"{more:,}"))
    return "\n".join(lines)


def _why(said: str) -> str:
    """The reasons of a row, joined by signs that stand in some of them, too; all but the first with its cell."""
    if said.startswith(PARKED.removesuffix("{reason}")):
        return retold(said, tr)
    told, parts = [], said.split("; ")
    while parts:
        sizes = (size for size in range(1, len(parts) + 1) if _reason("; ".join(parts[:size])))
        size = next(sizes, 1)
        one = "; ".join(parts[:size])
        told.append(_reason(one) or one)
        parts = parts[size:]
    return tr("; ").join(told)


def _reason(said: str) -> str:
    """One of them in the reader's language; empty where it is none that we know."""
    cell, _, bare = said.rpartition(": ")
    for told in (tr, partial(retold, tr=tr)):
        for before, text in (("", said), (cell and f"{cell}{tr(': ')}", bare)):
            if (known := told(text)) != text:
                return before + known
    return ""
