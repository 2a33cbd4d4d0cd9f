"""How far the rows of an uploaded file have been stored."""

from resources.store.migrations import run

revision = "0010"
down_revision = "0009"

SCHEMA = """
-- Rows of the file that have been gone through: new, repeated and conflicting ones. Equals rows when done_at is set.
ALTER TABLE reportstream_upload ADD COLUMN stored integer NOT NULL DEFAULT 0;
UPDATE reportstream_upload SET stored = rows WHERE done_at IS NOT NULL;
"""


def upgrade() -> None:
    run(SCHEMA)
