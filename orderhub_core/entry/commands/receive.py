"""`orderhub receive`: webhooks alone, in a small process that starts fast."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

import typer

from orderhub_core import hub
from orderhub_core.entry.addresses import LOOPBACK, check_free, own_origins
from orderhub_core.entry.hooks import hooks
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.options import spoken, tr
from orderhub_core.entry.probes import Probes, Ready, takes_webhooks
from orderhub_core.entry.start import begin, check_connectors, leaving_nothing, tell_doubts, tell_start, tell_workless
from orderhub_core.entry.watching import watching
from orderhub_core.entry.web import Doors, run
from orderhub_core.errors import UserMistake

app = typer.Typer()


@app.command()
@spoken
def receive(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8800,
) -> int:
    """Take webhooks, and answer /healthz, /readyz and /metrics. The console (`orderhub serve --read-only`) and
    `orderhub worker` run elsewhere. ORDERHUB_TOKEN, when set, is shown by whoever reads /metrics."""
    token = os.environ.get("ORDERHUB_TOKEN")
    if host not in LOOPBACK and not token:
        raise UserMistake(
            "--host {host} shows shops and volumes to others: set ORDERHUB_TOKEN, which whoever reads /metrics"
            " must show, or stay on 127.0.0.1",
            host=host,
        )
    check_free(host, port)
    home = hub.home()
    with leaving_nothing(home):
        begin(home)
        opened = hub.Hub(home)
        check_connectors(opened)
    tell_doubts(opened, works=False)
    tell_workless(opened)
    meters = Meters(opened)
    hosts = {urlsplit(origin).netloc for origin in own_origins(host, port)}
    tell_start(opened, "receive", port=port, metrics_port=port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/hooks/"
    typer.echo(tr("OrderHub takes webhooks at {address} (Ctrl-C stops it)").format(address=address))
    try:
        ready = Ready(opened, takes_webhooks(opened), applies=False)
        with watching(opened, applies=False):
            run(Doors(hooks(opened), Probes(meters, ready, token=token, hosts=hosts)), host=host, port=port)
    finally:
        opened.close()
    return 0
