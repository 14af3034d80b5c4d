"""`orderhub rules list, save, publish …`: versions of the rulebook that a running hub decides by."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.entry.books import named
from orderhub_core.entry.commands import rules_told
from orderhub_core.entry.options import (
    AsJson,
    By,
    Comment,
    dated,
    instant,
    language,
    spoken,
    stored,
    tell,
    tr,
    who,
    written,
)
from orderhub_core.errors import UserMistake
from orderhub_core.flows import reproduce
from orderhub_core.flows.editions import Editions, doubts
from orderhub_core.names import Names
from orderhub_core.people import BookAct
from orderhub_core.rules.difference import differences
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.settings import read_text
from orderhub_core.store.books import Edition

app = typer.Typer()
DAY_US = 86_400_000_000
SPEAKING = ("draft", "shadow", "rollout", "active")
"""Versions of which it is told what nobody measures: they are to be, or are, decided by."""
Version = Annotated[str, typer.Argument(help="A version that `orderhub rules list` names.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Though some rule does not do what it says.")]


@app.command("list")
@spoken
def listed(as_json: AsJson = False) -> int:
    """Versions of the rulebook and how far each has come: which decides, which is on trial, whose they are."""
    opened = hub.Hub(hub.home())
    kept, zone = opened.editions.kept(), ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in kept]
    lines = [rules_told.version(one, zone) for one in kept]
    nothing = tr("no version is kept; `orderhub rules save FILE` keeps one")
    tell({"versions": told}, "\n".join(lines) or nothing, as_json=as_json)
    return 0


@app.command()
@spoken
def history(as_json: AsJson = False) -> int:
    """What was done with which version, by whom and why, the newest first, from the log."""
    opened = hub.Hub(hub.home())
    zone = ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in opened.editions.changes()]
    tell({"changes": told}, "\n".join(map(rules_told.change, told)) or tr("nothing was done yet"), as_json=as_json)
    return 0


@app.command()
@stored
def show(version: Version) -> int:
    """The text of a version, as it was saved: `orderhub rules show V > rulebook.toml`."""
    typer.echo(hub.Hub(hub.home()).editions.text(version), nl=False)
    return 0


@app.command("diff")
@spoken
def compared(
    before: Annotated[str, typer.Argument(help="A version, or a rulebook's file.")],
    after: Annotated[str | None, typer.Argument(help="Another; by default the active one comes before.")] = None,
    as_json: AsJson = False,
) -> int:
    """What differs between two versions or files, rule by rule. Exit code 1 where something does."""
    editions = hub.Hub(hub.home()).editions
    names = (_active(editions), before) if after is None else (before, after)
    then, now = (named(name, editions) for name in names)
    found = differences(then, now, language())
    answer = {"before": names[0], "after": names[1], "differences": [one._asdict() for one in found]}
    tell(answer, "\n".join(rules_told.compared(*names, found)), as_json=as_json)
    return 1 if found else 0


@app.command()
@spoken
def save(
    file: Annotated[Path, typer.Argument(help="The rulebook, a TOML file.")],
    comment: Comment = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Keep a rulebook as a draft, under the version that it gives itself. A draft of that version is replaced."""
    editions, text = hub.Hub(hub.home()).editions, read_text(file, "rulebook")
    before, saved = editions.kept(), editions.save(text, by=who(by), comment=comment)
    doubtful = doubts(text, "en" if as_json else language())
    return _told(editions, before, saved, as_json, doubtful)


