"""`orderhub diagnose`: where orders get stuck, and whom to ask. The same figures as the health board."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, instant, spoken, tell, tr, written
from orderhub_core.errors import UserMistake
from orderhub_core.health import texts, thresholds
from orderhub_core.health.blockages import Blockage
from orderhub_core.health.diagnosis import Diagnosis
from orderhub_core.health.diagnosis import diagnose as examine
from orderhub_core.names import Names
from orderhub_core.settings import Settings

app = typer.Typer()


class Answer(msgspec.Struct, frozen=True):
    as_of: str
    orders: int
    open: int
    """Orders at a headline that has a threshold."""
    at_risk: int
    """Past `warn_hours`, not yet past `act_hours`."""
    overdue: int
    """Past `act_hours`."""
    limits: tuple[thresholds.Threshold, ...]
    limits_from: str
    """The file of `--thresholds`; empty for the hub's own table."""
    without_lines: list[dict[str, Any]]
    """Shop and number of orders that are to be sent, and that no warehouse gets: nothing says what is in them."""
    blockages: list[Blockage]
    stages: list[dict[str, Any]]
    steps: list[dict[str, Any]]


@app.command()
@spoken
def diagnose(
    as_of: Annotated[
        str, typer.Option(metavar="TIME", help="Judge as of then, e.g. 2026-11-11T20:00:00+08:00; default: the data's.")
    ] = "",
    count: Annotated[int, typer.Option("--worst", min=0, help="How many blockages to name.")] = 3,
    table: Annotated[
        Path | None, typer.Option("--thresholds", metavar="FILE", help="TOML table of your own hours.")
    ] = None,
    fail_over: Annotated[int | None, typer.Option(min=0, help="Exit with 1 when more orders are overdue.")] = None,
    as_json: AsJson = False,
) -> None:
    """Where orders get stuck: overdue orders by stage, and the worst blockages."""
    rows = _table(table) if table else None
    connected = hub.connect()
    at, named = instant(as_of) if as_of else connected.as_of(), str(table or "")
    found = examine(connected.frame("orders"), at, rows, thresholds_from=named, count=count)
    answer = Answer(
        _iso(found.as_of),
        found.orders,
        found.open_orders.height,
        found.at_risk,
        found.overdue,
        found.limits,
        found.limits_from,
        found.without_lines.select("shop", "order_no").to_dicts(),
        found.worst,
        found.stages.to_dicts(),
        found.steps.to_dicts(),
    )
    tell(answer, _sentences(found, connected.settings), as_json=as_json)
    if fail_over is not None and found.overdue > fail_over:
        raise typer.Exit(1)


def _table(path: Path) -> tuple[thresholds.Threshold, ...]:
    try:
        return thresholds.read(path.read_bytes(), str(path))
    except OSError as error:
        raise UserMistake("{path} cannot be read ({why})", path=path, why=error.strerror) from None


def _iso(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat(timespec="seconds")


def _sentences(found: Diagnosis, known: Settings) -> str:
    if not found.orders:
        return tr("The hub has no orders yet: nothing to diagnose.")
    names, at = Names(known, tr), written(found.as_of, ZoneInfo(known.time_zone))
    worst = [f"  {line}" for line in texts.lines(found, tr, names)]
    notes = [*texts.notes(found, tr), texts.limits(found, tr, names)]
    return "\n".join([texts.sentence(found, str(at), tr), *worst, *notes])
