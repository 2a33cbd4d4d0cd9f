"""R2 from the shell: given the report key for its run, told on a basis and logged, readable for the insurer alone."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import psycopg
import pytest

from assets.pridok import person_level
from assets.pridok.results import Form
from resources.sealing import NotForThisKey, Place, PrivateKey, PublicKey, SealBroken, unseal_whole
from resources.store import month as kept
from resources.store.looks import looks
from tests.command.shell import Ran, handoff
from tests.conftest import Database
from tests.pridok.room import KEYS, NOTE, PROVIDER, PUBLIC, Room

PASSPHRASE = "correct horse battery"
MARCH = Place("insurer_report", "2026-03")
DEALS = '[deal.D-1]\norganisation = "If"\nprice = 900\ncontract = "C-9"\n[deal.D-2]\norganisation = "If"\nprice = 900\n'
FORM = Form(icpc2="R74", outcome="helped", policy_number="00123456", job_description="=lærer", notes=NOTE)


@dataclass
class Office:
    """Where the report's key file lies, and a March with four consultations: two under a contract."""

    database: Database
    folder: Path
    settings: dict[str, str]
    under_contract: list[int]
    under_none: int
    direct: int

    def run(self, *words: object, stdin: str = PASSPHRASE + "\n", **settings: str) -> Ran:
        values = {**self.settings, **settings}
        who = ("--by", "Katie", "--reason", "agreement 4.2")
        month = ("report-r2", "--month", "2026-03", "--folder", self.folder, *who, *words)
        return handoff(self.database, *month, stdin=stdin, **values)

    def envelope(self) -> bytes:
        """The newest one, as an administrator takes it along."""
        with self.database.connect() as db:
            (listed,) = kept.listed(db, ["r2"])
            found = kept.one(db, self.database.sealer, listed.id)
        assert found
        return found[1]

    def table(self, key: PrivateKey) -> list[dict[str, object]]:
        """The file as the insurer reads it."""
        content = unseal_whole(self.envelope(), MARCH, key)
        head, *lines = openpyxl.load_workbook(io.BytesIO(content))["Consultations"].iter_rows(
            values_only=True
        )
        return [dict(zip([str(name) for name in head], line, strict=True)) for line in lines]


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    folder, deals = tmp_path / "report", tmp_path / "deals.toml"
    deals.write_text(DEALS)
    made = handoff(
        database, "keys", "make", "--recipient", "report", "--folder", folder, stdin=PASSPHRASE + "\n"
    )
    settings = {
        **PUBLIC,
        "PRIDOK_REPORT_PUBLIC_KEY": PublicKey.parse(made.out).text,
        "PRIDOK_DEALS": str(deals),
        "PRIDOK_R2": "on",
    }
    room = Room(database, **settings)
    ids = []
    for guid, deal in enumerate(("D-1", "D-1", "D-2", None), start=1):
        one = room.running(guid, **({"deal_id": deal} if deal else {}))
        room.clock.forward(15)
        room.finishing.finish(one.id, FORM, PROVIDER)
        ids.append(one.id)
    room.close()
    return Office(database, folder, settings, ids[:2], ids[2], ids[3])


def test_what_a_contract_allows_is_told_to_the_insurer_alone(office: Office) -> None:
    ran = office.run()
    assert ran.code == 0, ran.err
    assert "2 consultations, sealed to the insurer" in ran.out
    assert "2 left out: neither contract nor consent" in ran.err
    rows = office.table(KEYS["insurer"])
    assert [row["consultation_id"] for row in rows] == [str(one) for one in office.under_contract]
    assert rows[0]["policy_number"] == "00123456"
    assert (rows[0]["waiting_seconds"], rows[0]["treatment_seconds"]) == (1800, 900)
    assert (rows[0]["job_description"], rows[0]["legal_basis_id"]) == ("'=lærer", "C-9")
    assert not {"icpc2", "notes", "patient_number"} & rows[0].keys()
    for name in ("clinic", "report", "escrow"):
        with pytest.raises(NotForThisKey):
            unseal_whole(office.envelope(), MARCH, KEYS[name])


def test_each_that_is_told_is_in_the_access_log_with_its_basis(office: Office) -> None:
    assert office.run().code == 0
    with office.database.connect() as db:
        told = [look for look in looks(db, who="Katie") if look.role == "report"][:2]
    assert {look.what for look in told} == {
        f"told the insurer: pridok {one}" for one in office.under_contract
    }
    assert {look.reason for look in told} == {"contract C-9; agreement 4.2"}
    assert all(look.subject is not None for look in told)


