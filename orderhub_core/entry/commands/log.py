"""`orderhub log`: prove that the log is whole, or read what happened to one order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.audit.spot import entries
from orderhub_core.entry.commands import log_told
from orderhub_core.entry.options import AsJson, language, spoken, tell, tr
from orderhub_core.errors import UserMistake
from orderhub_core.flows import retelling
from orderhub_core.health import holds, queue
from orderhub_core.i18n import retold
from orderhub_core.model import Event
from orderhub_core.names import Names
from orderhub_core.rules.shortages import refused_for
from orderhub_core.store import aside

app = typer.Typer(no_args_is_help=True)
NAMED = frozenset({*(event.value for event in Event), "order.released", "order.closed"})
"""Events whose states have names in every language."""
NOW = ("order_no", "shop", "headline", "warehouse", "carrier", "tracking_no")
"""Of `frames.ORDERS`, what is told of where an order stands. One number may be of several shops."""

AHEAD = {
    retelling.HANDED_OVER: "Still to be handed over to the warehouse",
    retelling.PRODUCED: "Still to be given to the production base",
    retelling.NOTIFIED: "People still to be told",
}


@app.command()
@spoken
def verify(as_json: AsJson = False) -> int:
    """Walk the hash chain; exit 1 and name the first broken entry when it was tampered with."""
    verdict = hub.Hub(hub.home()).verify_log()
    whole = verdict.reason is None
    text = tr("the log is whole: {entries} entries") if whole else tr("the log is broken: {reason}")
    told, reason = ("", "") if verdict.reason is None else (verdict.reason.told(tr), str(verdict.reason))
    answer = {"whole": whole, **verdict._asdict(), "reason": reason}
    tell(answer, text.format(entries=f"{verdict.entries:,}", reason=told), as_json=as_json)
    return 0 if whole else 1


@app.command()
@spoken
def show(order_no: Annotated[str, typer.Argument(help="The order number.")], as_json: AsJson = False) -> int:
    """What happened to an order, as the hub came to know it, and what the hub did for it; times in the time zone of the
    settings."""
    opened = hub.Hub(hub.home())
    zone = ZoneInfo(opened.settings.time_zone)
    orders = opened.frame("orders").filter(pl.col("order_no") == order_no)
    if orders.is_empty():
        for number, why in aside.naming(opened.store, order_no):
            text = (
                "no order {order!r} in {home}, but message {id}, which is parked, seems to speak of it: {why}"
                " (`orderhub inbox parked` lists it)"
            )
            raise UserMistake(text, order=order_no, home=opened.home, id=number, why=retold(why, tr))
        text = "no order {order!r} in {home}: check the number, or import its shop's export"
        raise UserMistake(text, order=order_no, home=opened.home)
    events = opened.frame("events").filter(pl.col("order_id").is_in(orders["order_id"].implode()))
    told, ahead = retelling.life(opened.store, orders, events), retelling.ahead(opened.store, orders)
    names = Names(opened.settings, tr)
    lines = [_now(order, names) for order in orders.iter_rows(named=True)]
    lines += [_line(entry, zone, names) for entry in told]
    lines += [_ahead(one, zone, names) for one in ahead]
    tell({"orders": orders.select(NOW).to_dicts(), "entries": told, "ahead": ahead}, "\n".join(lines), as_json=as_json)
    return 0


def _now(order: dict[str, Any], names: Names) -> str:
    """Where it stands."""
    state = tr(order["headline"].replace("_", " "))
    text = tr("{order} ({shop}) is now: {state}")
    told = text.format(order=order["order_no"], shop=names("shop", order["shop"]), state=state)
    place, carrier = order["warehouse"], order["carrier"]
    where = [tr("warehouse {name}").format(name=names("warehouse", place))] if place else []
    by = [" ".join(filter(None, (names("carrier", carrier), order["tracking_no"])))] if carrier else []
    return tr("; ").join([told, *where, *by])


def _ahead(one: dict[str, Any], zone: ZoneInfo, names: Names) -> str:
    """What is still to be done for it, whatever was said of it."""
    told = [tr(queue.STATES[one["state"]])]
    told += [tr("{what} {fact}").format(what=tr("tries"), fact=one["tries"])] if one["tries"] else []
    told += [tr("next try {at}").format(at=_clock(one["next_at"], zone))] if one["next_at"] else []
    told += [holds.reasons(one["note"], tr, names)] if one["note"] else []
    told += [tr("{what} {fact}").format(what=tr("parcel"), fact=one["parcel"])] if one["parcel"] else []
    where = names("target", one["target"])
    what = tr("{decision}: {what}").format(decision=tr(AHEAD[one["event"]]), what=where)
    return f"{what}  {tr('; ').join(told)}"


def _line(entry: dict[str, Any], zone: ZoneInfo, names: Names) -> str:
    change = ""
    if entry["outcome"] not in entries.TOLD_WITH_WHAT and entry["event"] not in entries.ASKED:
        before, after = (_state(entry["event"], entry[name]) for name in ("before", "after"))
        change = f"  {before} → {after}"
    text = tr("{at}  {what}{change}  (happened {since}, {source})")
    told = text.format(
        at=_clock(entry["recorded_at"], zone),
        what=_what(entry, names),
        change=change,
        since=_clock(entry["occurred_at"], zone),
        source=log_told.source(entry, names),
    )
    return f"{told}  {detail}" if (detail := log_told.told(entry, zone, language(), tr, names)) else told


def _what(entry: dict[str, Any], names: Names) -> str:
    what = entry["after"]
    if entry["event"] == "rule.add_gift" and entry["quantity"]:
        what = f"{what} × {entry['quantity']}"
    told = entries.event({**entry, "after": what}, tr, names)
    if entry["outcome"] != "ungranted":
        return told
    return tr("{what}, {why}").format(what=told, why=refused_for(retelling.why(entry), tr))


def _state(event: str, state: str) -> str:
    """Those of an order's life have names; what else the log keeps is as it was said."""
    return tr(state.replace("_", " ")) if state and event in NAMED else state or "·"


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """As `written`, of a frame's instant."""
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
