"""All that the web service has of pridok, put together: door, pages, GraphQL, and what runs beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp

from assets.pridok.clinic import Clinic
from assets.pridok.finishing import Finishing
from assets.pridok.practice import Practice
from assets.pridok.reception import Reception
from assets.pridok.register import Register
from resources.mail import MailServer
from resources.settings import Settings
from resources.video import Video
from web import consultations, emergency, followup, patient, pridok, reports
from web import register as register_pages
from web.changes import Changes, Listening
from web.graph import Care
from web.graph_door import PATH, GraphDoor
from web.intake import Surroundings
from web.letters import Letters
from web.life import Closes, Runs
from web.staff import House, Page


@dataclass(frozen=True)
class Parts:
    """For the lists of ``web.app``. ``sockets`` take websockets as well."""

    doors: dict[str, ASGIApp]
    sockets: dict[str, ASGIApp]
    pages: list[Page]
    runs: Sequence[Runs]
    closes: Sequence[Closes]


def parts(settings: Settings, around: Surroundings, house: House) -> Parts:
    """What these settings describe; a wrong key ends the start, a missing one closes the door."""
    clinic, http = Clinic(settings), httpx.Client(trust_env=False, follow_redirects=False)
    video = Video(settings.text("VIDEO_URL"), http) if settings.text("VIDEO_URL") else None
    practice, finishing = Practice(clinic, video), Finishing(clinic, around.arrived)
    register = Register(clinic)
    care = Care(clinic, practice, finishing, Changes())
    door = pridok.door(settings, Reception(clinic), around)
    graph = GraphDoor(house, care)
    return Parts(
        doors={pridok.PATH: door, PATH: graph},
        sockets={PATH: graph},
        pages=[
            *consultations.pages(clinic, practice, finishing, register),
            *emergency.pages(clinic, register),
            *register_pages.pages(clinic, register),
            *followup.pages(clinic),
            *patient.pages(clinic),
            *reports.PAGES,
        ],
        runs=[
            Listening(settings.database_url, care.changes),
            Letters(clinic, MailServer.read(settings)),
        ],
        closes=[door, http, clinic],
    )
