"""A patient of ``pridok`` made unreadable: the keys of what is sealed about them destroyed. As the owner.

Rows stay, so that figures, accounts and the access log stay true; what they said does not come back, not for the
clinic either. Whether it may go is asked before, with ``standing``. Backups from before still open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources import sealing
from resources.sealing import Sealed
from resources.store import wrapped
from resources.store.connect import Connection
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer


@dataclass(frozen=True, slots=True)
class Standing:
    """What speaks against it: consultations that are open, or another's too, and when the record last grew."""

    open: int
    shared: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shredded:
    """How many records of each kind nobody opens any more."""

    results: int
    referrals: int
    numbers: int


def people(db: Connection, patient: int) -> list[int]:
    """Every entry of the same person: the one kept, and those merged into it."""
    rows: list[Any] = db.execute(
        """
        WITH kept AS (SELECT coalesce(merged_into, id) AS id FROM pridok_patient WHERE id = %s)
        SELECT p.id FROM pridok_patient AS p JOIN kept ON kept.id IN (p.id, p.merged_into) ORDER BY p.id
        """,
        [patient],
    ).fetchall()
    return [row[0] for row in rows]


def standing(db: Connection, entries: Sequence[int]) -> Standing:
    """Whether the record of a person still grows, and its last moment."""
    row: Any = db.execute(
        """
        SELECT count(*) FILTER (WHERE state NOT IN ('completed', 'cancelled')),
               count(*) FILTER (WHERE NOT patients <@ %(who)s::bigint[]),
               max(greatest(created_at, starts_at, ends_at, reported_at, cancelled_at))
          FROM pridok_consultation WHERE patients && %(who)s::bigint[]
        """,
        {"who": list(entries)},
    ).fetchone()
    return Standing(*row)


def shred(db: Connection, sealer: Sealer, entries: Sequence[int], nobody: bytes) -> Shredded:
    """Destroy what opens a person's records, all or nothing; ``nobody`` takes the place of name and contact.

    The call is one transaction together with whatever the caller writes down about it.
    """
    who = {"who": list(entries), "lane": NUMBERS["pridok"]}
    consultations = "SELECT id FROM pridok_consultation WHERE patients && %(who)s::bigint[]"
    results = _keyless(db, wrapped.RESULTS, f"consultation IN ({consultations})", who)
    who["referrals"] = _referrals(db, who)
    referrals = _keyless(db, wrapped.REFERRALS, "id = ANY(%(referrals)s::bigint[])", who)
    referrals += _conflicts(db, sealer, who)
    # The blind index goes too: whoever comes back is somebody new.
    gone = db.execute("DELETE FROM pridok_number WHERE patient = ANY(%(who)s::bigint[])", who)
    db.execute("UPDATE inbox SET patient = NULL WHERE id = ANY(%(referrals)s::bigint[])", who)
    for table in ("pridok_link", "pridok_mail"):
        db.execute(f"DELETE FROM {table} WHERE consultation IN ({consultations})", who)
    for entry in entries:
        body = sealer.seal(nobody, b"pridok_patient", entry)
        db.execute("UPDATE pridok_patient SET body = %b WHERE id = %s", [body, entry])
    return Shredded(results, referrals, gone.rowcount)


def _keyless(db: Connection, records: wrapped.Records, where: str, who: dict[str, Any]) -> int:
    rows: list[Any] = db.execute(
        f"SELECT {records.key}, sealed FROM {records.table} WHERE {where} FOR UPDATE", who
    ).fetchall()
    for key, raw in rows:
        wrapped.put(db, records, key, sealing.shred(Sealed.from_bytes(bytes(raw))))
    return len(rows)


def _referrals(db: Connection, who: dict[str, Any]) -> list[int]:
    """The person's, and those of the same number that were set aside before they became anybody's."""
    rows: list[Any] = db.execute(
        """
        WITH theirs AS (SELECT id FROM pridok_referral WHERE patient = ANY(%(who)s::bigint[]))
        SELECT id FROM theirs
        UNION SELECT same.id FROM inbox AS same
               WHERE same.lane = %(lane)s AND same.kind = 'referral'
                 AND same.patient IN (SELECT i.patient FROM inbox AS i JOIN theirs USING (id))
        """,
        who,
    ).fetchall()
    return [row[0] for row in rows]


def _conflicts(db: Connection, sealer: Sealer, who: dict[str, Any]) -> int:
    """Those that came again under the same journal id with other content."""
    rows: list[Any] = db.execute(
        """
        SELECT id, body FROM conflict WHERE lane = %(lane)s AND arrival = ANY(%(referrals)s::bigint[]) FOR UPDATE
        """,
        who,
    ).fetchall()
    for number, body in rows:
        record = Sealed.from_bytes(sealer.open(bytes(body), wrapped.CONFLICTS.encode(), number))
        wrapped.put_conflict(db, sealer, number, sealing.shred(record))
    return len(rows)
