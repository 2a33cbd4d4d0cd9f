"""What hcoint adds to the store."""

from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
