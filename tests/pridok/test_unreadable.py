"""What the application cannot read: with its role, its environment, every file of the machine and a dump in hand.

Nothing of a result, a note or a raw referral, and a national number only by trying each one against the blind index.
What was moved, swapped or put back does not open either, and evidence is not the application's to change.
"""

import base64
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from assets.pridok import month
from assets.pridok.results import Form
from handoff import postgres
from resources import sealing, sealing_keys
from resources.sealing import NotForThisKey, Place, PrivateKey, PublicKey, SealBroken, Sealed, unseal
from resources.sealing_keys import KeyFileError
from resources.store import wrapped
from resources.store.connect import connect
from resources.store.resealing import SEALED
from resources.store.seal import Sealer, Unreadable, new_key
from tests.command.shell import handoff
from tests.conftest import ROOT, Database
from tests.pridok.room import KEYS, PROVIDER, PUBLIC, Room, referral
from web.results import opened
from web.staff import Problem

#: Unlikely enough not to appear by chance.
NUMBER, CHILD = "13116900216", "12829499914"
FORM = Form(
    icpc2="R74",
    outcome="referred_emergency",
    policy_number="POL-7719-QX",
    patient_number=CHILD,
    job_description="wexthornbury welder",
    notes="zyxelwynn coughs at night",
)
REASON = "ombrath pneumonia suspected"
#: As they were typed, and what is left of them in a file that escapes or splits.
MARKS = (
    *("POL-7719-QX", "wexthornbury", "zyxelwynn", "coughs at night", "ombrath", "pneumonia suspected"),
    *(NUMBER, CHILD),
)
OWNER = "-c search_path=handoff"


@dataclass
class Clinic:
    """A store after a full life: taken, quarantined, repeated and finished; reported, and told person by person."""

    room: Room
    finished: list[int]
    folder: Path

    @property
    def database(self) -> Database:
        return self.room.database

    def owner(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.database.cluster.owner_url, options=OWNER) as db:
            db.execute(statement, values)  # type: ignore[arg-type]

    def rows(self, statement: str, *values: object) -> list[Any]:
        return self.database.rows(statement, *values)


@pytest.fixture
def clinic(database: Database, tmp_path: Path) -> Iterator[Clinic]:
    folder, deals = tmp_path / "keys", tmp_path / "deals.toml"
    passphrase = "correct horse battery"
    keys = {
        name: sealing_keys.make(folder, name, passphrase, datetime.now(UTC), cost=2**10).text
        for name in ("clinic", "report")
    }
    deals.write_text('[deal.D-1]\norganisation = "If"\nprice = 900\ncontract = "C-9"\n')
    settings = {
        "PRIDOK_CLINIC_PUBLIC_KEY": keys["clinic"],
        "PRIDOK_REPORT_PUBLIC_KEY": keys["report"],
        "PRIDOK_DEALS": str(deals),
        "PRIDOK_R2": "on",
    }
    room = Room(database, **settings)
    ids = []
    for guid in (1, 2):
        one = room.running(guid, Reason=REASON, deal_id="D-1")
        room.clock.forward(15)
        room.finishing.finish(one.id, FORM, PROVIDER)
        ids.append(one.id)
    room.take(referral(1, Reason=f"{REASON} again"))
    room.take(referral(3, Reason=REASON, PID=NUMBER[:-1] + "7"))
    room.clock.at = datetime(2026, 4, 2, 5, tzinfo=UTC)
    month.make(room.clinic, date(2026, 3, 1))
    words = ("report-r2", "--month", "2026-03", "--folder", folder, "--by", "Katie", "--reason", "4.2")
    told = handoff(database, *words, stdin=passphrase + "\n", **{**PUBLIC, **settings})
    assert told.code == 0, told.err
    yield Clinic(room, ids, folder)
    room.close()


# -- what can be read --------------------------------------------------------------------------------------------


def marked(content: bytes) -> list[str]:
    """The marks in some bytes: as they are, in hex, and in UTF-16."""
    low = content.lower()
    return [
        mark
        for mark in MARKS
        for form in (mark.encode(), mark.encode().hex().encode(), mark.encode("utf-16-le"))
        if form.lower() in low
    ]


