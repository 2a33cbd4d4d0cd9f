"""Everything with something on the far end: the message store and one client per system.

Put a module here when it opens a connection. What to send belongs in ``assets``; when to send it
belongs in ``pipelines``.
"""
