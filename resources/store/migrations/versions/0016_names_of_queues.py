"""A queue's names are found by it: retention keeps a queue as long as one of them is kept."""

from resources.store.migrations import run

revision = "0016"
down_revision = "0015"

SCHEMA = """
-- Not for reportstream, where nearly every event has a queue of its own: millions of rows that nobody would look up.
CREATE INDEX seen_lineage ON seen (lineage) WHERE lane <> 1;
"""


def upgrade() -> None:
    run(SCHEMA)
