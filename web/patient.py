"""``/visit/<token>``: the patient's page behind the link in the mail. Join while it lasts; afterwards, thanks.

The link is all the proof there is: it is unguessable, known to the store by its hash, and dies by time, by cancelling,
or once it has been used for a review. The page names nobody and says nothing of health.
"""

from typing import Final

from assets.pridok.clinic import Clinic
from assets.pridok.consultation import State
from assets.pridok.practice import behind_of
from resources.store import consultations as kept
from resources.store import visits
from resources.store.visits import Link
from web.staff import Page, PageRequest, Problem, Response, render
from web.staff.pages import PageFunction

PATH: Final = "/visit/{token}"
DEAD: Final = Problem(
    404, "This link does not work any more.", "If you wait for your appointment, please call us."
)
#: Tokens are 43 characters; what is longer is none.
LONGEST: Final = 100


def pages(clinic: Clinic) -> list[Page]:
    """Look and join; say how it was."""
    return [
        Page(PATH, look(clinic), None, title="Your appointment"),
        Page(PATH + "/review", reviewed(clinic), None, method="POST", title="Your appointment"),
    ]


class _Look:
    """The link in the address, while it is good, and where its consultation stands."""

    def __init__(self, clinic: Clinic, request: PageRequest) -> None:
        self.token: str = request.path_params["token"]
        with request.house.store() as db:
            found = visits.by_token(db, clinic.sealer, self.token[:LONGEST], clinic.now())
            row = kept.one(db, found.consultation) if found else None
        if found is None or row is None:
            raise DEAD
        self.link: Link = found
        self.state = State(row.state)


def look(clinic: Clinic) -> PageFunction:
    """Join, or the thanks."""

    def page(request: PageRequest) -> Response:
        seen = _Look(clinic, request)
        behind = behind_of(seen.link.body) if seen.state is State.IN_PROGRESS else None
        return render(
            request,
            "consultations/visit.html",
            token=seen.token,
            state=seen.state.value,
            behind=behind,
            thanked=False,
        )

    return page


def reviewed(clinic: Clinic) -> PageFunction:
    """Stars, once, after the end; the link is used up with them."""

    def page(request: PageRequest) -> Response:
        seen = _Look(clinic, request)
        stars = request.fields.get("stars", "")
        if seen.state is not State.COMPLETED or stars not in ("1", "2", "3", "4", "5"):
            raise Problem(409, "That is not possible now.", "After the end, choose one to five stars.")
        with request.house.store() as db:
            if not visits.reviewed(db, seen.token, int(stars), clinic.now()):
                raise DEAD
        return render(
            request,
            "consultations/visit.html",
            token="",
            state=seen.state.value,
            behind=None,
            thanked=True,
        )

    return page
