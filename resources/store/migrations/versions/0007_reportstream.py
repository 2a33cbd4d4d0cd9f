"""What reportstream adds to the store."""

from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
