"""Notes on their way: the real drain against the partners in miniature, over each wire."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from assets.drain.run import drain_singles
from assets.hcoint.life import State
from assets.hcoint.sending import lane
from resources.store import notes, operators
from resources.store.operators import Who
from sandbox.northlab import Northlab
from sandbox.redox import Redox
from sandbox.running import sandbox_thread
from tests.conftest import Database
from tests.hcoint.desk import MULTICARE, Desk, desk, order
from tests.hcoint.notes import pdf

UAT = "11111111-1111-4111-8111-111111111111"
EAST = "22222222-2222-4222-8222-222222222222"


def table(northlab: int, web: str = "http://127.0.0.1:9") -> str:
    """Production and UAT of one hospital, and three that get HL7 v2: no line of Python for any of them."""
    hl7 = f'mllp_url = "mllp://127.0.0.1:{northlab}"\nack_timeout_seconds = 1\n'
    uat = MULTICARE.replace("multicare", "multicare-uat").replace("7ce6f387-c33c-417d-8682-81e83628cbd9", UAT)
    east = MULTICARE.replace("[partner.multicare]", "[partner.east]").replace(
        "7ce6f387-c33c-417d-8682-81e83628cbd9", EAST
    )
    west = east.replace("[partner.east]", "[partner.west]").replace(EAST, "west")
    south = east.replace("[partner.east]", "[partner.south]").replace(EAST, "south")
    return (
        MULTICARE
        + uat
        + 'settings = "UAT"\n'
        + east.replace('results = "redox"', f'results = "oru"\n{hl7}')
        + west.replace('results = "redox"', f'results = "mdm"\n{hl7}')
        + south.replace('results = "redox"', f'results = "oru"\nhttp_url = "{web}/northlab/"')
    )


@dataclass
class Far:
    """The partners in miniature, and a desk that sends to them."""

    desk: Desk
    http: httpx.Client

    def drain(self, **settings: object) -> dict[str, int]:
        values = {name: str(value) for name, value in settings.items()}
        with_ = type(self.desk.settings)({**self.desk.settings.values, **values})
        figures, _ = drain_singles(with_, lane(with_), run_id="run")
        return dict(figures.messages)

    def held(self, system: str, number: str) -> list[dict[str, object]]:
        records = self.http.get(f"/_sandbox/{system}/records").json()
        if system == "northlab":
            return [one for one in records.values() if one["order"] == number]
        return list(records.get(number, []))

    def fault(self, system: str, **fault: object) -> None:
        assert self.http.post(f"/_sandbox/{system}/faults", json=fault).status_code == 201


@pytest.fixture
def far(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setenv("HANDOFF_SANDBOX_MLLP_PORT", "0")
    with sandbox_thread([Redox(), Northlab()]) as url, httpx.Client(base_url=url, timeout=20) as http:
        port = http.get("/_sandbox/northlab/address").json()["port"]
        account = {"REDOX_URL": f"{url}/redox", "REDOX_API_KEY": "key", "REDOX_SECRET": "secret"}
        uat = {name.replace("REDOX", "UAT"): value for name, value in account.items()}
        quick = {"HANDOFF_RETRY_PLAN": "0.05,0.05", "HCOINT_SETTLE_SECONDS": "0.4"}
        with desk(database, tmp_path, table(port, url), **account, **uat, **quick) as here:
            yield Far(here, http)


def sent(far: Far, number: str, source: str, data: bytes) -> None:
    """An order came, a person attached a note and sent it."""
    far.desk.redox(order(number, source=source))
    far.desk.attach(number, data)
    far.desk.send(number)


MULTICARE_ID = "7ce6f387-c33c-417d-8682-81e83628cbd9"
WIRES = [
    ("redox", MULTICARE_ID),
    ("redox", UAT),
    ("northlab", EAST),
    ("northlab", "west"),
    ("northlab", "south"),
]
SIZES = [b"x", pdf() + b"\n%" + b"n" * 199_000, b"long text " * 100_000]


@pytest.mark.parametrize("data", SIZES, ids=["a byte", "200 KB", "1 MB"])
@pytest.mark.parametrize(("system", "source"), WIRES, ids=["redox", "uat", "oru", "mdm", "http"])
def test_the_file_at_the_far_end_is_the_file_that_was_attached(
    far: Far, system: str, source: str, data: bytes
) -> None:
    sent(far, "7001", source, data)
    assert far.drain() == {"delivered": 1}
    (held,) = far.held(system, "7001")
    assert held["sha256"] == hashlib.sha256(data).hexdigest()
    assert far.desk.life().state is State.DELIVERED


@pytest.mark.parametrize(("system", "source"), WIRES[:1] + WIRES[2:], ids=["redox", "oru", "mdm", "http"])
def test_a_corrected_note_is_a_second_message_that_says_so(far: Far, system: str, source: str) -> None:
    sent(far, "7001", source, b"first")
    far.drain()
    far.desk.attach("7001", b"corrected")
    far.desk.send("7001")
    assert far.drain() == {"delivered": 1}
    held = far.held(system, "7001")
    assert [one["sha256"] for one in held] == [
        hashlib.sha256(text).hexdigest() for text in (b"first", b"corrected")
    ]
    if source != "west":
        assert [str(one["status"])[:1] for one in held] == ["F", "C"]


def test_a_200_with_errors_is_a_failure_that_holds_the_order_and_can_be_mended(far: Far) -> None:
    far.fault("redox", status=200, take=False, match="/endpoint")
    sent(far, "7001", MULTICARE_ID, b"note")
    assert far.drain() == {"failed": 1}
    assert far.desk.life().state is State.FAILED
    far.desk.send("7001")
    assert far.drain() == {"delivered": 1}
    assert far.desk.life().state is State.DELIVERED
    assert len(far.held("redox", "7001")) == 1


def test_another_note_goes_in_place_of_one_that_was_refused(far: Far) -> None:
    far.fault("northlab", ack="AE")
    sent(far, "7001", EAST, b"wrong")
    assert far.drain() == {"failed": 1}
    far.desk.attach("7001", b"right")
    far.desk.send("7001")
    assert far.drain() == {"delivered": 1}
    (held,) = far.held("northlab", "7001")
    assert held["sha256"] == hashlib.sha256(b"right").hexdigest()


def test_a_retry_from_the_shell_shows_on_the_order(far: Far) -> None:
    far.fault("northlab", ack="AR")
    sent(far, "7001", EAST, b"note")
    far.drain()
    message = far.desk.row().message
    assert message is not None
    with far.desk.book.store() as db:
        operators.retry_now(db, message, Who("Op", "the laboratory has mended it"))
    assert far.desk.life().state is State.SENDING
    far.drain()
    assert far.desk.life().state is State.DELIVERED


def test_without_an_acknowledgement_it_is_unsure_and_goes_once_more_with_the_same_number(far: Far) -> None:
    far.fault("northlab", status=0, take=True)
    sent(far, "7001", EAST, b"note")
    assert far.drain(HANDOFF_LINGER_SECONDS=1.0) == {"delivered": 1}
    (held,) = far.held("northlab", "7001")
    assert held["times"] in (1, 2)
    outcomes = [row[0] for row in far.desk.database.rows("SELECT outcome FROM attempt ORDER BY at")]
    assert outcomes[0] == 3
    assert outcomes[-1] == 0
    controls = far.http.get("/_sandbox/northlab/received").json()
    assert len({one["body"].split("|")[9] for one in controls}) == 1


def test_over_http_a_refusal_holds_the_order_and_an_unclear_answer_is_settled_by_sending_once_more(
    far: Far,
) -> None:
    far.fault("northlab", ack="AE", match="POST /")
    sent(far, "7001", "south", b"note")
    assert far.drain() == {"failed": 1}
    far.fault("northlab", status=0, take=True, match="POST /")
    far.desk.send("7001")
    assert far.drain(HANDOFF_LINGER_SECONDS=1.0) == {"delivered": 1}
    (held,) = far.held("northlab", "7001")
    assert held["times"] in (1, 2)
    outcomes = [row[0] for row in far.desk.database.rows("SELECT outcome FROM attempt ORDER BY at")]
    assert outcomes == [4, 3, 0]
    received = far.http.get("/_sandbox/northlab/received").json()
    assert {one["method"] for one in received} == {"POST"}


def test_one_hospital_that_is_away_or_set_up_wrongly_stops_no_other(far: Far) -> None:
    for number in range(12):
        sent(far, f"u{number}", UAT, b"note %d" % number)
        sent(far, f"e{number}", EAST, b"note %d" % number)
    assert far.drain(UAT_API_KEY="") == {"delivered": 12}
    assert far.desk.database.rows("SELECT DISTINCT attempts, lane FROM work") == [(0, 3)]
    assert far.desk.database.one("SELECT away_since FROM lane WHERE name = 'hcoint'") is None
    with far.desk.database.connect() as db:
        db.execute("UPDATE queue SET ready_at = now() WHERE ready_at < 'infinity'")
    assert far.drain() == {"delivered": 12}


def test_an_order_cancelled_after_a_failure_ends_and_cannot_be_retried(far: Far) -> None:
    far.fault("northlab", ack="AE")
    sent(far, "7001", EAST, b"note")
    far.drain()
    far.desk.redox(order("7001", source=EAST, event="Cancel"))
    assert far.desk.life().state is State.CANCELLED
    message = far.desk.row().message
    assert message is not None
    with far.desk.book.store() as db:
        assert [note.state for note in notes.notes_of(db, far.desk.row().id)] == ["cancelled"]
        with pytest.raises(operators.NotPossible):
            operators.retry_now(db, message, Who("Op", "again"))
