"""Logs of this process: one JSON object a line, ids and counts only.

The text of an exception may quote what a sender sent, so only its type and the line of ours it came through are
written. Libraries that log addresses or values are quiet.
"""

import asyncio
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

#: Loggers that would repeat addresses, parameters or bodies, and from which level on they may speak.
QUIET = {
    "apprise": logging.CRITICAL,
    "asyncio": logging.CRITICAL,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "psycopg": logging.ERROR,
    "psycopg.pool": logging.ERROR,
    "uvicorn.access": logging.CRITICAL,
}


def place_of(error: BaseException) -> str:
    """The type of an exception and the innermost line of ours it passed: ``ValueError at web/app.py:12``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts:
            return f"{type(error).__name__} at {path.relative_to(ROOT)}:{frame.lineno}"
    return type(error).__name__


class JsonLines(logging.Formatter):
    """A record as one JSON object; no traceback, no text of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = place_of(record.exc_info[1])
            if not record.name.startswith("handoff"):  # a library's words may repeat the exception's
                line["text"] = str(record.msg).partition("\n")[0]
        return json.dumps(line, ensure_ascii=False)


def set_up(level: int = logging.INFO) -> None:
    """Give the whole process these logs; uvicorn's own ones among them."""
    far = logging.StreamHandler(sys.stderr)
    far.setFormatter(JsonLines())
    logging.basicConfig(handlers=[far], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, floor in QUIET.items():
        logging.getLogger(name).setLevel(floor)


def task_failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaited, named without its text; for ``loop.set_exception_handler``."""
    error = context.get("exception")
    logging.getLogger("handoff.web").error(
        "a task ended badly: %s", place_of(error) if isinstance(error, BaseException) else "no exception"
    )
