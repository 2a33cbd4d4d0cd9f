"""What openmrs adds to the store."""

from resources.store.migrations import run

revision = "0006"
down_revision = "0005"

SCHEMA = """
"""


def upgrade() -> None:
    run(SCHEMA)
