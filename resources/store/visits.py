"""The patient's way into a consultation of ``pridok``: the link, the rooms behind it, the mails that carry it.

A link is known by the hash of its token; token and rooms are sealed. A mail that waits holds no address.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.seal import Sealer

#: After so many tries a mail is given up; the last one goes about a day after the first.
MOST_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A patient's link; ``body`` is the lane's: token and rooms, opened."""

    consultation: int
    until: datetime
    used_at: datetime | None
    stars: int | None
    body: bytes = field(repr=False)


def hash_of(token: str) -> bytes:
    """What the store knows a link by."""
    return hashlib.sha256(token.encode()).digest()


def give(db: Connection, sealer: Sealer, consultation: int, token: str, until: datetime, body: bytes) -> None:
    """One link a consultation; a newer one takes the place of the one before."""
    db.execute(
        """
        INSERT INTO pridok_link (consultation, hash, until, body) VALUES (%s, %b, %s, %b)
        ON CONFLICT (consultation) DO UPDATE SET hash = EXCLUDED.hash, until = EXCLUDED.until, body = EXCLUDED.body
        """,
        [consultation, hash_of(token), until, sealer.seal(body, b"pridok_link", consultation)],
    )


def withdraw(db: Connection, consultation: int) -> None:
    """The link opens nothing any more, and no mail with it goes out."""
    db.execute("DELETE FROM pridok_link WHERE consultation = %s", [consultation])
    db.execute("DELETE FROM pridok_mail WHERE consultation = %s", [consultation])


def last_until(db: Connection, consultation: int, until: datetime) -> None:
    """From the end on the link only takes thanks and a review, until then."""
    db.execute("UPDATE pridok_link SET until = %s WHERE consultation = %s", [until, consultation])


def by_token(db: Connection, sealer: Sealer, token: str, now: datetime) -> Link | None:
    """The link, while it is good: not past its time, and not used up by a review."""
    return _link(db, sealer, "hash = %s AND until > %s AND used_at IS NULL", [hash_of(token), now])


def of_consultation(db: Connection, sealer: Sealer, consultation: int) -> Link | None:
    """The link of a consultation, good or not."""
    return _link(db, sealer, "consultation = %s", [consultation])


def _link(db: Connection, sealer: Sealer, where: str, values: Sequence[Any]) -> Link | None:
    row: Any = db.execute(
        f"SELECT consultation, until, used_at, stars, body FROM pridok_link WHERE {where}", values
    ).fetchone()
    if row is None:
        return None
    body = sealer.open(bytes(row[4]), b"pridok_link", row[0])
    return Link(consultation=row[0], until=row[1], used_at=row[2], stars=row[3], body=body)


def reviewed(db: Connection, token: str, stars: int, now: datetime) -> bool:
    """Keep what the patient thought of it; with that the link is used up. False: it was already."""
    changed = db.execute(
        "UPDATE pridok_link SET stars = %s, used_at = %s WHERE hash = %s AND used_at IS NULL AND until > %s",
        [stars, now, hash_of(token), now],
    )
    return changed.rowcount == 1


# -- mails -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """A mail that is to go now."""

    id: int
    consultation: int
    kind: str
    tries: int


def post(db: Connection, identifier: int, consultation: int, kind: str) -> None:
    """A mail that is to go as soon as this is committed."""
    db.execute(
        "INSERT INTO pridok_mail (id, consultation, kind) VALUES (%s, %s, %s)",
        [identifier, consultation, kind],
    )


def due(db: Connection) -> Due | None:
    """The next mail, which nobody else sends while our transaction lasts."""
    row: Any = db.execute(
        """
        SELECT id, consultation, kind, tries FROM pridok_mail WHERE due_at <= now()
         ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    ).fetchone()
    return Due(*row) if row else None


def gone(db: Connection, mail: Due) -> None:
    """It is with the mail server, or not wanted any more."""
    db.execute("DELETE FROM pridok_mail WHERE id = %s", [mail.id])


def put_off(db: Connection, mail: Due) -> None:
    """The mail server does not take it now: again after half a minute, then each time three times as long."""
    db.execute(
        "UPDATE pridok_mail SET tries = tries + 1, due_at = now() + 30 * 3 ^ tries * interval '1 s' WHERE id = %s",
        [mail.id],
    )
