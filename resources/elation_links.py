"""Which patient of Elation is the patient of a chart: remembered, searched for, or told by a 409.

Elation has no search by ``metadata.object_id``, where we keep the chart's id: it is searched by name and birth
date, and the hits are told apart by that id. Where it is not certain, nothing is linked and a person decides.
"""

from collections.abc import Mapping

from resources import elation_patients, partner_http
from resources.elation_api import Api, Known
from resources.elation_patients import Found
from resources.errors import Refused
from resources.store.values import Message

PATIENTS = "/patients/"
PATIENT = "/patients/{patient}/"
#: What a patient can be searched by.
FACTS = ("last_name", "first_name", "dob")
#: A merged patient may have been merged again; no farther than this.
MOST_MERGES = 5
#: How many charts a process remembers by itself, about 20 MB of them.
KEPT_IDS = 100_000


class Links:
    """The links from charts to patients."""

    def __init__(self, api: Api, known: Known, *, most: int = KEPT_IDS) -> None:
        self._api, self._known, self._most = api, known, most
        self._ids: dict[str, str] = {}

    async def find(self, message: Message) -> str | None:
        """Elation's id of the chart's patient, or None where Elation has nobody with the chart's id.

        A new chart is looked for by all three facts. What should be there already is looked for by fewer, too:
        its name or its birth date may have changed.
        """
        chart = message.address["chart"]
        if patient := self._ids.get(chart):
            return patient
        if patient := await self._known.get(chart):
            self._keep(chart, patient)
            return patient
        for facts in [FACTS] if message.kind == "patient_create" else [FACTS, ("dob",), FACTS[:2]]:
            query = {name: message.address[name] for name in facts if message.address.get(name)}
            if query and (found := await self._carrying(chart, query)):
                return await self.remember(chart, str(found.id))
        return None

    async def point(self, message: Message, duplicate: Refused) -> str:
        """The patient that a 409 points to, if it is this chart's; ``Refused`` if that is not certain."""
        pointed = elation_patients.duplicate_of(duplicate.answer)
        if not pointed:
            raise Refused(f"{duplicate}, and it points to no patient", status=409, answer=duplicate.answer)
        chart, found = message.address["chart"], await self._survivor(pointed)
        wanted = elation_patients.read_wanted(message.body)
        members = {message.address[name] for name in ("member_id", "medicaid_id") if name in message.address}
        alike = found.chart is None and elation_patients.same_person(found, wanted, members)
        if not found.deleted_date and (found.chart == chart or alike):
            return await self.remember(chart, str(found.id))
        raise Refused(
            f"{duplicate}: Elation has somebody of this name and birth date, but no phone, address or member "
            "id agrees, or it belongs to another chart; decide in Elation, then retry or skip",
            status=409,
            answer=duplicate.answer,
        )

    async def moved(self, chart: str, patient: str) -> str | None:
        """The patient into which a remembered one was merged; None where it was not merged but is gone."""
        try:
            found = await self._survivor(patient)
        except Refused as error:
            if error.status in (404, 410):
                return None
            raise
        if str(found.id) == patient:
            return None
        return await self.remember(chart, str(self._free(found, chart).id))

    async def remember(self, chart: str, patient: str) -> str:
        """Link them from now on; the patient's id again."""
        await self._known.put(chart, patient)
        self._keep(chart, patient)
        return patient

    def _keep(self, chart: str, patient: str) -> None:
        """In this process, for the charts last seen: most events find their patient here."""
        if chart not in self._ids and len(self._ids) >= self._most:
            del self._ids[next(iter(self._ids))]
        self._ids[chart] = patient

    async def _carrying(self, chart: str, query: Mapping[str, str]) -> Found | None:
        """Of the patients that fit the query, the one that carries the chart's id, or the one it became."""
        hits = await self._api.rows(elation_patients.read_found, PATIENTS, query)
        ours = [found for found in hits if found.chart == chart]
        standing = {
            found.id: found for found in ours if not found.deleted_date and not found.merged_into_chart
        }
        if len(standing) > 1:
            raise Refused(f"GET {PATIENTS}: two patients carry this chart's id; merge them in Elation")
        if standing or not ours:
            return next(iter(standing.values()), None)
        merged = [found for found in ours if found.merged_into_chart]
        if not merged:
            raise Refused(f"GET {PATIENTS}: the chart's patient was deleted in Elation; restore it or skip")
        return self._free(await self._survivor(str(merged[0].id)), chart)

    async def _survivor(self, patient: str) -> Found:
        """The patient of this id, or the one it was merged into."""
        for _ in range(MOST_MERGES):
            response = await self._api.call("GET", PATIENT, patient=patient)
            found = partner_http.decoded(response, elation_patients.read_found)
            into = str(found.merged_into_chart or "")
            if not into.isdecimal() or into == patient:
                return found
            patient = into
        raise Refused(f"GET {PATIENT}: merged and merged again without end; a person has to look")

    def _free(self, found: Found, chart: str) -> Found:
        """Two charts must not write to one patient in turns."""
        if found.chart not in (None, chart):
            raise Refused(f"GET {PATIENT}: merged into the patient of another chart; merge the charts in Arc")
        return found