def unpacked(content: bytes) -> Iterator[bytes]:
    """Some bytes, and what is in them if they are a file of Excel."""
    yield content
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as parts:
        for name in parts.namelist():
            yield parts.read(name)


def openable(clinic: Clinic) -> Iterator[tuple[str, bytes]]:
    """Every body the application's keys open, opened."""
    sealer = Sealer(clinic.room.settings.keys)
    for one in SEALED:
        if (one.table, one.column) == ("attempt", "answer"):
            continue  # nothing was sent here
        statement = one.composed("SELECT {row}, {column} FROM {table} WHERE {column} IS NOT NULL")
        with clinic.database.connect() as db:
            for row, body in db.execute(statement).fetchall():
                yield f"{one.table} {row}", sealer.open(bytes(body), one.table.encode(), row)


def test_nothing_that_the_applications_keys_open_says_anything_of_a_result_or_a_raw_referral(
    clinic: Clinic,
) -> None:
    found, places = [], set()
    for place, content in openable(clinic):
        places.add(place.partition(" ")[0])
        found += [(place, mark) for part in unpacked(content) for mark in marked(part)]
        if "report" not in place:  # the workbook's columns are the list of outcomes
            assert b"referred_emergency" not in content
            assert b"R74" not in content
    assert found == []
    assert {"inbox", "conflict", "pridok_patient", "pridok_referral", "pridok_report"} <= places


def test_the_search_finds_what_is_not_sealed(clinic: Clinic) -> None:
    names = [place for place, content in openable(clinic) if b"Danser" in content]
    assert names  # the application keeps the name and the contact: what it may know is found
    for mark in MARKS:
        assert marked(f"<c>{mark}</c>".encode()) == marked(mark.encode().hex().encode()) == [mark]


def test_a_dump_of_the_database_says_nothing(clinic: Clinic) -> None:
    done = subprocess.run(
        [postgres._program("pg_dump"), "--inserts", "--dbname", clinic.database.cluster.owner_url],
        capture_output=True,
        check=True,
    )
    assert b"pridok_result" in done.stdout
    assert marked(done.stdout) == []
    assert re.findall(rb"INSERT INTO handoff\.(\w+) VALUES \([^;]*referred_emergency", done.stdout) == [
        b"pridok_tally"
    ]


def test_no_file_of_the_machine_says_anything(clinic: Clinic) -> None:
    with psycopg.connect(clinic.database.cluster.superuser_url, autocommit=True) as db:
        db.execute("CHECKPOINT")
        (row,) = db.execute("SHOW data_directory").fetchall()
    searched, found = 0, []
    for path in [*Path(str(row[0])).parent.rglob("*"), *clinic.folder.rglob("*")]:
        with suppress(OSError):
            content = path.read_bytes()
            searched += len(content)
            found += [(path.name, mark) for mark in MARKS if mark.encode() in content]
    assert found == []
    assert searched > 10_000_000


def test_no_text_of_the_environment_opens_anything(clinic: Clinic) -> None:
    values = {**os.environ, **clinic.room.settings.values}
    texts = {part for value in values.values() for part in (value, *re.split(r"[,:@/]", value)) if part}
    place, sealed = result(clinic, 0)
    for text in texts:
        for listed in sealing_keys.listed(clinic.folder):
            with pytest.raises(KeyFileError):
                sealing_keys.opened_key(listed.path.read_bytes(), text)
        for secret in secrets_of(text):
            key = PrivateKey.of("clinic", X25519PrivateKey.from_private_bytes(secret))
            for kid in sealed.keys:  # whoever says it is theirs
                with pytest.raises(SealBroken):
                    unseal(relabelled(sealed, kid, key.public.kid), place, key)


def secrets_of(text: str) -> list[bytes]:
    """What could be a private key in a text."""
    found = []
    for decode in (base64.b64decode, bytes.fromhex, str.encode):
        with suppress(ValueError):
            found.append(decode(text))  # type: ignore[operator]
    return [secret for secret in found if len(secret) == 32]


def relabelled(sealed: Sealed, kid: str, name: str) -> Sealed:
    return Sealed(sealed.members, {name: sealed.keys[kid]})


