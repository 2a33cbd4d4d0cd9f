"""What counts as a change, and two sides merged by element."""

from typing import Any

import pytest

from assets.openmrs.canonical import canonical, elements, fingerprint, same
from assets.openmrs.events import Side
from assets.openmrs.merge import (
    Half,
    Merge,
    Policy,
    Said,
    applied,
    changes,
    common,
    merge,
    paired,
    stuck,
)
from assets.openmrs.tree import Tree
from tests.openmrs.people import encounter, in_home, own_id, patient

GRACE = patient()


def half(**changed: Any) -> Half:
    return Half(canonical(GRACE), {**GRACE, **changed})


def both(parent: Half, child: Half, policy: Policy = Policy.MERGE, newer: Side | None = None) -> Merge:
    return merge(parent, child, policy, newer)


def names(carried: tuple[Any, ...]) -> list[str]:
    return [change.element for change in carried]


@pytest.mark.parametrize(
    "unimportant",
    [
        {"meta": {"versionId": "2", "lastUpdated": "2026-03-02T08:00:00Z"}},
        {"text": {"status": "generated", "div": "<div/>"}},
        {"active": False},
        {"deceasedBoolean": None},
        {"maritalStatus": None, "contact": [], "photo": ""},
        {"name": [{**GRACE["name"][0], "text": "Grace Akello"}]},  # type: ignore[index,call-overload,dict-item]
        {"birthDate": "1990-05-17"},
    ],
)
def test_what_a_server_adds_by_itself_is_no_change(unimportant: dict[str, Any]) -> None:
    assert changes(canonical(GRACE), {**GRACE, **unimportant}) == {}


def test_an_encounters_status_and_class_are_computed_and_its_tag_is_not() -> None:
    seen = encounter()
    assert fingerprint({**seen, "status": "finished", "class": {"code": "EMER"}}) == fingerprint(seen)
    assert fingerprint({**seen, "meta": {"tag": [{"code": "visit"}]}}) != fingerprint(seen)


