"""The API's routes: sign-in, patients, policies, and what a client looks up."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from sandbox.core import Reply, Request, System, as_json
from sandbox.tokens import Tokens

from .charts import Chart, Charts
from .members import LANGUAGES, PATIENT, PHYSICIANS, POLICY, PRACTICES, REQUIRED, Errors, wrong

MOST_A_PAGE = 100
USUAL_PAGE = 25

_PATIENT = re.compile(r"/patients/(\d+)")
_POLICIES = re.compile(r"/patients/(\d+)/policies(?:/(\d+))?")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /_sandbox/elation/settings`` changes."""

    token_seconds: int = 36_000
    #: How a 409 names the chart that is there: both forms have been seen.
    duplicate_names: Literal["id", "url", "either"] = "either"
    #: Secrets by client id; with none, every client is let in.
    clients: dict[str, str] = {}


class Elation(System):
    """One practice's health record."""

    name = "elation"

    def __init__(self) -> None:
        self.settings = Settings()
        self.charts = Charts()
        self.tokens = Tokens()
        self._duplicates = itertools.count()

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix("/api/2.0").rstrip("/")
        if path == "/oauth2/token":
            return self.sign_in(request)
        if not self.tokens.know(request.header("authorization")):
            return as_json(401, {"detail": "Authentication credentials were not provided."})
        if path == "/patients":
            return self.create(request) if request.method == "POST" else self.find(request)
        if found := _PATIENT.fullmatch(path):
            return self.patient(request, int(found[1]))
        if found := _POLICIES.fullmatch(path):
            return self.policies(request, int(found[1]), found[2])
        return self.look_up(request, path)

    def sign_in(self, request: Request) -> Reply:
        """A token for client credentials; no other grant."""
        form = request.form
        if form.get("grant_type") != "client_credentials":
            return as_json(400, {"error": "unsupported_grant_type"})
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if not client or not secret or self.settings.clients.get(client, secret) != secret:
            return as_json(401, {"error": "invalid_client"})
        if self.settings.clients and client not in self.settings.clients:
            return as_json(401, {"error": "invalid_client"})
        seconds = self.settings.token_seconds
        answer = {"access_token": self.tokens.give(seconds), "token_type": "Bearer", "expires_in": seconds}
        return as_json(200, answer | {"refresh_token": self.tokens.give(0), "scope": "apiv2"})

    # Patients

    def create(self, request: Request) -> Reply:
        """Creates a chart unless the patient is taken for one that exists."""
        document = self._read(request, PATIENT, REQUIRED)
        if isinstance(document, Reply):
            return document
        twin = self.charts.twin(document)
        if twin is not None:
            return as_json(409, {"detail": "Duplicated object", "redirect": self._redirect(twin)})
        return as_json(201, self.charts.create(document).shown(), effect=True)

    def _redirect(self, twin: Chart) -> int | str:
        form = self.settings.duplicate_names
        if form == "either":
            form = "url" if next(self._duplicates) % 2 else "id"
        return twin.id if form == "id" else f"/api/2.0/patients/{twin.id}"

    def patient(self, request: Request, chart_id: int) -> Reply:
        """Reads, changes, replaces or deletes one chart."""
        chart = self.charts.get(chart_id)
        if chart is None or (chart.merged_into is not None and request.method != "GET"):
            return as_json(404, {"detail": "No Patient matches the given query."})
        if chart.deleted:
            return as_json(410, {"detail": "This patient has been deleted."})
        if request.method == "GET":
            return as_json(200, chart.shown())
        if request.method == "DELETE":
            self.charts.remove(chart)
            return Reply(204, effect=True)
        if request.method not in ("PATCH", "PUT"):
            return not_allowed(request)
        replace = request.method == "PUT"
        document = self._read(request, PATIENT, REQUIRED if replace else ())
        if isinstance(document, Reply):
            return document
        self.charts.change(chart, document, replace)
        return as_json(200, chart.shown(), effect=True)

    def _read(
        self, request: Request, members: Mapping[str, Any], required: Iterable[str]
    ) -> Reply | dict[str, Any]:
        """The request's document, or the answer to a wrong one."""
        if not request.header("content-type").startswith("application/json"):
            return as_json(415, {"detail": "Unsupported media type in request."})
        try:
            document = request.json()
        except ValueError:
            return as_json(400, {"detail": "JSON parse error"})
        if not isinstance(document, dict):
            return as_json(400, {"detail": "Invalid data. Expected a dictionary."})
        errors: Errors = {name: ["This field is required."] for name in required if name not in document}
        errors |= wrong(document, members)
        return as_json(400, errors) if errors else document

    def find(self, request: Request) -> Reply:
        """Patients by name, birth and the like; unknown filters are ignored, as the real one does."""
        if request.method != "GET":
            return not_allowed(request)
        asked = request.query
        charts = self.charts.with_last_name(asked["last_name"]) if "last_name" in asked else self.charts.all()
        found = [chart for chart in charts if not chart.deleted and fits(chart, asked)]
        if asked.get("order_by", "").lstrip("-") == "last_modified":
            found.sort(key=lambda chart: chart.modified, reverse=asked["order_by"].startswith("-"))
        return page(request, found)

    # Policies

    def policies(self, request: Request, chart_id: int, policy_id: str | None) -> Reply:
        """A patient's insurance policies."""
        chart = self.charts.get(chart_id)
        if chart is None or chart.deleted:
            return as_json(404, {"detail": "No Patient matches the given query."})
        if policy_id is None and request.method == "GET":
            return as_json(200, {"next": None, "previous": None, "results": chart.policies})
        policy = next((one for one in chart.policies if str(one["id"]) == policy_id), None)
        if policy_id is not None and policy is None:
            return as_json(404, {"detail": "No Policy matches the given query."})
        if policy is not None and request.method == "GET":
            return as_json(200, policy)
        if policy is not None and request.method == "DELETE":
            chart.policies.remove(policy)
            return Reply(204, effect=True)
        if request.method != ("POST" if policy is None else "PUT"):
            return not_allowed(request)
        document = self._read(request, POLICY, ("carrier",))
        if isinstance(document, Reply):
            return document
        if policy is None:
            return as_json(201, self.charts.add_policy(chart, document), effect=True)
        self.charts.change_policy(chart, policy, document)
        return as_json(200, policy, effect=True)

    def look_up(self, request: Request, path: str) -> Reply:
        """Physicians, practices and languages."""
        if path == "/physicians":
            asked = {name: value for name, value in request.query.items() if name in PHYSICIANS[0]}
            hits = [
                one for one in PHYSICIANS if all(str(one[name]) == value for name, value in asked.items())
            ]
        elif path == "/practices":
            hits = [{"id": number, "name": "Granite Family Care"} for number in PRACTICES]
        elif path == "/languages":
            hits = [{"id": number, "name": name} for number, name in enumerate(LANGUAGES, 1)]
        else:
            return as_json(404, {"detail": "Not found."})
        return as_json(200, {"next": None, "previous": None, "results": hits})

    # What the sandbox asks

    def records(self) -> object:
        """Every chart by its id, with its policies."""
        return {
            str(one.id): one.shown() | {"policies": one.policies}
            for one in self.charts.all()
            if not one.deleted
        }

    def forget(self, everything: bool) -> None:
        if everything:
            self.charts.clear()
            self.tokens.forget()

    def control(self, request: Request) -> Reply | None:
        """``/settings``; ``/sign-out`` ends all tokens; ``/merge`` and ``/policy`` are what the clinic does."""
        if request.method != "POST":
            return as_json(200, msgspec.to_builtins(self.settings)) if request.path == "/settings" else None
        try:
            match request.path:
                case "/settings":
                    asked = msgspec.json.decode(request.body, type=dict[str, object])
                    self.settings = msgspec.convert(msgspec.to_builtins(self.settings) | asked, Settings)
                case "/sign-out":
                    self.tokens.forget()
                case "/merge":
                    asked = request.json()
                    self.charts[int(str(asked["from"]))].merged_into = int(str(asked["into"]))
                case "/policy":
                    asked = request.json()
                    self.charts.add_policy(self.charts[int(asked.pop("patient"))], asked)
                case _:
                    return None
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as wrong:
            return as_json(400, {"detail": f"Not understood: {wrong}"})
        return Reply(204)


