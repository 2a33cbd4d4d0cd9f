"""Sends the mails that wait: one at a time, each only after what it speaks of is committed.

At least once: a crash between the mail server's yes and our commit sends one again. A patient without an address gets
none; who treats them sees the link on the page.
"""

import asyncio
import logging
from collections.abc import Mapping

from assets.pridok import letters
from assets.pridok.clinic import Clinic
from assets.pridok.letters import Purpose
from assets.pridok.practice import behind_of
from assets.pridok.rows import contact_of, patient_of
from resources.mail import Mail, MailAway, MailRefused, MailServer
from resources.store import consultations as kept
from resources.store import patients, visits
from resources.store.connect import Away, Connection
from resources.store.visits import MOST_TRIES, Due
from web.addresses import pages_at
from web.logs import place_of

log = logging.getLogger("handoff.mail")

#: Looked for so often; a link is wanted within a second or two.
LOOK_SECONDS = 1.0
REST_SECONDS = 10.0


class Letters:
    """One task of the web service; several processes share the work."""

    def __init__(
        self, clinic: Clinic, server: MailServer | None, purposes: Mapping[str, Purpose] = letters.PURPOSES
    ) -> None:
        self._clinic, self._server, self._purposes = clinic, server, purposes

    async def run(self) -> None:
        """Until cancelled. Where no mail server is named, mails wait."""
        while self._server is not None:
            rest = LOOK_SECONDS
            try:
                while await asyncio.to_thread(self.send_one, self._server):
                    pass
            except Away:
                rest = REST_SECONDS
            except Exception as error:  # its text may quote an address
                log.error("a mail waits (%s)", place_of(error))
                rest = REST_SECONDS
            await asyncio.sleep(rest)

    def send_one(self, server: MailServer) -> bool:
        """The next mail that is due; False where none is."""
        with self._clinic.store() as db, db.transaction():
            due = visits.due(db)
            if due is None:
                return False
            mail = self._written(db, due)
            try:
                if mail is not None:
                    server.send(mail)
            except MailAway as error:
                log.warning("mail: %s", error)
                if due.tries < MOST_TRIES:
                    visits.put_off(db, due)
                    return True
            except MailRefused as error:
                log.warning("mail: %s", error)
            visits.gone(db, due)
        return True

    def _written(self, db: Connection, due: Due) -> Mail | None:
        """The mail with its address, or None where none may go: no link any more, no address, or no leave to write."""
        sealer = self._clinic.sealer
        link, row = visits.of_consultation(db, sealer, due.consultation), kept.one(db, due.consultation)
        if link is None or row is None or link.until <= self._clinic.now():
            return None
        found = patients.of_ids(db, sealer, row.patients).get(row.patients[0])
        if found is None or not letters.may_go(self._purposes.get(due.kind, "marketing"), patient_of(found)):
            return None
        to = contact_of(found).email
        if to is None:
            return None
        kind: letters.Kind = "link" if due.kind == "link" else "thanks"
        where = f"{pages_at(self._clinic.settings)}/visit/{behind_of(link.body).token}"
        return Mail(to, letters.SUBJECTS[kind], letters.text(kind, where))
