"""`orderhub`: one command line over the same functions as the apps.

Exit codes: 0 fine; 1 found what the user asked to be warned about; 2 the user's mistake; 3 the system's; 130 broken
off with Ctrl-C.
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip  # must be the first import of the process

import importlib
import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import typer

from orderhub_core.entry.leaving import leave
from orderhub_core.errors import OrderHubError, StoreMissing, UserMistake
from orderhub_core.store.revisions import REVISIONS


class Command(NamedTuple):
    module: str
    help: str


COMMANDS = {
    "demo": Command("demo", "Start a pretend world and the hub over it, or write a big world to Parquet."),
    "serve": Command("serve", "Serve webhooks and the console; absorb and dispatch in the same process."),
    "receive": Command("receive", "Take webhooks alone, in a small process beside `serve` and `worker`."),
    "worker": Command("worker", "Absorb, dispatch and poll until told to stop."),
    "import": Command("importing", "Take in an export file (CSV or XLSX)."),
    "audit": Command("audit", "Compare what the systems show of every order."),
    "rules": Command("rules", "What a rulebook says, and what is wrong with it."),
    "packing": Command("packing", "Are gifts there, is everything in the box, has a tracking number come?"),
    "presale": Command("presale", "What deposits are worth, which batch an order goes with, and what is there."),
    "simulate": Command("simulate", "Rehearse a flash sale."),
    "diagnose": Command("diagnose", "Where orders get stuck, and why."),
    "inbox": Command("inbox", "Messages that wait or are parked."),
    "holds": Command("holds", "Orders that are kept from their warehouse, and letting them go."),
    "stock": Command("stock", "What warehouses have, and which orders took it."),
    "signals": Command("signals", "What goes on outside, for rules that ask for it."),
    "log": Command("log", "The tamper-evident event log."),
    "db": Command("db", "Make, migrate, check and snapshot the hub's storage."),
}


LEAN = {"worker", "receive"}
"""Those that show nothing, and run for months beside databases that need the memory."""


def _tell_version(asked: bool) -> None:
    """And of the schema, which tells two builds of one version apart: a hub of another needs `orderhub db init`."""
    if asked:
        typer.echo(f"OrderHub {version('orderhub')} (schema {', '.join(sorted(REVISIONS.values()))})")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Tell the version, and end.", callback=_tell_version, is_eager=True)
]


def build(only: str | None = None) -> typer.Typer:
    """The whole command line, or just one command: the others' imports cost a second."""
    root = typer.Typer(
        name="orderhub",
        help="One command line over the same functions as the apps.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name in [only] if only else COMMANDS:
        command = COMMANDS[name]
        app: typer.Typer = importlib.import_module(f"orderhub_core.entry.commands.{command.module}").app
        alone = app.registered_commands[0].callback if len(app.registered_commands) == 1 else None
        if alone is not None and app.registered_commands[0].name is None:
            root.command(name=name, help=alone.__doc__ or command.help)(alone)
        else:
            root.add_typer(app, name=name, help=command.help)

    @root.callback()
    def _(shown: Version = False) -> None: ...

    return root


def main() -> int:
    asked = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in COMMANDS else None
    try:
        runtime.check()
        if asked in LEAN:
            runtime.give_memory_back()
        build(asked)()
    except (UserMistake, StoreMissing) as mistake:
        _refuse(mistake)
        return 2
    except OrderHubError as failure:
        _refuse(failure)
        return 3
    except KeyboardInterrupt:
        return 130
    except Exception as bug:
        if os.environ.get("ORDERHUB_DEBUG"):
            raise
        # The text of an unexpected error may hold a customer's data: say only what and where.
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{type(bug).__name__} in {Path(frame.filename).name}:{frame.lineno}"
        sys.stderr.write(f"orderhub: internal error, {where}; ORDERHUB_DEBUG=1 shows all of it\n")
        return 3
    return 0


def _refuse(failure: OrderHubError) -> None:
    from orderhub_core.entry.options import tr  # the command that was asked has it by now; another has no need of it

    sys.stderr.write(f"orderhub: {failure.told(tr)}\n")


def run() -> NoReturn:
    """`orderhub` as a process."""
    leave(main)


if __name__ == "__main__":
    run()
