"""The way in: which desk a path belongs to, and the routes under ``/_sandbox`` that steer the systems."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

import msgspec
import orjson

from .core import Fault, Reply, Request, System, as_json
from .desk import Desk

CONTROL = "_sandbox"


class Front:
    """All systems behind one port."""

    def __init__(self, systems: Iterable[System]) -> None:
        self.desks = {system.name: Desk(system) for system in systems}

    def answer(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> Reply | Awaitable[Reply]:
        """Finds the desk by the first part of the path."""
        path, _, query = target.decode("latin-1").partition("?")
        slash = path.find("/", 1)
        name, rest = (path[1:], "/") if slash < 0 else (path[1:slash], path[slash:])
        request = Request(method, rest, query, headers, body)
        desk = self.desks.get(name)
        if desk is not None:
            return desk.receive(request)
        if name == CONTROL:
            return self.control(request)
        return as_json(404, {"detail": "There is no such system.", "systems": sorted(self.desks)})

    def control(self, request: Request) -> Reply | Awaitable[Reply]:
        """``/_sandbox``: the list of systems, or one system's log and faults."""
        name, _, rest = request.path.strip("/").partition("/")
        if not name:
            return as_json(200, {"systems": sorted(self.desks)})
        desk = self.desks.get(name)
        if desk is None:
            return as_json(404, {"detail": "There is no such system.", "systems": sorted(self.desks)})
        return steer(
            desk, Request(request.method, f"/{rest}", request.query_string, request.raw_headers, request.body)
        )


def steer(desk: Desk, request: Request) -> Reply | Awaitable[Reply]:
    """One system's routes under ``/_sandbox/<system>``."""
    match request.method, request.path:
        case "GET", "/received":
            return as_json(200, desk.shown(request.query.get("bodies", "1") != "0"))
        case "GET", "/records":
            return as_json(200, desk.system.records())
        case "GET", "/faults":
            return as_json(200, msgspec.to_builtins(desk.faults))
        case "POST", "/faults":
            return add_faults(desk, request.body)
        case "DELETE", "/":
            desk.forget(request.query.get("everything", "0") not in ("0", ""))
            return Reply(204)
    return desk.system.control(request) or as_json(404, {"detail": "There is no such route."})


def add_faults(desk: Desk, body: bytes) -> Reply:
    """Queues one fault, or an array of them, behind those already there."""
    try:
        asked = orjson.loads(body)
        faults = msgspec.convert(asked if isinstance(asked, list) else [asked], list[Fault])
    except (ValueError, msgspec.ValidationError) as wrong:
        return as_json(400, {"detail": f"Not a fault: {wrong}"})
    desk.faults.extend(faults)
    return as_json(201, {"faults": len(desk.faults)})
