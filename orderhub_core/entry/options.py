"""The options that every command touching the store has, and how its answers are told."""

from __future__ import annotations

import getpass
import inspect
import os
import re
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
import typer

from orderhub_core.entry.logs import to_stderr
from orderhub_core.errors import UserMistake
from orderhub_core.flows.ops import LONGEST_NAME
from orderhub_core.i18n import is_wide, translator

DECIMALS = re.compile(r"[−-]?[\d,]+\.\d+")
INSTANTS = frozenset({"at", "since", "until"})

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of the hub (ORDERHUB_DATA; default ./data).")
]
Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="PostgreSQL instead of SQLite files (ORDERHUB_DATABASE_URL)."),
]
Inbox = Annotated[
    str | None,
    typer.Option("--inbox", metavar="URL", help="NATS JetStream that takes messages in (ORDERHUB_INBOX_URL)."),
]
By = Annotated[str | None, typer.Option(help="Whose word it is; by default your login.")]
Comment = Annotated[str, typer.Option(help="Why; the log keeps it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]


class Lang(StrEnum):
    EN = "en"
    ZH = "zh"


ZONE = "Asia/Shanghai"
"""Of files that say none."""
Zone = Annotated[str, typer.Option(help="In which times without an offset are meant.")]
At = Annotated[str, typer.Option(metavar="TIME", help="As of when; default: now.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write every row as CSV.")]

Command = TypeVar("Command", bound=Callable[..., Any])


_told_in: ContextVar[Lang] = ContextVar("told_in", default=Lang.EN)


def tr(text: str) -> str:
    """In the language that the command was asked to speak."""
    return translator(_told_in.get().value)(text)


def language() -> Literal["en", "zh"]:
    """Which one that is."""
    return _told_in.get().value


def speak(lang: Lang) -> Lang:
    """From then on `tr` does."""
    _told_in.set(lang)
    return lang


InLanguage = Annotated[Lang, typer.Option("--lang", callback=speak, help="In which language it is told.")]
"""From then on `tr` speaks it, and so does whatever refuses."""


def spoken(command: Command) -> Command:
    """As `stored`, and `voiced`: of commands that tell everything through `tr`."""
    return stored(voiced(command))


def voiced(command: Command) -> Command:
    """Give a command `--lang`, in which `tr` speaks."""

    @wraps(command)
    def run(*, lang: Lang = Lang.EN, **rest: Any) -> int | None:
        return command(**rest)  # type: ignore[no-any-return]  # its exit code, if it has one

    return _with(run, command, [inspect.Parameter("lang", _NAMED, default=Lang.EN, annotation=InLanguage)])


def stored(command: Command) -> Command:
    """Give a command `--data`, `--database` and `--inbox`, which end up in the environment, where `hub.connect` looks.
    What is logged meanwhile goes to the error stream: the other one is for answers.

    The command returns its exit code.
    """

    @wraps(command)
    def run(*, data: Path | None, database: str | None, inbox: str | None, **rest: Any) -> None:
        for name, given in (("DATA", data), ("DATABASE_URL", database), ("INBOX_URL", inbox)):
            if given is not None:
                os.environ[f"ORDERHUB_{name}"] = str(given)
        to_stderr()
        if code := command(**rest):
            raise typer.Exit(code)

    common = (("data", Data), ("database", Database), ("inbox", Inbox))
    return _with(run, command, [inspect.Parameter(name, _NAMED, default=None, annotation=of) for name, of in common])


_NAMED = inspect.Parameter.KEYWORD_ONLY


def _with(run: Callable[..., Any], command: Command, more: Sequence[inspect.Parameter]) -> Command:
    """`run`, which typer takes for the command with more options."""
    signature, hints = inspect.signature(command), get_type_hints(command, include_extras=True)
    own = [parameter.replace(kind=_NAMED, annotation=hints[name]) for name, parameter in signature.parameters.items()]
    run.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {**hints, **{parameter.name: parameter.annotation for parameter in more}}
    return run  # type: ignore[return-value]  # the same command with more options


def tell(answer: Any, sentence: str, *, as_json: bool) -> None:
    """The sentence for people, or the answer as one line of JSON."""
    typer.echo(msgspec.json.encode(answer).decode() if as_json else sentence)


def columns(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table for a terminal, as `aligned`, below its headings."""
    return aligned(rows, [tr(name) for name in headings])


def aligned(rows: Sequence[Sequence[object]], *above: Sequence[str]) -> list[str]:
    """A line each: figures to the right, all else to the left, blanks for what is not known."""
    lines = [*above, *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    figures = [any(map(_is_figure, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, line, widths, figures)).rstrip() for line in lines]


def _is_figure(cell: object) -> bool:
    return isinstance(cell, int) or (isinstance(cell, str) and DECIMALS.fullmatch(cell) is not None)


def _cell(cell: object) -> str:
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell)


def _width(text: str) -> int:
    return sum(2 if is_wide(letter) else 1 for letter in text)


def _padded(text: str, width: int, figure: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if figure else text + blanks


def counted(count: int, noun: str) -> str:
    """`1 row`, `2 rows`, `1,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def instant(text: str, zone: str = "", option: str = "--as-of") -> int:
    """A time that a user wrote after an option, as microseconds UTC; without a zone of its own it is meant in `zone`.
    Raises UserMistake."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        how = "{option} {text!r}: write a time like 2026-11-11T20:00:00+08:00"
        raise UserMistake(how, option=option, text=text) from None
    if moment.tzinfo is None and zone:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    if moment.tzinfo is None:
        raise UserMistake("{option} {text}: add the time zone, e.g. {text}+08:00", option=option, text=text)
    return round(moment.timestamp() * 1_000_000)


def moment(at: str, zone: str) -> int:
    """What a user wrote after `--at`, or now: microseconds UTC. Raises UserMistake as `instant`."""
    return instant(at, zone, "--at") if at else time.time_ns() // 1_000


def who(by: str | None) -> str:
    """Whose word it is; empty where nobody says so and the machine does not know who we are."""
    if by is not None:
        return by
    try:
        return getpass.getuser()[:LONGEST_NAME]
    except (OSError, KeyError):
        return ""


def dated(row: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    """Instants (`at`, `since`, `until`, and names that end in `_at`) as people write them, in the hub's time zone."""
    return {
        name: written(value, zone) if name in INSTANTS or name.endswith("_at") else value for name, value in row.items()
    }


def written(at: int | None, zone: tzinfo) -> str | None:
    """An instant (microseconds UTC) as people write it, in the hub's time zone."""
    return None if at is None else datetime.fromtimestamp(at / 1e6, zone).isoformat(sep=" ", timespec="seconds")
