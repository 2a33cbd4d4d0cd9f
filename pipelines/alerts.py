"""When a run fails, one notice; ledger runs are red by design and give none."""

import dagster as dg

from resources.notices import Notices
from resources.settings import Settings
from resources.store import incidents
from resources.store.connect import connect
from resources.store.incidents import Incident


@dg.run_failure_sensor(
    name="run_failed",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="One notice when runs of a lane begin to fail; ledger runs are red by design.",
)
def run_failed(context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]) -> None:
    """Speak of the failure once an incident; the watch of the web service says when it is over."""
    run = context.dagster_run
    if "handoff/ledger" in run.tags:
        return
    lane = run.tags.get("lane")
    text = f"a run of {run.job_name} failed; look at run {run.run_id} in the Dagster UI"
    with connect(settings.database_url, "handoff alerts") as db:
        spoken, _ = incidents.current(
            db, [Incident(f"run:{run.job_name}", lane, text)], f"run:{run.job_name}"
        )
    Notices(settings.several("HANDOFF_NOTICE_URLS")).say(spoken, [])


defs = dg.Definitions(sensors=[run_failed])
