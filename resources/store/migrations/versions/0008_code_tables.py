"""Official code tables that an installation has loaded over the shipped ones."""

from resources.store.migrations import run

revision = "0008"
down_revision = "0007"

SCHEMA = """
-- In the store, not in a file: every machine and every run uses the same table. The newest row of a name counts.
-- Append only: what a mapping used on a day can be told.
CREATE TABLE code_table (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane      text NOT NULL,
    name      text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    who       text NOT NULL,
    reason    text NOT NULL,
    entries   jsonb              -- null: the shipped table again
);
CREATE INDEX ON code_table (lane, name, id);
GRANT SELECT, INSERT ON code_table TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
