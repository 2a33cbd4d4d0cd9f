"""The outbox table in a child's own database (push C): read what waits, mark what has been transported.

The table belongs to the child: we read it, write two of its columns, and make or change nothing else. What
becomes of a message is the store's business; a row is marked only when the parent has confirmed it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from resources.errors import PartnerAway, TryLater

#: A reason kept in the child's table is read by its administrators: one sentence, no answer of a server.
LONGEST_REASON = 500

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}

_OUTBOX = sa.table(
    "handoff_outbox",
    sa.column("id", sa.BigInteger),
    sa.column("resource_type", sa.Text),
    sa.column("resource_id", sa.Text),
    sa.column("body", sa.Text),
    sa.column("transported_at", sa.DateTime),
    sa.column("error", sa.Text),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A FHIR message a child has put into its table."""

    id: int
    resource_type: str
    resource_id: str
    body: bytes = field(repr=False)


class ChildOutbox:
    """One child's table; its calls block, so they belong into a thread."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(_address(url), pool_size=1, max_overflow=1, pool_pre_ping=True)

    def waiting(self, limit: int, after: int = 0) -> list[Row]:
        """The oldest rows not transported yet, behind the row ``after``, in the order they were written."""
        columns = [_OUTBOX.c[name] for name in ("id", "resource_type", "resource_id", "body")]
        fits = _OUTBOX.c.transported_at.is_(None) & (_OUTBOX.c.id > after)
        query = sa.select(*columns).where(fits).order_by(_OUTBOX.c.id).limit(limit)
        with self._connected() as connection:
            found = connection.execute(query).all()
        return [
            Row(id=i, resource_type=kind, resource_id=who, body=body.encode()) for i, kind, who, body in found
        ]

    def transported(self, row: int, kind: str, record_id: str, now: datetime) -> None:
        """The parent has confirmed this row, and with it every older one of the same record: it has the newest state.

        The time is kept as UTC.
        """
        moment = now.astimezone(UTC).replace(tzinfo=None)
        same = (_OUTBOX.c.resource_type == kind) & (_OUTBOX.c.resource_id == record_id)
        older = same & (_OUTBOX.c.id < row)
        self._mark((_OUTBOX.c.id == row) | older, transported_at=moment, error=None)

    def failed(self, row: int, reason: str) -> None:
        """Why a row is still not transported, for whoever looks into the child's table."""
        self._mark(_OUTBOX.c.id == row, error=reason[:LONGEST_REASON])

    def close(self) -> None:
        """Lets the connection go."""
        self._engine.dispose()

    def _mark(self, rows: sa.ColumnElement[bool], **values: object) -> None:
        fits = rows & _OUTBOX.c.transported_at.is_(None)
        with self._connected() as connection:
            connection.execute(sa.update(_OUTBOX).where(fits).values(**values))

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """A transaction. The database's own words may repeat a row, so they are not passed on."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError):
            raise TryLater("the child's database cannot be reached; the outbox is read again later") from None
        except SQLAlchemyError as error:
            raise PartnerAway(
                f"the child's table handoff_outbox cannot be used ({type(error).__name__}): "
                "check that it exists with its columns and that the account may read and update it"
            ) from None


def _address(url: str) -> sa.URL:
    """The address with a driver that is installed; an unreadable one is named without its password."""
    try:
        found = sa.make_url(url)
    except SQLAlchemyError:
        raise ValueError(
            "outbox_url: is not a database address like mysql+pymysql://user:...@host/db"
        ) from None
    return found.set(drivername=_DRIVERS.get(found.drivername, found.drivername))
