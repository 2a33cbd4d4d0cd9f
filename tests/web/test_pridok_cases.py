"""Every number, telephone, code and time of the case files, by the real doors and by ``handoff try`` alike."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from assets.pridok import rows
from assets.pridok.consultation import Consultation, State
from resources.sealing import Place, Sealed, unseal
from resources.store import consultations, patients
from tests.conftest import Database
from tests.pridok.cases import ROOT, of, read
from tests.pridok.room import KEYS, PUBLIC, SECRETARY, Room, referral
from tests.web.browser import accounts, as_
from tests.web.conftest import Deployed

pytestmark = pytest.mark.cases

TOKEN = "pridoks-secret"
PROOF = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
#: Flags about the number and the telephone of a referral.
ABOUT_PHONE = {"no_phone", "phone_not_possible", "phone_possible_not_valid"}


def door(client: httpx.Client, bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    """What the door says of each."""
    return [client.post("/intake/pridok/referrals", content=body, headers=PROOF).json() for body in bodies]


def tried(folder: Path, bodies: Sequence[bytes], environment: str = "test") -> list[dict[str, Any]]:
    """What ``handoff try pridok`` prints of each."""
    file = folder / "referrals.jsonl"
    file.write_bytes(b"\n".join(bodies))
    done = subprocess.run(
        [sys.executable, "-m", "handoff", "try", "pridok", str(file), "--environment", environment],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("environment", ["test", "production"])
@pytest.mark.parametrize("path", of("number"))
def test_every_number_is_judged_alike(
    deployed: Deployed, path: Path, environment: str, tmp_path: Path
) -> None:
    cases = read(path)
    bodies = [referral(guid, PID=case["number"]) for guid, case in enumerate(cases, start=1)]
    client = deployed(**PUBLIC, HANDOFF_TOKENS_PRIDOK=TOKEN, HANDOFF_ENVIRONMENT=environment)
    said = [one["verdict"] for one in door(client, bodies)]
    assert said == [one["verdict"] for one in tried(tmp_path, bodies, environment)]
    assert said == [verdict(case, environment) for case in cases]


def verdict(case: dict[str, str], environment: str) -> str:
    """What the file's own columns lead to."""
    if case["accept_in_production"] == "yes":
        return "accepted"
    of_a_test = "synthetic" in case["kind"] and environment == "test"
    return "accepted_test_only" if of_a_test else "quarantined_invalid_pid"


@pytest.mark.parametrize("path", of("phone"))
def test_every_telephone_is_kept_and_flagged_alike(
    deployed: Deployed, database: Database, path: Path, tmp_path: Path
) -> None:
    cases = read(path)
    client = deployed(**PUBLIC, HANDOFF_TOKENS_PRIDOK=TOKEN)
    bodies = [referral(guid, PhoneNumber=case["input"]) for guid, case in enumerate(cases, start=1)]
    known = None
    for case, body, shown in zip(cases, bodies, tried(tmp_path, bodies), strict=True):
        (said,) = door(client, [body])
        flags, kept = wanted(case)
        known = kept or known  # who leaves a number out has not taken it away
        assert (said["verdict"], ABOUT_PHONE & set(said["flags"])) == ("accepted", flags), case
        assert (shown["PhoneNumber"], ABOUT_PHONE & set(shown["flags"])) == (kept, flags), case
        with database.connect() as db:
            (who,) = db.execute("SELECT id FROM pridok_patient").fetchone() or (0,)
            contact = rows.contact_of(patients.of_ids(db, database.sealer, [who])[who])
        assert contact.phone == known, case


def wanted(case: dict[str, str]) -> tuple[set[str], str | None]:
    """The flags and what is kept, by the file's own columns."""
    if not case["input"].strip():
        return {"no_phone"}, None
    if case["possible"] != "True":
        return {"phone_not_possible"}, " ".join(case["input"].split())
    return set() if case["valid"] == "True" else {"phone_possible_not_valid"}, case["e164"]


@pytest.fixture
def room(database: Database) -> Iterator[Room]:
    made = Room(database)
    yield made
    made.close()


@pytest.mark.parametrize("path", of("icpc"))
def test_every_code_is_taken_or_refused_by_the_report(
    deployed: Deployed, database: Database, room: Room, path: Path
) -> None:
    accounts(database)
    client = deployed(**PUBLIC)
    provider = as_(client, "provider")
    for guid, case in enumerate(read(path), start=1):
        one = room.running(guid)
        page = f"/consultations/{one.id}"
        answer = provider.post(f"{page}/finish", page=page, icpc2=case["code"], outcome="helped")
        assert answer.status_code == (303 if case["accept"].startswith("yes") else 422), case
        if answer.status_code == 303:
            assert code_of(database, one.id).startswith(case["code"].strip().upper()[:3]), case


def code_of(database: Database, identifier: int) -> str:
    """The code in a result, opened as the clinic opens it."""
    version, raw = database.rows(
        "SELECT version, sealed FROM pridok_result WHERE consultation = %s", identifier
    )[0]
    place = Place("pridok_result", str(identifier), version)
    return unseal(Sealed.from_bytes(bytes(raw)), place, KEYS["clinic"])["icpc2"].decode()


@pytest.mark.parametrize("path", of("kpi"))
def test_every_duration_is_told_exactly(
    deployed: Deployed, database: Database, room: Room, path: Path
) -> None:
    accounts(database)
    who = room.take(referral()) and room.all()[0].patients[0]
    ask = graph(deployed(**PUBLIC), database)
    for number, case in enumerate(read(path), start=1):
        times = {
            name: None if case.get(name) is None else datetime.fromisoformat(case[name])
            for name in ("created_at", "assigned_at", "starts_at", "ends_at")
        }
        over = times["ends_at"]
        one = Consultation(
            id=number,
            patients=(who,),
            providers=("provider",),
            state=State.PENDING_SP if over is None else State.COMPLETED,
            reported_at=over and over + timedelta(minutes=5),
            screened_at=datetime(2022, 1, 1, tzinfo=UTC),
            **times,  # type: ignore[arg-type]
        )
        with database.connect() as db:
            consultations.add(db, rows.row_of(one))
        told = ask(f'{{ consultation(id: "{number}") {{ waitingSeconds treatmentSeconds }} }}')
        assert told["consultation"] == {
            "waitingSeconds": case["expect"]["waiting_seconds"],
            "treatmentSeconds": case["expect"]["treatment_seconds"],
        }, case


def graph(client: httpx.Client, database: Database) -> Callable[[str], dict[str, Any]]:
    """GraphQL, asked by a secretary."""
    secretary = as_(client, SECRETARY.id)
    cookie = "; ".join(f"{one.name}={one.value}" for one in secretary.cookies.jar)

    def ask(query: str) -> dict[str, Any]:
        answer = client.post("/graphql", json={"query": query}, headers={"cookie": cookie})
        told: dict[str, Any] = answer.json()["data"]
        return told

    return ask
