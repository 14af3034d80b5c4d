"""`orderhub inbox`: what waits, what is parked and why, trying it again, dismissing it, and what contradicts what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, By, dated, spoken, tell, tr, who
from orderhub_core.health.queue import STATES, remarks
from orderhub_core.i18n import retold
from orderhub_core.names import Names

app = typer.Typer(no_args_is_help=True)


@app.command()
@spoken
def status(as_json: AsJson = False) -> int:
    """How much waits and since when, of all and of each source, and how much is parked."""
    opened = hub.Hub(hub.home())
    flow = opened.flow()

    def ago(at: int | None) -> float | None:
        return None if at is None else round(max(0, flow.as_of - at) / 1e6, 1)

    known = {lag.source: lag for lag in flow.lags}
    rows = []
    for source in sorted({*known, *(shop.id for shop in opened.settings.live_shops)}):
        lag = known.get(source)
        heard, oldest = (ago(lag.received_at), ago(lag.oldest_at)) if lag else (None, None)
        rows.append(
            {"source": source, "last_received_s": heard, "waiting": lag.waiting if lag else 0, "oldest_s": oldest}
        )
    effects = [effect._asdict() for effect in flow.effects]
    oldest = ago(flow.oldest_at)
    answer = {"waiting": flow.waiting, "oldest_s": oldest, "parked": flow.parked, "sources": rows, "effects": effects}
    answer["failures"] = [failure._asdict() for failure in flow.failures]
    names = Names(opened.settings, tr)
    failing = remarks(flow, opened.settings.time_zone, tr, names)
    tell(answer, _told(answer, failing, names), as_json=as_json)
    return 0


def _told(answer: dict[str, Any], failing: Iterable[str], names: Names) -> str:
    text = tr("messages waiting: {waiting}{since}; parked: {parked}")
    counts = {"waiting": f"{answer['waiting']:,}", "parked": f"{answer['parked']:,}"}
    lines = [text.format(**counts, since=_since(answer["oldest_s"]))]
    for row in answer["sources"]:
        heard = tr("never heard of")
        if row["last_received_s"] is not None:
            heard = tr("last received {n} s ago").format(n=f"{row['last_received_s']:,.0f}")
        text = tr("{source}: {heard}; waiting: {waiting}{since}")
        waiting, since = f"{row['waiting']:,}", _since(row["oldest_s"])
        lines.append(
            "  " + text.format(source=names.typed("source", row["source"]), heard=heard, waiting=waiting, since=since)
        )
    for row in answer["effects"]:
        text = tr("{target}: effects: {count} ({state})")
        told = text.format(
            target=names("target", row["target"]), count=f"{row['effects']:,}", state=tr(STATES[row["state"]])
        )
        lines.append(f"  {told}")
    lines += [f"  {told}" for told in failing]
    return "\n".join(lines)


def _since(seconds: float | None) -> str:
    return "" if seconds is None else tr(", the oldest for {n} s").format(n=f"{seconds:,.0f}")


Source = Annotated[str | None, typer.Option(help="Only messages of this source.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many messages.")]
MOST = 50
SHOWN_REASONS = 10
WHAT_NEXT = (
    "Once its decoder or the settings are mended: `orderhub inbox replay NUMBER`. What its sender mends comes under"
    " another id: `orderhub inbox dismiss NUMBER --reason WHY` sets this one aside."
)


@app.command()
@spoken
def parked(
    source: Source = None,
    limit: Limit = MOST,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those that somebody dismissed instead.")] = False,
    as_json: AsJson = False,
) -> int:
    """List parked messages, the oldest first: what they are, since when, and why; and how many of each reason."""
    opened = hub.Hub(hub.home())
    reasons = [] if dismissed else opened.reasons(source=source)
    rows = opened.parked(limit, source=source, dismissed=dismissed)
    zone, now = ZoneInfo(opened.settings.time_zone), opened.as_of()
    messages = [dated(row, zone) | {"age_s": _age_s(now, row["received_at"] or row["parked_at"])} for row in rows]
    answer: dict[str, Any] = {"messages": messages}
    if not dismissed:
        total = sum(reason.messages for reason in reasons)
        told = [dated(reason._asdict(), zone) for reason in reasons]
        answer = {"parked": total, "reasons": told, **answer}
    listed = _listed(answer, Names(opened.settings, tr))
    tell(answer, listed or tr("nothing is dismissed"), as_json=as_json)
    return 0


def _listed(answer: dict[str, Any], names: Names) -> str:
    lines, messages = [], answer["messages"]
    if "parked" in answer:
        lines = [_how_many(answer["parked"], len(messages))]
        if answer["parked"] > len(answer["reasons"]):
            lines += _reasons(answer["reasons"], names)
    for row in messages:
        text = tr("{kind}, {size}, received {at}, {old} ago, parked {since}")
        size = _size(row["bytes"], tr("no body"))
        at, since = row["received_at"] or "?", row["parked_at"]
        told = text.format(kind=row["kind"] or "?", size=size, at=at, old=_old(row["age_s"]), since=since)
        lines.append(f"{row['id']:>8}  {names.typed('source', row['source'])}  {row['message_id']}  {told}")
        lines.append(f"          {retold(row['reason'], tr)}")
        if "dismissed_at" in row:
            by = tr("dismissed {at} by {by}: {why}") if row["dismissed_by"] else tr("dismissed {at}: {why}")
            told = by.format(at=row["dismissed_at"], by=row["dismissed_by"], why=row["dismissal"])
            lines.append(f"          {told}")
    if messages and "parked" in answer:
        lines.append(tr(WHAT_NEXT))
    return "\n".join(lines)


def _how_many(parked: int, listed: int) -> str:
    if not parked:
        return tr("nothing is parked")
    more = tr("; the oldest {n} of them").format(n=f"{listed:,}") if listed < parked else ""
    return tr("messages parked: {n}").format(n=f"{parked:,}") + more


def _reasons(reasons: list[dict[str, Any]], names: Names) -> Iterator[str]:
    for row in reasons[:SHOWN_REASONS]:
        yield f"{row['messages']:>8,}  {names.typed('source', row['source'])}{tr(': ')}{retold(row['reason'], tr)}"
    if len(reasons) > SHOWN_REASONS:
        yield "          " + tr("more reasons: {n}").format(n=f"{len(reasons) - SHOWN_REASONS:,}")


@app.command()
@spoken
def dismiss(
    ids: Annotated[list[int], typer.Argument(help="Ids from `inbox parked`.")],
    reason: Annotated[str, typer.Option(help="Why nobody needs to read them. Kept for ever: name no customer.")],
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say that parked messages will never be read and need not be. They stay in the inbox, and `inbox replay ID` takes
    it back; the log keeps who said so, when and why."""
    done = hub.Hub(hub.home()).dismiss(ids, reason=reason, by=who(by))
    told = tr("dismissed {n}; `orderhub inbox parked --dismissed` lists them").format(n=done)
    tell({"dismissed": done}, told, as_json=as_json)
    return 0


