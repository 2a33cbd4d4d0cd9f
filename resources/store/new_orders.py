"""A new order in one statement: message, order, its patient and the first line of its life, or nothing of it.

Most messages are new orders, and one wait for the database is what keeps a feed quick beside large uploads. What is
not new goes the long way, through ``orders``.
"""

from collections.abc import Sequence

from psycopg.errors import UniqueViolation

from resources.store.connect import Connection
from resources.store.orders import LANE, Came, Row
from resources.store.seal import Sealer

_KEEP = """
WITH s AS (
    INSERT INTO seen (lane, name, arrival, lineage, digest)
    SELECT %(lane)s::smallint, %(name)b::bytea, %(arrival)s::bigint, %(reference)s::bigint, %(digest)s::bigint
     WHERE NOT EXISTS (SELECT 1 FROM hcoint_order WHERE key = %(key)s::bigint)
    ON CONFLICT DO NOTHING RETURNING arrival),
i AS (
    INSERT INTO inbox (id, lane, kind, patient, reference, body)
    SELECT arrival, %(lane)s::smallint, %(kind)s::text, %(patient)s::bigint, %(reference)s::bigint, %(raw)b::bytea
      FROM s),
o AS (
    INSERT INTO hcoint_order (id, key, partner, reference, visit, state, test, version, alert_after, requested_at,
                              changed_at, body)
    SELECT %(id)s::bigint, %(key)s::bigint, %(partner)s::text, %(reference)s::bigint, %(visit)s::bigint,
           %(state)s::text, %(test)s::boolean, %(version)s::integer, %(hours)s::integer * interval '1 hour',
           %(at)s::timestamptz, now(), %(body)b::bytea
      FROM s RETURNING id),
p AS (
    INSERT INTO hcoint_patient (patient, order_id)
    SELECT DISTINCT one, o.id FROM o, unnest(%(patients)s::bigint[]) AS one),
e AS (
    INSERT INTO hcoint_event (order_id, what, arrival)
    SELECT o.id, %(what)s::text, %(arrival)s::bigint FROM o)
SELECT count(*) FROM s
"""


def keep_new(
    db: Connection,
    sealer: Sealer,
    arrival: int,
    came: Came,
    row: Row,
    *,
    patients: Sequence[int],
    alert_hours: int,
    what: str,
) -> bool:
    """Whether message and order were new and are kept; False: nothing was written."""
    values = {
        "lane": LANE,
        "name": came.name,
        "arrival": arrival,
        "digest": came.digest,
        "kind": came.kind,
        "patient": came.patient,
        "reference": row.reference,
        "raw": sealer.seal(came.body, b"inbox", arrival),
        "id": row.id,
        "key": row.key,
        "partner": row.partner,
        "visit": row.visit,
        "state": row.state,
        "test": row.test,
        "version": row.version,
        "hours": alert_hours,
        "at": row.requested_at,
        "body": sealer.seal(row.body, b"hcoint_order", row.id),
        "patients": list(patients),
        "what": what,
    }
    try:
        counted = db.execute(_KEEP, values).fetchone()
    except UniqueViolation:  # another message of the same order was a moment quicker
        return False
    return bool(counted and counted[0])
