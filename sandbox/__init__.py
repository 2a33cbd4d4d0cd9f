"""The partners in miniature: simulators with faults on demand, reached by URL only.

``python -m sandbox`` serves every system under ``/<system>/...`` on one port, and beside it ``/_sandbox``:

* ``GET /_sandbox`` lists the systems,
* ``GET /_sandbox/<system>/received`` shows what came (``?bodies=0`` without bodies),
* ``POST /_sandbox/<system>/faults`` makes the next requests go wrong, ``GET`` lists what is left of it,
* ``GET /_sandbox/<system>/records`` shows what the partner holds,
* ``DELETE /_sandbox/<system>`` forgets what was received and all faults (``?everything=1``: also what it
  holds).

Partners have more routes of their own there: ``reportstream`` and ``elation`` ``/settings``; ``elation``
``/merge``, ``/policy`` (what the clinic does) and ``/sign-out``; ``redox`` ``/feed``, ``/verify`` and
``/sign-out``; ``northlab`` and ``mail`` ``/address``. Each ``control`` method says what its routes take.

To add a system, write a class and name it in ``registry.py``::

    from sandbox.core import Reply, Request, System, as_json

    class Parent(System):
        name = "openmrs-parent"

        def answer(self, request: Request) -> Reply:          # or async def
            return as_json(201, {"uuid": "..."}, effect=True)  # effect: the partner took something over

        def records(self) -> object:                           # optional
            return {"Patient/<uuid>": {...}}

A folder of systems gives the registry a function: ``sandbox/openmrs/__init__.py`` has
``systems() -> list[System]``. ``request`` has ``method``, ``path`` (without ``/<system>`` and query),
``query``, ``headers`` (lower-case names), ``body``, ``json()`` and ``form``. What was received, faults,
delays and dropped connections need no line in a system. One that wants routes of its own under
``/_sandbox/<system>`` overrides ``control``; one with a listener of its own overrides ``open`` and ``close``.
``sandbox.running.sandbox_thread([Parent()])`` serves systems on a free port beside a test.

A permanent delay that changes nothing else is the fault ``{"delay_seconds": 0.05, "times": -1}``.
Nothing here imports the engine, and the engine imports nothing from here.
"""
