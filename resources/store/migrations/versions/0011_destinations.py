"""Destinations with a breaker of their own, what a facility is told, and whose account an account is."""

from resources.store.migrations import run

revision = "0011"
down_revision = "0010"

SCHEMA = """
-- One of a lane's several destinations that is away. The others go on, so this does not stand in ``lane``.
CREATE TABLE destination (
    track       smallint    PRIMARY KEY,
    away_since  timestamptz NOT NULL DEFAULT now(),
    away_until  timestamptz NOT NULL,               -- when the next probe may go
    away_step   smallint    NOT NULL DEFAULT 0,     -- how many probes have failed
    away_reason text        NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON destination TO handoff_app;

-- Whose concern a remark is: a blind index, in reportstream of the facility's CLIA number.
ALTER TABLE remark ADD COLUMN concerns bigint;
CREATE INDEX ON remark (concerns, message) WHERE concerns IS NOT NULL;

-- The facility an account works for, by its CLIA number: it sees what was said of that facility's results.
ALTER TABLE staff ADD COLUMN facility text CHECK (facility ~ '^[0-9A-Z]{2}D[0-9A-Z]{7}$');
"""


def upgrade() -> None:
    run(SCHEMA)
