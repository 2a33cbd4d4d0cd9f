"""The access log is found by whom and by when; an account has its person's name, to be held against patients'."""

from resources.store.migrations import run

revision = "0014"
down_revision = "0013"

SCHEMA = """
-- A patient's report, and the page of one subject, newest first.
CREATE INDEX access_log_subject ON access_log (subject, id) WHERE subject IS NOT NULL;
-- The page of one person.
CREATE INDEX access_log_who ON access_log (who, id);
-- The follow-up report of the last days: lines lie in the order of their times.
CREATE INDEX access_log_at ON access_log USING brin (at) WITH (pages_per_range = 32);

ALTER TABLE staff ADD COLUMN full_name text NOT NULL DEFAULT '' CHECK (length(full_name) <= 100);
"""


def upgrade() -> None:
    run(SCHEMA)
