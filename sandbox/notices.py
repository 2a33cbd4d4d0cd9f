"""Where notices for operators arrive: a JSON webhook as apprise posts it (``json://host:port/notices/``)."""

from __future__ import annotations

from .core import Reply, Request, System, as_json


class Notices(System):
    """Somebody's chat channel."""

    name = "notices"

    def __init__(self) -> None:
        self._told: list[dict[str, object]] = []

    def answer(self, request: Request) -> Reply:
        try:
            notice = request.json()
        except ValueError:
            return as_json(400, {"detail": "A notice is a JSON object."})
        if not isinstance(notice, dict):
            return as_json(400, {"detail": "A notice is a JSON object."})
        self._told.append({name: notice.get(name) for name in ("type", "title", "message")})
        return as_json(200, {"ok": True}, effect=True)

    def records(self) -> object:
        """Every notice: type, title, message."""
        return self._told

    def forget(self, everything: bool) -> None:
        self._told.clear()
