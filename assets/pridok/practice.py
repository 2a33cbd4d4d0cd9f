"""What people do with consultations: one act, one transaction, told to whoever listens.

What may happen is ``consultation``'s to say, who may read ``reading``'s. Every act locks the row, asks the machine, and
writes where the old version still stands: of two who press at once the second is told that somebody was first.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from assets.pridok import consultation as life
from assets.pridok import orders
from assets.pridok.actors import Actor, Impossible, WrongState
from assets.pridok.clinic import LANE, Clinic
from assets.pridok.consultation import Channel, Consultation, Reason, State
from assets.pridok.rows import consultation_of, order_of, order_row, row_of
from resources.store import consultations, patients, pridok_orders, staff, visits
from resources.store.connect import Connection
from resources.store.consultations import Overtaken
from resources.video import Room, Video, VideoAway

#: A link that nobody uses dies after this.
LINK_GOOD_FOR: Final = timedelta(hours=12)
#: From the end on it takes thanks and a review for so long.
REVIEW_WITHIN: Final = timedelta(days=7)
#: Channels whose contact happens in a room.
IN_A_ROOM: Final = frozenset({Channel.VIDEO, Channel.CHAT})

Change = Callable[[Consultation], Consultation]


class Gone(Exception):
    """There is no such consultation."""


class Behind(msgspec.Struct, frozen=True):
    """What lies behind a patient's link: its token, and the rooms. Sealed under the store's keys."""

    token: str
    url: str
    chat_url: str


behind_of = msgspec.json.Decoder(Behind).decode


class Practice:
    """The consultations of the clinic. Blocking: call it from a thread."""

    def __init__(self, clinic: Clinic, video: Video | None) -> None:
        self._clinic, self._video = clinic, video

    # -- acts --------------------------------------------------------------------------------------------------

    def screen(self, identifier: int, actor: Actor) -> Consultation:
        """The secretary has called: providers may pick it."""
        return self._act(identifier, actor, "screened", lambda one: life.screen(one, actor, self._now()))

    def pick(self, identifier: int, actor: Actor) -> Consultation:
        """A provider takes it."""
        return self._act(identifier, actor, "picked", lambda one: life.pick(one, actor, self._now()))

    def assign(self, identifier: int, provider: str, actor: Actor) -> Consultation:
        """The secretary gives it to a provider; nobody else could ever start it."""
        with self._clinic.store() as db:
            if provider not in staff.names(db, staff.Role.PROVIDER):
                raise Impossible("provider: no provider signs in under that name; choose one of the list")
        change: Change = lambda one: life.assign(one, provider, actor, self._now())  # noqa: E731
        return self._act(identifier, actor, "assigned", change)

    def hang_up(self, identifier: int, actor: Actor) -> Consultation:
        """The contact is over, the report still to be written."""
        return self._act(identifier, actor, "hung_up", lambda one: life.hang_up(one, actor, self._now()))

    def update(
        self,
        identifier: int,
        actor: Actor,
        *,
        primary: Channel | None = None,
        enabled: Iterable[Channel] | None = None,
        planned_at: datetime | None = None,
    ) -> Consultation:
        """Other channels, or another planned time."""

        def change(one: Consultation) -> Consultation:
            return life.update(one, actor, primary=primary, enabled=enabled, planned_at=planned_at)

        return self._act(identifier, actor, "changed", change)

    def cancel(self, identifier: int, reason: Reason, actor: Actor) -> Consultation:
        """It will not take place; what is owed for it is worked out anew, and the patient's link dies."""

        def change(one: Consultation) -> Consultation:
            act = life.no_show if reason is Reason.NO_SHOW else None
            return act(one, actor, self._now()) if act else life.cancel(one, reason, actor, self._now())

        def after(db: Connection, one: Consultation) -> None:
            visits.withdraw(db, one.id)
            if row := pridok_orders.of_consultation(db, one.id):
                pridok_orders.place(db, order_row(orders.recalculated(order_of(row), one)))

        return self._act(identifier, actor, "cancelled", change, after)

    def start(self, identifier: int, actor: Actor) -> Consultation:
        """Provider and patient meet: a room is made, and the patient's link goes out by mail."""
        room = self._room(identifier, actor)

        def after(db: Connection, one: Consultation) -> None:
            if room is not None:
                self._invite(db, one, room)

        return self._act(identifier, actor, "started", lambda one: life.start(one, actor, self._now()), after)

    def rebook(self, identifier: int, actor: Actor, planned_at: datetime | None = None) -> Consultation:
        """A further consultation after this one."""
        number = self._clinic.numbers()
        with self._clinic.store() as db, db.transaction():
            made = life.rebook(self._locked(db, identifier), number, actor, self._now(), planned_at)
            consultations.add(db, row_of(made))
            consultations.happened(db, identifier, "rebooked", actor.id)
            consultations.happened(db, made.id, "created", actor.id)
        return made

    def create(
        self,
        actor: Actor,
        *,
        people: Iterable[int],
        organisation: str | None = None,
        planned_at: datetime | None = None,
    ) -> Consultation:
        """A direct consultation, without a referral."""
        with self._clinic.store() as db, db.transaction():
            made = life.direct(
                self._clinic.numbers(),
                patients=people,
                actor=actor,
                now=self._now(),
                organisation=organisation,
                planned_at=planned_at,
            )
            known = patients.entries(db, made.patients)
            if len(known) < len(made.patients):
                raise Impossible("patients: not all of them are known; enter the person first")
            made = replace(made, patients=tuple(dict.fromkeys(known[who] for who in made.patients)))
            consultations.add(db, row_of(made))
            consultations.happened(db, made.id, "created", actor.id)
        return made

    # -- the parts -----------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._clinic.now()

    def _act(
        self,
        identifier: int,
        actor: Actor,
        what: str,
        change: Change,
        after: Callable[[Connection, Consultation], None] | None = None,
    ) -> Consultation:
        try:
            with self._clinic.store() as db, db.transaction():
                before = self._locked(db, identifier)
                one = change(before)
                consultations.write(db, row_of(one), after=before.version)
                consultations.happened(db, one.id, what, actor.id)
                if after is not None:
                    after(db, one)
        except Overtaken:
            raise WrongState("version: somebody else has changed it meanwhile; look at it again") from None
        return one

    def _locked(self, db: Connection, identifier: int) -> Consultation:
        row = consultations.one(db, identifier, lock=True)
        if row is None:
            raise Gone
        return consultation_of(row)

    def _room(self, identifier: int, actor: Actor) -> Room | None:
        """A room, where the machine will let it start; asked for before the transaction, by one reference."""
        with self._clinic.store() as db:
            row = consultations.one(db, identifier)
        if row is None:
            raise Gone
        one = life.start(consultation_of(row), actor, self._now())
        if not one.enabled_channels & IN_A_ROOM:
            return None
        if self._video is None:
            raise VideoAway("VIDEO_URL is not set; without it only telephone consultations can start")
        return self._video.room(self._clinic.sealer.name("room", LANE, str(identifier)).hex())

    def _invite(self, db: Connection, one: Consultation, room: Room) -> None:
        """The patient's link, and the mail that carries it."""
        token = secrets.token_urlsafe(32)
        body = msgspec.json.encode(Behind(token, room.url, room.chat_url))
        visits.give(db, self._clinic.sealer, one.id, token, self._now() + LINK_GOOD_FOR, body)
        visits.post(db, self._clinic.numbers(), one.id, "link")


def is_over(one: Consultation) -> bool:
    """Whether nothing more will happen to it."""
    return one.state in (State.COMPLETED, State.CANCELLED)
