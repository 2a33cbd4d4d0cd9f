"""A book of orders on a real store, with the partners of a file of the test's own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.hcoint import life
from assets.hcoint.book import Book, Taken, life_of
from assets.hcoint.documents import KINDS, examine
from assets.hcoint.life import Confirmed, Life
from assets.hcoint.sending import partners
from assets.hcoint.told import by_hl7, by_redox
from resources.settings import Settings
from resources.store import orders
from resources.store.orders import Row
from tests.conftest import Database
from tests.hcoint.cases import SAMPLES
from tests.hcoint.notes import pdf

SOURCE = "7ce6f387-c33c-417d-8682-81e83628cbd9"
UPDATE = SAMPLES / "partners/redox/composed_order_update.json"
ORM = SAMPLES / "partners/hl7/composed_orm_o01_new.hl7"

MULTICARE = f"""
[partner.multicare]
orders = "redox"
redox_source_id = "{SOURCE}"
results = "redox"
destinations = ["af394f14-b34a-464f-8d24-895f370af4c9"]
facility = "MULTICARE"
result_code = "CN100"
result_description = "Clinical note"
kinds = ["pdf", "tiff", "jpeg", "png", "rtf", "txt"]
"""


def order(number: str = "7001", *, event: str = "New", log: str = "", **changed: Any) -> bytes:
    """One order as Redox tells it; ``changed``: mrn, last, at, test, source, visit."""
    document = json.loads(UPDATE.read_bytes())
    meta = document["Meta"]
    meta["EventType"], meta["Test"] = event, changed.get("test", False)
    meta["Source"]["ID"] = changed.get("source", SOURCE)
    meta["Logs"] = [{"ID": log or f"log-{number}-{event}", "AttemptID": "a"}]
    meta["EventDateTime"] = changed.get("at", "2026-02-03T18:00:00.000Z")
    document["Order"]["ID"] = number
    if "mrn" in changed:
        document["Patient"]["Identifiers"] = [{"ID": changed["mrn"], "IDType": "MR"}]
    if "last" in changed:
        document["Patient"]["Demographics"]["LastName"] = changed["last"]
    if "visit" in changed:
        document["Visit"] = {"VisitNumber": changed["visit"]}
    return json.dumps(document).encode()


def discharge(visit: str) -> bytes:
    """The end of a visit as Redox tells it."""
    meta = {"DataModel": "PatientAdmin", "EventType": "Discharge", "Source": {"ID": SOURCE}}
    document = {
        "Meta": meta | {"Logs": [{"ID": f"out-{visit}"}], "EventDateTime": "2026-02-04T10:00:00Z"},
        "Visit": {"VisitNumber": visit, "DischargeDateTime": "2026-02-04T09:00:00Z"},
    }
    return json.dumps(document).encode()


@dataclass
class Desk:
    """The book and short ways into it."""

    book: Book
    database: Database
    settings: Settings

    def redox(self, raw: bytes) -> Taken:
        return self.book.take(by_redox(raw))

    def hl7(self, octets: bytes) -> Taken:
        return self.book.take(by_hl7(octets, self.book.partners.mllp_senders)[0])

    def row(self, number: str = "7001") -> Row:
        reference = self.book.sealer().blind("reference", "hcoint", number)
        found = self.database.one("SELECT id FROM hcoint_order WHERE reference = %s", reference)
        with self.book.store() as db:
            row = orders.order(db, self.book.sealer(), int(str(found)))
        assert row is not None
        return row

    def life(self, number: str = "7001") -> Life:
        return life_of(self.row(number))

    def attach(self, number: str = "7001", data: bytes | None = None, *, name: str = "note.pdf") -> bytes:
        data = pdf() if data is None else data
        self.book.attach(self.row(number).id, examine(data, name=name, kinds=KINDS), "Cora")
        return data

    def confirmed(self, number: str = "7001", **changed: Any) -> Confirmed:
        found = self.life(number)
        patient = found.order.patient
        return replace(Confirmed(life.full_name(patient), patient.birth_date, found.version), **changed)

    def send(self, number: str = "7001", **changed: Any) -> int:
        return self.book.send(self.row(number).id, self.confirmed(number, **changed), "Cora")

    def effects(self, number: str = "7001") -> list[str]:
        with self.book.store() as db:
            return [event.what for event in orders.events(db, self.row(number).id)]


@contextmanager
def desk(database: Database, folder: Path, table: str = MULTICARE, **settings: object) -> Iterator[Desk]:
    path = folder / "hcoint.toml"
    path.write_text(table)
    with_ = database.with_(HCOINT_PARTNERS=path, **settings)
    book = Book(with_, partners(with_))
    try:
        yield Desk(book, database, with_)
    finally:
        book.close()


def now() -> datetime:
    return datetime.now().astimezone()
