"""The store's schema, step by step. Each step widens first and narrows a release later."""

from alembic import op


def run(statements: str) -> None:
    """Run plain SQL, several statements at once; a per cent sign is one, a colon is one."""
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))
