"""A small Elation to hold against the client: it matches on creation, pages, ranks policies and fails on demand."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx

from resources.elation import Elation
from resources.elation_api import Settings
from resources.store.values import Message

URL = "https://ehr.test/api/2.0"
SETTINGS = Settings(
    url=URL,
    token_url=URL + "/oauth2/token/",
    client_id="us",
    client_secret="secret",
    primary_physician="Katie",
    caregiver_practice=65540,
)
MATCHED = ("first_name", "last_name", "dob")

Row = dict[str, Any]
Fault = httpx.Response | Exception
Answer = tuple[int, Any]


class FarEnd:
    """Keeps patients and policies as told, and notes every request that is no sign-in."""

    def __init__(self) -> None:
        self.patients: dict[str, Row] = {}
        self.policies: dict[str, dict[str, Row]] = {}
        self.physicians: list[Row] = [
            {"id": 131074, "first_name": "Katie", "last_name": "Lee", "is_active": True}
        ]
        self.languages: list[Row] | None = [{"name": "English"}, {"name": "Spanish"}]
        self.asked: list[str] = []
        self.faults: list[tuple[str, Fault, bool]] = []
        self.page = 100
        self.redirect_as_url = False
        self.ids = iter(range(142857632874497, 142857632974497))

    def fail(self, request: str, fault: Fault, *, take: bool = False, times: int = 1) -> None:
        """The next ``times`` requests that start so get this answer; ``take``: Elation does it all the same."""
        self.faults += [(request, fault, take)] * times

    def add(self, **facts: Any) -> str:
        """A patient that the clinic has made."""
        patient = str(next(self.ids))
        self.patients[patient] = {
            "id": int(patient),
            "metadata": None,
            "phones": [],
            "insurances": [],
        } | facts
        return patient

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/2.0")
        if path == "/oauth2/token/":
            return httpx.Response(
                200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 36000}
            )
        assert request.headers["authorization"] == "Bearer t"
        asked = f"{request.method} {path}"
        self.asked.append(asked)
        fault = next((fault for fault in self.faults if asked.startswith(fault[0])), None)
        if fault:
            self.faults.remove(fault)
            if not fault[2]:
                return self._answer(fault[1])
        status, answer = self._take(request, path.strip("/").split("/"))
        if fault:
            return self._answer(fault[1])
        return httpx.Response(status, json=answer) if status != 204 else httpx.Response(204)

    def _answer(self, fault: Fault) -> httpx.Response:
        if isinstance(fault, Exception):
            raise fault
        return httpx.Response(fault.status_code, headers=fault.headers, content=fault.content)

    def _take(self, request: httpx.Request, parts: list[str]) -> Answer:
        body = json.loads(request.content) if request.content else {}
        match request.method, parts:
            case "GET", ["physicians"]:
                return self._list(request, self.physicians)
            case "GET", ["languages"]:
                return (404, {}) if self.languages is None else self._list(request, self.languages)
            case "GET", ["patients"]:
                return self._list(request, list(self.patients.values()))
            case "POST", ["patients"]:
                return self._create(body)
            case "GET", ["patients", patient]:
                return (
                    (200, self.patients[patient])
                    if patient in self.patients
                    else (404, {"detail": "No match."})
                )
            case "PATCH", ["patients", patient]:
                self.patients[patient] |= body
                return 200, self.patients[patient]
            case method, ["patients", patient, "policies", *policy]:
                return self._policy(method, request, self.policies.setdefault(patient, {}), policy, body)
        return 405, {}

    def _list(self, request: httpx.Request, rows: list[Row]) -> Answer:
        asked = {k: v for k, v in request.url.params.items() if k not in ("limit", "cursor")}
        rows = [row for row in rows if all(str(row.get(k)) == v for k, v in asked.items())]
        start = int(request.url.params.get("cursor", 0))
        following = request.url.copy_set_param("cursor", start + self.page)
        more = start + self.page < len(rows)
        return 200, {"results": rows[start : start + self.page], "next": str(following) if more else None}

    def _create(self, body: Row) -> Answer:
        for patient, row in self.patients.items():
            if all(row.get(fact) == body[fact] for fact in MATCHED):
                redirect = f"/api/2.0/patients/{patient}" if self.redirect_as_url else int(patient)
                return 409, {"detail": "Duplicated object", "redirect": redirect}
        return 201, self.patients[self.add(**body)]

    def _policy(
        self, method: str, request: httpx.Request, held: dict[str, Row], policy: list[str], body: Row
    ) -> Answer:
        if method == "GET":
            return self._list(request, list(held.values()))
        if set(body) - {"rank", "carrier", "member_id", "payment_program"}:
            return 400, {"detail": "unknown member"}
        if method == "POST":
            for row in held.values():
                row["rank"] = None if row["rank"] == body["rank"] else row["rank"]
            policy = [str(next(self.ids))]
        if method == "DELETE":
            del held[policy[0]]
            return 204, None
        held[policy[0]] = {"id": int(policy[0])} | body
        return 200, held[policy[0]]


class Remembered(dict[str, str]):
    """What the store remembers of charts, in memory."""

    async def get(self, chart: str) -> str | None:  # type: ignore[override]
        return super().get(chart)

    async def put(self, chart: str, value: str) -> None:
        self[chart] = value


async def no_sleep(seconds: float) -> None:
    """Lets the others go on and waits for nothing."""
    await asyncio.sleep(0)


def client(
    far_end: Callable[[httpx.Request], httpx.Response],
    known: Remembered | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = no_sleep,
    **settings: Any,
) -> Elation:
    """The client in front of a far end; these settings differ."""
    over = httpx.MockTransport(far_end)
    known = Remembered() if known is None else known
    return Elation(over, replace(SETTINGS, **settings), known, clock=clock, sleep=sleep)


def message(kind: str, body: bytes, address: dict[str, str]) -> Message:
    """A message as the store hands it out."""
    return Message(id=1, kind=kind, queue=1, seq=1, attempts=0, body=body, address=address)
