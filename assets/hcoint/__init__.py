"""Orders for clinical notes, answered with the note: what a hospital is owed, whichever wire it uses.

Orders come from Redox (``redox_order``) or as HL7 v2 (``hl7_order``) and become one ``Order`` (``events``).
``life`` says what may happen to an order, ``documents`` which files are taken, ``mapping`` what is sent back,
``partners`` reads who the hospitals are from ``hcoint.toml``.
"""
