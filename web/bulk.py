"""Results from people: a CSV file of any number of rows, judged whole, stored row by row.

``Uploading`` takes a file, whoever brings it; the door (``POST /intake/reportstream/bulk``, a session or a bearer)
answers a machine, the pages answer a person. The file is read twice as a stream, to judge it and to store it, and
never held. What it is found to be is said to whoever sent it and kept nowhere: it repeats what stood in cells.
"""

import asyncio
import base64
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool

from assets import code_tables
from assets.reportstream import bulk, bulk_row
from assets.reportstream.bulk_advice import advice
from assets.reportstream.bulk_findings import Checked, Problem, ranges
from assets.reportstream.bulk_row import BulkRow
from assets.reportstream.destinations import CARRIES_ALL, destinations, queues
from assets.reportstream.devices import known_devices
from assets.reportstream.encoding import BULK_ROW
from assets.reportstream.identity import derived_id
from assets.reportstream.tables.loadable import TABLES
from resources.settings import Settings
from resources.store import uploads
from resources.store.code_tables import in_force
from resources.store.connect import Borrowed
from resources.store.intake import Busy, Incoming, Prior, Verdict
from resources.store.lanes import NUMBERS
from resources.store.seal import Sealer
from resources.store.uploads import Uploaded
from web.intake import Surroundings
from web.spool import Spool

LANE = "reportstream"

#: Rows stored in one statement.
TOGETHER = 500

#: A long file gives way while more waits to be stored than we hold, so often and so many seconds each time.
TRIES, PAUSE_SECONDS = 40, 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was found right: what it was found to be, and the upload it made, or is a repeat of."""

    checked: Checked
    upload: Uploaded
    again: bool


class Uploading:
    """Takes files for the lane."""

    def __init__(self, settings: Settings, store: Borrowed, around: Surroundings) -> None:
        self._settings, self._store, self._around = settings, store, around
        places = destinations(settings)
        self._added = queues(len(places))
        self._covid_only = not any(one.format in CARRIES_ALL for one in places)
        self._meter = around.figures.meter(LANE)

    async def take(self, file: Spool, who: str) -> Checked | Taken:
        """Judge the file; if nothing is wrong with it, store its rows.

        Raises ``Busy`` and ``StoreAway``: the same file may then come again, and what is stored is passed over.
        """
        sealer = Sealer(self._settings.keys)
        checked = await run_in_threadpool(self._checked, file, datetime.now(UTC))
        if checked.problems:
            return checked
        report_id = derived_id("upload", file.sha256)
        upload = await run_in_threadpool(self._known, report_id)
        if upload is not None and upload.whole:
            return Taken(checked, upload, again=True)
        reference = sealer.blind("upload", LANE, report_id)
        digest = sealer.digest(file.sha256.encode())
        await run_in_threadpool(self._begin, report_id, digest, reference, who, checked.rows)
        verdicts = await self._store_rows(file, report_id, reference, sealer)
        return Taken(checked, await run_in_threadpool(self._end, report_id, verdicts), again=False)

    def _checked(self, file: Spool, now: datetime) -> Checked:
        with self._store() as db:  # what an installation has loaded judges here as it maps in a run
            code_tables.use(TABLES, in_force(db, LANE))
        return _checked(file, now, covid_only=self._covid_only)

    def _known(self, report_id: str) -> Uploaded | None:
        with self._store() as db:
            return uploads.one(db, report_id)

    def _begin(self, report_id: str, digest: int, reference: int, who: str, rows: int) -> None:
        with self._store() as db:
            uploads.begin(db, report_id=report_id, digest=digest, reference=reference, who=who, rows=rows)

    def _end(self, report_id: str, verdicts: Counter[Verdict]) -> Uploaded:
        with self._store() as db:
            return uploads.end(
                db,
                report_id,
                duplicates=verdicts[Verdict.DUPLICATE],
                conflicts=verdicts[Verdict.CONFLICT],
            )

    async def _store_rows(
        self, file: Spool, report_id: str, reference: int, sealer: Sealer
    ) -> Counter[Verdict]:
        found: Counter[Verdict] = Counter()
        with file.open() as opened:
            making = (arrival(row, reference, sealer, self._added) for _, row in bulk.rows(opened))
            while some := await run_in_threadpool(lambda: list(itertools.islice(making, TOGETHER))):
                verdicts = await self._put(some)
                self._meter.stored(verdicts)
                found.update(verdicts)
                await run_in_threadpool(self._so_far, report_id, found.total())
                self._around.arrived(LANE)
        return found

    async def _put(self, rows: Sequence[Incoming]) -> Sequence[Verdict]:
        for _ in range(TRIES - 1):
            try:
                return await self._around.intake.put(rows)
            except Busy:
                await asyncio.sleep(PAUSE_SECONDS)
        return await self._around.intake.put(rows)

    def _so_far(self, report_id: str, stored: int) -> None:
        with self._store() as db:
            uploads.stored(db, report_id, stored)


def arrival(row: BulkRow, reference: int, sealer: Sealer, added: tuple[int, ...] = (0,)) -> Incoming:
    """One row as an arrival: the same result again is a duplicate, its correction follows it."""
    name, result = bulk_row.row_id(row), bulk_row.result_id(row)
    body = bulk_row.encode(row)
    prior = Prior(name=sealer.name(LANE, result), lineage=sealer.blind("queue", LANE, result))
    return Incoming(
        lane=NUMBERS[LANE],
        name=sealer.name(LANE, name),
        kind=BULK_ROW,
        lineage=sealer.blind("queue", LANE, name),
        digest=sealer.digest(body),
        body=body,
        patient=sealer.blind("patient", LANE, row.patient_id) if row.patient_id else None,
        reference=reference,
        prior=prior if name != result else None,
        rooted=True,
        destinations=added,
    )


def _checked(file: Spool, now: datetime, *, covid_only: bool) -> Checked:
    with file.open() as opened:
        return bulk.check(opened, devices=known_devices(), now=now, covid_only=covid_only)


# -- how problems are shown ----------------------------------------------------------------------------------------

#: Rows of a table on a page; the file to download has more.
SHOWN = 500
#: Of a file this wrong the first mistakes are enough to see what it is.
DOWNLOADED = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the error table."""

    error: str
    guidance: str
    rows: str


def lines(problems: Iterable[Problem]) -> list[Line]:
    """The problems as a person reads them: what is wrong, what would be right, in which rows."""
    return [
        Line(problem.message, advice(problem), ranges(problem.indices) or "the whole file")
        for problem in itertools.islice(problems, DOWNLOADED)
    ]


def table(shown: Iterable[Line]) -> str:
    """The error table as a file that a spreadsheet opens, in an address of its own: it is kept nowhere.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("Error", "Guidance", "Row(s)"))
    writer.writerows([_harmless(cell) for cell in (line.error, line.guidance, line.rows)] for line in shown)
    return (
        "data:text/csv;charset=utf-8;base64," + base64.b64encode(out.getvalue().encode("utf-8-sig")).decode()
    )


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
