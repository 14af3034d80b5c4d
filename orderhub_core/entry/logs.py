"""Structured logs: one JSON object a line on the error stream, without personal data."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog


class Bare(logging.Formatter):
    """The libraries' own lines in the same form. Of an exception only its kind and place: its text, and the frames
    that led to it, may hold what a message said."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage().strip(),
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
    structlog.configure(
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
