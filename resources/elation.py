"""Elation: finds, creates and updates the patient of a chart, and brings the policies after.

``send`` sends one message and returns a receipt or raises ``resources.errors``; ``ask`` finds out, after
``Unsure``, whether Elation has it. Elation has no idempotency key and no search by our chart id: a patient is
created only after a search, and found again by ``metadata.object_id``, which holds the chart id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import msgspec

from resources import elation_patients, partner_http
from resources.elation_api import Api, Known, Settings, document
from resources.elation_links import PATIENT, PATIENTS, Links
from resources.elation_policies import Policies
from resources.errors import PartnerAway, Refused
from resources.store.values import Message, Receipt

T = TypeVar("T")

PHYSICIANS = "/physicians/"
LANGUAGES = "/languages/"
#: One 403 is about one record; messages refused so in a row, this many, are about our account.
FORBIDDEN_IN_A_ROW = 3
#: Under this name is remembered that they were so many: the next run must not give up two messages to see it.
FORBIDDEN = "\x1fforbidden"
#: Practices and physicians change; what was read of them is read again after a day.
SETUP_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What the live system says of our place in it: ids, and the languages it knows (None: it does not say)."""

    primary_physician: int
    languages: tuple[str, ...] | None


class _Physician(msgspec.Struct):
    id: int
    first_name: str | None = None
    last_name: str | None = None
    is_active: bool = True

    def is_called(self, first: str, last: str) -> bool:
        """By this first name and, if one is given, this last name."""
        named = (self.first_name or "").casefold() == first.casefold()
        return named and (not last or (self.last_name or "").casefold() == last.casefold())


class _Language(msgspec.Struct):
    name: str


_read_physician = msgspec.json.Decoder(_Physician).decode
_read_language = msgspec.json.Decoder(_Language | str).decode


class Elation:
    """One practice in Elation. Sends one message at a time; Elation has no batch."""

    def __init__(
        self,
        over: httpx.AsyncBaseTransport,
        settings: Settings,
        known: Known,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self._api = Api(over, settings, clock=clock, sleep=sleep)
        self._clock = clock
        self._known = known
        self._links = Links(self._api, known)
        self._policies = Policies(self._api, known, settings.policy_names)
        self._setup: tuple[float, Setup] | None = None
        self._forbidden: int | None = None

    async def send(self, message: Message) -> Receipt:
        """Send it; the receipt carries Elation's id of the patient. ``PartnerAway`` when our rights are in doubt."""
        return await self._with_rights(self._sent, message)

    async def ask(self, message: Message) -> Receipt | None:
        """Whether Elation has all that the message says; its receipt if so. Changes nothing."""
        return await self._with_rights(self._held, message)

    async def _with_rights(self, act: Callable[[Message], Awaitable[T]], message: Message) -> T:
        """Counted by message: that we may search says nothing about whether we may write."""
        if self._forbidden is None:
            self._forbidden = int(await self._known.get(FORBIDDEN) or 0)
        try:
            done = await act(message)
        except Refused as error:
            if error.status:  # else Elation has said nothing
                await self._count_forbidden(self._forbidden + 1 if error.status == 403 else 0)
            if error.status != 403 or self._forbidden < FORBIDDEN_IN_A_ROW:
                raise
            text, answer = f"{error}, {self._forbidden} times in a row; check our rights there", error.answer
        else:
            await self._count_forbidden(0)
            return done
        raise PartnerAway(text, status=403, answer=answer)

    async def _count_forbidden(self, now: int) -> None:
        before, self._forbidden = self._forbidden or 0, now
        if (before < FORBIDDEN_IN_A_ROW) != (now < FORBIDDEN_IN_A_ROW):
            await self._known.put(FORBIDDEN, str(now))

    async def _sent(self, message: Message) -> Receipt:
        patient = await self._links.find(message)
        if message.kind == "policies":
            return await self._send_policies(message, patient)
        if patient:
            return await self._patch(patient, message)
        if message.kind == "patient_change":
            raise Refused(f"PATCH {PATIENT}: Elation has no patient for this chart; send its creation first")
        return await self._create(message)

    async def _held(self, message: Message) -> Receipt | None:
        patient = await self._links.find(message)
        if not patient:
            return None
        if message.kind == "policies":
            held = await self._policies.hold(patient, message.address["chart"], message.body)
            return Receipt(external_id=patient) if held else None
        try:
            response = await self._api.call("GET", PATIENT, patient=patient)
        except Refused as error:
            if error.status in (404, 410):
                return None
            raise
        held = elation_patients.holds(document(response), msgspec.json.decode(message.body))
        return _receipt(patient, response) if held else None

    async def setup(self) -> Setup:
        """Our physician's id and Elation's languages, read once a day. ``PartnerAway`` when nobody fits."""
        if self._setup and self._clock() < self._setup[0] + SETUP_SECONDS:
            return self._setup[1]
        name = self.settings.primary_physician
        physician = int(name) if name.isdecimal() else await self._physician(name)
        setup = Setup(physician, await self._languages())
        self._setup = self._clock(), setup
        return setup

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _send_policies(self, message: Message, patient: str | None) -> Receipt:
        if not patient:
            raise Refused("policies: Elation has no patient for this chart; send its creation first")
        await self._policies.write(patient, message.address["chart"], message.body)
        return Receipt(external_id=patient)

    async def _patch(self, patient: str, message: Message) -> Receipt:
        try:
            return await self._change(patient, message)
        except Refused as error:
            if error.status not in (404, 410):
                raise
            gone = error
        if survivor := await self._links.moved(message.address["chart"], patient):
            return await self._change(survivor, message)
        text = f"{gone}: the patient is gone from Elation; link the chart to another or skip"
        raise Refused(text, status=gone.status, answer=gone.answer)

    async def _change(self, patient: str, message: Message) -> Receipt:
        response = await self._api.call("PATCH", PATIENT, message.body, patient=patient)
        document(response)
        return _receipt(patient, response)

    async def _create(self, message: Message) -> Receipt:
        try:
            response = await self._api.call("POST", PATIENTS, message.body)
        except Refused as refused:
            if refused.status != 409:
                raise
            duplicate = refused
        else:
            patient = str(partner_http.decoded(response, elation_patients.read_found).id)
            await self._links.remember(message.address["chart"], patient)
            return _receipt(patient, response)
        return await self._patch(await self._links.point(message, duplicate), message)

    async def _physician(self, name: str) -> int:
        """The one active physician of this name: a first name, or first and last."""
        first, _, last = name.strip().partition(" ")
        query = {"first_name": first} | ({"last_name": last} if last else {})
        rows = await self._api.rows(_read_physician, PHYSICIANS, query)
        ids = {one.id for one in rows if one.is_active and one.is_called(first, last)}
        if len(ids) != 1:
            raise PartnerAway(
                f"GET {PHYSICIANS}: {len(ids) or 'no'} active physicians have the name in "
                "ELATION_PRIMARY_PHYSICIAN; set it to the id of the right one"
            )
        return ids.pop()

    async def _languages(self) -> tuple[str, ...] | None:
        """The names Elation takes as preferred language; None where this system offers no list."""
        try:
            rows = await self._api.rows(_read_language, LANGUAGES)
        except Refused:
            return None
        return tuple(row if isinstance(row, str) else row.name for row in rows)


def connect(settings: Settings, known: Known) -> Elation:
    """The client over real connections; close it by ``aclose()``."""
    return Elation(partner_http.transport(connections=settings.concurrency), settings, known)


def _receipt(patient: str, response: httpx.Response) -> Receipt:
    return Receipt(status=response.status_code, external_id=patient, answer=response.content)
