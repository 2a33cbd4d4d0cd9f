"""The web service, put together: ``uvicorn --factory web.app:create_app``, or ``python -m web``.

The doors stand in front, found by their exact path; everything else is Starlette's. Nothing happens at import.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from resources.notices import Notices
from resources.settings import Settings
from resources.store.connect import Borrowed
from resources.store.intake import Intake
from resources.store.seal import Sealer
from web import asking, elation, logs, reportstream
from web.body import Bodies
from web.figures import Figures
from web.health import Health
from web.intake import Surroundings
from web.metrics import Metrics
from web.opening import Opening
from web.proof import Secrets
from web.watch import Watch, embedded_data


class Web:
    """Every request: to a door past all middleware, else to the pages."""

    def __init__(self, doors: Mapping[str, ASGIApp], pages: ASGIApp) -> None:
        self._doors, self._pages = doors, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in where it belongs."""
        door = self._doors.get(scope["path"]) if scope["type"] == "http" else None
        await (door or self._pages)(scope, receive, send)


def create_app(settings: Settings | None = None) -> Web:
    """The service as these settings (the environment) want it; a wrong setting ends the start."""
    settings = settings or Settings.read()
    sealer = Sealer(settings.keys)
    store = Borrowed(settings.database_url, "handoff web")
    opening = Opening(maintenance=settings.choice("HANDOFF_MAINTENANCE", ("off", "on")) == "on")
    waits = asking.windows(settings)
    seconds = {lane: window.seconds for lane, window in waits.items()}
    asker = asking.Asking(store, asking.dagster_url(settings), waits)
    watch = Watch(
        store,
        Notices(settings.several("HANDOFF_NOTICE_URLS")),
        opening,
        windows=seconds,
        data=embedded_data(settings.database_url),
    )
    intake = Intake(
        settings.database_url,
        sealer,
        original_wait=settings.number("REPORTSTREAM_ORIGINAL_WAIT_SECONDS", 3600.0),
    )
    around = Surroundings(intake, Bodies(), opening, Figures(), asker.arrived)
    doors = {lane.PATH: lane.door(settings, sealer, around) for lane in (reportstream, elation)}
    metrics = Metrics(store, Secrets.read(settings, "HANDOFF_TOKENS_METRICS"), around.figures, seconds)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        logs.set_up()
        asyncio.get_running_loop().set_exception_handler(logs.task_failed)
        await intake.start()
        tasks = [asyncio.create_task(one.run()) for one in (watch, asker)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await intake.stop()
            store.close()

    routes = [
        Route("/health", Health(settings.database_url, watch, opening).__call__),
        Route("/metrics", metrics.__call__),
    ]
    return Web(doors, Starlette(routes=routes, lifespan=life))
