"""`python -m orderhub_core.entry.console --snapshot DIR --port N`: read-only boards over a snapshot."""

import argparse
import os
import secrets
import sys
from pathlib import Path

from orderhub_core.entry.addresses import own_origins
from orderhub_core.entry.console import app
from orderhub_core.entry.leaving import leave
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.web import run
from orderhub_core.errors import OrderHubError
from orderhub_core.hub import connect


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m orderhub_core.entry.console", description=__doc__)
    parser.add_argument("--snapshot", type=Path, required=True, help="folder that `orderhub db snapshot` wrote")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--notebooks", type=Path, default=app.NOTEBOOKS)
    asked = parser.parse_args()
    os.environ["ORDERHUB_SNAPSHOT"] = str(asked.snapshot)
    try:
        board = connect()
        built = app.console(
            hub=board,
            hooks=None,
            origins=own_origins(asked.host, asked.port),
            secret=secrets.token_urlsafe(32),
            read_only=True,
            token=os.environ.get("ORDERHUB_TOKEN"),
            notebooks=asked.notebooks,
            meters=Meters(board),
        )
        run(built, host=asked.host, port=asked.port)
    except OrderHubError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    leave(main)
