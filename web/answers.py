"""What a door says: an answer ready to be sent, and the problems it may name.

An answer is made once and sent often: its ASGI messages are built with it. Problems follow RFC 9457; they name
a place and a rule, never a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.types import Message, Send


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose bytes are known."""

    status: int
    start: Message
    body: Message

    async def __call__(self, send: Send) -> None:
        """Send it."""
        await send(self.start)
        await send(self.body)


def answer(status: int, content: bytes, kind: str = "application/json", **headers: str) -> Answer:
    """An answer; ``retry_after="1"`` becomes the header ``retry-after: 1``."""
    fields = {"content-type": kind, "content-length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        status,
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        },
        {"type": "http.response.body", "body": content},
    )


def problem(status: int, detail: str, *, members: Mapping[str, Any] | None = None, **headers: str) -> Answer:
    """A refusal: what is wrong, and where (``index`` of the element, ``place`` inside it)."""
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(members or {})}
    return answer(status, msgspec.json.encode(content), "application/problem+json", **headers)


class Refusal(Exception):
    """The request gets this answer, and nothing of it is kept."""

    def __init__(self, what: Answer) -> None:
        super().__init__(what.status)
        self.answer = what
