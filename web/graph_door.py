"""The way to ``/graphql``: nobody without a session gets further, by HTTP or websocket.

A request that changes something is JSON and comes from our own pages or from a program: a page of another origin can
send neither the one nor the session's cookie (it is SameSite).
"""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL

from assets.pridok.actors import Actor, Role
from web.answers import problem
from web.graph import Asking, Care, schema
from web.staff import House
from web.staff.sessions import Visit, same_origin, visit

PATH = "/graphql"
LARGEST = 200_000
NOBODY = problem(401, "sign in first: what is asked here is answered to people with a session only")
FOREIGN = problem(403, "this did not come from a page of ours")
TOO_LARGE = problem(413, f"a query has at most {LARGEST:,} bytes, and its content-length says so")
JSON_ONLY = problem(415, "send application/json by POST")
#: As RFC 6455 leaves free for applications; browsers show it to the page.
CLOSED_NOBODY = 4401


class GraphDoor(GraphQL[Any, Any]):
    """Strawberry's application behind our session."""

    def __init__(self, house: House, care: Care) -> None:
        super().__init__(schema, graphql_ide=None, allow_queries_via_get=False, keep_alive=True)
        self._house, self._care = house, care

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request or a websocket of somebody who is signed in; others are told so."""
        asked = HTTPConnection(scope)
        who = await run_in_threadpool(visit, self._house, asked, touch=False)
        if scope["type"] == "websocket":
            if who is None or not same_origin(asked):
                await WebSocket(scope, receive, send).close(CLOSED_NOBODY)
                return
        elif refused := _refused(asked, who):
            await refused(send)
            return
        await super().__call__({**scope, "handoff.visit": who}, receive, send)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> dict[str, Any]:
        """Who asks, for the resolvers."""
        who: Visit = request.scope["handoff.visit"]
        actor = Actor(who.person.name, Role(who.person.role.value))
        return {"asking": Asking(actor, self._care, self._alive(request))}

    def _alive(self, request: HTTPConnection) -> Callable[[], bool]:
        return lambda: visit(self._house, request, touch=False) is not None


def _refused(asked: HTTPConnection, who: Visit | None) -> Any:
    if who is None:
        return NOBODY
    if not same_origin(asked):
        return FOREIGN
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if asked.scope["method"] != "POST" or kind != "application/json":
        return JSON_ONLY
    length = asked.headers.get("content-length", "")
    return None if length.isdecimal() and int(length) <= LARGEST else TOO_LARGE
