"""A video provider in miniature: makes rooms and their chats for consultations.

Addresses follow Jitsi Meet: one unguessable name behind the host. A room ends by itself; after that its address
opens nothing. Asking twice with one reference gives the same room.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from .core import Reply, Request, System, as_json, as_text

USUAL_SECONDS = 7_200
_ROOM = re.compile(r"/rooms/([\w-]+)(/chat)?")


class Asked(msgspec.Struct):
    """What a new room is asked for with; more members are let pass."""

    reference: str = ""
    expires_in_seconds: float = USUAL_SECONDS


@dataclass(slots=True)
class Room:
    """One room; the chat is made when asked for."""

    id: str
    reference: str
    expires: float
    chat: str | None = None

    def shown(self, host: str) -> dict[str, object]:
        """The room with its addresses."""
        base = f"http://{host}/video"
        return {
            "id": self.id,
            "reference": self.reference,
            "url": f"{base}/{self.id}",
            "chat_url": None if self.chat is None else f"{base}/chat/{self.chat}",
            "expires_at": datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="seconds"),
        }


class Video(System):
    """The provider's rooms."""

    name = "video"

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._by_reference: dict[str, Room] = {}

    def answer(self, request: Request) -> Reply:
        if request.method == "POST" and request.path == "/rooms":
            return self.create(request)
        if found := _ROOM.fullmatch(request.path):
            return self.room(request, found[1], found[2] is not None)
        return self.enter(request)

    def create(self, request: Request) -> Reply:
        """A new room, or the one made for the same reference."""
        try:
            asked = msgspec.json.decode(request.body or b"{}", type=Asked)
        except msgspec.MsgspecError as wrong:
            return as_json(400, {"detail": str(wrong)})
        reference = asked.reference or request.header("idempotency-key")
        known = self._by_reference.get(reference) if reference else None
        if known is not None:
            return as_json(200, known.shown(request.header("host")))
        room = Room(
            f"consultation-{secrets.token_urlsafe(16)}", reference, time.time() + asked.expires_in_seconds
        )
        self._rooms[room.id] = room
        if reference:
            self._by_reference[reference] = room
        return as_json(201, room.shown(request.header("host")), effect=True)

    def room(self, request: Request, name: str, chat: bool) -> Reply:
        """Shows a room, gives it a chat, or ends it."""
        room = self._rooms.get(name)
        if room is None:
            return as_json(404, {"detail": "There is no such room."})
        if request.method == "DELETE" and not chat:
            room.expires = 0.0
            return Reply(204, effect=True)
        made = request.method == "POST" and chat
        if made:
            room.chat = room.chat or secrets.token_urlsafe(16)
        return as_json(201 if made else 200, room.shown(request.header("host")), effect=made)

    def enter(self, request: Request) -> Reply:
        """What a browser sees behind a room's or a chat's address."""
        name = request.path.strip("/").removeprefix("chat/")
        room = self._rooms.get(name) or next((one for one in self._rooms.values() if one.chat == name), None)
        if room is None:
            return as_text(404, "There is no such room.")
        if room.expires <= time.time():
            return as_text(410, "This room has ended.")
        page = (
            "<!doctype html><html lang=en><title>Room</title><main><h1>You are in the room</h1></main></html>"
        )
        return as_text(200, page, "text/html; charset=utf-8")

    def records(self) -> object:
        """Every room by its id."""
        return {room.id: room.shown("") for room in self._rooms.values()}

    def forget(self, everything: bool) -> None:
        if everything:
            self._rooms.clear()
            self._by_reference.clear()
