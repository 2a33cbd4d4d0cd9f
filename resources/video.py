"""The video provider: makes a room and its chat for one consultation.

Addresses follow Jitsi Meet, one unguessable name behind the host. Asking twice with one reference gives the same
room, so a start that broke off is simply started again. Who may enter, and when, is not decided here.
"""

from dataclasses import dataclass, field

import httpx
import msgspec

#: A room ends by itself after this.
ROOM_SECONDS = 7_200
TIMEOUT = 10.0


class VideoAway(Exception):
    """No room could be made: the provider does not answer, or not with a room. Nothing was started."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where people meet. An address lets anybody in who has it, so it never shows in a repr."""

    url: str = field(repr=False)
    chat_url: str = field(repr=False)


class _Made(msgspec.Struct):
    id: str
    url: str
    chat_url: str | None = None


class Video:
    """One provider. Blocking: call it from a thread."""

    def __init__(self, origin: str, http: httpx.Client) -> None:
        self._origin, self._http = origin.rstrip("/"), http

    def room(self, reference: str) -> Room:
        """The room of this reference, with its chat."""
        made = self._post("/rooms", {"reference": reference, "expires_in_seconds": ROOM_SECONDS})
        whole = self._post(f"/rooms/{made.id}/chat", {})
        for address in (whole.url, whole.chat_url or whole.url):
            if httpx.URL(address).host != httpx.URL(self._origin).host:
                raise VideoAway("the video provider's room is on another host than VIDEO_URL")
        return Room(whole.url, whole.chat_url or whole.url)

    def _post(self, path: str, content: dict[str, object]) -> _Made:
        try:
            answer = self._http.post(self._origin + path, json=content, timeout=TIMEOUT)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=_Made)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            raise VideoAway(f"the video provider made no room ({type(error).__name__})") from None
