"""OpenMRS: a parent and its clinics agree again after days without a network.

A link joins one parent and one child. Both sides publish Atom feeds, which are hints that something
changed, never a log of changes: each hint is coalesced to its record, the record is read where it
changed, compared with what the two sides last agreed on, and only the changed elements travel.

``events`` and ``feed`` read what comes in, ``walk`` decides which feed page is next, ``records`` puts
records in order, ``catchment`` says whose records a clinic may have, ``canonical`` and ``merge`` compare,
``reconcile`` decides, ``mapping`` and ``rest`` write the calls, ``sync`` does it. Only ``sync`` does I/O.
"""
