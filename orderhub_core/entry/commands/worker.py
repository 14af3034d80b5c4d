"""`orderhub worker`."""

from __future__ import annotations

import typer

from orderhub_core import hub
from orderhub_core.entry.logs import to_stderr
from orderhub_core.entry.options import stored
from orderhub_core.entry.start import check_connectors
from orderhub_core.entry.worker import Worker
from orderhub_core.store import homes

app = typer.Typer()


@app.command()
@stored
def worker() -> int:
    """Absorb, dispatch and poll until told to stop."""
    to_stderr()
    home = hub.home()
    homes.init(home)
    opened = hub.Hub(home)
    check_connectors(opened)
    Worker(opened).run()
    return 0
