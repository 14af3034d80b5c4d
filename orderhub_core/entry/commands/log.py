"""`orderhub log`: prove that the log is whole, or read what happened to one order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, stored, tell
from orderhub_core.errors import UserMistake

app = typer.Typer(no_args_is_help=True)


@app.command()
@stored
def verify(as_json: AsJson = False) -> int:
    """Walk the hash chain; exit 1 and name the first broken entry when it was tampered with."""
    verdict = hub.Hub(hub.home()).verify_log()
    whole = verdict.broken_seq is None
    sentence = f"the log is whole: {verdict.entries} entries" if whole else f"the log is broken: {verdict.reason}"
    tell({"whole": whole, **verdict._asdict()}, sentence, as_json=as_json)
    return 0 if whole else 1


@app.command()
@stored
def show(order_no: Annotated[str, typer.Argument(help="The order number.")], as_json: AsJson = False) -> int:
    """What happened to an order, as the hub came to know it; times in the time zone of the settings."""
    opened = hub.Hub(hub.home())
    zone = ZoneInfo(opened.settings.time_zone)
    orders = opened.frame("orders").filter(pl.col("order_no") == order_no)
    if orders.is_empty():
        raise UserMistake(f"no order {order_no!r} in {opened.home}: check the number, or import its shop's export")
    events = opened.frame("events").filter(pl.col("order_id").is_in(orders["order_id"].implode())).sort("seq")
    details = opened.store.details_of(orders["order_id"])
    told = [{**event, "detail": details.get(event["seq"], "")} for event in events.iter_rows(named=True)]
    lines = [
        f"{_clock(e['recorded_at'], zone)}  {e['event']:<28}{e['before'] or '·'} → {e['after'] or '·'}"
        f"  {e['outcome']} (happened {_clock(e['occurred_at'], zone)}, {e['source']})"
        + (f"  {e['detail']}" if e["detail"] else "")
        for e in told
    ]
    tell(told, "\n".join(lines), as_json=as_json)
    return 0


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """As `written`, of a frame's instant."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
