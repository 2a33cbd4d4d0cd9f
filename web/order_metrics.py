"""Orders and notes in Prometheus's words, a partner at a time: how many stand where, how old, what was tried."""

from datetime import UTC, datetime
from typing import Any

from assets.drain.outcomes import Outcome
from resources.store import order_lists
from resources.store.connect import Connection
from web.metrics import Family, gauge


def families(db: Connection) -> list[Family]:
    """Test orders are not among them."""
    now = datetime.now(UTC)
    standings = order_lists.standings(db)
    month = [one for one in order_lists.usage(db, months=1) if one.month == f"{now:%Y-%m}"]
    return [
        gauge(
            "handoff_hcoint_orders",
            "Orders by partner and state.",
            [({"partner": one.partner, "state": one.state}, one.orders) for one in standings],
        ),
        gauge(
            "handoff_hcoint_oldest_order_seconds",
            "Age of the oldest order in the state.",
            [
                ({"partner": one.partner, "state": one.state}, (now - one.oldest).total_seconds())
                for one in standings
            ],
        ),
        gauge(
            "handoff_hcoint_orders_month",
            "Orders placed this month (UTC).",
            [({"partner": one.partner}, one.orders) for one in month],
        ),
        gauge(
            "handoff_hcoint_notes_month",
            "Notes delivered this month (UTC).",
            [({"partner": one.partner}, one.notes) for one in month],
        ),
        *_attempts(db),
    ]


def _attempts(db: Connection) -> list[Family]:
    rows: list[Any] = db.execute(
        """
        SELECT n.partner, a.outcome, count(*), avg(a.ms) / 1000 FROM hcoint_note AS n
          JOIN attempt AS a ON a.message = n.message
         WHERE n.at > now() - interval '1 day' AND a.at > now() - interval '1 hour' GROUP BY 1, 2 ORDER BY 1, 2
        """
    ).fetchall()
    labelled = [
        ({"partner": partner, "outcome": Outcome(outcome).name.lower()}, number, mean)
        for partner, outcome, number, mean in rows
    ]
    about = "attempts of the last hour at notes sent within a day"
    return [
        gauge("handoff_hcoint_attempts_last_hour", f"Number of {about}.", [(at, n) for at, n, _ in labelled]),
        gauge("handoff_hcoint_attempt_seconds_mean", f"Mean of {about}.", [(at, s) for at, _, s in labelled]),
    ]
