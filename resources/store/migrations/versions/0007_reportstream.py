"""What reportstream adds to the store."""

from resources.store.migrations import run

revision = "0007"
down_revision = "0006"

SCHEMA = """
-- Files of results that people uploaded. The rows are arrivals like any other; they carry the reference.
CREATE TABLE reportstream_upload (
    report_id  text        PRIMARY KEY,     -- the confirmation code; follows from the file
    digest     bigint      NOT NULL UNIQUE, -- keyed, of the file: tells a second upload of it
    reference  bigint      NOT NULL,        -- blind index under which its rows are found
    who        text        NOT NULL,        -- the account, or the sender with a token
    at         timestamptz NOT NULL DEFAULT now(),
    rows       integer     NOT NULL,
    duplicates integer     NOT NULL DEFAULT 0,
    conflicts  integer     NOT NULL DEFAULT 0,
    done_at    timestamptz                  -- all rows are stored; until then the file may come again
);
CREATE INDEX ON reportstream_upload (at);

GRANT SELECT, INSERT, UPDATE ON reportstream_upload TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
