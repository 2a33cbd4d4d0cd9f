"""The drain: one run works one lane until it is quiet. Claim, map, deliver, settle, many queues side by side.

``frame`` is the life of the run, ``singles`` sends message by message, ``batching`` many in one request,
``outcomes`` turns what a client says into what the store writes. Nothing here knows a partner, and nothing
here knows Dagster.
"""
