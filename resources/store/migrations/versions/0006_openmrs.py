"""What is remembered of each link between two hospitals: how far its feeds are read, and each record's last state.

What a record says is sealed in ``body``. Records are found by blind names of their ids on either side, present and
former; a record is one row whatever ids it has had.
"""

from resources.store.migrations import run

revision = "0006"
down_revision = "0005"

SCHEMA = """
CREATE TABLE sync_link (
    link      text PRIMARY KEY,
    due_at    timestamptz NOT NULL DEFAULT '-infinity',  -- when its feeds are to be read next
    parent_at timestamptz,                 -- when that side last answered
    child_at  timestamptz,
    problem   text                         -- why the last reading ended early
);

-- How far a feed is read. The marker moves in the transaction that writes down what was read.
CREATE TABLE sync_feed (
    link        text NOT NULL,
    side        text NOT NULL CHECK (side IN ('parent', 'child')),
    feed        text NOT NULL,
    marker      text,                      -- the last entry that is written down
    marker_page integer,                   -- and the page it stood on
    fingerprint text NOT NULL DEFAULT '',  -- the first entry of page 1: another one, another feed
    page        integer NOT NULL DEFAULT 0,
    last_page   integer NOT NULL DEFAULT 0,
    pace        double precision NOT NULL DEFAULT 0,  -- seconds a page took while several waited
    read_at     timestamptz NOT NULL DEFAULT now(),
    stopped     text,                      -- why nothing more is read until a person confirms
    PRIMARY KEY (link, side, feed)
);

-- Every entry that was read: a second look at it leads to nothing. The arrival is the hint it became.
CREATE TABLE sync_entry (
    name    bytea PRIMARY KEY,             -- blind: link, side, feed, the entry's own id
    link    text NOT NULL,
    side    text NOT NULL,
    feed    text NOT NULL,
    action  text NOT NULL,                 -- what its publisher said happened
    arrival bigint,                        -- none where it names no record of ours
    problem text,                          -- why it does not
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON sync_entry (arrival) WHERE arrival IS NOT NULL;

-- A page that could not be read, until what it held is known another way.
CREATE TABLE sync_gap (
    link      text NOT NULL,
    side      text NOT NULL,
    feed      text NOT NULL,
    page      integer NOT NULL,
    since     text NOT NULL,               -- the publisher's own times
    until     text NOT NULL,
    found_at  timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    PRIMARY KEY (link, side, feed, page, since)
);
CREATE INDEX ON sync_gap (link) WHERE closed_at IS NULL;

CREATE TABLE sync_finding (
    link     text NOT NULL,
    side     text NOT NULL,
    feed     text NOT NULL,
    finding  text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at  timestamptz NOT NULL DEFAULT now(),
    times    integer NOT NULL DEFAULT 1,
    PRIMARY KEY (link, side, feed, finding)
);

CREATE TABLE sync_record (
    id       bigint PRIMARY KEY,           -- ours, made like an arrival's id
    link     text NOT NULL,
    type     text NOT NULL,
    queue    bigint NOT NULL,              -- where its hints wait
    outcome  text NOT NULL,                -- what the last look at it came to
    reason   text NOT NULL,
    message  bigint,                       -- the message that led to it
    at       timestamptz NOT NULL DEFAULT now(),
    decision bytea,                        -- a person's word on its conflict, sealed, until it is carried out
    body     bytea NOT NULL                -- state and conflict, sealed
);
CREATE INDEX ON sync_record (link, outcome, at);
CREATE INDEX ON sync_record (queue);

CREATE TABLE sync_name (
    link   text NOT NULL,
    side   text NOT NULL,
    name   bytea NOT NULL,                 -- blind: type and id on that side
    record bigint NOT NULL REFERENCES sync_record ON DELETE CASCADE,
    PRIMARY KEY (link, side, name)
);
CREATE INDEX ON sync_name (record);

-- What a record waits for, by blind names on either side.
CREATE TABLE sync_wait (
    record bigint NOT NULL REFERENCES sync_record ON DELETE CASCADE,
    link   text NOT NULL,
    name   bytea NOT NULL,
    PRIMARY KEY (record, name)
);
CREATE INDEX ON sync_wait (link, name);

GRANT SELECT, INSERT, UPDATE, DELETE ON sync_link, sync_feed, sync_gap, sync_finding, sync_record, sync_name,
    sync_wait TO handoff_app;
GRANT SELECT, INSERT ON sync_entry TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
