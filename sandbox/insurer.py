"""An insurer in miniature: takes sealed consultation messages and cannot be asked whether it has one.

A message is known by the id its sender gives it; the same id again is taken for the same message and counted.
"""

from __future__ import annotations

import hashlib

from .core import Reply, Request, System, as_json

ID_HEADERS = ("idempotency-key", "webhook-id", "x-message-id")


class Insurer(System):
    """The insurer's inbox; what is in a message only its key can tell."""

    name = "insurer"

    def __init__(self) -> None:
        self._held: dict[str, dict[str, object]] = {}

    def answer(self, request: Request) -> Reply:
        if request.method not in ("POST", "PUT"):
            return as_json(405, {"detail": "Only POST and PUT are taken."})
        if not request.body:
            return as_json(400, {"detail": "The message is empty."})
        known = self._held.get(name := message_id(request))
        if known is None:
            self._held[name] = {"times": 1, "sha256": digest(request.body), "bytes": len(request.body)}
            return as_json(202, {"id": name, "duplicate": False}, effect=True)
        if known["sha256"] != digest(request.body):
            return as_json(409, {"detail": "Another message has this id."})
        known["times"] = int(str(known["times"])) + 1
        return as_json(200, {"id": name, "duplicate": True}, effect=True)

    def records(self) -> object:
        """Each message by its id: digest, size, how often it came."""
        return self._held

    def forget(self, everything: bool) -> None:
        self._held.clear()


def message_id(request: Request) -> str:
    """The id a sender gives a message: a header, else a member of the envelope, else its digest."""
    headers = request.headers
    if found := next((headers[name] for name in ID_HEADERS if headers.get(name)), None):
        return found
    try:
        envelope = request.json()
    except ValueError:
        return digest(request.body)
    named = (envelope.get(name) for name in ("id", "message_id")) if isinstance(envelope, dict) else ()
    return next((str(value) for value in named if value), digest(request.body))


def digest(body: bytes) -> str:
    """What a message is compared by."""
    return hashlib.sha256(body).hexdigest()
