"""Partitions by month: made ahead, dropped when their time is over and nothing in them is open.

Runs as the owner. The default partition catches what has no month yet, so the month's first midnight is no
outage; it must stay empty, and ``strays`` says when it does not.
"""

from datetime import UTC, date, datetime

from psycopg import sql

from resources.store.connect import connect
from resources.store.ids import first_id

TABLES = ("inbox", "outbox", "batch", "ended", "attempt")
AHEAD = 3


def month_after(day: date, months: int = 1) -> date:
    """The first day of the month so many months later.

    >>> month_after(date(2026, 11, 20), 2)
    datetime.date(2027, 1, 1)
    """
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def bounds(month: date) -> tuple[int, int]:
    """The ids of a month: from the first, up to the first of the next."""

    def start(day: date) -> int:
        return first_id(datetime(day.year, day.month, 1, tzinfo=UTC))

    return start(month), start(month_after(month))


def make_ahead(owner_url: str, today: date | None = None) -> list[str]:
    """Make the partitions of this month and the next three; return the names of the new ones."""
    today = today or datetime.now(UTC).date()
    made: list[str] = []
    with connect(owner_url, "handoff partitions") as db:
        for months in range(AHEAD + 1):
            month = month_after(today, months)
            low, high = bounds(month)
            for table in TABLES:
                name = f"{table}_{month:%Y_%m}"
                if db.execute("SELECT to_regclass(%s)", [name]).fetchone() != (None,):
                    continue
                db.execute(
                    sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(name), sql.Identifier(table), sql.Literal(low), sql.Literal(high)
                    )
                )
                made.append(name)
    return made


def count(owner_url: str) -> int:
    """How many months have a partition, over all tables; none where the store has not been made yet."""
    with connect(owner_url, "handoff partitions") as db:
        row = db.execute(
            """
            SELECT count(*) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
             WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace('handoff') AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
            """
        ).fetchone()
        return int(row[0]) if row else 0


def strays(owner_url: str) -> dict[str, int]:
    """Rows in the default partitions, by table; all must be zero."""
    with connect(owner_url, "handoff partitions") as db:
        counts = {}
        for table in TABLES:
            row = db.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(f"{table}_default"))
            ).fetchone()
            counts[table] = row[0] if row else 0
        return counts
