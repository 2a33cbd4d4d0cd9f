"""What openmrs adds to the store."""

from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = """
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
