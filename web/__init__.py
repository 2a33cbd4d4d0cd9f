"""The doors: what senders and people reach over HTTP, and what watches when Dagster is dead.

Put a module here when it answers a request. What a message means belongs in ``assets``, what has something on
its far end in ``resources``; nothing here imports Dagster.
"""
