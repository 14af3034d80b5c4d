"""`orderhub signals`: what goes on outside, a storm or a livestream's audience, for rules that ask for it."""

from __future__ import annotations

import time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, By, Comment, dated, instant, language, spoken, tell, tr, who, written
from orderhub_core.flows.reporting import OURSELVES, called, is_flag
from orderhub_core.store.signals import Reported

app = typer.Typer(no_args_is_help=True)


@app.command("list")
@spoken
def listed(
    measured: Annotated[bool, typer.Option("--all", help="Also what the hub itself has measured.")] = False,
    as_json: AsJson = False,
) -> int:
    """All reports, those that begin last first."""
    opened = hub.Hub(hub.home())
    found = opened.signals.kept(but="" if measured else OURSELVES)
    zone = ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in found]
    now = time.time_ns() // 1000
    lines = [_line(one, zone, now) for one in found]
    tell({"signals": told}, "\n".join(lines) or tr("nothing is reported"), as_json=as_json)
    return 0


@app.command()
@spoken
def report(
    signal: Annotated[
        str, typer.Argument(help="E.g. storm, courier_outage, livestream_audience, load, stock, or 暴雨.")
    ],
    value: Annotated[str, typer.Argument(help="yes or no, or a whole number.")],
    of: Annotated[
        str, typer.Option(help="shop, platform, province or city=VALUE; of load a warehouse=ID, of stock a sku=ID.")
    ] = "",
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="By default now.")] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="By default until further notice.")] = "",
    comment: Comment = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say what goes on outside. Orders that are decided from now on are told what held when they were paid."""
    opened = hub.Hub(hub.home())
    zone = opened.settings.time_zone
    begin, end = (instant(text, zone, name) if text else None for text, name in ((since, "--from"), (until, "--to")))
    one = opened.signals.report(signal, value, by=who(by), about=of, since=begin, until=end, comment=comment)
    tell(one._asdict(), _line(one, ZoneInfo(zone), time.time_ns() // 1000), as_json=as_json)
    return 0


@app.command()
@spoken
def end(
    name: Annotated[str, typer.Argument(help="A report, as `orderhub signals list` names it.")],
    comment: Comment = "",
    by: By = None,
) -> int:
    """Say that a report holds no longer, from now on; one that has not begun yet is taken back."""
    hub.Hub(hub.home()).signals.end(name, by=who(by), comment=comment)
    typer.echo(tr("{name} has ended").format(name=name))
    return 0


def _line(one: Reported, zone: ZoneInfo, now: int) -> str:
    flag = tr("yes") if one.number else tr("no")
    about = tr(" of {of}={subject}").format(of=called(one.of, language()), subject=one.subject) if one.of else ""
    text = tr("{what} {number}{about} from {since} to {until}, by {by}")
    if one.until is None:
        text = tr("{what} {number}{about} from {since} until further notice, by {by}")
    told = text.format(
        what=called(one.field, language()),
        number=flag if is_flag(one.field) else f"{one.number:,}",
        about=about,
        since=written(one.since, zone),
        until=written(one.until, zone),
        by=one.by,
    )
    said = tr(", {comment}").format(comment=one.comment) if one.comment else ""
    return f"{_when(one, now)}{told}{said}  ({one.name})"


def _when(one: Reported, now: int) -> str:
    """What no longer holds, or does not yet, says so first."""
    if one.until is not None and one.until <= now:
        return tr("[over] ")
    return tr("[to come] ") if one.since > now else ""
