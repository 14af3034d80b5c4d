"""Structured logs: one JSON object a line on the error stream, without personal data.

ORDERHUB_LOG=debug tells of every batch; by default only of what somebody may want to look at.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from orderhub_core.errors import UserMistake

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Bare(logging.Formatter):
    """The libraries' own lines in the same form. Of an exception only its kind and place: its text, and the frames
    that led to it, may hold what a message said."""

    def format(self, record: logging.LogRecord) -> str:
        # One line of it: what libraries append on further lines are representations of objects and errors.
        line = {
            "event": record.getMessage().strip().partition("\n")[0],
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["kind"] = record.exc_info[0].__name__
            if frames := traceback.extract_tb(record.exc_info[2]):
                line["where"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return msgspec.json.encode(line).decode()


def to_stderr() -> None:
    """Everything that this process says from now on. Raises UserMistake for an unknown level."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_level()),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(Bare())
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _thread_ended


def _level() -> int:
    name = os.environ.get("ORDERHUB_LOG") or "info"
    if name not in LEVELS:
        raise UserMistake("ORDERHUB_LOG={name}: write one of {levels}", name=name, levels=tuple(LEVELS))
    return LEVELS[name]


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    """Instead of a traceback with the error's text."""
    named = told.thread.name if told.thread is not None else ""
    error = told.exc_value or told.exc_type()
    logging.getLogger("threading").error("the thread %s ended", named, exc_info=error)
