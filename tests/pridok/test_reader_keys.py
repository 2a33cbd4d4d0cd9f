"""Keys of readers from the shell: rotated, rewrapped and retired while the clinic reads every record; shredded."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from assets.pridok.results import from_members
from resources import sealing_keys
from resources.sealing import NotForThisKey, Place, PrivateKey, PublicKey, Sealed, unseal
from resources.store import shredding, wrapped
from resources.store.connect import connect
from tests.command.shell import Ran, handoff
from tests.conftest import Database
from tests.pridok.room import FORM, KEYS, NOTE, PROVIDER, Room, referral

PASSPHRASE = "correct horse battery"
WHO = ("--by", "Katie", "--reason", "a test")


@dataclass
class Folder:
    """The clinic's key files, and a store with a record of every kind sealed to the first of them."""

    database: Database
    path: Path
    settings: dict[str, str] = field(default_factory=dict)
    consultation: int = 0

    def run(self, *words: object, stdin: str = PASSPHRASE + "\n", **settings: str) -> Ran:
        return handoff(self.database, "keys", *words, stdin=stdin, **{**self.settings, **settings})

    def made(self) -> PublicKey:
        ran = self.run("make", "--recipient", "clinic", "--folder", self.path)
        assert ran.code == 0, ran.err
        return PublicKey.parse(ran.out)

    def rotated(self) -> PublicKey:
        ran = self.run("rotate", "--recipient", "clinic", "--folder", self.path)
        assert ran.code == 0, ran.err
        name, _, text = ran.out.strip().partition("=")
        assert name == "PRIDOK_CLINIC_PUBLIC_KEY"
        return PublicKey.parse(text)

    def keys(self) -> dict[str, PrivateKey]:
        """Every private key there ever was, the retired ones too."""
        contents = [one.path.read_bytes() for one in sealing_keys.listed(self.path)]
        opened = [sealing_keys.opened_key(content, PASSPHRASE) for content in contents]
        return {key.public.kid: key for key in opened}

    def records(self) -> dict[str, tuple[Place, Sealed]]:
        """One record of each kind with its place."""
        found: dict[str, tuple[Place, Sealed]] = {}
        for number, version, raw in self.database.rows(
            "SELECT consultation, version, sealed FROM pridok_result ORDER BY 1"
        ):
            found["result"] = Place("pridok_result", str(number), version), Sealed.from_bytes(bytes(raw))
        for blind, raw in self.database.rows("SELECT number, sealed FROM pridok_number"):
            found["number"] = Place("pridok_number", bytes(blind).hex()), Sealed.from_bytes(bytes(raw))
        for number, raw in self.database.rows("SELECT id, sealed FROM pridok_referral"):
            found["referral"] = Place("pridok_referral", str(number)), Sealed.from_bytes(bytes(raw))
        for number, body in self.database.rows("SELECT id, body FROM conflict"):
            opened = self.database.sealer.open(bytes(body), b"conflict", number)
            found["conflict"] = Place("pridok_referral", str(number)), Sealed.from_bytes(opened)
        return found

    def read(self, key: PrivateKey) -> dict[str, dict[str, bytes]]:
        return {name: unseal(sealed, place, key) for name, (place, sealed) in self.records().items()}


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Folder:
    made = Folder(database, tmp_path / "keys")
    made.settings["PRIDOK_CLINIC_PUBLIC_KEY"] = made.made().text
    room = Room(database, **made.settings)
    one = room.running()
    room.finishing.finish(one.id, FORM, PROVIDER)
    room.take(referral(1, Lastname="Annen"))
    room.close()
    made.consultation = one.id
    assert set(made.records()) == {"result", "number", "referral", "conflict"}
    return made


