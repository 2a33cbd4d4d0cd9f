"""How Alembic reaches the store; called by ``resources.store.migrate``, never from the command line."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table_schema="handoff", transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
