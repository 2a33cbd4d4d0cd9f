"""What pridok adds to the store."""

from resources.store.migrations import run

revision = "0005"
down_revision = "0004"

SCHEMA = """
"""


def upgrade() -> None:
    run(SCHEMA)
