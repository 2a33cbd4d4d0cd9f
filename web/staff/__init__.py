"""The pages people use: sign-in, roles, layout, forms. What every lane's own pages are made with.

Not what a lane shows: that stands in a module of the lane beside this package (``web/orders.py``,
``web/consultations.py``), with its templates under ``web/templates/<lane>/``.

A page is a function with a guard. There is no page without one::

    from web.staff import CLINICIAN, PageRequest, Problem, Response, flash, log_access, page, redirect, render

    @page("/orders/{id:int}", roles={CLINICIAN}, title="Order")
    def order(request: PageRequest) -> Response:
        with request.house.store() as db:                       # psycopg, autocommit, schema handoff
            found = one_order(db, request.path_params["id"])
        if found is None:
            raise Problem(404, "There is no such order.", "It may have been typed wrongly.")
        log_access(request, "an order", found.patient_key, "their own order")   # first, then show
        return render(request, "hcoint/order.html", order=found)

    @page("/orders/{id:int}/send", roles={CLINICIAN}, method="POST")
    def send(request: PageRequest) -> Response:
        reason = request.field("reason", "a reason")            # a missing one is a 400 in plain words
        ...
        flash(request, "The note is on its way.")               # shown once, on the next page; names nobody
        return redirect(request, f"/orders/{number}")           # 303

    PAGES = [order, send]

and one line in ``web/app.py``: ``*orders.PAGES`` in the list of pages. Pages that need more than the house (an
``Intake``, a lane's settings) are made in a function: ``def pages(intake: Intake) -> list[Page]``.

**Functions.** ``def`` runs in a thread and may use the store; ``async def`` runs on the loop and may not block it.
``request.person`` is who asks (``id``, ``name``, ``role``), ``request.house`` has ``settings``, ``store`` (lends a
connection), ``sealer`` (one a thread) and ``now()``. ``nav="Orders"`` puts a GET page into the navigation of its roles.

**Forms.** ``method="POST"``; every form holds ``{{ csrf() }}``, which the guard checks before the function runs.
Values are in ``request.fields`` (each a ``str``, trimmed). A search for a person is a POST form whose function
renders its answer: what names a patient is never part of an address. ``data-once`` on a form keeps a double click
from sending twice where there is JavaScript; the store must keep it without.

**Files.** ``@page(..., method="POST", upload=30_000_000)`` takes ``multipart/form-data`` into memory, never onto a
disk: ``request.uploads["note"]`` has ``name`` (as the sender's machine calls it: never a path of ours), ``kind`` and
``data``. With ``spool=True`` the file is ``request.spooled["note"]`` instead, sealed while it is here and read as a
stream (``web.spool``). ``{{ csrf() }}`` must stand before the file input: a form without its token is refused before
the file is read. A larger one is a 413 that says how much is allowed. A ``<form data-progress>`` shows a progress bar
where there is JavaScript; ``data-progress="..."`` says what happens once the file has been sent.
``download(request, data, name=..., kind=...)`` hands a file out as an attachment.

**Looks at patient data.** ``log_access(request, what, subject, reason)`` commits before it returns; call it before the
data is read. ``subject`` is a blind index (``house.sealer.blind("patient", lane, id)``) or the id of a message.

**What cannot be done.** ``raise Problem(status, title, help)`` shows both in plain words; ``NotPossible`` of the store
becomes a 409. Neither repeats a value. Anything else a page raises is logged by its place and shown as a 500.

**Templates** extend ``layout.html`` (blocks ``title``, ``main``) and import what they need from ``parts.html``:

* ``{% from "parts.html" import badge, when, age, empty, field, choice %}``
* ``{{ badge("delivered") }}``: a state in words and colour; new states are added to ``web.staff.showing.STATES``.
* ``{{ when(moment) }}``: a time in the zone of the house. ``{{ age(seconds) }}``: ``3 min``. ``{{ 12345 | number }}``.
* ``{{ empty("Nothing waits.", "New orders show here as they come.") }}``: never an empty table.
* ``{{ field("reason", "Why", hint="Goes into the audit.", required=true) }}`` (``rows=4`` makes it long);
  ``{{ choice("state", "State", [("open", "Open"), ...], value, any="every state") }}``.
* ``<div class="scroll"><table class="rows">`` with ``<caption>`` and ``<th scope="col">``; a row becomes a card on a
  phone, where each ``<td>`` is named by its ``data-label="..."``.
* ``<section data-live="10" id="...">`` is asked for again every ten seconds where there is JavaScript.
* classes: ``card``, ``cards``, ``grid two``, ``actions``, ``primary``, ``danger``, ``quiet``, ``facts`` (a ``<dl>``),
  ``mono``, ``muted``, ``notice good|wait|bad|going``, ``steps`` (a life, oldest first), ``hidden`` (read, not seen).

No inline script and no inline style: the page would not run it. Own scripts are files in ``web/static/``.

**What is yours to do.** ``Todo(count, text, href)`` lines on the first page come from functions
``(db, person) -> list[Todo]`` given to ``Site(todos=[...])`` in ``web/app.py``. Which messages are a person's own (a
clinician sees those of their own orders) is asked of functions ``(db, person, message ids) -> set of ids``, given
as ``Site(owns=[...])``.

**A session elsewhere** (GraphQL, a websocket, a door that takes a session or a bearer): ``site.visitor(connection)``
is the ``Visit`` (``person``, ``csrf``) or None; whatever changes something by POST also needs
``site.proven(connection, visit)``: the header ``x-csrf-token`` and the same origin. It is a blocking call: from the
loop ``await run_in_threadpool(site.visitor, connection)``. Ask again from time to time where a connection stays open.
"""

from starlette.responses import Response

from web.staff.answers import Problem, download, flash, log_access, redirect, render
from web.staff.pages import LIVE, Page, PageRequest, page
from web.staff.roles import ADMINISTRATOR, CLINICIAN, EVERYONE, OPERATOR, PROVIDER, SECRETARY, Person, Role
from web.staff.site import House, Site, Todo
from web.staff.uploads import Upload

__all__ = [
    "ADMINISTRATOR",
    "CLINICIAN",
    "EVERYONE",
    "LIVE",
    "OPERATOR",
    "PROVIDER",
    "SECRETARY",
    "House",
    "Page",
    "PageRequest",
    "Person",
    "Problem",
    "Response",
    "Role",
    "Site",
    "Todo",
    "Upload",
    "download",
    "flash",
    "log_access",
    "page",
    "redirect",
    "render",
]