@app.command()
@spoken
def review(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Say that you have looked at somebody's draft and agree; the setting `review_rules` asks this of every version."""
    return _change("review", version, comment, by, as_json)


@app.command()
@spoken
def shadow(
    version: Version, comment: Comment = "", by: By = None, anyway: Anyway = False, as_json: AsJson = False
) -> int:
    """Let a version decide on every new order beside the active one: it is noted, and nothing is done of it."""
    return _change("shadow", version, comment, by, as_json, anyway=anyway)


@app.command()
@spoken
def rollout(
    version: Version,
    percent: Annotated[float, typer.Option(help="Of the new orders; less than 100.")],
    comment: Comment = "",
    by: By = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> int:
    """Let a version decide on a share of the new orders. It is paused where more of its orders end with a person."""
    return _change("rollout", version, comment, by, as_json, share=round(percent * 100), anyway=anyway)


@app.command()
@spoken
def pause(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Stop a trial. What it has decided stays."""
    return _change("pause", version, comment, by, as_json)


@app.command()
@spoken
def publish(
    version: Annotated[str, typer.Argument(help="A version that is kept, or a rulebook's file, which is saved first.")],
    comment: Comment = "",
    by: By = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> int:
    """Let a version decide on all new orders from now on; the one before it is archived. What was decided stays."""
    editions = hub.Hub(hub.home()).editions
    before = editions.kept()
    known = any(one.version == version for one in before)
    if not known and Path(version).is_file():
        version = editions.save(read_text(Path(version), "rulebook"), by=who(by), comment=comment).version
    now = editions.change("publish", version, by=who(by), comment=comment, anyway=anyway)
    code = _told(editions, before, now, as_json)
    if (left := len(editions.undecided())) and not as_json:
        text = tr("orders to be sent that were there before, and go nowhere: {n}; `orderhub rules decide --dry-run`")
        typer.echo(text.format(n=f"{left:,}"))
    return code


@app.command()
@spoken
def decide(
    shop: Annotated[str | None, typer.Option(help="Only orders of this shop.")] = None,
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Only what was paid since, e.g. 2026-11-27.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Have the rulebook decide on orders that are to be sent and were there before any rulebook: until there is news of
    them they go nowhere. What was sent by other hands meanwhile must be said first, by an import for example."""
    opened = hub.Hub(hub.home())
    begin = instant(since, opened.settings.time_zone, "--from") if since else 0
    orders = opened.editions.undecided(shop=shop, since=begin)
    became = Counter[str]() if dry_run or not orders else opened.editions.decide(orders, by=who(by))
    named = [{"shop": of, "order_no": order_no} for of, order_no in orders]
    answer = {"orders": named, "dry_run": dry_run, **{fate: became[fate] for fate in ("going", "held", "nowhere")}}
    tell(answer, rules_told.decided(orders, became, Names(opened.settings, tr)), as_json=as_json)
    return 0


@app.command()
@spoken
def rollback(comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Let the version decide again that was published before the active one. Done again, it goes further back."""
    editions = hub.Hub(hub.home()).editions
    before, now = editions.kept(), editions.back(by=who(by), comment=comment)
    return _told(editions, before, now, as_json)


@app.command()
@spoken
def discard(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Put a draft or a trial away. It is kept, and may be published later."""
    return _change("discard", version, comment, by, as_json)


@app.command()
@spoken
def trial(version: Version, as_json: AsJson = False) -> int:
    """What a shadow would have done otherwise on the orders that came while it was one, the most frequent first. Exit
    code 1 where it would."""
    editions = hub.Hub(hub.home()).editions
    found = editions.moves(version)
    other = found.filter(pl.col("now") != pl.col("then"))
    answer = {
        "version": version,
        "orders": int(found["orders"].sum()),
        "otherwise": int(other["orders"].sum()),
        "moves": other.to_dicts(),
    }
    told = rules_told.tried(version, int(found["orders"].sum()), other, of_book(named(version, editions)))
    tell(answer, "\n".join(told), as_json=as_json)
    return 1 if other.height else 0


@app.command("reproduce")
@spoken
def proven(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="E.g. 2026-11-27; by default a day ago.")] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Up to, not including, this; by default now.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Decide once more what was decided in a period, from the messages as they came, each order under its recorded
    version, and compare. Exit code 1 where something differs. Nothing in the hub changes."""
    opened = hub.Hub(hub.home())
    zone = opened.settings.time_zone
    end = instant(until, zone, "--to") if until else hub.clock()
    begin = instant(since, zone, "--from") if since else end - DAY_US
    if begin >= end:
        raise UserMistake(
            "--from {begin} is not before --to {end}",
            begin=written(begin, ZoneInfo(zone)),
            end=written(end, ZoneInfo(zone)),
        )
    with typer.progressbar(length=1_000, label=tr("applying messages"), file=sys.stderr) as bar:
        found = reproduce.reproduce(
            opened.context, begin, end, lambda done, of: bar.update(max(0, 1_000 * done // of - bar.pos))
        )
    answer = {"from": written(begin, ZoneInfo(zone)), "to": written(end, ZoneInfo(zone)), **asdict(found)}
    tell(answer, "\n".join(rules_told.proven(found)), as_json=as_json)
    return 1 if found.differences or found.unreadable else 0


def _change(
    act: BookAct, version: str, comment: str, by: str | None, as_json: bool, *, share: int = 0, anyway: bool = False
) -> int:
    editions = hub.Hub(hub.home()).editions
    before = editions.kept()
    now = editions.change(act, version, by=who(by), comment=comment, share=share, anyway=anyway)
    return _told(editions, before, now, as_json)


def _told(
    editions: Editions, before: Sequence[Edition], now: Edition, as_json: bool, doubtful: Sequence[str] = ()
) -> int:
    """What a version is now, and what became of others by that."""
    was = {one.version: one.state for one in before}
    moved = [one for one in editions.kept() if one.version != now.version and was.get(one.version) != one.state]
    lines = [*rules_told.changed(now, [(was.get(one.version), one) for one in moved])]
    lines += [f"{tr('doubtful')}{tr(': ')}{doubt}" for doubt in doubtful]
    notes = editions.notes(named(now.version, editions), str if as_json else tr) if now.state in SPEAKING else []
    lines += [f"{tr('note')}{tr(': ')}{note}" for note in notes]
    tell({**now._asdict(), "doubts": list(doubtful), "notes": notes}, "\n".join(lines), as_json=as_json)
    return 0


def _active(editions: Editions) -> str:
    found = [one.version for one in editions.kept() if one.state == "active"]
    if not found:
        raise UserMistake("no version is active: name two")
    return found[0]
