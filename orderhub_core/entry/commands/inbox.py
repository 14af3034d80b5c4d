"""`orderhub inbox`: what waits, what is parked and why, and trying it again."""

from __future__ import annotations

from typing import Annotated

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, stored, tell

app = typer.Typer(no_args_is_help=True)


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
