"""A clinic that is any FHIR R4 server: conditional creates, versions, and a lost race."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from assets.openmrs.events import Key, Side
from assets.openmrs.ports import Outcome
from assets.openmrs.sync import Sync
from resources.errors import TryLater, Unsure
from resources.fhir_server import FhirServer
from resources.openmrs import OpenMrs
from tests.openmrs.clinic import Remembered, link_of
from tests.openmrs.people import observation, own_id, patient

PARENT, CHILD = Side.PARENT, Side.CHILD


class R4:
    """A FHIR server in forty lines: ids of its own, versions, If-None-Exist and If-Match."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)
        self.writes: list[str] = []
        self.lose_answer_of = ""
        self.races = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        steps = request.url.path.removeprefix("/fhir/").split("/")
        answer = self.answer(request, steps)
        if request.method != "GET":
            self.writes.append(f"{request.method} {steps[0]}")
        if self.lose_answer_of == request.method:
            self.lose_answer_of = ""
            raise httpx.ReadTimeout("lost")
        return answer

    def answer(self, request: httpx.Request, steps: list[str]) -> httpx.Response:
        if request.method == "POST":
            wanted = request.headers.get("if-none-exist", "").partition("|")[2]
            known = self.matching(steps[0], wanted) if wanted else []
            return (
                self.shown(known[0], 200)
                if known
                else self.saved(f"{steps[0]}/{next(self.numbers)}", request, 201)
            )
        if request.method == "GET" and len(steps) == 1:
            found = self.matching(steps[0], request.url.params["identifier"].partition("|")[2])
            entries = [{"resource": self.held[key]} for key in found]
            return httpx.Response(200, json={"resourceType": "Bundle", "entry": entries})
        key = "/".join(steps)
        if key not in self.held:
            return httpx.Response(404, json={"resourceType": "OperationOutcome"})
        if request.method == "PUT":
            if self.races:
                self.held[key]["meta"] = {"versionId": "somebody-else-was-faster"}
            if request.headers.get("if-match") != self.etag(key):
                return httpx.Response(412, json={"resourceType": "OperationOutcome"})
            return self.saved(key, request, 200)
        return self.shown(key, 200)

    def matching(self, kind: str, value: str) -> list[str]:
        return [
            key
            for key, record in self.held.items()
            if key.startswith(f"{kind}/")
            and any(i.get("value") == value for i in record.get("identifier", []))
        ]

    def saved(self, key: str, request: httpx.Request, status: int) -> httpx.Response:
        version = str(next(self.numbers))
        body = json.loads(request.content)
        self.held[key] = body | {"id": key.partition("/")[2], "meta": {"versionId": version}}
        return self.shown(key, status)

    def etag(self, key: str) -> str:
        return f'W/"{self.held[key]["meta"]["versionId"]}"'

    def shown(self, key: str, status: int) -> httpx.Response:
        return httpx.Response(status, json=self.held[key], headers={"etag": self.etag(key)})


class Pair:
    """A parent that has some records, and a generic server."""

    def __init__(self, *records: Mapping[str, Any]) -> None:
        self.parent = {f"{record['resourceType']}/{record['id']}": dict(record) for record in records}
        self.child = R4()
        self.shelf = Remembered()
        link = link_of("https://x.test", child_kind="fhir-r4", filter={"kind": "all"})
        self.link = replace(link, child=replace(link.child, url="https://r4.test/fhir"))

    def settle(self, kind: str, name: str) -> Outcome:
        ends = {
            PARENT: OpenMrs(
                httpx.MockTransport(self.read), "https://x.test/openmrs", user="u", password="p", rate=1e6
            ),
            CHILD: FhirServer(httpx.MockTransport(self.child), "https://r4.test/fhir", rate=1e6),
        }
        sync = Sync(self.link, ends, self.shelf, self.link.catchment)
        done = asyncio.run(sync.settle(PARENT, Key(kind, own_id(name))))
        self.shelf.remember(done.state)
        return done.outcome

    def read(self, request: httpx.Request) -> httpx.Response:
        key = "/".join(request.url.path.split("/")[-2:])
        if key in self.parent:
            return httpx.Response(200, json=self.parent[key])
        return httpx.Response(404, json={"resourceType": "OperationOutcome"})

    def edit(self, record: Mapping[str, Any]) -> None:
        self.parent[f"{record['resourceType']}/{record['id']}"] = dict(record)


def test_records_are_created_with_their_origin_and_point_to_the_servers_own_ids() -> None:
    pair = Pair(patient(), {k: v for k, v in observation().items() if k != "encounter"})
    assert [pair.settle("Patient", "grace"), pair.settle("Observation", "height")] == [Outcome.APPLIED] * 2
    assert set(pair.child.held) == {"Patient/1", "Observation/3"}
    assert pair.child.held["Observation/3"]["subject"]["reference"] == "Patient/1"
    assert pair.child.held["Patient/1"]["identifier"][-1]["value"] == own_id("grace")
    assert [pair.settle("Patient", "grace"), pair.settle("Observation", "height")] == [Outcome.UNCHANGED] * 2


def test_a_change_is_put_with_the_version_just_read() -> None:
    pair = Pair(patient())
    pair.settle("Patient", "grace")
    pair.edit(patient(gender="other"))
    assert pair.settle("Patient", "grace") is Outcome.APPLIED
    assert pair.child.held["Patient/1"]["gender"] == "other"
    assert len(pair.child.held["Patient/1"]["identifier"]) == 2
    assert pair.child.writes == ["POST Patient", "PUT Patient"]


def test_a_lost_answer_makes_no_second_record() -> None:
    pair = Pair(patient())
    pair.child.lose_answer_of = "POST"
    with pytest.raises(Unsure):
        pair.settle("Patient", "grace")
    assert pair.settle("Patient", "grace") is Outcome.APPLIED
    assert len(pair.child.held) == 1
    assert pair.child.writes == ["POST Patient"]


def test_a_record_changed_between_read_and_write_is_tried_later() -> None:
    pair = Pair(patient())
    pair.settle("Patient", "grace")
    pair.edit(patient(gender="other"))
    pair.child.races = True
    with pytest.raises(TryLater):
        pair.settle("Patient", "grace")
