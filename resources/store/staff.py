"""Who may sign in, their sessions, and the tries that failed. Accounts are changed as the owner of the store only.

Not what a role may see: see ``web.staff.roles``. Of a session's token and of a try's account and address the store
keeps hashes.
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.operators import NotPossible, Who

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
FACILITY = re.compile(r"[0-9A-Z]{2}D[0-9A-Z]{7}")
NO_SUCH = "there is no account of that name: `handoff staff list` shows them"


class Role(enum.StrEnum):
    """What somebody works as; one account has one."""

    CLINICIAN = "clinician"
    SECRETARY = "secretary"
    PROVIDER = "provider"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in; ``facility`` is the CLIA number of the one they work for, where that counts."""

    id: int
    name: str
    role: Role
    facility: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as a list shows it."""

    id: int
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None
    facility: str | None = None
    full_name: str = ""


# -- accounts, as the owner --------------------------------------------------------------------------------------


def add(
    owner: Connection,
    name: str,
    role: Role,
    password: str,
    who: Who,
    *,
    facility: str | None = None,
    full_name: str = "",
) -> int:
    """A new account; ``password`` is hashed already."""
    facility, full_name = _clia(facility), _full(full_name)
    if not NAME.fullmatch(name):
        raise NotPossible(
            "an account's name is up to 64 small letters, digits, dots, dashes, underscores and @"
        )
    with owner.transaction():
        row: Any = owner.execute(
            "INSERT INTO staff (name, role, password, facility, full_name) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING RETURNING id",
            [name, role, password, facility, full_name],
        ).fetchone()
        if row is None:
            raise NotPossible(f"there is an account of that name: `handoff staff password {name}` changes it")
        _note(owner, who, f"account added: {role}" + (f" of {facility}" if facility else ""), name)
    return int(row[0])


def set_facility(owner: Connection, name: str, facility: str | None, who: Who) -> None:
    """Let an account see what concerns this facility, or none, and end its sessions."""
    facility = _clia(facility)
    with owner.transaction():
        row: Any = owner.execute(
            "UPDATE staff SET facility = %s WHERE name = %s RETURNING id", [facility, name]
        ).fetchone()
        _ended(owner, row)
        _note(owner, who, f"facility set: {facility or 'none'}", name)


def set_full_name(owner: Connection, name: str, full_name: str, who: Who) -> None:
    """How the person behind an account is called."""
    with owner.transaction():
        row = owner.execute(
            "UPDATE staff SET full_name = %s WHERE name = %s RETURNING id", [_full(full_name), name]
        ).fetchone()
        if row is None:
            raise NotPossible(NO_SUCH)
        _note(owner, who, "full name set", name)


def _full(name: str) -> str:
    """A person's name on one line."""
    written = " ".join(name.split())
    if len(written) > 100:
        raise NotPossible("a person's name has up to 100 characters")
    return written


def _clia(facility: str | None) -> str | None:
    """A facility is named by its CLIA number, in capitals."""
    if not facility:
        return None
    written = facility.strip().upper()
    if not FACILITY.fullmatch(written):
        raise NotPossible("a facility is named by its CLIA number: two characters, D, seven characters")
    return written


def set_password(owner: Connection, name: str, password: str, who: Who) -> None:
    """Change a password, let a disabled account in again, and end its sessions."""
    with owner.transaction():
        row: Any = owner.execute(
            "UPDATE staff SET password = %s, password_at = now(), disabled_at = NULL WHERE name = %s RETURNING id",
            [password, name],
        ).fetchone()
        _ended(owner, row)
        _note(owner, who, "password set", name)


def disable(owner: Connection, name: str, who: Who) -> None:
    """Let an account in no more, and end its sessions at once."""
    with owner.transaction():
        row: Any = owner.execute(
            "UPDATE staff SET disabled_at = coalesce(disabled_at, now()) WHERE name = %s RETURNING id", [name]
        ).fetchone()
        _ended(owner, row)
        _note(owner, who, "account disabled", name)


def _ended(owner: Connection, row: Any) -> None:
    if row is None:
        raise NotPossible(NO_SUCH)
    owner.execute("DELETE FROM staff_session WHERE staff = %s", [row[0]])


def _note(owner: Connection, who: Who, what: str, name: str) -> None:
    owner.execute(
        "INSERT INTO audit (who, what, target, reason) VALUES (%s, %s, %s, %s)",
        [who.name, what, name, who.reason],
    )


def accounts(db: Connection) -> list[Account]:
    """Every account, by name."""
    rows: list[Any] = db.execute(
        """
        SELECT s.id, s.name, s.role, s.created_at, s.disabled_at, max(t.seen_at), s.facility,
               s.full_name
          FROM staff AS s LEFT JOIN staff_session AS t ON t.staff = s.id GROUP BY s.id ORDER BY s.name
        """
    ).fetchall()
    return [
        Account(
            id=number,
            name=name,
            role=Role(role),
            created_at=created,
            disabled_at=disabled,
            seen_at=seen,
            facility=facility,
            full_name=full_name,
        )
        for number, name, role, created, disabled, seen, facility, full_name in rows
    ]


