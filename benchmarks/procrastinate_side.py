"""What ``drain_single`` is measured against: procrastinate, a job a message, a lock a queue, sending by aiohttp."""

import asyncio
import time
from typing import Any

import aiohttp
import procrastinate
import psycopg
import uvloop

#: A schema of its own; dropped afterwards.
SCHEMA = "bench_procrastinate"
OPTIONS = f"-c search_path={SCHEMA} -c client_min_messages=warning"
BODY = b'{"first_name":"Ana","last_name":"Rivera","dob":"1961-07-04"}'


async def _run(owner_url: str, url: str, at_once: int, messages: int, queues: int) -> float:
    connector = procrastinate.PsycopgConnector(
        conninfo=owner_url, kwargs={"options": OPTIONS}, min_size=2, max_size=12
    )
    app = procrastinate.App(connector=connector)
    sent = 0
    first = last = 0.0
    async with app.open_async(), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as http:
        await app.schema_manager.apply_schema_async()

        @app.task(name="send")
        async def send(number: int) -> None:
            nonlocal sent, first, last
            async with http.patch(f"{url}/patients/7/", data=BODY) as response:
                await response.read()
            sent += 1
            last = time.perf_counter()
            first = first or last

        for start in range(0, messages, 1_000):
            jobs: list[Any] = [
                send.configure(lock=f"chart-{number % queues}").defer_async(number=number)
                for number in range(start, min(start + 1_000, messages))
            ]
            await asyncio.gather(*jobs)
        # What autovacuum does of itself a little later; without it a job is looked for three times as long.
        await connector.execute_query_async("ANALYZE")
        await app.run_worker_async(
            wait=False, concurrency=at_once, install_signal_handlers=False, delete_jobs="always"
        )
    if sent != messages:
        raise RuntimeError(f"procrastinate sent {sent} of {messages}")
    return messages / (last - first)


def rate(owner_url: str, url: str, at_once: int, messages: int, queues: int) -> float:
    """Messages a second of one worker."""
    with psycopg.connect(owner_url, autocommit=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        db.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            return uvloop.run(_run(owner_url, url, at_once, messages, queues))
        finally:
            db.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
