"""``GET /health``: may senders come, and does anything stand still. It shows no count and no name."""

import asyncio
from collections.abc import Callable
from time import monotonic

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from resources.store.connect import connect_async
from web.opening import Opening
from web.watch import Watch

#: A store that needs longer does not answer.
PATIENCE_SECONDS = 3.0
#: Whoever asks more often gets the same answer: each question is a connection.
FRESH_SECONDS = 1.0


class Health:
    """Asks the store on a connection of its own, one question at a time."""

    def __init__(
        self, url: str, watch: Watch, opening: Opening, now: Callable[[], float] = monotonic
    ) -> None:
        self._url, self._watch, self._opening, self._now = url, watch, opening, now
        self._one = asyncio.Lock()
        self._asked = float("-inf")
        self._answers = False

    async def __call__(self, request: Request) -> Response:
        """200 while the store answers, else 503."""
        if not await self._store_answers():
            return _said(503, {"status": "down", "store": "does not answer"})
        lanes, troubles = self._watch.lanes, list(self._watch.troubles)
        if self._opening.closed:
            troubles.append("closed")
        still = troubles or [word for word in lanes.values() if word not in ("ok", "failed")]
        return _said(200, {"status": "degraded" if still else "ok", "lanes": lanes, "troubles": troubles})

    async def _store_answers(self) -> bool:
        async with self._one:
            if self._now() - self._asked > FRESH_SECONDS:
                self._answers = await self._ask()
                self._asked = self._now()
            return self._answers

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                db = await connect_async(self._url, "handoff health")
                async with db:
                    await db.execute("SELECT 1 FROM lane LIMIT 1")
        except Exception:  # whatever it is: the store does not answer
            return False
        return True


def _said(status: int, content: object) -> Response:
    return Response(msgspec.json.encode(content), status, {"cache-control": "no-store"}, "application/json")
