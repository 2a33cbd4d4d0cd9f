"""The web service, put together: ``uvicorn --factory web.app:create_app``, or ``python -m web``.

The doors stand in front, found by their exact path; everything else is Starlette's. Nothing happens at import.
"""

from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assets.hcoint.book import Book
from assets.hcoint.sending import partners
from assets.openmrs.sending import links
from resources.notices import Notices
from resources.settings import Settings
from resources.store import order_lists
from resources.store.connect import Borrowed
from resources.store.intake import Intake
from resources.store.seal import Sealer
from web import (
    asking,
    care,
    consultations,
    elation,
    emergency,
    openmrs,
    order_metrics,
    redox,
    reportstream,
    sync,
)
from web import orders as order_pages
from web.body import Bodies
from web.bulk import Uploading
from web.bulk_door import PATH as BULK
from web.bulk_door import BulkDoor
from web.bulk_pages import pages as bulk_pages
from web.exceptions import pages as exception_pages
from web.figures import Figures
from web.health import Health
from web.hl7 import Hl7Door
from web.intake import Surroundings
from web.life import Life
from web.metrics import Metrics
from web.opening import Opening
from web.proof import Secrets
from web.recorded import Takes
from web.staff import House, Site
from web.watch import Watch, embedded_data


class Web:
    """Every request: to a door past all middleware, else to the pages."""

    def __init__(
        self, doors: Mapping[str, ASGIApp], pages: ASGIApp, sockets: Mapping[str, ASGIApp] | None = None
    ) -> None:
        self._doors, self._pages, self._sockets = doors, pages, sockets or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in where it belongs."""
        ways = {"http": self._doors, "websocket": self._sockets}.get(scope["type"], {})
        door = ways.get(scope.get("path", ""))
        await (door or self._pages)(scope, receive, send)


def create_app(settings: Settings | None = None) -> Web:
    """The service as these settings (the environment) want it; a wrong setting ends the start.

    To add a door, a route or something that runs beside them, enter it in one of the lists.
    """
    settings = settings or Settings.read()
    sealer = Sealer(settings.keys)
    store = Borrowed(settings.database_url, "handoff web")
    opening = Opening(maintenance=settings.choice("HANDOFF_MAINTENANCE", ("off", "on")) == "on")
    asker = asking.Asking(store, asking.dagster_url(settings), asking.windows(settings))
    notices = Notices(settings.several("HANDOFF_NOTICE_URLS"))
    watch = Watch(
        store,
        notices,
        opening,
        windows=asking.seconds(settings),
        data=embedded_data(settings.database_url),
        also=[order_lists.incidents, emergency.incidents],
    )
    intake = Intake(
        settings.database_url,
        sealer,
        original_wait=settings.number("REPORTSTREAM_ORIGINAL_WAIT_SECONDS", 3600.0),
    )
    around = Surroundings(intake, Bodies(), opening, Figures(), asker.arrived)
    book = Book(settings, partners(settings))
    orders = redox.door(settings, book, around, lambda incident: notices.say([incident], []))
    doors: dict[str, ASGIApp] = {
        reportstream.PATH: reportstream.door(settings, sealer, around),
        elation.PATH: elation.door(settings, sealer, around),
        redox.PATH: orders,
    }
    house = House(settings, store)
    clinic = care.parts(settings, around, house)
    hospitals = links(settings)
    doors |= clinic.doors
    doors |= openmrs.doors(settings, hospitals, sealer, around)
    tokens = Secrets.read(settings, "HANDOFF_TOKENS_METRICS")
    waits = asking.seconds(settings)
    metrics = Metrics(store, tokens, around.figures, waits, also=[order_metrics.families])
    routes = [
        Route("/health", Health(settings.database_url, watch, opening).__call__),
        Route("/metrics", metrics.__call__),
    ]
    life = Life(
        starts=[intake, Hl7Door(settings, book, around)],
        runs=[
            watch,
            asker,
            Takes(settings.database_url, around, {elation.LANE: elation.recorded(sealer)}),
            *clinic.runs,
        ],
        closes=[orders, book, *clinic.closes, store],
    )
    uploading = Uploading(settings, store, around)
    scanner = settings.text("HANDOFF_CLAMD")
    site = Site(
        house,
        meter=around.figures.pages,
        pages=[
            *order_pages.pages(book, around.arrived, scanner=scanner),
            *bulk_pages(uploading),
            *exception_pages(),
            *clinic.pages,
            *sync.pages(hospitals, settings),
        ],
        todos=[order_pages.todos, consultations.todos, sync.todos],
        owns=[order_pages.owns],
    )
    doors[BULK] = BulkDoor(settings, uploading, opening, site)
    return Web(doors, site.app(routes, life), clinic.sockets)
