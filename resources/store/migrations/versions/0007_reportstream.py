"""What reportstream adds to the store."""

from resources.store.migrations import run

revision = "0007"
down_revision = "0006"

SCHEMA = """
"""


def upgrade() -> None:
    run(SCHEMA)
