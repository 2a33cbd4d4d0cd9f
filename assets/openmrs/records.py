"""Records in order: hints coalesced to records, dependencies first, held records holding only what hangs on them.

No time stamp orders anything (R1). Reading and writing records is ``sync``'s business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assets.openmrs.events import CARRIED, Action, Entry, Key
from assets.openmrs.tree import Tree, objects, text

#: A record comes after what it points to (R8). Visits and encounters are both FHIR Encounters.
RANKS = {
    "Location": 0,
    "Practitioner": 0,
    "Patient": 1,
    "visit": 2,
    "Encounter": 3,
    "Observation": 4,
}

#: Feeds in the order they are read; a link names those it uses.
FEEDS = ("location", "practitioner", "patient", "visit", "encounter", "observation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinted:
    """One record that something said changed, with every entry that said so, oldest first."""

    key: Key
    rank: int
    entries: tuple[str, ...]
    actions: frozenset[Action]


def coalesce(entries: Iterable[Entry]) -> list[Hinted]:
    """The distinct records of many entries, dependencies first, else in the order first heard of (R1).

    Five entries about one patient cost one read. Entries that name no record are not in the answer.
    """
    heard: dict[Key, list[Entry]] = {}
    for entry in entries:
        if entry.key is not None and entry.key.type in CARRIED:
            heard.setdefault(entry.key, []).append(entry)
    hinted = [_hinted(key, about) for key, about in heard.items()]
    return sorted(hinted, key=lambda each: each.rank)


def _hinted(key: Key, about: list[Entry]) -> Hinted:
    visit = any(entry.category.casefold() == "visit" for entry in about)
    return Hinted(
        key=key,
        rank=RANKS["visit"] if visit and key.type == "Encounter" else RANKS[key.type],
        entries=tuple(dict.fromkeys(entry.id for entry in about)),
        actions=frozenset(entry.action for entry in about),
    )


def set_aside(entry: Entry) -> str:
    """Why an entry leads to no record, or empty when it does (R6)."""
    if entry.problem:
        return entry.problem
    if entry.key is None or entry.key.type not in CARRIED:
        return "the entry is about a type of record this lane does not carry"
    return ""


def references(record: Tree) -> list[tuple[str, Key]]:
    """Every record it points to, with the place; contained and absolute references are not ours to follow."""
    found = []
    for place, part in objects(record):
        kind, _, record_id = text(part, "reference").rpartition("/")
        if kind in CARRIED and record_id:
            found.append((f"{place}.reference", Key(kind, record_id)))
    return found


def patient_of(record: Tree) -> Key | None:
    """The patient whose record it is: the record itself, or its subject."""
    if text(record, "resourceType") == "Patient":
        return Key("Patient", text(record, "id"))
    kind, _, record_id = text(record, "subject", "reference").rpartition("/")
    return Key("Patient", record_id) if kind == "Patient" and record_id else None


def redirected(record: Tree, ids: Mapping[Key, str]) -> Tree:
    """The record with each reference put on the other side's id, where the two differ (the id map of R2)."""
    renamed: Tree = {}
    for name, value in record.items():
        if isinstance(value, dict):
            renamed[name] = redirected(value, ids)
        elif isinstance(value, list):
            renamed[name] = [redirected(each, ids) if isinstance(each, dict) else each for each in value]
        elif name == "reference" and isinstance(value, str):
            kind, _, record_id = value.rpartition("/")
            other = ids.get(Key(kind, record_id))
            renamed[name] = f"{kind}/{other}" if other else value
        else:
            renamed[name] = value
    return renamed