def rotated_and_rewrapped(folder: Folder) -> tuple[PublicKey, PublicKey]:
    old = PublicKey.parse(folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"])
    new = folder.rotated()
    folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"] = new.text
    ran = folder.run("rewrap", "--recipient", "clinic", "--folder", folder.path)
    assert ran.code == 0, ran.err
    return old, new


def test_rewrapping_keeps_every_record_for_the_clinic_and_takes_it_from_the_old_key(folder: Folder) -> None:
    before = folder.read(folder.keys()[folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"].partition(":")[0]])
    old, new = rotated_and_rewrapped(folder)
    keys = folder.keys()
    assert folder.read(keys[new.kid]) == before
    assert from_members(before["result"]).notes == NOTE
    for place, sealed in folder.records().values():
        with pytest.raises(NotForThisKey):
            unseal(sealed, place, keys[old.kid])


def test_rewrapping_changes_no_member_and_no_other_reader(folder: Folder) -> None:
    _, before = folder.records()["result"]
    _, new = rotated_and_rewrapped(folder)
    place, after = folder.records()["result"]
    assert after.members == before.members
    others = {KEYS["report"].public.kid, KEYS["escrow"].public.kid}
    assert set(after.keys) == {new.kid} | others
    assert {kid: after.keys[kid] for kid in others} == {kid: before.keys[kid] for kid in others}
    assert unseal(after, place, KEYS["report"])["notes"] == NOTE.encode()
    assert sorted(folder.database.one("SELECT kids FROM pridok_result")) == sorted(after.keys)  # type: ignore[call-overload]


def test_the_decrypt_service_opens_before_between_and_after(folder: Folder) -> None:
    folder.rotated()
    both = sealing_keys.opened(folder.path, "clinic", PASSPHRASE)
    assert len(both) == 2
    place, sealed = folder.records()["result"]
    assert [unseal(sealed, place, key)["notes"] for kid, key in both.items() if kid in sealed.keys] == [
        NOTE.encode()
    ]


def test_a_key_that_is_named_or_set_is_not_retired(folder: Folder) -> None:
    old = PublicKey.parse(folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"])
    new = folder.rotated()
    retire = ("retire", old.kid, "--folder", folder.path, *WHO)
    ran = folder.run(*retire)
    assert (ran.code, "PRIDOK_CLINIC_PUBLIC_KEY still names" in ran.err) == (1, True)
    folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"] = new.text
    ran = folder.run(*retire)
    assert (ran.code, "rewrap them first" in ran.err) == (1, True)
    assert "1 of pridok_result, 1 of pridok_number, 1 of pridok_referral, 1 of conflict" in ran.err
    assert not list(folder.path.glob("*.retired"))


def test_a_retired_key_opens_nothing_and_is_in_use_no_more(folder: Folder) -> None:
    old, new = rotated_and_rewrapped(folder)
    ran = folder.run("retire", old.kid, "--folder", folder.path, *WHO)
    assert ran.code == 0, ran.err
    assert list(sealing_keys.opened(folder.path, "clinic", PASSPHRASE)) == [new.kid]
    assert [path.name for path in folder.path.glob("*.retired")] == [f"{old.kid}.key.retired"]
    noted = folder.database.rows("SELECT who, target FROM audit WHERE what = 'key retired'")
    assert noted == [("Katie", old.kid)]


def test_rewrapping_twice_changes_nothing_more(folder: Folder) -> None:
    rotated_and_rewrapped(folder)
    before = folder.records()
    ran = folder.run("rewrap", "--recipient", "clinic", "--folder", folder.path)
    assert ran.code == 0
    assert folder.records() == before


def test_settings_that_still_seal_to_the_old_key_are_named(folder: Folder) -> None:
    new = folder.rotated()
    ran = folder.run("rewrap", "--recipient", "clinic", "--folder", folder.path)
    assert ran.code == 0
    assert f"set it to {new.kid}" in ran.err


def test_a_record_that_was_moved_is_named_and_left(folder: Folder) -> None:
    owner(folder.database, "UPDATE pridok_result SET version = version + 1")
    folder.rotated()
    before = folder.records()["result"]
    ran = folder.run("rewrap", "--recipient", "clinic", "--folder", folder.path)
    assert ran.code == 1
    assert f"pridok_result {folder.consultation}: does not open" in ran.err
    assert folder.records()["result"] == before


def test_many_records_go_in_chunks(folder: Folder) -> None:
    room = Room(folder.database, **folder.settings)
    for guid in range(2, 8):
        room.take(referral(guid, Lastname="Prøve"))
    room.close()
    old = folder.settings["PRIDOK_CLINIC_PUBLIC_KEY"].partition(":")[0]
    new = folder.rotated()
    by = wrapped.wrapped_anew(folder.keys()[old], new)
    with connect(folder.database.cluster.owner_url) as db:
        steps = list(wrapped.change(db, folder.database.sealer, old, by, without=new.kid, most=3))
        assert set(wrapped.named(db, folder.database.sealer, old).values()) == {0}
    assert [step.done for step in steps if step.table == "pridok_referral"] == [3, 3, 1]


def test_who_has_lost_a_key_gets_the_results_back_from_the_escrow(folder: Folder, tmp_path: Path) -> None:
    parts = "the first person's part\nthe second person's part\n"
    safe, new = tmp_path / "safe", tmp_path / "new"
    make = ("make", "--recipient", "escrow", "--folder", safe)
    escrow = PublicKey.parse(folder.run(*make, stdin=parts).out)
    room = Room(folder.database, **folder.settings, PRIDOK_ESCROW_PUBLIC_KEY=escrow.text)
    one = room.running(2)
    room.finishing.finish(one.id, FORM, PROVIDER)
    room.close()
    fresh = PublicKey.parse(folder.run("make", "--recipient", "clinic", "--folder", new).out)
    rewrap = ("rewrap", "--recipient", "escrow", "--folder", safe, "--also-for", fresh.text)
    assert folder.run(*rewrap, stdin=parts.replace("second", "third")).code == 1
    ran = folder.run(*rewrap, stdin=parts)
    assert ran.code == 0, ran.err
    place, sealed = folder.records()["result"]
    assert {escrow.kid, fresh.kid} <= sealed.keys.keys()
    key = sealing_keys.opened(new, "clinic", PASSPHRASE)[fresh.kid]
    assert unseal(sealed, place, key)["notes"] == NOTE.encode()


def test_a_first_key_cannot_be_rotated_and_another_passphrase_makes_none(
    folder: Folder, tmp_path: Path
) -> None:
    ran = folder.run("rotate", "--recipient", "clinic", "--folder", tmp_path / "nothing")
    assert (ran.code, "makes the first one" in ran.err) == (1, True)
    ran = folder.run(
        "rotate", "--recipient", "clinic", "--folder", folder.path, stdin="wrong horse battery\n"
    )
    assert (ran.code, "check the passphrase" in ran.err) == (1, True)
    assert len(sealing_keys.listed(folder.path)) == 1
    assert folder.run("rotate", "--recipient", "clinic").code == 1


# -- shredding ---------------------------------------------------------------------------------------------------


def owner(database: Database, statement: str) -> None:
    """What the owner of the tables does."""
    with psycopg.connect(database.cluster.owner_url, options="-c search_path=handoff") as db:
        db.execute(statement)  # type: ignore[arg-type]


def shred(folder: Folder, *words: object, stdin: str = "") -> Ran:
    return folder.run("shred", *WHO, *words, stdin=stdin)


def test_a_shredded_patient_is_unreadable_for_everybody(folder: Folder) -> None:
    everybody = [*folder.keys().values(), *KEYS.values()]
    ran = shred(folder, "--consultation", folder.consultation, "--decision", "the board, 2 March")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("1 results, 2 referrals, 1 numbers")
    found = folder.records()
    assert set(found) == {"result", "referral", "conflict"}
    for place, sealed in found.values():
        assert sealed.keys == {}
        for key in everybody:
            with pytest.raises(NotForThisKey):
                unseal(sealed, place, key)
    body = bytes(folder.database.one("SELECT body FROM pridok_patient"))  # type: ignore[call-overload]
    number = int(str(folder.database.one("SELECT id FROM pridok_patient")))
    assert b"Danser" not in folder.database.sealer.open(body, b"pridok_patient", number)
    assert folder.database.one("SELECT count(*) FROM pridok_number") == 0
    assert (
        folder.database.one("SELECT count(*) FROM inbox WHERE kind = 'referral' AND patient IS NOT NULL") == 0
    )
    noted = folder.database.rows("SELECT who, what FROM audit WHERE what LIKE 'patient shredded%%'")
    assert noted == [("Katie", "patient shredded (decision: the board, 2 March)")]


def test_another_patient_stays_readable(folder: Folder) -> None:
    room = Room(folder.database, **folder.settings)
    other = room.running(9, PID="12829499914")
    room.finishing.finish(other.id, FORM, PROVIDER)
    room.close()
    assert shred(folder, "--consultation", folder.consultation, "--decision", "the board").code == 0
    place, sealed = folder.records()["result"]
    assert place.row == str(other.id)
    assert unseal(sealed, place, KEYS["report"])["notes"] == NOTE.encode()
    assert folder.database.one("SELECT count(*) FROM pridok_number") == 1


def test_the_patient_is_named_by_number_on_standard_input(folder: Folder) -> None:
    assert shred(folder, "--decision", "the board", stdin="13116900217\n").code == 1
    ran = shred(folder, "--decision", "the board", stdin="131169 00216\n")
    assert ran.code == 0, ran.err
    assert "13116900216" not in ran.out + ran.err
    room = Room(folder.database, **folder.settings)
    assert "existing_user" not in room.take(referral(3)).flags
    room.close()


def test_what_must_be_kept_is_not_shredded(folder: Folder) -> None:
    owner(folder.database, f"UPDATE pridok_consultation SET reported_at = '{datetime.now(UTC):%Y-%m-%d}'")
    before = folder.records()
    ran = shred(folder, "--consultation", folder.consultation)
    assert ran.code == 1
    assert f"must be kept until {datetime.now(UTC).year + 10}" in ran.err
    assert folder.records() == before
    ran = folder.run("shred", *WHO, "--consultation", folder.consultation, PRIDOK_JOURNAL_YEARS="0")
    assert ran.code == 0, ran.err


def test_an_open_consultation_or_anothers_record_keeps_it(folder: Folder) -> None:
    decided = ("--consultation", folder.consultation, "--decision", "the board")
    room = Room(folder.database, **folder.settings)
    room.take(referral(2))
    room.close()
    ran = shred(folder, *decided)
    assert (ran.code, "still open" in ran.err) == (1, True)
    owner(folder.database, f"DELETE FROM pridok_event WHERE consultation <> {folder.consultation}")
    owner(folder.database, f"DELETE FROM pridok_consultation WHERE id <> {folder.consultation}")
    owner(folder.database, "UPDATE pridok_consultation SET patients = patients || ARRAY[7]::bigint[]")
    ran = shred(folder, *decided)
    assert (ran.code, "another patient's record" in ran.err) == (1, True)


def test_an_entry_that_was_merged_goes_with_the_one_kept(folder: Folder) -> None:
    room = Room(folder.database, **folder.settings)
    room.take(referral(4, PID="12829499914"))
    room.close()
    kept, other = sorted(row[0] for row in folder.database.rows("SELECT id FROM pridok_patient"))
    owner(folder.database, f"UPDATE pridok_patient SET merged_into = {kept} WHERE id = {other}")
    with folder.database.connect() as db:
        assert shredding.people(db, other) == shredding.people(db, kept) == [kept, other]
