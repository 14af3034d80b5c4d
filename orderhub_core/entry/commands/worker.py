"""`orderhub worker`."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated
from urllib.parse import urlsplit

import typer

from orderhub_core import hub
from orderhub_core.entry.addresses import LOOPBACK, check_free, own_origins
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.options import stored
from orderhub_core.entry.probes import Probes, Ready, serving
from orderhub_core.entry.start import begin, check_connectors, check_work, leaving_nothing, tell_doubts, tell_start
from orderhub_core.entry.watching import watching
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import UserMistake

app = typer.Typer()


@app.command()
@stored
def worker(
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve /healthz, /readyz and /metrics on this port; by default not at all.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address for them; others than loopback need ORDERHUB_TOKEN.")] = (
        "127.0.0.1"
    ),
) -> int:
    """Absorb, dispatch and poll until told to stop."""
    token = os.environ.get("ORDERHUB_TOKEN")
    if metrics_port is not None:
        if metrics_host not in LOOPBACK and not token:
            raise UserMistake(
                "--metrics-host {metrics_host} shows shops and volumes to others: set ORDERHUB_TOKEN, which"
                " whoever reads /metrics must show, or stay on 127.0.0.1",
                metrics_host=metrics_host,
            )
        check_free(metrics_host, metrics_port, "--metrics-")
    home = hub.home()
    with leaving_nothing(home):
        begin(home)
        opened = hub.Hub(home)
        check_connectors(opened)
        check_work(opened)
    tell_doubts(opened)
    meters = Meters(opened)
    working = Worker(opened, meters=meters)
    with contextlib.ExitStack() as also:
        if metrics_port is not None:
            hosts = {urlsplit(origin).netloc for origin in own_origins(metrics_host, metrics_port)}
            probes = Probes(meters, Ready(opened, working.ready), token=token, hosts=hosts)
            also.enter_context(serving(probes, metrics_host, metrics_port))
        tell_start(opened, "worker", metrics_port=metrics_port)
        also.enter_context(watching(opened))
        working.run()
    return 0
