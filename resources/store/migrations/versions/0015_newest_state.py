"""What was last delivered of a queue is remembered also when it is no longer certain that it still stands."""

from resources.store.migrations import run

revision = "0015"
down_revision = "0014"

SCHEMA = """
-- Without a digest: the message was the newest that was delivered, and whether its state still stands is in doubt.
ALTER TABLE standing ALTER COLUMN digest DROP NOT NULL;
"""


def upgrade() -> None:
    run(SCHEMA)
