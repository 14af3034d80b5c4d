"""`orderhub inbox`: what waits, what is parked and why, and trying it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, stored, tell

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
    lines = [f"{answer['waiting']:,} messages wait{since}; {answer['parked']:,} are parked"]
    for row in answer["sources"]:
        heard = (
            "never heard of" if row["last_received_s"] is None else f"last received {row['last_received_s']:,.0f} s ago"
        )
        behind = "" if row["oldest_s"] is None else f", the oldest for {row['oldest_s']:,.0f} s"
        lines.append(f"  {row['source']}: {heard}; {row['waiting']:,} wait{behind}")
    lines += [f"  {row['target']}: {row['effects']:,} effects {row['state']}" for row in answer["effects"]]
    return "\n".join(lines)


@app.command()
@stored
def parked(as_json: AsJson = False) -> int:
    """List parked messages with the reason."""
    rows = hub.Hub(hub.home()).parked()
    sentence = "\n".join(f"{row['id']:>8}  {row['source']}  {row['message_id']}: {row['reason']}" for row in rows)
    tell(rows, sentence or "nothing is parked", as_json=as_json)
    return 0


@app.command()
@stored
def replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids from `inbox parked`; none means all.")] = None,
    as_json: AsJson = False,
) -> int:
    """Try parked messages again, after their decoder or the settings were mended."""
    outcomes = list(hub.Hub(hub.home()).replay(ids or None).values())
    answer = {"tried": len(outcomes), "parked": outcomes.count("parked")}
    tell(answer, f"tried {answer['tried']}, of which {answer['parked']} are still parked", as_json=as_json)
    return 1 if answer["parked"] else 0