def names(db: Connection, role: Role) -> dict[str, str]:
    """The accounts of a role that may sign in, by name; each with its person's full name, or its own."""
    rows: list[Any] = db.execute(
        "SELECT name, coalesce(nullif(full_name, ''), name) FROM staff"
        " WHERE role = %s AND disabled_at IS NULL ORDER BY name",
        [role],
    ).fetchall()
    return dict(rows)


def full_names(db: Connection) -> dict[str, str]:
    """How the people behind the accounts are called, those included who may sign in no more."""
    rows: list[Any] = db.execute("SELECT name, full_name FROM staff WHERE full_name <> ''").fetchall()
    return dict(rows)


# -- signing in --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tries may fail within so many minutes: of one account from one address, of an account, of an address."""

    pair: int = 5
    account: int = 30
    address: int = 60
    minutes: int = 15


_TRY = """
WITH old AS (DELETE FROM sign_in_try WHERE at < now() - interval '1 day'),
verdict AS (
    SELECT count(*) FILTER (WHERE account = %(account)s AND address = %(address)s) < %(pair)s
           AND count(*) FILTER (WHERE account = %(account)s) < %(of_account)s
           AND count(*) FILTER (WHERE address = %(address)s) < %(of_address)s AS allowed
      FROM sign_in_try
     WHERE at > now() - interval '1 minute' * %(minutes)s
       AND (account = %(account)s OR address = %(address)s)),
-- one that is not allowed is not looked at and does not lengthen the wait
this AS (INSERT INTO sign_in_try (account, address) SELECT %(account)s, %(address)s FROM verdict WHERE allowed)
SELECT allowed FROM verdict
"""


def may_try(db: Connection, account: bytes, address: bytes, limits: Limits) -> bool:
    """Whether another try is allowed. It is written down before the password is looked at."""
    with db.transaction():
        # tries of one account one after the other, or many at once would each see none before it
        db.execute("SELECT pg_advisory_xact_lock(83, %s)", [int.from_bytes(account[:3], "big")])
        row: Any = db.execute(
            _TRY,
            {
                "account": account,
                "address": address,
                "minutes": limits.minutes,
                "pair": limits.pair,
                "of_account": limits.account,
                "of_address": limits.address,
            },
        ).fetchone()
    return bool(row[0])


def known(db: Connection, name: str) -> tuple[Person, str] | None:
    """The account that may sign in under this name, and what is kept of its password."""
    row: Any = db.execute(
        "SELECT id, name, role, facility, password FROM staff WHERE name = %s AND disabled_at IS NULL", [name]
    ).fetchone()
    return (Person(row[0], row[1], Role(row[2]), row[3]), row[4]) if row else None


def signed_in(db: Connection, person: Person, session: bytes, account: bytes, address: bytes) -> None:
    """Start a session; its tries from there are forgotten."""
    with db.transaction():
        db.execute("INSERT INTO staff_session (hash, staff) VALUES (%s, %s)", [session, person.id])
        forget_tries(db, account, address)
        db.execute("DELETE FROM staff_session WHERE started_at < now() - interval '2 days'")
        db.execute(
            "INSERT INTO audit (who, what, reason) VALUES (%s, 'signed in', 'the sign-in page')",
            [person.name],
        )


def forget_tries(db: Connection, account: bytes, address: bytes) -> None:
    """The right password was given: tries from there count no more."""
    db.execute("DELETE FROM sign_in_try WHERE account = %s AND address = %s", [account, address])


@dataclass(frozen=True, slots=True)
class Seen:
    """A session that lives, and the sentences that wait to be shown in it."""

    person: Person
    flashes: Sequence[str]


_LIVE = """
SELECT s.id, s.name, s.role, s.facility, t.flashes, t.seen_at < now() - interval '30 s'
  FROM staff_session AS t JOIN staff AS s ON s.id = t.staff
 WHERE t.hash = %(session)s AND s.disabled_at IS NULL
   AND t.seen_at > now() - interval '1 s' * %(idle)s AND t.started_at > now() - interval '1 s' * %(whole)s
"""


def seen(db: Connection, session: bytes, *, idle: float, whole: float, touch: bool) -> Seen | None:
    """Who this session is, if it still lives; ``touch`` keeps it alive and takes the waiting sentences along."""
    row: Any = db.execute(_LIVE, {"session": session, "idle": idle, "whole": whole}).fetchone()
    if row is None:
        return None
    number, name, role, facility, flashes, stale = row
    if touch and (stale or flashes):
        db.execute(
            "UPDATE staff_session SET seen_at = now(), flashes = '{}' WHERE hash = %s",
            [session],
        )
    return Seen(Person(number, name, Role(role), facility), tuple(flashes) if touch else ())


def say(db: Connection, session: bytes, sentence: str) -> None:
    """Keep a sentence for the next page of this session. It names no patient."""
    db.execute(
        "UPDATE staff_session SET flashes = flashes || %s::text WHERE hash = %s", [sentence[:500], session]
    )


def signed_out(db: Connection, session: bytes) -> None:
    """End a session."""
    db.execute("DELETE FROM staff_session WHERE hash = %s", [session])
