"""What each partner is owed: typed events, pure mappings, and the assets operators see.

Every lane has the same assets, in this order::

    <lane>/inbox -> <lane>/outbox -> <lane>/delivered, and <lane>/ledger, a partition a day

``events.py`` and ``mapping.py`` of a lane are plain Python: no Dagster, no HTTP, no SQL, no clock.
"""
