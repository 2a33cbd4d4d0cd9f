"""The register on a real store, also while referrals come in at the same moment."""

import threading
from collections.abc import Iterator

import pytest

from assets.pridok.actors import Impossible, NotAllowed
from assets.pridok.patients import may_market
from assets.pridok.practice import Gone
from assets.pridok.referral import Contact
from assets.pridok.register import Register
from tests.conftest import Database
from tests.pridok.room import PROVIDER, SECRETARY, Room, referral

NUMBER, OTHER = "13116900216", "05073500186"
LINE = Contact(first_name="Line", last_name="Danser")


@pytest.fixture
def room(database: Database) -> Iterator[Room]:
    made = Room(database)
    yield made
    made.close()


@pytest.fixture
def register(room: Room) -> Register:
    return Register(room.clinic)


def entry(room: Room, register: Register, who: int) -> tuple[list[bool], list[str]]:
    """Which numbers are in use, oldest first, and the tags."""
    with room.clinic.store() as db:
        found = register.entry(db, who).patient
    return [number.until is None for number in found.numbers], sorted(found.tags)


def test_who_is_entered_twice_is_entered_once(room: Room, register: Register) -> None:
    first = register.admit(SECRETARY, NUMBER, LINE)
    assert register.admit(SECRETARY, "131169 00216", LINE) == first
    with pytest.raises(NotAllowed):
        register.admit(PROVIDER, OTHER, LINE)
    with pytest.raises(Impossible):
        register.admit(SECRETARY, "13116900217", LINE)


def test_a_number_that_comes_back_into_use_is_no_new_one(room: Room, register: Register) -> None:
    who = register.admit(SECRETARY, NUMBER, LINE)
    room.clock.forward(60)
    register.renumber(who, OTHER, SECRETARY, "a letter")
    assert entry(room, register, who)[0] == [False, True]
    register.renumber(who, OTHER, SECRETARY, "the same letter")
    assert room.database.one("SELECT count(*) FROM audit WHERE what = 'another number'") == 1
    room.clock.forward(60)
    register.renumber(who, NUMBER, SECRETARY, "the letter was wrong")
    assert entry(room, register, who)[0] == [True, False]


def test_merged_entries_keep_the_stricter_choice_and_every_consultation(
    room: Room, register: Register
) -> None:
    kept = register.admit(SECRETARY, OTHER, LINE)
    direct = room.practice.create(SECRETARY, people=[kept])
    room.clock.forward(60)
    room.take(referral())
    other = room.all()[-1].patients[0]
    before = room.all()[-1].version
    register.merge(kept, other, SECRETARY, "the same mother")
    assert entry(room, register, kept) == ([True, False], ["insurer_referral"])
    assert {one.patients for one in room.all()} == {(kept,)}
    assert [one.version for one in room.all()] == [direct.version, before + 1]
    with room.clinic.store() as db:
        found = register.entry(db, other)
        assert (found.patient.id, found.also) == (kept, (other,))
        assert not may_market(found.patient)
    with pytest.raises(Impossible):
        register.merge(kept, other, SECRETARY, "once more")
    with pytest.raises(Impossible):
        register.merge(kept, kept, SECRETARY, "with itself")
    with pytest.raises(NotAllowed):
        register.merge(kept, other, PROVIDER, "not theirs")


def test_an_entry_merged_twice_is_found_by_its_last_place(room: Room, register: Register) -> None:
    first, second = register.admit(SECRETARY, NUMBER, LINE), register.admit(SECRETARY, OTHER, LINE)
    third = register.admit(SECRETARY, "15507600333", LINE)
    register.merge(second, first, SECRETARY, "one person")
    register.merge(third, second, SECRETARY, "one person")
    with room.clinic.store() as db:
        assert register.entry(db, first).everything == (third, first, second)
    made = room.practice.create(SECRETARY, people=[first, third])
    assert made.patients == (third,)
    with room.clinic.store() as db, pytest.raises(Gone):
        register.entry(db, 4711)


def test_referrals_that_come_while_entries_are_merged_are_all_under_the_entry_that_stays(
    room: Room, register: Register
) -> None:
    kept, other = register.admit(SECRETARY, NUMBER, LINE), register.admit(SECRETARY, OTHER, LINE)
    gate = threading.Barrier(9)

    def refer(guid: int) -> None:
        gate.wait(10)
        room.take(referral(guid, PID=OTHER))

    threads = [threading.Thread(target=refer, args=(guid,)) for guid in range(1, 9)]
    for thread in threads:
        thread.start()
    gate.wait(10)
    register.merge(kept, other, SECRETARY, "the same mother")
    for thread in threads:
        thread.join(20)
    assert len(room.all()) == 8
    assert {one.patients for one in room.all()} == {(kept,)}
    assert room.database.one("SELECT merged_into FROM pridok_patient WHERE id = %s", other) == kept
