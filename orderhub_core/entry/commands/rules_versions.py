"""`orderhub rules list, save, publish …`: versions of the rulebook that a running hub decides by."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.entry.books import named
from orderhub_core.entry.options import (
    AsJson,
    By,
    Comment,
    InLanguage,
    Lang,
    dated,
    instant,
    stored,
    tell,
    who,
    written,
)
from orderhub_core.errors import UserMistake
from orderhub_core.flows import reproduce
from orderhub_core.flows.editions import Editions, doubts
from orderhub_core.model import BookAct
from orderhub_core.rules.difference import differences
from orderhub_core.settings import read_text
from orderhub_core.store.books import Edition

app = typer.Typer()
DAY_US = 86_400_000_000
TOLD = 20
SPEAKING = ("draft", "shadow", "rollout", "active")
"""Versions of which it is told what nobody measures: they are to be, or are, decided by."""
"""Differences that are told in words."""
Version = Annotated[str, typer.Argument(help="A version that `orderhub rules list` names.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Though some rule does not do what it says.")]


@app.command("list")
@stored
def listed(as_json: AsJson = False) -> int:
    """Versions of the rulebook and how far each has come: which decides, which is on trial, whose they are."""
    opened = hub.Hub(hub.home())
    kept, zone = opened.editions.kept(), ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in kept]
    lines = [_line(one, zone) for one in kept] or ["no version is kept; `orderhub rules save FILE` keeps one"]
    tell({"versions": told}, "\n".join(lines), as_json=as_json)
    return 0


@app.command()
@stored
def history(as_json: AsJson = False) -> int:
    """What was done with which version, by whom and why, the newest first, from the log."""
    opened = hub.Hub(hub.home())
    zone = ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in opened.editions.changes()]
    lines = [f"{one['at']}  {one['act']:<8} {one['version']}  {one['detail']}" for one in told]
    tell({"changes": told}, "\n".join(lines) or "nothing was done yet", as_json=as_json)
    return 0


@app.command()
@stored
def show(version: Version) -> int:
    """The text of a version, as it was saved: `orderhub rules show V > rulebook.toml`."""
    typer.echo(hub.Hub(hub.home()).editions.text(version), nl=False)
    return 0


@app.command("diff")
@stored
def compared(
    before: Annotated[str, typer.Argument(help="A version, or a rulebook's file.")],
    after: Annotated[str | None, typer.Argument(help="Another; by default the active one comes before.")] = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> int:
    """What differs between two versions or files, rule by rule. Exit code 1 where something does."""
    editions = hub.Hub(hub.home()).editions
    names = (_active(editions), before) if after is None else (before, after)
    then, now = (named(name, editions) for name in names)
    found = differences(then, now, lang.value)
    lines = [f"{names[0]} → {names[1]}"]
    for one in found:
        lines.append(f"{one.kind} {', '.join(filter(None, (one.group, one.rule)))}")
        lines += [f"  {sign} {line}" for sign, line in (("-", one.before), ("+", one.after)) if line]
    answer = {"before": names[0], "after": names[1], "differences": [one._asdict() for one in found]}
    tell(answer, "\n".join(lines if found else [*lines, "they decide alike"]), as_json=as_json)
    return 1 if found else 0


@app.command()
@stored
def save(
    file: Annotated[Path, typer.Argument(help="The rulebook, a TOML file.")],
    comment: Comment = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Keep a rulebook as a draft, under the version that it gives itself. A draft of that version is replaced."""
    editions, text = hub.Hub(hub.home()).editions, read_text(file, "rulebook")
    before, saved = editions.kept(), editions.save(text, by=who(by), comment=comment)
    return _told(editions, before, saved, as_json, doubts=doubts(text))


