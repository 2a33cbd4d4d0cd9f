"""The hub's routes: submissions, sign-in, history."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections import Counter
from datetime import datetime
from typing import Literal

import msgspec

from sandbox.assertions import LIFE_SECONDS, Assertions, Unauthorized
from sandbox.core import Fault, Reply, Request, System, as_json, as_text, spoken
from sandbox.tokens import Tokens

from .intake import Remark, Submission, count_csv, ids_in, read, report
from .parameters import CSV, client, content_type, misfit
from .reports import Report, receivers

MOST_BYTES = 50_000_000
_HISTORY = re.compile(r"/api/waters/report/([^/]+)/history")
_SUBMISSIONS = re.compile(r"/api/waters/org/([^/]+)/submissions")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /_sandbox/reportstream/settings`` changes."""

    delivers_after_seconds: float = 1.0
    #: Texts that make the hub refuse whatever submission holds one of them, every time.
    poison: list[str] = []
    #: Whether the refusal names the poisoned items.
    names_poison: bool = True
    #: "rows" only counts a CSV's rows and leaves ids and quality for later: for benchmarks.
    checks: Literal["full", "rows"] = "full"
    #: PEM public keys by kid; with none, an assertion's signature is not verified.
    public_keys: dict[str, str] = {}


class ReportStream(System):
    """The hub; what it takes is known by Result_ID at once, and by report for ever."""

    name = "reportstream"

    def __init__(self) -> None:
        delivers_after = os.environ.get("HANDOFF_SANDBOX_DELIVERS_AFTER_SECONDS", "1")
        self.settings = Settings(delivers_after_seconds=float(delivers_after))
        self.assertions = Assertions("RS256", "ES384")
        self.tokens = Tokens()
        self._numbers = itertools.count(int(time.time()))
        self._reports: dict[str, Report] = {}  # in order of arrival, by submission id
        self._by_id: dict[str, Report] = {}
        #: The ids of one submission each, joined, or its compressed body: counted only when asked.
        self._taken: list[str | bytes] = []
        self._hashes: set[str] = set()
        self._last = 0.0

    def answer(self, request: Request) -> Reply:
        path = request.path
        if path in ("/api/reports", "/api/waters"):
            return self.submit(request) if request.method == "POST" else as_text(405, "Method not allowed")
        if path == "/api/token" and request.method == "POST":
            return self.sign_in(request)
        if request.method == "GET" and (found := _HISTORY.fullmatch(path)):
            return self.history(request, found[1])
        if request.method == "GET" and (found := _SUBMISSIONS.fullmatch(path)):
            return self.submissions(request, found[1])
        return as_text(404, "Not found")

    # Submissions

    def submit(self, request: Request) -> Reply:
        """Takes a submission or refuses it as a whole."""
        if refused := self._at_the_door(request):
            return refused
        sender = client(request)
        if (wrong := misfit(sender, content_type(request), request.body)) is not None:
            return self._reply(request, self._keep(request, sender, Submission(errors=[wrong]), 400))
        checks_duplicates = request.query.get("allowDuplicate", "true").lower() == "false"
        if self.settings.checks == "rows" and content_type(request) == CSV and not checks_duplicates:
            submission = count_csv(request.body)
        else:
            submission = read(content_type(request), request.body, checks_duplicates)
        self._poisoned(submission, request.body)
        if checks_duplicates:
            self._duplicates(submission)
        if request.query.get("option", "").lower() == "skipinvaliditems":
            submission.warnings.append(Remark("parameter", "option SkipInvalidItems is deprecated"))
        if request.query.get("option") in ("ValidatePayload", "CheckConnections"):
            return self._validated(request, sender, submission)
        status = 400 if submission.errors else 201
        return self._reply(request, self._keep(request, sender, submission, status))

    def _at_the_door(self, request: Request) -> Reply | None:
        """What is answered before the body is looked at."""
        if not self._is_known(request):
            return as_json(401, {"error": "Authentication Failed. No valid function key or bearer token."})
        if "content-length" not in request.headers:
            return as_text(411, "Length Required")
        if len(request.body) > MOST_BYTES:
            return as_text(413, f"Payload too large: the limit is {MOST_BYTES} bytes.")
        return None

    def _is_known(self, request: Request) -> bool:
        key = request.headers.get("x-functions-key")
        if key and request.path != "/api/waters":
            return True
        return self.tokens.know(request.header("authorization"))

    def _poisoned(self, submission: Submission, body: bytes) -> None:
        poison = [text for text in self.settings.poison if text.encode() in body]
        if not poison:
            return
        # rows, bundles one a line, or messages, of which the last has the batch's trailer behind it
        messages = body.split(b"MSH|") if body[:3] in (b"FHS", b"BHS", b"MSH") else []
        lines = messages or [line for line in body.split(b"\n") if line]
        first = len(lines) - len(submission.ids)
        hits = [n for n, line in enumerate(lines[first:], 1) if any(text.encode() in line for text in poison)]
        if self.settings.names_poison and len(submission.ids) >= len(hits) > 0:
            submission.errors.append(item_error(submission.ids, hits))
        else:
            submission.errors.append(report("The submission could not be read."))

    def _duplicates(self, submission: Submission) -> None:
        seen = [digest in self._hashes for digest in submission.row_hashes]
        within = Counter(submission.row_hashes)
        hits = [
            number
            for number, (digest, known) in enumerate(zip(submission.row_hashes, seen, strict=True), 1)
            if known or within[digest] > 1
        ]
        if seen and all(seen):
            submission.errors.append(report("All items in this submission are duplicates."))
        elif hits:
            ids = [submission.ids[number - 1] for number in hits]
            submission.errors.append(Remark("item", "Item is a duplicate.", None, hits, ids))
        if not submission.errors:
            self._hashes.update(submission.row_hashes)

    def _keep(self, request: Request, sender: str, submission: Submission, status: int) -> Report:
        kept = Report(
            next(self._numbers),
            sender if "." in sender else f"{sender}.default",
            "covid-19" if content_type(request) == CSV else "full-elr",
            request.query.get("payloadName") or request.headers.get("payloadname"),
            self._moment(),
            submission.count,
            status,
            submission.errors,
            submission.warnings,
            [] if status >= 300 else receivers(submission),
        )
        self._reports[str(kept.submission_id)] = kept
        if status < 300:
            self._by_id[kept.id] = kept
            self._taken.append("\n".join(submission.ids) if submission.unread is None else submission.unread)
        return kept

    def _moment(self) -> float:
        """Now, in milliseconds no other submission has: lists are read on from a moment."""
        self._last = max(round(time.time(), 3), round(self._last + 0.001, 3))
        return self._last

    def _reply(self, request: Request, kept: Report) -> Reply:
        routed = request.query.get("processing") == "sync" and kept.topic == "covid-19"
        shown = kept.shown(kept.at, self.settings.delivers_after_seconds, routed)
        if kept.refused:
            return as_json(kept.http_status, shown)
        location = f"/api/waters/report/{kept.id}/history"
        return as_json(201, shown, {"location": location}, effect=True)

    def _validated(self, request: Request, sender: str, submission: Submission) -> Reply:
        """Only looked at: nothing is kept, nothing is sent."""
        status = 400 if submission.errors else 200
        looked = Report(
            next(self._numbers), sender, "covid-19", None, time.time(), len(submission.ids), status,
            submission.errors, submission.warnings, [],
        )  # fmt: skip
        shown = looked.shown(looked.at, self.settings.delivers_after_seconds)
        return as_json(status, shown | {"overallStatus": "Error" if submission.errors else "Valid"})

    # Sign-in and history

    def sign_in(self, request: Request) -> Reply:
        """A token for a client assertion; the members may come as form or in the query."""
        form, now = request.query | request.form, time.time()
        try:
            subject = self.assertions.subject(form, now)
            if len(form.get("scope", "").split(".")) != 3:
                raise Unauthorized("scope must have the form organization.sender.report")
        except Unauthorized as wrong:
            return as_json(401, {"error": "invalid_client", "error_description": str(wrong)})
        return as_json(
            200,
            {
                "access_token": self.tokens.give(LIFE_SECONDS),
                "token_type": "bearer",
                "expires_in": LIFE_SECONDS,
                "expires_at_seconds": int(now) + LIFE_SECONDS,
                "scope": form["scope"],
                "sub": subject,
            },
        )

    def history(self, request: Request, name: str) -> Reply:
        """What became of a report, by its id, or of any submission by its number."""
        if not self._is_known(request):
            return as_json(401, {"error": "Authentication Failed. No valid function key or bearer token."})
        found = self._by_id.get(name) or self._reports.get(name)
        if found is None:
            return as_json(404, {"error": "No such report was found."})
        return as_json(200, found.shown(time.time(), self.settings.delivers_after_seconds))

    def submissions(self, request: Request, sender: str) -> Reply:
        """An organisation's submissions, newest first; refused ones only with ``showFailed=true``."""
        if not self._is_known(request):
            return as_json(401, {"error": "Authentication Failed. No valid function key or bearer token."})
        asked = {name.lower(): value for name, value in request.query.items()}
        since, until = moment(asked.get("since"), 0.0), moment(asked.get("until"), float("inf"))
        until = min(until, moment(asked.get("cursor"), float("inf")))
        found = (
            one
            for one in reversed(self._reports.values())
            if (one.sender == sender or one.sender.startswith(f"{sender}."))
            and since <= one.at < until
            and (not one.refused or asked.get("showfailed") == "true")
        )
        size = min(int(asked.get("pagesize", "50")), 2_000)
        return as_json(200, [one.listed() for one in itertools.islice(found, size)])

    # What the sandbox asks

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """A 4xx in the hub's own reply shape, naming the first items when the fault asks for it."""
        status = fault.status or 200
        submitted = request.method == "POST" and request.path in ("/api/reports", "/api/waters")
        if fault.body is not None or not submitted or (fault.items is None and status != 400):
            return spoken(fault)
        submission = read(content_type(request), request.body)
        count = min(fault.items or 0, len(submission.ids))
        wrong = (
            item_error(submission.ids, range(1, count + 1)) if count else report("The report is not valid.")
        )
        submission.errors.append(wrong)
        return self._reply(request, self._keep(request, client(request), submission, status))

    def records(self) -> object:
        """How often each result was taken, by Result_ID."""
        for place, taken in enumerate(self._taken):
            if isinstance(taken, bytes):
                self._taken[place] = "\n".join(ids_in(taken))
        return Counter(
            itertools.chain.from_iterable(str(taken).split("\n") for taken in self._taken if taken)
        )

    def forget(self, everything: bool) -> None:
        self._taken.clear()
        if everything:
            self._reports.clear()
            self._by_id.clear()
            self._hashes.clear()

    def control(self, request: Request) -> Reply | None:
        """``/settings``: how soon reports are delivered, and which texts are poison."""
        if request.path != "/settings":
            return None
        if request.method == "POST":
            try:
                asked = msgspec.json.decode(request.body, type=dict[str, object])
                self.settings = msgspec.convert(msgspec.to_builtins(self.settings) | asked, Settings)
            except msgspec.MsgspecError as wrong:
                return as_json(400, {"detail": f"Not settings: {wrong}"})
            self.assertions.public_keys = self.settings.public_keys
        return as_json(200, msgspec.to_builtins(self.settings))


def item_error(ids: list[str], numbers: range | list[int]) -> Remark:
    """One error that names several items, as the hub merges equal words."""
    tracking_ids = [ids[number - 1] for number in numbers]
    message = "The item is not valid."
    return Remark("item", message, "Test_result_code (test_result)", list(numbers), tracking_ids)


def moment(text: str | None, absent: float) -> float:
    """An ISO date-time as seconds, or what stands for its absence."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else absent
    except ValueError:
        return absent
