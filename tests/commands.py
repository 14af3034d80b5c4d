"""The command line, run in this process: a process of its own takes seconds to load what is loaded here already, and a
command takes a fifth of one to be built anew."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

import typer.main

from orderhub_core.entry import cli
from orderhub_core.entry.options import Lang, speak
from orderhub_core.hub import connect

OWN = ("ORDERHUB_DATA", "ORDERHUB_DATABASE_URL", "ORDERHUB_INBOX_URL", "ORDERHUB_SNAPSHOT", "ORDERHUB_PEPPER")
"""What a command reads of its surroundings, and may set for itself."""

_build, _get_command = functools.cache(cli.build), functools.cache(typer.main.get_command)


def orderhub(*arguments: object, folder: Path) -> CompletedProcess[str]:
    """What a command that is given in this folder answers and says."""
    speak(Lang.EN)
    connect.cache_clear()
    out, err = io.StringIO(), io.StringIO()
    line = ["orderhub", *map(str, arguments)]
    with (
        mock.patch.dict(os.environ, dict.fromkeys(OWN, "")),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", line),
        mock.patch.object(cli, "build", _build),
        mock.patch.object(typer.main, "get_command", _get_command),
    ):
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            connect.cache_clear()
    return CompletedProcess(line, code, out.getvalue(), err.getvalue())
