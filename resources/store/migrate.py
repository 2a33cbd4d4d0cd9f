"""Bring the store's schema up to date. Runs as the owner; the application role may not."""

from importlib import resources as package_files

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from resources.store.partitions import make_ahead


def migrate(owner_url: str) -> str:
    """Apply every missing migration, make the partitions of the coming months, and return the revision."""
    engine = create_engine(sqlalchemy_url(owner_url))
    with engine.connect() as connection:
        # Two starts at once: the second waits and finds nothing to do.
        connection.execute(text("SELECT pg_advisory_lock(79, 1)"))
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS handoff"))
        connection.execute(text("SET search_path = handoff"))
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(package_files.files("resources.store") / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        revision = connection.execute(text("SELECT version_num FROM handoff.alembic_version")).scalar_one()
        connection.execute(text("SELECT pg_advisory_unlock(79, 1)"))
        connection.commit()
    engine.dispose()
    make_ahead(owner_url)
    return str(revision)


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy, with the driver we use: psycopg 3.

    >>> sqlalchemy_url("postgresql://u:p@h/db")
    'postgresql+psycopg://u:p@h/db'
    """
    return "postgresql+psycopg://" + url.split("://", 1)[1]
