"""The web service under a real uvicorn, on the tests' own store, and what senders send."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from resources.settings import Settings
from tests.conftest import Database
from tests.web.serving import serving
from web.app import create_app

ROOT = Path(__file__).resolve().parents[2]

#: The two live secrets of the sender, and one of another lane.
OLD, NEW, ELATION = "the-old-secret", "the-new-sécret", "another-secret"

Deployed = Callable[..., httpx.Client]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The service sets up the logs of its process; here the process is pytest's."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def settings(database: Database) -> Settings:
    """A deployment whose Dagster is not there."""
    return database.with_(
        HANDOFF_TOKENS_REPORTSTREAM=f"{OLD},{NEW}",
        HANDOFF_TOKENS_ELATION=ELATION,
        HANDOFF_DAGSTER_URL="http://127.0.0.1:9",
    )


@pytest.fixture
def deployed(settings: Settings) -> Iterator[Deployed]:
    """A function that starts the service, with some settings changed, and gives a client for it."""
    running = []

    def start(**changed: object) -> httpx.Client:
        texts = {name: str(value) for name, value in changed.items()}
        server = serving(create_app(Settings({**settings.values, **texts})))
        running.append(server)
        client = httpx.Client(base_url=server.__enter__(), trust_env=False, timeout=20)
        running.append(client)
        return client

    yield start
    for one in reversed(running):
        one.__exit__(None, None, None)


@pytest.fixture
def client(deployed: Deployed) -> httpx.Client:
    """The service as it is deployed."""
    return deployed()


@pytest.fixture
def bearer() -> dict[str, str]:
    """What the sender of test events presents."""
    return {"authorization": f"Bearer {OLD}"}


def event(event_id: str = "event-1", **changed: object) -> dict[str, object]:
    """A test event of the agreed shape."""
    return {
        "event_id": event_id,
        "correction_status": "ORIGINAL",
        "date_tested": "2026-03-02T15:04:05+00:00",
        "results": [{"disease": "COVID-19", "result": "NEGATIVE"}],
        "patient": {
            "internal_id": "patient-1",
            "first_name": "Lea",
            "last_name": "Quill",
            "race": "white",
            "ethnicity": "refused",
            "gender": "female",
            "birth_date": "1970-01-31",
            "street": "1 Low Rd",
            "state": "ME",
        },
        "organization": {"name": "Care", "type": "hospital"},
        "facility": {
            "name": "Lab",
            "clia_number": "20D0000001",
            "street": "2 Low Rd",
            "city": "Bath",
            "state": "ME",
            "zip_code": "04530",
            "phone": "2075550100",
        },
        "ordering_provider": {"first_name": "Ole", "last_name": "Birk", "npi": "1245319599"},
        "device": {"internal_id": "d", "model": "BinaxNOW COVID-19 Ag Card", "tests": []},
        "specimen": {"type_code": "445297001"},
        **changed,
    }


def chart_event(
    event_id: str = "chart-event-1", chart: str = "chart-1", **changed: object
) -> dict[str, object]:
    """A chart event of the agreed shape."""
    return {
        "event_id": event_id,
        "source": "arc",
        "event_type": "profile_changed",
        "resource_id": chart,
        "occurred_at": "2026-03-02T15:04:05+00:00",
        "data": {"chart": {"id": chart, "first_name": "Lea", "last_name": "Quill"}},
        **changed,
    }


def encoded(document: object) -> bytes:
    """A document as compact JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
