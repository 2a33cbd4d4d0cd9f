"""``/results``: upload a file of results, read what is wrong with it, see what became of earlier ones."""

from starlette.concurrency import run_in_threadpool

from assets.reportstream import bulk_template
from assets.reportstream.bulk import MOST_BYTES
from assets.reportstream.bulk_findings import Checked
from assets.reportstream.destinations import destinations, queues
from assets.reportstream.devices import known_devices
from resources.store import uploads
from resources.store.intake import Busy, StoreAway
from web.bulk import SHOWN, Uploading, lines, table
from web.staff import (
    ADMINISTRATOR,
    CLINICIAN,
    SECRETARY,
    Page,
    PageRequest,
    Problem,
    Response,
    download,
    flash,
    page,
    redirect,
    render,
)

#: Who has results to report. An operator reads no content, and the error table repeats cells.
UPLOADERS = frozenset({CLINICIAN, SECRETARY, ADMINISTRATOR})
#: Uploads of one list.
ROWS = 50

_BUSY = Problem(
    503, "The file was not stored whole.", "Send the same file again in a minute; no result is sent twice."
)


def pages(uploading: Uploading) -> list[Page]:
    """The upload and its history."""
    return [start, upload(uploading), template, guide, devices, done]


@page("/results", roles=UPLOADERS, title="Upload results", nav="Results")
def start(request: PageRequest) -> Response:
    """The form, and the files that came before: a person's own, for administrators all."""
    return _form(request)


def _form(request: PageRequest, checked: Checked | None = None, status: int = 200) -> Response:
    own = None if request.person.role == ADMINISTRATOR else request.person.name
    with request.house.store() as db:
        earlier = uploads.newest(db, own, ROWS)
    found = lines(checked.problems) if checked else []
    return render(
        request,
        "bulk/upload.html",
        status=status,
        most=MOST_BYTES,
        earlier=earlier,
        checked=checked,
        lines=found[:SHOWN],
        count=len(checked.problems) if checked else 0,
        table=table(found) if found else "",
    )


def upload(uploading: Uploading) -> Page:
    """Takes the file."""

    @page("/results", roles=UPLOADERS, method="POST", title="Upload results", upload=MOST_BYTES, spool=True)
    async def uploaded(request: PageRequest) -> Response:
        file = request.spooled.get("file")
        if file is None:
            raise Problem(400, "Please choose a file.", "Go back, choose the CSV file, and send it again.")
        try:
            taken = await uploading.take(file, request.person.name)
        except (Busy, StoreAway):
            raise _BUSY from None
        if isinstance(taken, Checked):
            return await run_in_threadpool(_form, request, taken, 422)
        for sentence in taken.checked.warnings:
            await run_in_threadpool(flash, request, f"Please note: {sentence}")
        again = "?again=1" if taken.again else ""
        return redirect(request, f"/results/{taken.upload.report_id}{again}")

    return uploaded


@page("/results/{report_id}", roles=UPLOADERS, title="Uploaded results")
def done(request: PageRequest) -> Response:
    """One upload and how far its rows have come: numbers only, so whoever has its code may see them."""
    report_id = request.path_params["report_id"]
    with request.house.store() as db:
        found = uploads.one(db, report_id)
        travelled = uploads.travelled(db, report_id, queues(len(destinations(request.house.settings))))
    if found is None:
        raise Problem(404, "There is no such upload.", "Look whether the whole code is there.")
    return render(
        request,
        "bulk/done.html",
        upload=found,
        travelled=travelled,
        again="again" in request.query_params,
    )


@page("/results/template", roles=UPLOADERS, title="Template")
def template(request: PageRequest) -> Response:
    """The file to fill in."""
    return download(
        request,
        bulk_template.template().encode(),
        name="results_template.csv",
        kind="text/csv; charset=utf-8",
    )


@page("/results/guide", roles=UPLOADERS, title="Guide")
def guide(request: PageRequest) -> Response:
    """What every column takes."""
    return render(request, "bulk/guide.html", entries=bulk_template.guide(), most=MOST_BYTES)


@page("/results/devices", roles=UPLOADERS, title="Devices")
def devices(request: PageRequest) -> Response:
    """The devices and tests a row may name."""
    known = known_devices()
    anywhere = sorted(one.disease for one in known.loinc.values() if one.any_device)
    return render(request, "bulk/devices.html", devices=known.listed(), anywhere=sorted(set(anywhere)))