def not_allowed(request: Request) -> Reply:
    """The answer to a verb the route does not have."""
    return as_json(405, {"detail": f'Method "{request.method}" not allowed.'})


def fits(chart: Chart, asked: Mapping[str, str]) -> bool:
    """Whether a chart passes the filters."""
    given = chart.given
    for name in ("first_name", "last_name"):
        if name in asked and str(given.get(name, "")).casefold() != asked[name].strip().casefold():
            return False
    if any(name in asked and given.get(name) != asked[name] for name in ("dob", "sex")):
        return False
    if "phone_number" in asked and asked["phone_number"] not in [
        one["phone"] for one in given.get("phones", [])
    ]:
        return False
    return "member_id" not in asked or asked["member_id"] in [one.get("member_id") for one in chart.policies]


def page(request: Request, found: list[Chart]) -> Reply:
    """One page: by cursor, or with a count when an offset is asked for."""
    asked = request.query
    size = max(1, min(number(asked.get("limit"), USUAL_PAGE), MOST_A_PAGE))
    start = number(asked.get("offset"), 0) if "offset" in asked else number(opened(asked.get("cursor")), 0)
    shown = [chart.shown() for chart in found[start : start + size]]
    host, kept = request.header("host"), {k: v for k, v in asked.items() if k not in ("cursor", "offset")}

    def link(place: int) -> str | None:
        if not 0 <= place < len(found):
            return None
        key = {"offset": str(place)} if "offset" in asked else {"cursor": closed(place)}
        return f"http://{host}/elation{request.path}?{urlencode(kept | key)}"

    links = {"next": link(start + size), "previous": link(max(0, start - size)) if start else None}
    return as_json(200, ({"count": len(found)} if "offset" in asked else {}) | links | {"results": shown})


def number(value: str | None, otherwise: int) -> int:
    """A number in a query."""
    return int(value) if value is not None and value.isdigit() else otherwise


def closed(place: int) -> str:
    """A place as a cursor."""
    return base64.urlsafe_b64encode(f"p={place}".encode()).decode()


def opened(cursor: str | None) -> str | None:
    """The place in a cursor."""
    try:
        return base64.urlsafe_b64decode(cursor).decode().removeprefix("p=") if cursor else None
    except (binascii.Error, UnicodeDecodeError):
        return None