def test_the_order_of_members_and_items_is_no_change() -> None:
    two = patient(address=[{"id": "a", "city": "x"}, {"id": "b", "city": "y"}])
    turned = dict(reversed(list({**two, "address": list(reversed(two["address"]))}.items())))  # type: ignore[call-overload]
    assert changes(canonical(two), turned) == {}


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("1990", "1990-01-01", True),
        ("1990-05", "1990-05-01", True),
        ("2021", "2021-03", True),
        ("1990", "1991-01-01", False),
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00.000+00:00", True),
        ("2026-03-02T08:00:00+0000", "2026-03-02T08:00:00Z", True),
        ("2026-03-02T08:00:00Z", "2026-03-02T10:00:00+02:00", True),
        ("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z", False),
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00", False),
        (171, 171.0, True),
        ({"start": "1990"}, {"start": "1990-01-01"}, True),
        ("Kampala", "kampala", False),
    ],
)
def test_dates_and_moments_are_compared_by_what_they_say(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal


def test_disjoint_changes_go_to_the_other_side() -> None:
    found = both(half(gender="other"), half(birthDate="1991-01-01"))
    assert (names(found.to_child), names(found.to_parent), found.clashes) == (["gender"], ["birthDate"], ())


def test_addresses_of_different_uuids_unite() -> None:
    second = {"id": "second", "use": "old", "city": "Mbale"}
    third = {"id": "third", "use": "old", "city": "Gulu"}
    addresses: Any = GRACE["address"]
    found = both(half(address=[*addresses, second]), half(address=[*addresses, third]))
    assert (names(found.to_child), names(found.to_parent)) == (["address[second]"], ["address[third]"])


def test_one_address_edited_on_both_sides_clashes_as_a_whole() -> None:
    found = both(half(address=in_home(GRACE, city="Gulu")), half(address=in_home(GRACE, postalCode="1")))
    assert [clash.element for clash in found.clashes] == [f"address[{own_id('grace-address')}]"]
    assert (found.to_child, found.to_parent) == ((), ())


def test_the_same_edit_on_both_sides_is_agreement() -> None:
    assert both(half(gender="other"), half(gender="other")) == Merge()


def test_a_clash_stops_what_is_disjoint_too_until_a_person_has_decided() -> None:
    found = both(half(gender="other", birthDate="1991-01-01"), half(gender="unknown"))
    assert (found.to_child, found.to_parent) == ((), ())
    assert len(found.clashes) == 1


def test_manual_asks_a_person_even_about_disjoint_changes() -> None:
    found = both(half(gender="other"), half(birthDate="1991-01-01"), Policy.MANUAL)
    assert [clash.element for clash in found.clashes] == ["birthDate", "gender"]


def test_manual_lets_a_change_of_one_side_pass() -> None:
    assert names(both(half(gender="other"), half(), Policy.MANUAL).to_child) == ["gender"]


@pytest.mark.parametrize(
    ("policy", "newer", "down", "up"),
    [
        (Policy.PARENT, None, ["gender"], []),
        (Policy.CHILD, None, [], ["gender"]),
        (Policy.NEWEST, Side.CHILD, [], ["gender"]),
        (Policy.NEWEST, Side.PARENT, ["gender"], []),
    ],
)
def test_a_policy_names_the_winner_and_what_it_overruled(
    policy: Policy, newer: Side | None, down: list[str], up: list[str]
) -> None:
    found = both(half(gender="other"), half(gender="unknown"), policy, newer)
    assert (names(found.to_child), names(found.to_parent)) == (down, up)
    assert [clash.element for clash in found.overruled] == ["gender"]


def test_newest_without_comparable_clocks_is_for_a_person() -> None:
    assert both(half(gender="other"), half(gender="unknown"), Policy.NEWEST).clashes


def test_what_a_side_could_not_hold_never_travels_back() -> None:
    poorer = {name: value for name, value in GRACE.items() if name != "address"}
    child = Half(canonical(poorer), {**poorer, "gender": "other"})
    assert names(both(half(), child).to_parent) == ["gender"]


def test_an_item_under_another_uuid_is_the_same_item() -> None:
    theirs = {**GRACE, "address": in_home(GRACE, id="new-uuid")}
    pairs = paired(canonical(GRACE), canonical(theirs))
    assert pairs == {f"address[{own_id('grace-address')}]": "address[new-uuid]"}
    child = Half(canonical(theirs), theirs)
    found = both(half(address=in_home(GRACE, city="Gulu")), child)
    assert names(found.to_child) == ["address[new-uuid]"]
    written: Any = applied(theirs, found.to_child)
    assert written["address"] == [{"id": "new-uuid", "use": "home", "city": "Gulu", "country": "Uganda"}]


def test_a_removed_element_is_removed_there() -> None:
    found = both(half(address=[]), half())
    assert "address" not in applied(GRACE, found.to_child)


def test_two_records_that_meet_agree_on_what_is_alike() -> None:
    theirs: Tree = {**GRACE, "telecom": [{"id": "t", "value": "+256700000001"}]}
    ours: Tree = {**GRACE, "gender": "other"}
    base = common(theirs, ours)
    found = merge(Half(base.base, theirs), Half(base.now, ours), Policy.MERGE)
    assert [clash.element for clash in found.clashes] == ["gender"]


def test_what_was_not_kept_is_named_and_a_new_uuid_is_kept() -> None:
    wanted = both(half(gender="other", address=[{"id": "x", "city": "Gulu"}]), half()).to_child
    back = {**GRACE, "address": [{"id": "y", "city": "Gulu"}]}
    assert stuck(wanted, back) == ["gender"]


def test_a_persons_choice_decides_each_element() -> None:
    parent, child = (
        half(gender="other", birthDate="1991-01-01"),
        half(gender="unknown", birthDate="1992-02-02"),
    )
    chosen = {"gender": Side.PARENT, "birthDate": Said("1993-03-03")}
    found = merge(parent, child, Policy.MERGE, chosen=chosen)
    assert [(c.element, c.written) for c in found.to_child] == [
        ("birthDate", "1993-03-03"),
        ("gender", "other"),
    ]
    assert [(c.element, c.written) for c in found.to_parent] == [("birthDate", "1993-03-03")]
    assert len(found.overruled) == 2


def test_a_choice_that_leaves_a_clash_open_is_asked_for_again_as_a_whole() -> None:
    parent, child = (
        half(gender="other", birthDate="1991-01-01"),
        half(gender="unknown", birthDate="1992-02-02"),
    )
    found = merge(parent, child, Policy.MERGE, chosen={"gender": Side.CHILD})
    assert [clash.element for clash in found.clashes] == ["birthDate", "gender"]


def test_person_attributes_are_told_apart_by_their_type() -> None:
    url = "http://fhir.openmrs.org/ext/person-attribute"

    def attribute(kind: str, value: str) -> Tree:
        parts: Any = [
            {"url": f"{url}-type", "valueString": kind},
            {"url": f"{url}-value", "valueString": value},
        ]
        return {"url": url, "extension": parts}

    record = patient(extension=[attribute("Race", "a"), attribute("Health Center", "b")])
    named = [name for name in elements(record) if name.startswith("extension")]
    assert named == [f"extension[{url}|Race]", f"extension[{url}|Health Center]"]