def test_a_consent_stands_in_for_a_contract(office: Office, tmp_path: Path) -> None:
    consents = tmp_path / "consents.csv"
    consents.write_text(f"consultation_id,consent_id\n{office.direct},S-4\n")
    ran = office.run("--consents", consents)
    assert ran.code == 0, ran.err
    last = office.table(KEYS["insurer"])[-1]
    assert (last["consultation_id"], last["legal_basis"], last["legal_basis_id"]) == (
        str(office.direct),
        "consent",
        "S-4",
    )


def test_it_is_off_until_it_is_switched_on_and_then_asks_for_a_reason_to_tell_more(office: Office) -> None:
    ran = office.run(PRIDOK_R2="off")
    assert (ran.code, "PRIDOK_R2 is off" in ran.err) == (1, True)
    ran = office.run(PRIDOK_R2_ALSO="icpc2")
    assert (ran.code, "reason" in ran.err) == (1, True)
    ran = office.run(PRIDOK_R2_ALSO="icpc2", PRIDOK_R2_ALSO_REASON="agreement 4.3")
    assert ran.code == 0, ran.err
    assert office.table(KEYS["insurer"])[0]["icpc2"] == "R74"


def test_without_the_report_key_nothing_is_opened_and_nothing_logged(office: Office, tmp_path: Path) -> None:
    before = newest(office)
    ran = office.run(stdin="wrong horse battery\n")
    assert (ran.code, "check the passphrase" in ran.err) == (1, True)
    other = handoff(
        office.database,
        *("keys", "make", "--recipient", "report", "--folder", tmp_path / "other"),
        stdin=PASSPHRASE + "\n",
    )
    assert other.code == 0
    office.folder = tmp_path / "other"
    ran = office.run()
    assert (ran.code, ran.err.count("does not open")) == (1, 2)
    assert newest(office) == before
    assert office.database.one("SELECT count(*) FROM pridok_report") == 0


def newest(office: Office) -> int:
    return int(str(office.database.one("SELECT id FROM access_log_end")))


def test_what_was_shredded_or_moved_is_left_out_and_named(office: Office) -> None:
    with psycopg.connect(office.database.cluster.owner_url, options="-c search_path=handoff") as db:
        db.execute(
            "UPDATE pridok_result SET version = version + 1 WHERE consultation = %s",
            [office.under_contract[0]],
        )
    ran = office.run()
    assert ran.code == 1
    assert f"consultation {office.under_contract[0]}: its result does not open" in ran.err
    assert [row["consultation_id"] for row in office.table(KEYS["insurer"])] == [
        str(office.under_contract[1])
    ]
    decided = ("--consultation", office.direct, "--decision", "the board", "--by", "Katie", "--reason", "x")
    assert handoff(office.database, "keys", "shred", *decided, **office.settings).code == 0
    ran = office.run()
    assert (ran.code, "2 left out: destroyed" in ran.err) == (1, True)
    assert "no report was made" in ran.err


def test_the_envelope_opens_in_its_month_only(office: Office) -> None:
    assert office.run().code == 0
    with pytest.raises(SealBroken):
        unseal_whole(office.envelope(), Place("insurer_report", "2026-04"), KEYS["insurer"])
    assert set(json.loads(office.envelope())) == {"suite", "kid", "table", "row", "version", "ciphertext"}


def test_a_month_that_still_runs_is_not_told(office: Office) -> None:
    this = f"{datetime.now(UTC):%Y-%m}"
    ran = office.run("--month", this)
    assert (ran.code, "has not ended" in ran.err) == (1, True)
    assert office.run("--month", "March").code == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [("id\n", 1), ("consultation_id,consent_id\n17\n", 2), ("consultation_id,consent_id\nx,S\n", 2)],
)
def test_a_file_of_consents_with_a_fault_is_refused_by_its_line(
    office: Office, tmp_path: Path, text: str, line: int
) -> None:
    (tmp_path / "consents.csv").write_text(text)
    ran = office.run("--consents", tmp_path / "consents.csv")
    assert (ran.code, f"line {line}:" in ran.err) == (1, True)
    assert office.run("--consents", tmp_path / "nowhere.csv").code == 1


def test_nothing_of_what_was_opened_is_said(office: Office) -> None:
    ran = office.run()
    for value in ("00123456", "lærer", NOTE, "R74", "Danser"):
        assert value not in ran.out + ran.err
    assert "C-9" not in repr(person_level.Asked(by="Katie", reason="x", consents={17: "C-9"}))
