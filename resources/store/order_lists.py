"""What is said of many orders of ``hcoint``: lists, searches, counts, usage a month, and what people should know.

Read only, but that a list first gives orders on their way the state of their note.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.store.connect import Connection
from resources.store.incidents import Incident
from resources.store.orders import Row, orders, settle
from resources.store.seal import Sealer

#: The lists of a page, each with the states it holds.
LISTS = {
    "waiting": ("requested", "note_attached", "on_hold"),
    "sent": ("sending", "delivered"),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
#: A feed is silent longer than usual when it has been quiet for so many times its usual longest pause.
SILENT_TIMES = 3
#: Orders of the last 90 days without which nothing is usual.
USUAL_ORDERS = 10
#: A note that was sent and has not arrived after so many minutes.
STUCK_MINUTES = 30


def listed(db: Connection, sealer: Sealer, name: str, *, test: bool, limit: int, start: int = 0) -> list[Row]:
    """Orders of one list; those that wait come oldest first, the others newest. Log the look before."""
    settle(db)
    direction = "ASC" if name == "waiting" else "DESC"
    rows = db.execute(
        f"""
        SELECT id FROM hcoint_order WHERE state = ANY(%s::text[]) AND test = %s
         ORDER BY requested_at {direction}, id {direction} LIMIT %s OFFSET %s
        """,
        [list(LISTS[name]), test, limit, start],
    ).fetchall()
    found = orders(db, sealer, [row[0] for row in rows])
    return found[::-1] if name == "waiting" else found


def searched(db: Connection, sealer: Sealer, words: str, *, limit: int) -> list[Row]:
    """Orders by their number or by any identifier of their patient, newest first. Log the look before."""
    settle(db)
    rows = db.execute(
        """
        SELECT id FROM hcoint_order WHERE reference = %(reference)s
        UNION SELECT order_id FROM hcoint_patient WHERE patient = %(patient)s
        ORDER BY 1 DESC LIMIT %(limit)s
        """,
        {
            "reference": sealer.blind("reference", "hcoint", words),
            "patient": sealer.blind("patient", "hcoint", words),
            "limit": limit,
        },
    ).fetchall()
    return orders(db, sealer, [row[0] for row in rows])


def counts(db: Connection, *, test: bool) -> dict[str, int]:
    """How many orders each list holds."""
    settle(db)
    rows: list[Any] = db.execute(
        "SELECT state, count(*) FROM hcoint_order WHERE test = %s GROUP BY state", [test]
    ).fetchall()
    counted = dict(rows)
    return {name: sum(counted.get(state, 0) for state in states) for name, states in LISTS.items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """A partner's orders in one state, and how long the oldest of them has been there."""

    partner: str
    state: str
    orders: int
    oldest: datetime


def standings(db: Connection) -> list[Standing]:
    """Every partner's orders by state, without test orders."""
    settle(db)
    rows = db.execute(
        """
        SELECT partner, state, count(*), min(requested_at) FROM hcoint_order WHERE NOT test
         GROUP BY partner, state ORDER BY partner, state
        """
    ).fetchall()
    return [Standing(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Usage:
    """One month of one partner."""

    month: str
    partner: str
    orders: int
    notes: int
    size: int


def usage(db: Connection, *, months: int = 12) -> list[Usage]:
    """What each partner used in the last months, newest first: orders placed, notes delivered, their size."""
    rows = db.execute(
        """
        WITH o AS (SELECT date_trunc('month', requested_at AT TIME ZONE 'UTC') AS month, partner, count(*) AS orders
                     FROM hcoint_order WHERE NOT test GROUP BY 1, 2),
        n AS (SELECT date_trunc('month', e.at AT TIME ZONE 'UTC') AS month, n.partner, count(*) AS notes,
                     sum(n.bytes) AS bytes
                FROM hcoint_note AS n JOIN ended AS e ON e.arrival = n.message AND e.part = 0
                JOIN hcoint_order AS o ON o.id = n.order_id
               WHERE e.state IN (1, 2) AND e.attempts > 0 AND NOT o.test GROUP BY 1, 2)
        SELECT to_char(month, 'YYYY-MM'), partner, coalesce(orders, 0), coalesce(notes, 0), coalesce(bytes, 0)::bigint
          FROM o FULL JOIN n USING (month, partner)
         WHERE month > now() AT TIME ZONE 'UTC' - %s * interval '1 month' ORDER BY 1 DESC, 2
        """,
        [months],
    ).fetchall()
    return [Usage(*row) for row in rows]


# -- what people should know ---------------------------------------------------------------------------------------


def incidents(db: Connection) -> list[Incident]:
    """What is wrong with orders, a partner at a time. Keys begin with ``watch:hcoint:``; texts hold counts only."""
    settle(db)
    return [*_overdue(db), *_silent(db), *_refusing(db), *_stuck(db)]


def _overdue(db: Connection) -> list[Incident]:
    rows = db.execute(
        """
        SELECT partner, count(*), (extract(epoch FROM min(alert_after)) / 3600)::int FROM hcoint_order
         WHERE state IN ('requested', 'note_attached') AND NOT test AND requested_at < now() - alert_after
         GROUP BY partner ORDER BY partner
        """
    ).fetchall()
    return _each("waiting", rows, "{1} orders have waited for their note longer than {2} hours; see /orders")


def _silent(db: Connection) -> list[Incident]:
    rows = db.execute(
        """
        WITH gap AS (
            SELECT partner, requested_at - lag(requested_at) OVER (PARTITION BY partner ORDER BY requested_at) AS gap,
                   requested_at
              FROM hcoint_order WHERE requested_at > now() - interval '90 days'),
        usual AS (SELECT partner, count(*) AS orders, max(requested_at) AS last,
                         percentile_disc(0.95) WITHIN GROUP (ORDER BY gap) AS longest FROM gap GROUP BY partner)
        SELECT partner, (extract(epoch FROM now() - last) / 3600)::int FROM usual
         WHERE orders >= %s AND now() - last > greatest(%s * longest, interval '12 hours') ORDER BY partner
        """,
        [USUAL_ORDERS, SILENT_TIMES],
    ).fetchall()
    return _each("silent", rows, "no order has come for {1} hours, longer than usual: is their feed paused?")


def _refusing(db: Connection) -> list[Incident]:
    rows = db.execute(
        """
        SELECT partner, count(*) FROM hcoint_order WHERE state = 'failed' AND changed_at > now() - interval '7 days'
         GROUP BY partner ORDER BY partner
        """
    ).fetchall()
    return _each("refused", rows, "{1} notes were finally not taken; see /orders?list=failed for why")


def _stuck(db: Connection) -> list[Incident]:
    rows = db.execute(
        """
        SELECT o.partner, count(*) FROM hcoint_order AS o JOIN hcoint_note AS n ON n.message = o.message
         WHERE o.state = 'sending' AND n.at < now() - %s * interval '1 minute' GROUP BY o.partner ORDER BY o.partner
        """,
        [STUCK_MINUTES],
    ).fetchall()
    return _each("stuck", rows, f"{{1}} notes are on their way for more than {STUCK_MINUTES} minutes")


def _each(kind: str, rows: Sequence[Sequence[object]], text: str) -> list[Incident]:
    return [
        Incident(f"watch:hcoint:{kind}:{row[0]}", "hcoint", f"{row[0]}: {text.format(*row)}") for row in rows
    ]
