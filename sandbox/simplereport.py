"""SimpleReport's callback in miniature: takes what ReportStream said of a test event and stores a row for it."""

from __future__ import annotations

from .core import Reply, Request, System, as_json

PATH = "/api/reportstream/callback"
MEMBERS = {"testEventInternalId": str, "isError": bool, "details": str, "queueName": str}


class SimpleReport(System):
    """Knows a caller by a shared token, any that is given; nothing acts on the rows."""

    name = "simplereport"

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def answer(self, request: Request) -> Reply:
        if request.path != PATH:
            return as_json(404, {"detail": "There is nothing here."})
        if request.method != "POST":
            return as_json(405, {"detail": "Only POST is taken."})
        if not request.header("x-functions-key"):
            return as_json(401, {"detail": "The token is missing."})
        try:
            row = request.json()
        except ValueError:
            return as_json(400, {"detail": "An exception is a JSON object."})
        if not _is_exception(row):
            return as_json(400, {"detail": f"An exception holds {', '.join(MEMBERS)} and nothing else."})
        self._rows.append(row)
        return as_json(200, {}, effect=True)

    def records(self) -> object:
        """Every exception, in order of arrival."""
        return self._rows

    def forget(self, everything: bool) -> None:
        self._rows.clear()


def _is_exception(row: object) -> bool:
    if not isinstance(row, dict) or set(row) != set(MEMBERS):
        return False
    return all(isinstance(row[name], kind) for name, kind in MEMBERS.items())
