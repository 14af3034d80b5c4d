"""`orderhub log`: prove that the log is whole, or read what happened to one order."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, language, spoken, tell, tr
from orderhub_core.errors import UserMistake
from orderhub_core.i18n import retold
from orderhub_core.names import Names
from orderhub_core.story import detail, words

app = typer.Typer(no_args_is_help=True)
NOW = ("order_no", "shop", "headline", "warehouse", "carrier", "tracking_no")
"""Of `frames.ORDERS`, what is told of where an order stands. One number may be of several shops."""


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
def show(
    order_no: Annotated[str, typer.Argument(help="The order number, or its tracking number.")], as_json: AsJson = False
) -> int:
    """What happened to an order, as the hub came to know it, and what the hub did for it; times in the time zone of the
    settings."""
    opened = hub.Hub(hub.home())
    zone = ZoneInfo(opened.settings.time_zone)
    found = opened.story(order_no)
    if found.orders.is_empty():
        for number, why in found.parked:
            text = (
                "no order {order!r} in {home}, but message {id}, which is parked, seems to speak of it: {why}"
                " (`orderhub inbox parked` lists it)"
            )
            raise UserMistake(text, order=order_no, home=opened.home, id=number, why=retold(why, tr))
        if found.like.height:
            text = "orders of {home} with {order!r} in their number, or in their parcel's: {numbers}"
            numbers = ", ".join(found.like["order_no"])
            raise UserMistake(text, order=order_no, home=opened.home, numbers=numbers)
        text = "no order {order!r} in {home}: check the number, or import its shop's export"
        raise UserMistake(text, order=order_no, home=opened.home)
    names = Names(opened.settings, tr)
    lines = [_now(order, names) for order in found.orders.iter_rows(named=True)]
    lines += [_line(entry, zone, names) for entry in found.life]
    lines += [_ahead(one, zone, names) for one in found.ahead]
    answer = {"orders": found.orders.select(NOW).to_dicts(), "entries": found.life, "ahead": found.ahead}
    tell(answer, "\n".join(lines), as_json=as_json)
    return 0


def _now(order: dict[str, Any], names: Names) -> str:
    """Where it stands."""
    text = tr("{order} ({shop}) is now: {state}")
    shop, state = names("shop", order["shop"]), words.state(order["headline"], tr)
    told = text.format(order=order["order_no"], shop=shop, state=state)
    place, carrier = order["warehouse"], order["carrier"]
    where = [tr("warehouse {name}").format(name=names("warehouse", place))] if place else []
    by = [" ".join(filter(None, (names("carrier", carrier), order["tracking_no"])))] if carrier else []
    return tr("; ").join([told, *where, *by])


def _ahead(one: dict[str, Any], zone: ZoneInfo, names: Names) -> str:
    """What is still to be done for it, whatever was said of it."""
    return f"{words.intended(one, tr, names)}  {words.waits(one, zone, tr, names)}"


def _line(entry: dict[str, Any], zone: ZoneInfo, names: Names) -> str:
    change = words.change(entry, tr)
    text = tr("{at}  {what}{change}  (happened {since}, {source})")
    told = text.format(
        at=words.clock(entry["recorded_at"], zone),
        what=words.what(entry, tr, names),
        change=f"  {change}" if change else "",
        since=words.clock(entry["occurred_at"], zone),
        source=detail.source(entry, names),
    )
    return f"{told}  {more}" if (more := detail.told(entry, zone, language(), tr, names)) else told