@app.command()
@stored
def review(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Say that you have looked at somebody's draft and agree; the setting `review_rules` asks this of every version."""
    return _change("review", version, comment, by, as_json)


@app.command()
@stored
def shadow(
    version: Version, comment: Comment = "", by: By = None, anyway: Anyway = False, as_json: AsJson = False
) -> int:
    """Let a version decide on every new order beside the active one: it is noted, and nothing is done of it."""
    return _change("shadow", version, comment, by, as_json, anyway=anyway)


@app.command()
@stored
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
@stored
def pause(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Stop a trial. What it has decided stays."""
    return _change("pause", version, comment, by, as_json)


@app.command()
@stored
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
    return _told(editions, before, now, as_json)


@app.command()
@stored
def rollback(comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Let the version decide again that was published before the active one. Done again, it goes further back."""
    editions = hub.Hub(hub.home()).editions
    before, now = editions.kept(), editions.back(by=who(by), comment=comment)
    return _told(editions, before, now, as_json)


@app.command()
@stored
def discard(version: Version, comment: Comment = "", by: By = None, as_json: AsJson = False) -> int:
    """Put a draft or a trial away. It is kept, and may be published later."""
    return _change("discard", version, comment, by, as_json)


@app.command()
@stored
def trial(version: Version, as_json: AsJson = False) -> int:
    """What a shadow would have done otherwise on the orders that came while it was one, the most frequent first. Exit
    code 1 where it would."""
    found = hub.Hub(hub.home()).editions.moves(version)
    other = found.filter(pl.col("now") != pl.col("then"))
    answer = {
        "version": version,
        "orders": int(found["orders"].sum()),
        "otherwise": int(other["orders"].sum()),
        "moves": other.to_dicts(),
    }
    lines = [f"{version} would treat {answer['otherwise']} of {answer['orders']} orders otherwise"]
    if found.is_empty():
        lines = [f"{version} has been no order's shadow yet: `orderhub rules shadow {version}` makes it one"]
    for row in other.head(TOLD).iter_rows(named=True):
        now, then = ("; ".join(row[name]) or "nothing" for name in ("now", "then"))
        lines.append(f"{row['orders']:>6}  {now} → {then}  ({', '.join(row['some'])})")
    if other.height > TOLD:
        lines.append(f"and {other.height - TOLD} more kinds; --json names all")
    tell(answer, "\n".join(lines), as_json=as_json)
    return 1 if other.height else 0


@app.command("reproduce")
@stored
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
        raise UserMistake(f"--from {written(begin, ZoneInfo(zone))} is not before --to {written(end, ZoneInfo(zone))}")
    with typer.progressbar(length=1_000, label="applying messages", file=sys.stderr) as bar:
        found = reproduce.reproduce(
            opened.context, begin, end, lambda done, of: bar.update(max(0, 1_000 * done // of - bar.pos))
        )
    answer = {"from": written(begin, ZoneInfo(zone)), "to": written(end, ZoneInfo(zone)), **asdict(found)}
    tell(answer, _proven(found), as_json=as_json)
    return 1 if found.differences or found.unreadable else 0


def _proven(found: reproduce.Reproduced) -> str:
    lines = [f"{found.same} of {found.orders} orders with decisions are decided the same once more"]
    if found.expired:
        lines.append(f"{found.expired} cannot be looked at: messages of theirs have expired (limits.raw_days)")
    lines += [f"{count} were decided by {version}, which is not kept" for version, count in found.unknown.items()]
    lines += [f"{count} cannot be read now: {reason}" for reason, count in found.unreadable.items()]
    for one in found.differences[:TOLD]:
        lines.append(f"{one.shop} {one.order_no} by {one.version}")
        lines += [f"  recorded  {' '.join(map(str, row[2:5]))}" for row in one.recorded]
        lines += [f"  once more {' '.join(map(str, row[2:5]))}" for row in one.again]
    if len(found.differences) > TOLD:
        lines.append(f"and {len(found.differences) - TOLD} more; --json names all")
    return "\n".join(lines)


def _change(
    act: BookAct, version: str, comment: str, by: str | None, as_json: bool, *, share: int = 0, anyway: bool = False
) -> int:
    editions = hub.Hub(hub.home()).editions
    before = editions.kept()
    now = editions.change(act, version, by=who(by), comment=comment, share=share, anyway=anyway)
    return _told(editions, before, now, as_json)


def _told(
    editions: Editions, before: Sequence[Edition], now: Edition, as_json: bool, doubts: Sequence[str] = ()
) -> int:
    """What a version is now, and what became of others by that."""
    was = {one.version: one.state for one in before}
    moved = [one for one in editions.kept() if one.version != now.version and was.get(one.version) != one.state]
    lines = [f"version {now.version} is {_state(now)}"]
    lines += [f"version {one.version}, which was {was.get(one.version)}, is {_state(one)} now" for one in moved]
    lines += [f"doubtful: {doubt}" for doubt in doubts]
    notes = editions.unmeasured(now.version) if now.state in SPEAKING else []
    lines += [f"note: {note}" for note in notes]
    tell({**now._asdict(), "doubts": list(doubts), "notes": notes}, "\n".join(lines), as_json=as_json)
    return 0


def _active(editions: Editions) -> str:
    found = [one.version for one in editions.kept() if one.state == "active"]
    if not found:
        raise UserMistake("no version is active: name two")
    return found[0]


def _state(one: Edition) -> str:
    return f"{one.state} for {one.share / 100:g} % of the orders" if one.state == "rollout" else one.state


def _line(one: Edition, zone: tzinfo) -> str:
    told = [f"{one.version}  {_state(one)}", f"by {one.author} {written(one.saved_at, zone)}"]
    if one.reviewed_by:
        told.append(f"reviewed by {one.reviewed_by}")
    if one.published_at is not None:
        told.append(f"published {written(one.published_at, zone)}")
    return ", ".join([*told, *([one.comment] if one.comment else [])])
