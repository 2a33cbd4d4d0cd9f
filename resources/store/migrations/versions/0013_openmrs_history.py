"""OpenMRS: what became of a record over time, and up to when a feed is known."""

from resources.store.migrations import run

revision = "0013"
down_revision = "0012"

SCHEMA = """
ALTER TABLE sync_feed ADD COLUMN heard_until text NOT NULL DEFAULT '';  -- its publisher's time of the last entry

-- One row for each time something was done about a record, or could not be: what an administrator is asked about.
CREATE TABLE sync_history (
    record   bigint NOT NULL REFERENCES sync_record ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT now(),
    message  bigint,             -- none where it came along with another record
    outcome  text NOT NULL,
    reason   text NOT NULL,
    wrote    text NOT NULL,      -- the sides that were written to
    elements text NOT NULL       -- names of what was written, never its values
);
CREATE INDEX ON sync_history (record, at);
CREATE INDEX ON sync_history USING brin (at);
GRANT SELECT, INSERT ON sync_history TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
