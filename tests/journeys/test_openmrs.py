"""The lane as Dagster runs it: the schedule's tick, the run it asks for, the day's ledger."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.openmrs.events import Side
from pipelines import openmrs
from pipelines.openmrs import claimable, pull
from resources.settings import Settings
from resources.settings_resource import SettingsResource
from tests.conftest import Database
from tests.openmrs.linked import linked
from tests.openmrs.people import encounter, key_of, patient, visit


def tick(settings: Settings) -> dg.RunRequest | dg.SkipReason:
    """One evaluation of the schedule."""
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime.now(UTC), resources={"settings": settings}
    )
    found = pull(context)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def test_a_due_feed_is_asked_for_read_settled_and_the_day_is_green(
    database: Database, tmp_path: Path
) -> None:
    with linked(database, tmp_path) as clinic:
        for record in (patient(), visit(), encounter()):
            clinic.edit(Side.PARENT, record)
        assert isinstance(tick(clinic.settings), dg.RunRequest)
        resources = {"settings": SettingsResource(override=dict(clinic.settings.values))}
        today = datetime.now(UTC).date().isoformat()
        with dg.instance_for_test() as instance:
            every = dg.Definitions.merge(openmrs.defs, dg.Definitions(resources=resources))
            assert every.resolve_job_def("openmrs").execute_in_process(instance=instance).success
            assert key_of(encounter()) in clinic.records(Side.CHILD)
            ledger = every.resolve_job_def("openmrs_ledger")
            assert ledger.execute_in_process(instance=instance, partition_key=today).success
        assert isinstance(tick(clinic.settings), dg.SkipReason)


def test_a_link_without_accounts_starts_nothing(database: Database, tmp_path: Path) -> None:
    with linked(database, tmp_path) as clinic:
        accounts = [name for name in clinic.settings.values if name.endswith(("_USER", "_PASSWORD"))]
        bare = Settings({name: text for name, text in clinic.settings.values.items() if name not in accounts})
        with database.connect() as db:
            assert claimable(db, clinic.settings) == "a feed is due"
            assert claimable(db, bare) is None
