"""OpenMRS over its feed, FHIR2 and REST: their manners in one place.

FHIR2 gives a POST its own uuid, ignores If-None-Exist and If-Match, answers an edited observation under
another uuid, refuses a sign-in with an HTML page and no challenge, and reads a password only up to a colon.
So: Basic is sent unasked, ids are taken from the answer, and whoever writes reads back afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from resources.errors import PartnerAway, Refused, TryLater
from resources.fhir_server import FHIR_JSON, Call, FhirServer

#: A page of five entries is about 5 kB; more than this is not a page.
LARGEST_PAGE = 2_500_000


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """What a feed's address answered; the meaning of a 500 is in its text."""

    status: int
    body: bytes = field(repr=False)


class _Meta(msgspec.Struct, frozen=True):
    lastUpdated: str = ""


class _Stamped(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


_stamped = msgspec.json.Decoder(_Stamped).decode


class OpenMrs(FhirServer):
    """One OpenMRS server. ``base`` ends with the context path, usually ``/openmrs``."""

    fhir = "/ws/fhir2/R4"
    name = "OpenMRS"

    def media(self, template: str) -> str:
        """REST answers JSON only to those who ask for it."""
        if template.startswith("/ws/atomfeed"):
            return "application/atom+xml, text/plain, */*"
        return "application/json" if template.startswith("/ws/rest") else FHIR_JSON

    async def page(self, category: str, number: int) -> FeedAnswer:
        """A page of a feed, or its newest under the number 0. A server that is away raises ``TryLater``."""
        path = {"category": category, "page": str(number) if number else "recent"}
        try:
            answer = await self._ask("GET", "/ws/atomfeed/{category}/{page}", path=path, largest=LARGEST_PAGE)
        except PartnerAway:
            raise
        except Refused as refused:
            return FeedAnswer(refused.status, refused.answer)
        except TryLater as later:
            if later.status == 500:
                return FeedAnswer(500, later.answer)
            if _too_large(later):
                return FeedAnswer(413, b"")
            raise
        return FeedAnswer(200, answer.content)

    async def history_of(self, patient: str) -> list[bytes]:
        """Visits, encounters and observations of a patient, for one who moved into a catchment (R16).

        Two searches, for ``$everything`` leaves some types out. Visits come mixed with encounters.
        """
        encounters = await self.search("Encounter", {"patient": patient})
        return encounters + await self.search("Observation", {"patient": patient})

    async def changed_between(self, kind: str, since: str, until: str) -> list[bytes]:
        """Records changed in a window, to close a gap in the feed (R5); voided ones never appear here."""
        window = {"_lastUpdated": f"ge{since}"} if since else {}
        found = await self.search(kind, window)
        return [body for body in found if not until or _changed_at(body) <= until[:19]]

    def _conditions(self, call: Call) -> Mapping[str, str]:
        """None: FHIR2 would ignore them, and a condition that is not kept misleads who reads the log."""
        return {}


def _too_large(later: TryLater) -> bool:
    return later.status == 0 and "larger than we accept" in str(later)


def _changed_at(body: bytes) -> str:
    return _stamped(body).meta.lastUpdated[:19]
