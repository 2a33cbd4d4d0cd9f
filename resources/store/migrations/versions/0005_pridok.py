"""What pridok adds to the store."""

from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
