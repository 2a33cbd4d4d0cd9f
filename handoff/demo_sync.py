"""The hospitals of the demo: a parent admits patients, its two clinics get those of their towns, and one edits.

The hospitals in miniature remember nothing between two demos, so what was known of their feeds is forgotten at the
start of each. Nothing here settles a record: that is the lane's work, and what it made of it is judged at the end.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg

from assets.openmrs.canonical import canonical
from assets.openmrs.merge import changes
from handoff.environment import ROOT, state_of
from handoff.supervisor import SupervisorError, tell

PARENT = "openmrs-parent"
#: Each clinic, by the name of its link, with the towns it serves.
CLINICS = {
    "clinic-a": ("openmrs-child", ("Kananga", "Kampala")),
    "clinic-b": ("openmrs-child-2", ("Tshikapa", "Kampala")),
}
#: How many patients are admitted, by town; those of Luiza are nobody's but the parent's.
ADMITTED = {"Kananga": 3, "Tshikapa": 3, "Kampala": 3, "Luiza": 1}
#: As long as a change may take from one clinic through the parent to the other.
PATIENCE = 60.0
#: The links of the demo are read often, and nobody's server is to be spared.
OFTEN = {"rate = 20": "rate = 200", "every_seconds = 60": "every_seconds = 3"}

Record = dict[str, Any]


def settings(given: Mapping[str, str], sandbox: str) -> dict[str, str]:
    """The links of ``openmrs.toml``, led to the sandbox, with accounts; none where somebody has links of their own."""
    if given.get("OPENMRS_LINKS"):
        return {}
    links = (ROOT / "openmrs.toml").read_text(encoding="utf-8").replace("http://127.0.0.1:8090", sandbox)
    for slow, quick in OFTEN.items():
        links = links.replace(slow, quick)
    path = _links()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(links, encoding="utf-8")
    accounts = {
        f"OPENMRS_{name.upper().replace('-', '_')}_{side}_{what}": "demo"
        for name in CLINICS
        for side in ("PARENT", "CHILD")
        for what in ("USER", "PASSWORD")
    }
    return {"OPENMRS_LINKS": str(path), **accounts}


def ours(given: Mapping[str, str]) -> bool:
    """Whether the links are those of the demo."""
    return given.get("OPENMRS_LINKS") == str(_links())


def _links() -> Path:
    return state_of(ROOT) / "openmrs-demo.toml"


def forget(given: Mapping[str, str]) -> None:
    """Begin anew with the hospitals of the demo, which have just been built."""
    if not ours(given):
        return
    with psycopg.connect(given["HANDOFF_OWNER_URL"], options="-c search_path=handoff") as owner:
        for table in ("sync_feed", "sync_entry", "sync_gap", "sync_finding", "sync_link", "sync_record"):
            owner.execute(f"DELETE FROM {table} WHERE link = ANY(%s)", [list(CLINICS)])


def admit(sandbox: str) -> None:
    """A morning at the parent: patients come, each with a visit, an encounter and a weight."""
    for town, patients in ADMITTED.items():
        asked = {"patients": patients, "city": town}
        httpx.post(f"{sandbox}/_sandbox/{PARENT}/sample", json=asked, trust_env=False).raise_for_status()


def correct(sandbox: str) -> None:
    """A nurse at one clinic corrects a birth date; wait until the parent and the other clinic know it."""
    child, _ = CLINICS["clinic-a"]
    key, record = _until(lambda: _somebody_of_both(sandbox), "no patient of Kampala came to clinic-a")
    path = f"{sandbox}/_sandbox/{child}/records/{key}"
    httpx.put(path, json={**record, "birthDate": "1984-02-29"}, trust_env=False).raise_for_status()

    def known() -> bool:
        return all(
            _records(sandbox, server).get(key, {}).get("birthDate") == "1984-02-29"
            for server in (PARENT, CLINICS["clinic-b"][0])
        )

    _until(known, "what clinic-a corrected did not come to clinic-b")
    tell("openmrs: a birth date corrected at one clinic is at the parent and at the other clinic")


def wrong(sandbox: str) -> Iterator[str]:
    """Every clinic has exactly the records of the patients of its towns, as the parent has them."""
    above = _records(sandbox, PARENT)
    for link, (child, towns) in CLINICS.items():
        below = _records(sandbox, child)
        wanted = {key for key, record in above.items() if _town(above, record) in towns}
        if missing := len(wanted - below.keys()):
            yield f"openmrs: {missing} records of {link} are only at the parent"
        if strange := len(below.keys() - wanted):
            yield f"openmrs: {strange} records are at {link} and should not be"
        unlike = [key for key in wanted & below.keys() if changes(canonical(above[key]), below[key])]
        if unlike:
            yield f"openmrs: {len(unlike)} records of {link} are not as the parent has them"


def _town(records: Mapping[str, Record], record: Record) -> str:
    """Where the patient of a record lives."""
    who = record if record["resourceType"] == "Patient" else records.get(record["subject"]["reference"], {})
    homes = who.get("address") or [{}]
    return str(homes[0].get("city", ""))


def _somebody_of_both(sandbox: str) -> tuple[str, Record] | None:
    """A patient whom both clinics have already."""
    here, there = (_records(sandbox, child) for child, _ in CLINICS.values())
    both = (each for each in here.items() if each[0] in there and each[0].startswith("Patient/"))
    return next(both, None)


def _records(sandbox: str, server: str) -> dict[str, Record]:
    answer = httpx.get(f"{sandbox}/_sandbox/{server}/records", trust_env=False).raise_for_status()
    return dict(answer.json())


def _until(found: Any, otherwise: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (it := found()):
        if time.monotonic() > end:
            raise SupervisorError(f"openmrs: {otherwise} within {PATIENCE:.0f} s")
        time.sleep(0.5)
    return it
