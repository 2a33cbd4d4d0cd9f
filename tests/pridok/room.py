"""A clinic with keys of its own: what the lane's tests play in."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.pridok.actors import Actor, Role
from assets.pridok.clinic import RECIPIENTS, Clinic
from assets.pridok.consultation import Consultation
from assets.pridok.finishing import Finishing
from assets.pridok.practice import Practice
from assets.pridok.reception import Reception, Taken
from assets.pridok.results import Form
from assets.pridok.rows import consultation_of
from resources.sealing import PrivateKey
from resources.settings import Settings
from resources.store import consultations
from resources.video import Video
from tests.conftest import Database

SECRETARY = Actor("secretary", Role.SECRETARY)
PROVIDER = Actor("provider", Role.PROVIDER)
OTHER = Actor("other", Role.PROVIDER)
NOTE = "The patient coughs since Tuesday"
FORM = Form(icpc2="R74", outcome="helped", policy_number="00123456", notes=NOTE)

KEYS = {name: PrivateKey.made(name) for name in (*RECIPIENTS, "insurer")}
PUBLIC = {f"PRIDOK_{name.upper()}_PUBLIC_KEY": key.public.text for name, key in KEYS.items()}


def referral(guid: int = 1, **changed: object) -> bytes:
    """A good referral about a patient who does not exist."""
    members: dict[str, Any] = {
        "JournalGuid": f"240b54a7-8c2a-4c3c-80a4-{guid:012d}",
        "PID": "13116900216",
        "FormatId": "http://ehelse.no/xmlstds/henvisning/2017-11-30",
        "MessageTimestamp": "2022-11-08T22:51:10.1127156Z",
        "Firstname": "Line",
        "Lastname": "Danser",
        "Email": "line.danser@example.com",
        "PhoneNumber": "+4712345678",
        **changed,
    }
    return json.dumps(members).encode()


@dataclass
class Clock:
    """A clock the test sets."""

    at: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at

    def forward(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)


class Room:
    """The clinic, its people's acts, and a clock."""

    def __init__(self, database: Database, video: Video | None = None, **settings: object) -> None:
        self.database, self.clock = database, Clock()
        self.settings: Settings = database.with_(**{**PUBLIC, **settings})
        self.clinic = Clinic(self.settings, now=self.clock)
        self.reception = Reception(self.clinic)
        self.practice = Practice(self.clinic, video)
        self.finishing = Finishing(self.clinic)

    def take(self, raw: bytes) -> Taken:
        return self.reception.take(raw)

    def all(self) -> list[Consultation]:
        """Every consultation, oldest first."""
        with self.database.connect() as db:
            return [consultation_of(row) for row in consultations.listed(db)]

    def running(self, guid: int = 1, **changed: object) -> Consultation:
        """A referral came, and its consultation runs on the telephone."""
        self.take(referral(guid, **changed))
        one = self.all()[-1]
        self.practice.screen(one.id, SECRETARY)
        self.practice.pick(one.id, PROVIDER)
        self.by_telephone(one.id)
        self.clock.forward(30)
        return self.practice.start(one.id, PROVIDER)

    def by_telephone(self, identifier: int) -> None:
        from assets.pridok.consultation import Channel

        self.practice.update(identifier, PROVIDER, primary=Channel.PHONE, enabled=[Channel.PHONE])

    def close(self) -> None:
        self.clinic.close()