def test_a_private_key_of_the_clinic_opens_what_nothing_else_did(clinic: Clinic) -> None:
    place, sealed = result(clinic, 0)
    keys = sealing_keys.opened(clinic.folder, "clinic", "correct horse battery")
    (key,) = keys.values()
    assert unseal(sealed, place, key)["notes"] == FORM.notes.encode()
    (raw,) = clinic.rows("SELECT id, sealed FROM pridok_referral ORDER BY id LIMIT 1")
    first = unseal(Sealed.from_bytes(bytes(raw[1])), Place("pridok_referral", str(raw[0])), key)
    assert json.loads(first["raw"])["Reason"] == REASON


def test_a_national_number_is_found_only_by_trying_it_with_the_index_key(clinic: Clinic) -> None:
    ((blind,),) = clinic.rows("SELECT number FROM pridok_number")
    ours = Sealer(clinic.room.settings.keys)
    tried = [f"131169{n:05d}" for n in range(400)]
    assert [one for one in tried if ours.name("national number", "pridok", one) == bytes(blind)] == [NUMBER]
    other = Sealer(clinic.database.with_(HANDOFF_INDEX_KEYS=new_key("i2")).keys)
    assert other.name("national number", "pridok", NUMBER) != bytes(blind)


@pytest.mark.parametrize("module", ["web.app", "pipelines.definitions"])
def test_a_door_or_a_run_does_not_even_load_what_opens_key_files(module: str) -> None:
    script = f"import sys, {module}; print([n for n in sys.modules if n.endswith(('sealing_keys', 'person_level'))])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_result_shows_nothing_by_its_length(clinic: Clinic) -> None:
    one = clinic.room.running(9)
    clinic.room.finishing.finish(one.id, Form(icpc2="A03", outcome="helped"), PROVIDER)
    assert len({len(sealed) for (sealed,) in clinic.rows("SELECT sealed FROM pridok_result")}) == 1


# -- moved, swapped, put back ------------------------------------------------------------------------------------


def result(clinic: Clinic, number: int) -> tuple[Place, Sealed]:
    """One stored result, where it stands."""
    rows = clinic.rows("SELECT consultation, version, sealed FROM pridok_result ORDER BY consultation")
    consultation, version, raw = rows[number]
    return Place("pridok_result", str(consultation), version), Sealed.from_bytes(bytes(raw))


def refused(clinic: Clinic, number: int) -> bool:
    """Whether the decrypt service, with the clinic's keys open, refuses to show a result."""
    keys = sealing_keys.opened(clinic.folder, "clinic", "correct horse battery")
    with clinic.database.connect() as db:
        try:
            shown = opened(db, keys, clinic.finished[number])
        except Problem as problem:
            return problem.status == 500
    assert shown.notes == FORM.notes
    return False


def put(clinic: Clinic, number: int, sealed: Sealed) -> None:
    clinic.owner(
        "UPDATE pridok_result SET sealed = %s, kids = %s WHERE consultation = %s",
        sealed.to_bytes(),
        sorted(sealed.keys),
        clinic.finished[number],
    )


def moved(clinic: Clinic) -> Mapping[str, Sealed]:
    """What somebody who may write the table could make of the first result."""
    (_, one), (_, other) = result(clinic, 0), result(clinic, 1)
    swapped = {**one.members, "notes": one.members["outcome"], "outcome": one.members["notes"]}
    taken = {**one.members, "notes": other.members["notes"]}
    left_out = {name: value for name, value in one.members.items() if name != "notes"}
    kids = list(one.keys)
    turned = {kids[0]: one.keys[kids[1]], kids[1]: one.keys[kids[0]], **dict(list(one.keys.items())[2:])}
    return {
        "another row": other,
        "two members swapped": Sealed(swapped, one.keys),
        "a member of another record": Sealed(taken, one.keys),
        "a member left out": Sealed(left_out, one.keys),
        "keys of another record": Sealed(one.members, other.keys),
        "keys of two readers swapped": Sealed(one.members, turned),
    }


@pytest.mark.parametrize(
    "what",
    [
        *("another row", "two members swapped", "a member of another record", "a member left out"),
        *("keys of another record", "keys of two readers swapped"),
    ],
)
def test_what_was_moved_or_swapped_does_not_open(clinic: Clinic, what: str) -> None:
    assert not refused(clinic, 0)
    put(clinic, 0, moved(clinic)[what])
    assert refused(clinic, 0)
    assert not refused(clinic, 1)


