"""`orderhub serve`: webhooks, console and, unless told otherwise, the worker, in one process."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orderhub_core import hub
from orderhub_core.entry.addresses import LOOPBACK, check_free, own_origins
from orderhub_core.entry.console.app import console
from orderhub_core.entry.console.serve import kept_secret
from orderhub_core.entry.hooks import hooks
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.options import spoken, tr
from orderhub_core.entry.probes import Ready
from orderhub_core.entry.start import (
    begin,
    check_connectors,
    check_work,
    leaving_nothing,
    tell_doubts,
    tell_start,
    tell_workless,
)
from orderhub_core.entry.watching import watching
from orderhub_core.entry.web import run
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import UserMistake
from orderhub_core.settings import Settings

app = typer.Typer()


@app.command()
@spoken
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8800,
    origin: Annotated[list[str] | None, typer.Option(help="Address under which browsers come, behind a proxy.")] = None,
    snapshot: Annotated[Path | None, typer.Option(help="Read-only boards over a snapshot folder; no database.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show, take no webhooks, change nothing.")] = False,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="`orderhub worker` runs elsewhere.")] = False,
) -> int:
    """Serve webhooks, the console, /healthz, /readyz and /metrics. ORDERHUB_TOKEN, when set, must be shown once by
    every visitor, and as `Authorization: Bearer TOKEN` by whoever reads /metrics."""
    token = os.environ.get("ORDERHUB_TOKEN")
    if host not in LOOPBACK and not token:
        raise UserMistake(
            "--host {host} lets others in: set ORDERHUB_TOKEN to a long random text that they must show, or stay on"
            " 127.0.0.1",
            host=host,
        )
    check_free(host, port)
    board, worker = _board(snapshot, read_only=read_only, works=not (read_only or no_worker)), None
    meters = Meters(board)
    takes_messages = isinstance(board, hub.Hub) and not read_only
    if isinstance(board, hub.Hub) and takes_messages and no_worker:
        tell_workless(board)
    elif isinstance(board, hub.Hub) and takes_messages:
        worker = Worker(board, meters=meters)
    shown = f"[{host}]" if ":" in host else host
    typer.echo(tr("OrderHub serves {address} (Ctrl-C stops it)").format(address=f"http://{shown}:{port}/"))
    if isinstance(board, hub.Hub):
        tell_start(board, "serve", port=port, metrics_port=port, worker=worker is not None, read_only=read_only)
    pages = console(
        hub=board,
        hooks=hooks(board) if isinstance(board, hub.Hub) and takes_messages else None,
        origins=set(origin or ()) | own_origins(host, port),
        # Without taking messages nothing is written, not even a key.
        secret=kept_secret(hub.home().data / "console.key") if takes_messages else secrets.token_urlsafe(32),
        read_only=not takes_messages,
        token=token,
        time_zone=board.settings.time_zone if isinstance(board, hub.Hub) else Settings().time_zone,
        check=_ready(board, worker, accepts=takes_messages),
        meters=meters,
    )
    try:
        with watching(board, accepts=takes_messages) if isinstance(board, hub.Hub) else contextlib.nullcontext():
            run(pages, host=host, port=port, begin=worker.start if worker is not None else lambda: None)
    finally:
        if worker is not None:
            worker.stop()
        if isinstance(board, hub.Hub):
            board.close()
    return 0


def _ready(board: hub.Hub | hub.SnapshotHub, worker: Worker | None, *, accepts: bool) -> Callable[[], None]:
    if not isinstance(board, hub.Hub):
        return lambda: None
    return Ready(board, *([worker.ready] if worker is not None else []), accepts=accepts)


def _board(snapshot: Path | None, *, read_only: bool, works: bool) -> hub.Hub | hub.SnapshotHub:
    """The hub that the notebooks of this process will find, too."""
    if snapshot is not None:
        os.environ["ORDERHUB_SNAPSHOT"] = str(snapshot)
    with leaving_nothing(hub.home()):
        if not (snapshot or read_only):
            begin(hub.home())
        board = hub.connect()
        if isinstance(board, hub.Hub):
            board.store.progress()  # raises StoreMissing where nobody has made a hub
            board.writable = not read_only
            check_connectors(board)
            if works:
                check_work(board)
    if isinstance(board, hub.Hub):
        tell_doubts(board, works=works)
        # Webhooks and pages share the process: read the frames before the first visitor waits for them.
        threading.Thread(
            target=lambda: [board.frame(name) for name in ("orders", "sightings", "events")], daemon=True
        ).start()
    return board