@app.command()
@spoken
def conflicts(source: Source = None, limit: Limit = MOST, as_json: AsJson = False) -> int:
    """List messages that came under an id already taken, with another body: the newest first, and what holds instead.

    The first body holds, and the hub applies nothing of the other: its sender must send it under an id of its own.
    """
    opened = hub.Hub(hub.home())
    counts = dict(opened.flow().conflicts)
    total = sum(counts.values()) if source is None else counts.get(source, 0)
    zone = ZoneInfo(opened.settings.time_zone)
    found = [dated(row._asdict(), zone) for row in opened.conflicts(limit, source=source)]
    tell(
        {"conflicts": total, "messages": found},
        _contradictions(total, found, Names(opened.settings, tr)),
        as_json=as_json,
    )
    return 0


def _contradictions(total: int, found: list[dict[str, Any]], names: Names) -> str:
    if not total:
        return tr("no conflict")
    more = tr("; the newest {n} of them").format(n=f"{len(found):,}") if len(found) < total else ""
    lines = [tr("messages against an earlier one of the same id: {n}").format(n=f"{total:,}") + more]
    for row in found:
        lines.append(f"  {names.typed('source', row['source'])}  {row['message_id']}")
        came, holds = (
            {"at": row[f"{which}received_at"], "size": _size(row[f"{which}bytes"], tr("body expired"))}
            | {"digest": row[f"{which}digest"], "id": row["id"]}
            for which in ("", "first_")
        )
        lines.append("    " + tr("came {at}, {size}, digest {digest}").format(**came))
        first = tr("the first is gone")
        if row["id"] is not None:
            first = tr("holds {at}, {size}, digest {digest}, message {id}").format(**holds)
        lines.append(f"    {first}")
    return "\n".join(lines)


def _size(size: int | None, none: str) -> str:
    return none if size is None else tr("{n} bytes").format(n=f"{size:,}")


def _age_s(now: int, at: int) -> float:
    return round(max(0, now - at) / 1e6, 1)


def _old(seconds: float) -> str:
    if seconds < 7_200:
        return tr("{n} min").format(n=f"{seconds / 60:,.0f}")
    if seconds < 172_800:
        return tr("{n} h").format(n=f"{seconds / 3_600:,.0f}")
    return tr("{n} days").format(n=f"{seconds / 86_400:,.0f}")


@app.command()
@spoken
def replay(
    ids: Annotated[
        list[int] | None,
        typer.Argument(help="Ids from `inbox parked`, dismissed ones too; none means all that are not dismissed."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Try parked messages again, after their decoder or the settings were mended."""
    outcomes = list(hub.Hub(hub.home()).replay(ids or None).values())
    answer = {"tried": len(outcomes), "parked": outcomes.count("parked")}
    tell(answer, tr("tried {tried}, still parked {parked}").format(**answer), as_json=as_json)
    return 1 if answer["parked"] else 0
