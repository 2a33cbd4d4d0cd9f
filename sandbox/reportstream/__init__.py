"""ReportStream in miniature: the public health hub that test results are sent to.

``/api/reports`` and ``/api/waters`` take CSV, FHIR NDJSON and HL7 and answer as the hub did in spring 2026;
``/api/token`` signs senders in; the history says what became of a submission. Receivers are invented, one for
each state; nothing is routed anywhere.
"""

from .system import ReportStream

__all__ = ["ReportStream"]
