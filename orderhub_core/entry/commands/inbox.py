"""`orderhub inbox`: what waits, what is parked and why, trying it again, dismissing it, and what contradicts what."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, By, counted, dated, stored, tell, who

app = typer.Typer(no_args_is_help=True)


@app.command()
@stored
def status(as_json: AsJson = False) -> int:
    """How much waits and since when, of all and of each source, and how much is parked."""
    opened = hub.Hub(hub.home())
    flow = opened.flow()

    def ago(at: int | None) -> float | None:
        return None if at is None else round(max(0, flow.as_of - at) / 1e6, 1)

    known = {lag.source: lag for lag in flow.lags}
    rows = []
    for source in sorted({*known, *(shop.id for shop in opened.settings.shops)}):
        lag = known.get(source)
        heard, oldest = (ago(lag.received_at), ago(lag.oldest_at)) if lag else (None, None)
        rows.append(
            {"source": source, "last_received_s": heard, "waiting": lag.waiting if lag else 0, "oldest_s": oldest}
        )
    effects = [effect._asdict() for effect in flow.effects]
    oldest = ago(flow.oldest_at)
    answer = {"waiting": flow.waiting, "oldest_s": oldest, "parked": flow.parked, "sources": rows, "effects": effects}
    tell(answer, _told(answer), as_json=as_json)
    return 0


def _told(answer: dict[str, Any]) -> str:
    since = "" if answer["oldest_s"] is None else f", the oldest for {answer['oldest_s']:,.0f} s"
    lines = [f"{counted(answer['waiting'], 'message')} waiting{since}; {answer['parked']:,} parked"]
    for row in answer["sources"]:
        heard = (
            "never heard of" if row["last_received_s"] is None else f"last received {row['last_received_s']:,.0f} s ago"
        )
        behind = "" if row["oldest_s"] is None else f", the oldest for {row['oldest_s']:,.0f} s"
        lines.append(f"  {row['source']}: {heard}; {row['waiting']:,} waiting{behind}")
    lines += [f"  {row['target']}: {counted(row['effects'], 'effect')} {row['state']}" for row in answer["effects"]]
    return "\n".join(lines)


Source = Annotated[str | None, typer.Option(help="Only messages of this source.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many messages.")]
MOST = 50
SHOWN_REASONS = 10


@app.command()
@stored
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
    tell(answer, _listed(answer) or "nothing is dismissed", as_json=as_json)
    return 0


def _listed(answer: dict[str, Any]) -> str:
    lines, messages = [], answer["messages"]
    if "parked" in answer:
        more = f"; the oldest {len(messages):,} of them" if len(messages) < answer["parked"] else ""
        lines = [f"{counted(answer['parked'], 'message')} parked{more}" if answer["parked"] else "nothing is parked"]
        reasons = answer["reasons"]
        if answer["parked"] > len(reasons):
            lines += [f"{row['messages']:>8,}  {row['source']}: {row['reason']}" for row in reasons[:SHOWN_REASONS]]
            lines += (
                [f"          {counted(len(reasons) - SHOWN_REASONS, 'more reason')}"] if reasons[SHOWN_REASONS:] else []
            )
    for row in messages:
        size = "no body" if row["bytes"] is None else f"{row['bytes']:,} bytes"
        lines.append(
            f"{row['id']:>8}  {row['source']}  {row['message_id']}  {row['kind'] or '?'}, {size}, received"
            f" {row['received_at'] or '?'}, {_old(row['age_s'])} ago, parked {row['parked_at']}"
        )
        lines.append(f"          {row['reason']}")
        if "dismissed_at" in row:
            by = f" by {row['dismissed_by']}" if row["dismissed_by"] else ""
            lines.append(f"          dismissed {row['dismissed_at']}{by}: {row['dismissal']}")
    return "\n".join(lines)


@app.command()
@stored
def dismiss(
    ids: Annotated[list[int], typer.Argument(help="Ids from `inbox parked`.")],
    reason: Annotated[str, typer.Option(help="Why nobody needs to read them. Kept for ever: name no customer.")],
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say that parked messages will never be read and need not be. They stay in the inbox, and `inbox replay ID` takes
    it back; the log keeps who said so, when and why."""
    done = hub.Hub(hub.home()).dismiss(ids, reason=reason, by=who(by))
    tell({"dismissed": done}, f"dismissed {done}; `orderhub inbox parked --dismissed` lists them", as_json=as_json)
    return 0


@app.command()
@stored
def conflicts(source: Source = None, limit: Limit = MOST, as_json: AsJson = False) -> int:
    """List messages that came under an id already taken, with another body: the newest first, and what holds instead.

    The first body holds, and the hub applies nothing of the other: its sender must send it under an id of its own.
    """
    opened = hub.Hub(hub.home())
    counts = dict(opened.flow().conflicts)
    total = sum(counts.values()) if source is None else counts.get(source, 0)
    zone = ZoneInfo(opened.settings.time_zone)
    found = [dated(row._asdict(), zone) for row in opened.conflicts(limit, source=source)]
    tell({"conflicts": total, "messages": found}, _contradictions(total, found), as_json=as_json)
    return 0


def _contradictions(total: int, found: list[dict[str, Any]]) -> str:
    more = f"; the newest {len(found):,} of them" if len(found) < total else ""
    lines = [f"{counted(total, 'message')} against an earlier one of the same id{more}" if total else "no conflict"]
    for row in found:
        lines.append(f"  {row['source']}  {row['message_id']}")
        lines.append(f"    came {row['received_at']}, {_size(row['bytes'])}, digest {row['digest']}")
        first = f"{row['first_received_at']}, {_size(row['first_bytes'])}, digest {row['first_digest']}"
        lines.append("    the first is gone" if row["id"] is None else f"    holds {first}, message {row['id']}")
    return "\n".join(lines)


def _size(size: int | None) -> str:
    return "body expired" if size is None else f"{size:,} bytes"


def _age_s(now: int, at: int) -> float:
    return round(max(0, now - at) / 1e6, 1)


def _old(seconds: float) -> str:
    if seconds < 7_200:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3_600:,.0f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"


@app.command()
@stored
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
    tell(answer, f"tried {answer['tried']}, still parked {answer['parked']}", as_json=as_json)
    return 1 if answer["parked"] else 0
