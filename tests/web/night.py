"""A night's messages of several lanes in every state, made by real drains: what the pages have to show."""

from dataclasses import replace

from assets.drain.outcomes import RetryPlan
from resources.errors import Refused, TryLater
from resources.store.intake import Incoming
from resources.store.lanes import NUMBERS
from resources.store.values import Message, OnFailure, Receipt
from tests.command.shell import Partner, drain_reportstream, result
from tests.conftest import Database
from tests.drain.far_end import FarEnd, drain, lane
from tests.store.making import arrival

#: Tried through every field a page shows.
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'\"{{ 7*7 }}"


def chart(
    database: Database, name: str, *, queue: str = "", body: bytes = b'{"chart":"1"}', patient: str = ""
) -> Incoming:
    """One arrival of elation, findable by its patient."""
    made = arrival(database.sealer, name, queue=queue, body=body)
    blind = database.sealer.blind("patient", "elation", patient) if patient else None
    return replace(made, patient=blind)


def night(database: Database) -> None:
    """Delivered, refused and held, put off, set aside, and a batch the partner has accepted."""
    database.receive([chart(database, f"good-{n}", patient="patient-7") for n in range(3)])
    drain(database, lane(FarEnd()))
    database.receive([chart(database, "bad-1", queue="chart-9"), chart(database, "bad-2", queue="chart-9")])
    drain(database, lane(FarEnd(refuse), on_failure=OnFailure.HOLD))
    database.receive([chart(database, "odd-1", body=b'{"bad": true}')])
    drain(database, lane(FarEnd()))
    database.receive([chart(database, "later-1", queue="chart-5", body=b'{"late":1}')])
    drain(database, lane(FarEnd(later), retry=RetryPlan(waits=(3600.0,), jitter=0.0)))
    database.receive([result(database, "event-1"), result(database, "event-2")])
    drain_reportstream(database, Partner())


def refuse(message: Message) -> Receipt:
    """The partner says no, and quotes."""
    raise Refused("PUT /patients: 422", status=422, answer=b'{"name": "' + EVIL.encode() + b'"}')


def later(message: Message) -> Receipt:
    """Not now."""
    raise TryLater("PUT /patients: 503", status=503)


def ids(database: Database, lane_name: str = "elation") -> list[int]:
    """The messages of a lane, oldest first."""
    number = NUMBERS[lane_name]
    rows = database.rows(
        """
        SELECT arrival + part FROM ended WHERE lane = %s
        UNION SELECT arrival + part FROM work WHERE lane = %s ORDER BY 1
        """,
        number,
        number,
    )
    return [row[0] for row in rows]
