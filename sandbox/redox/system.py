"""The network's routes: sign-in old and new, documents, uploads; and the feed it sends."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from sandbox.assertions import LIFE_SECONDS, Assertions, Unauthorized
from sandbox.core import Fault, Reply, Request, System, as_json, spoken
from sandbox.tokens import Tokens

from .documents import MOST_FILE_BYTES, MOST_REQUEST_BYTES, decoded, digest, files, objects, parts, wrong
from .feed import Feed, Subscription, verify

LEGACY_SECONDS = 86_400
#: Where the real network keeps files; the engine never fetches them.
BLOBS = "https://blob.redoxengine.com"


class Redox(System):
    """One source at the network."""

    name = "redox"

    def __init__(self) -> None:
        self.assertions = Assertions("RS384", "ES384")
        self.tokens = Tokens()
        self.feed = Feed()
        self.uploads: dict[str, bytes] = {}
        self.taken: list[dict[str, Any]] = []
        self._numbers = itertools.count(96_619_801)

    def answer(self, request: Request) -> Reply:
        if request.method != "POST":
            return as_json(404, {"detail": "Not found"})
        match request.path:
            case "/v2/auth/token":
                return self.sign_in(request)
            case "/auth/authenticate" | "/auth/refreshToken":
                return self.legacy_sign_in(request)
            case "/endpoint":
                return self.signed(request) or self.take(request)
            case "/upload" | "/uploads":
                return self.signed(request) or self.upload(request)
        return as_json(404, {"detail": "Not found"})

    def sign_in(self, request: Request) -> Reply:
        """A token of five minutes for a signed assertion."""
        try:
            self.assertions.subject(request.form, time.time())
        except Unauthorized as wrong:
            return as_json(401, {"error": "invalid_client", "error_description": str(wrong)})
        token = self.tokens.give(LIFE_SECONDS)
        return as_json(200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFE_SECONDS})

    def legacy_sign_in(self, request: Request) -> Reply:
        """A token of a day for a key and secret, or for a refresh token."""
        try:
            asked = request.json()
            proof = [
                asked["apiKey"],
                asked["secret" if request.path == "/auth/authenticate" else "refreshToken"],
            ]
        except (KeyError, TypeError, ValueError):
            return as_json(400, {"detail": "apiKey and secret are required"})
        if not all(proof):
            return as_json(401, {"detail": "Invalid API key or secret"})
        expires = datetime.fromtimestamp(time.time() + LEGACY_SECONDS, UTC)
        answer = {
            "accessToken": self.tokens.give(LEGACY_SECONDS),
            "expires": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "refreshToken": str(uuid.uuid4()),
        }
        return as_json(200, answer)

    def signed(self, request: Request) -> Reply | None:
        """The 401 for a request without a live token."""
        if self.tokens.know(request.header("authorization")):
            return None
        return as_json(401, {"detail": "Access token is invalid or has expired"})

    def take(self, request: Request) -> Reply:
        """Stores a document, which is no promise that the clinic's system will take it."""
        if len(request.body) > MOST_REQUEST_BYTES:
            return as_json(413, {"detail": "Request entity too large"})
        try:
            document = request.json()
        except ValueError:
            return self.errors(400, None, ["The body is not JSON"])
        problems = list(dict.fromkeys(wrong(document, self.uploads)))
        if problems:
            return self.errors(400, document, problems)
        self.taken.append(document)
        return as_json(200, {"Meta": self.meta(document)}, effect=True)

    def meta(self, document: object) -> dict[str, Any]:
        """The request's own Meta with the network's ids."""
        meta = document.get("Meta") if isinstance(document, dict) else None
        given = {
            name: meta[name]
            for name in ("DataModel", "EventType", "Test", "Source", "Destinations", "FacilityCode")
            if isinstance(meta, dict) and name in meta
        }
        ids = {"Message": {"ID": next(self._numbers)}, "Logs": [{"ID": str(uuid.uuid4())}]}
        return given | {"EventDateTime": datetime.now(UTC).isoformat()} | ids

    def errors(self, status: int, document: object, problems: list[str]) -> Reply:
        """``Meta.Errors``, which may come with any status, 200 too."""
        errors = [
            {"ID": next(self._numbers), "Text": text, "Type": "message", "Module": "DataModels"}
            for text in problems
        ]
        return as_json(status, {"Meta": self.meta(document) | {"Errors": errors}})

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """A fault at the endpoint speaks in ``Meta.Errors``; a 200 that takes nothing does so too."""
        status = fault.status or 200
        if fault.body is not None or request.path != "/endpoint" or status >= 500 or status in (401, 429):
            return spoken(fault)
        try:
            document = request.json()
        except ValueError:
            document = None
        return self.errors(status, document, ["The destination refused the message"])

    def upload(self, request: Request) -> Reply:
        """Keeps a file and says where."""
        found = next(
            (one for one in parts(request.body, request.header("content-type")) if one[0] == "file"), None
        )
        if found is None:
            return as_json(400, {"detail": "multipart part 'file' is required"})
        if len(found[2]) > MOST_FILE_BYTES:
            return as_json(413, {"detail": "Request entity too large"})
        uri = f"{BLOBS}/{uuid.uuid4()}"
        self.uploads[uri] = found[2]
        return as_json(201, {"URI": uri}, effect=True)

    # What the sandbox asks

    def records(self) -> object:
        """For each order or document: what arrived, with the digest of each file."""
        held: dict[str, list[dict[str, object]]] = {}
        for document in self.taken:
            statuses = {
                str(one.get("ID")): one.get("ResultsStatus") for one in objects(document.get("Orders"))
            }
            for key, value in list(files(document)) or [("", "")]:
                content = self.uploads.get(value) or decoded(value) or b""
                entry = {
                    "model": document["Meta"]["DataModel"],
                    "status": statuses.get(key),
                    "uploaded": value in self.uploads,
                    "sha256": digest(content),
                    "bytes": len(content),
                }
                held.setdefault(key, []).append(entry)
        return held

    def forget(self, everything: bool) -> None:
        self.taken.clear()
        if everything:
            self.uploads.clear()
            self.tokens.forget()
            self.feed.stop()

    def control(self, request: Request) -> Reply | Awaitable[Reply] | None:
        """``/feed`` sends orders to a door, ``/verify`` checks an endpoint, ``/sign-out`` ends all tokens."""
        match request.method, request.path:
            case "GET", "/feed":
                return as_json(200, self.feed.shown())
            case "DELETE", "/feed":
                self.feed.stop()
                return Reply(204)
            case "POST", "/sign-out":
                self.tokens.forget()
                return Reply(204)
            case "POST", "/feed" | "/verify":
                return self._start(request)
        return None

    def _start(self, request: Request) -> Reply | Awaitable[Reply]:
        try:
            if request.path == "/verify":
                return check(**msgspec.json.decode(request.body, type=dict[str, str]))
            self.feed.take(msgspec.json.decode(request.body, type=Subscription))
        except (TypeError, msgspec.MsgspecError) as wrong:
            return as_json(400, {"detail": f"Not understood: {wrong}"})
        return as_json(202, self.feed.shown())

    async def close(self) -> None:
        self.feed.stop()
        await asyncio.sleep(0)


async def check(url: str, token: str, method: str = "POST", challenge: str = "") -> Reply:
    """Whether a door answers the network's challenge."""
    try:
        verified = await verify(url, token, method, challenge or uuid.uuid4().hex)
    except aiohttp.ClientError:
        verified = False
    return as_json(200, {"verified": verified})
