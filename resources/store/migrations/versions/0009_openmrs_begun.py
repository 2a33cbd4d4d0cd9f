"""OpenMRS: which records have a write under way, and when an entry of a feed was read."""

from resources.store.migrations import run

revision = "0009"
down_revision = "0008"

SCHEMA = """
-- A write has been begun that may give the record another id over there, and how it ended is not known yet.
ALTER TABLE sync_record ADD COLUMN begun boolean NOT NULL DEFAULT false;
CREATE INDEX ON sync_record (link, type) WHERE begun;
-- Retention deletes the oldest; rows stand on disk in the order they came.
CREATE INDEX ON sync_entry USING brin (at);
"""


def upgrade() -> None:
    run(SCHEMA)
