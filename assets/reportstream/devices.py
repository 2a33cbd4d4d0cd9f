"""What is known of devices and LOINC codes: which pairs exist, what they look for, who made them.

The tables are files of this package, read once; a lane may hand in a ``Devices`` of its own with entries of
devices that are newer than CDC's list.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

#: What a code that is not in our list looks for.
UNKNOWN_DISEASE = ""


class Loinc(NamedTuple):
    """A test: the disease it looks for, its long common name, and whether any device may stand beside it."""

    code: str
    disease: str
    any_device: bool
    name: str


class Entry(NamedTuple):
    """A device and one LOINC code it performs. Names stand here only where they are not LOINC's own."""

    model: str
    performed: str
    ordered: str = ""
    manufacturer: str = ""
    kit: str = ""
    equipment: str = ""
    equipment_type: str = ""
    loinc_version: str = ""
    mode: str = ""
    performed_name: str = ""
    ordered_name: str = ""


class Devices(NamedTuple):
    """Entries by model (lower case, no trailing asterisk) and code; LOINC codes by code."""

    entries: Mapping[tuple[str, str], Entry]
    loinc: Mapping[str, Loinc]

    def entry(self, model: str, performed: str) -> Entry | None:
        """The entry of a model and the LOINC code it performed."""
        return self.entries.get((_key(model), performed.strip()))

    def performing(self, model: str, disease: str) -> Entry | None:
        """An entry of a model that looks for a disease, for events that do not say which test it was."""
        found = (entry for (name, _), entry in self.entries.items() if name == _key(model))
        return next((entry for entry in found if self.disease(entry.performed) == disease), None)

    def pairs(self, model: str, performed: str) -> bool:
        """Whether a row may name this model with this code."""
        code = self.loinc.get(performed.strip())
        return self.entry(model, performed) is not None or (code is not None and code.any_device)

    def listed(self) -> dict[str, list[Loinc]]:
        """The tests of each model, as a person looks them up."""
        found: dict[str, list[Loinc]] = {}
        for entry in sorted(self.entries.values(), key=lambda entry: (_key(entry.model), entry.performed)):
            code = self.loinc.get(entry.performed) or Loinc(entry.performed, UNKNOWN_DISEASE, False, "")
            found.setdefault(entry.model, []).append(code)
        return found

    def disease(self, performed: str) -> str:
        """The disease a code looks for; empty if we do not know."""
        code = self.loinc.get(performed.strip())
        return code.disease if code else UNKNOWN_DISEASE

    def name(self, code: str) -> str:
        """The long common name of a code; empty if we do not know."""
        known = self.loinc.get(code.strip())
        return known.name if known else ""

    def with_entries(self, entries: Iterable[Entry], loinc: Iterable[Loinc] = ()) -> "Devices":
        """The same with more entries and codes; a newer one replaces an older."""
        added = {(_key(entry.model), entry.performed): entry for entry in entries}
        return Devices({**self.entries, **added}, {**self.loinc, **{code.code: code for code in loinc}})


def _key(model: str) -> str:
    """Models compare without case and without the asterisk of CDC's table ("see the package insert")."""
    return model.strip().removesuffix("*").strip().lower()


@cache
def known_devices() -> Devices:
    """CDC's table and our list of LOINC codes."""
    entries = [Entry(**line) for line in table("devices.csv")]
    loinc = [
        Loinc(line["code"], line["disease"], line["device"] == "any", line["name"])
        for line in table("loinc.csv")
    ]
    return Devices({}, {}).with_entries(entries, loinc)


@cache
def county_codes() -> Mapping[tuple[str, str], str]:
    """Five digits of the county by state and name, in lower case and without "County"."""
    codes: dict[tuple[str, str], str] = {}
    for line in _lines("counties.txt"):
        state, digits, counties = line.split(" ", 2)
        for county in counties.split(";"):
            codes[state, plain_county(county[3:])] = digits + county[:3]
    return codes


def county_code(state: str, county: str) -> str:
    """The FIPS code of a county, empty if the name is not one of the state's."""
    return county_codes().get((state.strip().upper(), plain_county(county)), "")


def plain_county(name: str) -> str:
    """A county's name as it is compared.

    >>> plain_county("St. Louis County")
    'st louis'
    """
    plain = " ".join(name.lower().replace(".", "").split())
    for ending in (" county", " parish", " borough", " municipio"):
        plain = plain.removesuffix(ending)
    return plain


def table(name: str) -> Iterator[dict[str, str]]:
    """The lines of a CSV table of this package; lines that begin with # say where it comes from."""
    return iter(csv.DictReader(_lines(name)))


def _lines(name: str) -> Iterator[str]:
    text = resources.files("assets.reportstream").joinpath("tables", name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if not line.startswith("#"))
