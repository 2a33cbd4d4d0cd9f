"""What staff adds to the store."""

from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
