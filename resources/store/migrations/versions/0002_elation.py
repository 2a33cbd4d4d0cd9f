"""What elation adds to the store."""

from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
