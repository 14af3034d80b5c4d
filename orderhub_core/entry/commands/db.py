"""`orderhub db`: making, migrating, checking and snapshotting the hub's storage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, stored, tell
from orderhub_core.store import homes

app = typer.Typer(no_args_is_help=True)


@app.command()
@stored
def init(as_json: AsJson = False) -> int:
    """Make the hub, or bring it to this version's schema."""
    home = hub.home()
    homes.init(home)
    tell({"home": str(home)}, f"the hub in {home} is ready", as_json=as_json)
    return 0


@app.command()
@stored
def check(as_json: AsJson = False) -> int:
    """Is the schema current and the log whole? Exit 1 when not. Tells also what waits and what is parked."""
    home = hub.home()
    opened = hub.Hub(home)
    outdated, verdict, pulse = homes.outdated(home), opened.verify_log(), opened.pulse()
    fine = not outdated and verdict.broken_seq is None
    answer = {"fine": fine, "outdated": outdated, "log": verdict._asdict(), "pulse": pulse._asdict()}
    sentence = (
        f"schema {'current' if not outdated else 'outdated: run `orderhub db init`'}; "
        f"log {'whole' if verdict.broken_seq is None else verdict.reason}; "
        f"{pulse.orders} orders, {pulse.waiting} messages waiting, {pulse.parked} parked"
    )
    tell(answer, sentence, as_json=as_json)
    return 0 if fine else 1


@app.command()
@stored
def snapshot(
    out: Annotated[Path | None, typer.Option(help="Folder to write; default the hub's own.")] = None,
    as_json: AsJson = False,
) -> int:
    """Write all frames to Parquet, for read-only boards: `orderhub serve --snapshot DIR`."""
    folder = hub.Hub(hub.home()).write_snapshot(out)
    tell({"folder": str(folder)}, f"snapshot written to {folder}", as_json=as_json)
    return 0