def test_a_result_under_another_version_does_not_open(clinic: Clinic) -> None:
    clinic.owner("UPDATE pridok_result SET version = version - 1")
    assert refused(clinic, 0)


def test_an_old_state_put_back_after_a_rewrap_does_not_open_with_the_new_key(clinic: Clinic) -> None:
    place, before = result(clinic, 0)
    (old,) = sealing_keys.opened(clinic.folder, "clinic", "correct horse battery").values()
    new = PrivateKey.made("clinic")
    with connect(clinic.database.cluster.owner_url) as db:
        by = wrapped.wrapped_anew(old, new.public)
        list(wrapped.change(db, clinic.database.sealer, old.public.kid, by, without=new.public.kid))
    assert unseal(result(clinic, 0)[1], place, new)["notes"] == FORM.notes.encode()
    put(clinic, 0, before)
    with pytest.raises(NotForThisKey):
        unseal(result(clinic, 0)[1], place, new)


def test_a_number_and_a_referral_open_in_their_own_row_only(clinic: Clinic) -> None:
    (key,) = sealing_keys.opened(clinic.folder, "clinic", "correct horse battery").values()
    (number, *_), (other, *_) = clinic.rows("SELECT id FROM pridok_referral ORDER BY id LIMIT 2")
    ((raw,),) = clinic.rows("SELECT sealed FROM pridok_referral WHERE id = %s", number)
    with pytest.raises(SealBroken):
        unseal(Sealed.from_bytes(bytes(raw)), Place("pridok_referral", str(other)), key)
    ((blind, raw),) = clinic.rows("SELECT number, sealed FROM pridok_number")
    digits = unseal(Sealed.from_bytes(bytes(raw)), Place("pridok_number", bytes(blind).hex()), key)["number"]
    assert digits == NUMBER.encode()
    with pytest.raises(SealBroken):
        unseal(Sealed.from_bytes(bytes(raw)), Place("pridok_number", "00" * 16), key)


def test_a_message_to_the_insurer_opens_as_its_own_consultations_only(clinic: Clinic) -> None:
    sealer, envelopes = clinic.database.sealer, []
    for number, body in clinic.rows(
        "SELECT id, body FROM inbox WHERE kind = 'consultation_finished' ORDER BY id"
    ):
        envelopes.append(sealer.open(bytes(body), b"inbox", number))
        with pytest.raises(Unreadable):
            sealer.open(bytes(body), b"inbox", number + 8)
    first, second = (Place("insurer_message", str(one)) for one in clinic.finished)
    assert (
        json.loads(sealing.unseal_whole(envelopes[0], first, KEYS["insurer"]))["policy_number"]
        == FORM.policy_number
    )
    with pytest.raises(SealBroken):
        sealing.unseal_whole(envelopes[0], second, KEYS["insurer"])
    renamed = json.loads(envelopes[0]) | {"row": second.row}
    with pytest.raises(SealBroken):
        sealing.unseal_whole(json.dumps(renamed).encode(), second, KEYS["insurer"])


# -- evidence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_log SET reason = 'x'",
        "DELETE FROM access_log",
        "TRUNCATE access_log",
        "INSERT INTO access_log VALUES (1, now(), 'x', 'x', 'x', 1, 'x', 'x')",
        "UPDATE access_log_end SET id = 0",
        "ALTER TABLE access_log DISABLE TRIGGER ALL",
        "UPDATE pridok_result SET sealed = 'x'",
        "DELETE FROM pridok_result",
        "UPDATE pridok_number SET sealed = 'x'",
        "UPDATE pridok_referral SET sealed = 'x'",
        "DELETE FROM pridok_referral",
        "UPDATE pridok_report SET body = 'x'",
        "DELETE FROM pridok_report",
        "DELETE FROM audit",
    ],
)
def test_the_application_changes_no_evidence(clinic: Clinic, statement: str) -> None:
    with clinic.database.connect() as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement)  # type: ignore[arg-type]


def test_public_keys_are_all_that_the_settings_hold(clinic: Clinic) -> None:
    named = {
        name: value for name, value in clinic.room.settings.values.items() if name.endswith("_PUBLIC_KEY")
    }
    assert len(named) == 4
    assert {PublicKey.parse(value).recipient for value in named.values()} == {
        *("clinic", "report", "escrow", "insurer")
    }
