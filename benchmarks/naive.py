"""The shape the engine does not have: a Dagster run for each message. Only here, to show what it costs."""

import os
from datetime import UTC, datetime

import dagster as dg
import httpx

from assets.formats.csv import document
from assets.reportstream.events import decode
from assets.reportstream.mapping import COLUMNS, row


@dg.op(config_schema={"event": str})
def send_one(context: dg.OpExecutionContext) -> None:
    """Map one event and send it."""
    event = decode(context.op_config["event"].encode())
    values = row(event, received_at=datetime.now(UTC), processing_mode="T")
    httpx.post(
        f"{os.environ['REPORTSTREAM_URL']}/api/reports?processing=async&payloadName={event.event_id}",
        headers={"client": "benchmark", "x-functions-key": "benchmark", "content-type": "text/csv"},
        content=document(COLUMNS, [values]),
    ).raise_for_status()


@dg.job(executor_def=dg.in_process_executor)
def one_message() -> None:
    """One message, one run."""
    send_one()


defs = dg.Definitions(jobs=[one_message])
