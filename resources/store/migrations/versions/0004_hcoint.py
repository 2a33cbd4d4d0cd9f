"""Orders and what became of them, notes that wait to be sent, which file went for whom.

What names a patient is sealed in ``body``; what people search by is a blind index. The state of an order that
was sent is that of its message: ``resources.store.orders.settle`` brings the column up to date.
"""

from resources.store.migrations import run

revision = "0004"
down_revision = "0003"

SCHEMA = """
CREATE TABLE hcoint_order (
    id           bigint PRIMARY KEY,       -- ours, made like an arrival's id
    key          bigint NOT NULL UNIQUE,   -- blind: sender, facility, order number; also the queue of its notes
    partner      text NOT NULL,
    reference    bigint NOT NULL,          -- blind: the order number
    visit        bigint,                   -- blind: sender, facility, visit number
    state        text NOT NULL CHECK (state IN ('requested', 'note_attached', 'sending', 'delivered', 'failed',
                                                'cancelled', 'on_hold')),
    test         boolean NOT NULL,
    version      integer NOT NULL,         -- rises with every change; a page says which one it showed
    sent         smallint NOT NULL DEFAULT 0,       -- number of the last note that was sent
    delivered    smallint NOT NULL DEFAULT 0,       -- number of the last note that was taken
    upload       bigint,                   -- the note that is attached and not sent yet
    message      bigint,                   -- the note that was sent last
    alert_after  interval NOT NULL,        -- waiting longer than this for its note, it is spoken of
    requested_at timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    body         bytea NOT NULL            -- the order, sealed
);
CREATE INDEX ON hcoint_order (reference);
CREATE INDEX ON hcoint_order (visit) WHERE visit IS NOT NULL;
CREATE INDEX ON hcoint_order (state, requested_at);
CREATE INDEX ON hcoint_order (partner, requested_at);
CREATE INDEX ON hcoint_order (message) WHERE message IS NOT NULL;

-- Every identifier of a patient finds the order.
CREATE TABLE hcoint_patient (
    patient  bigint NOT NULL,              -- blind
    order_id bigint NOT NULL REFERENCES hcoint_order ON DELETE CASCADE,
    PRIMARY KEY (patient, order_id)
);
CREATE INDEX ON hcoint_patient (order_id);

-- What happened to an order: messages of the hospital (arrival), acts of people (who).
CREATE TABLE hcoint_event (
    order_id bigint NOT NULL REFERENCES hcoint_order ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    what     text NOT NULL,
    arrival  bigint,
    who      text
);
CREATE INDEX ON hcoint_event (order_id, at);

-- A visit that has ended, also one whose order has not come yet.
CREATE TABLE hcoint_visit (
    visit    bigint PRIMARY KEY,           -- blind
    ended_at text NOT NULL,                -- as the hospital wrote it
    at       timestamptz NOT NULL DEFAULT now()
);

-- A note between upload and sending. The arrival of the sent note holds the file afterwards.
CREATE TABLE hcoint_upload (
    id       bigint PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES hcoint_order ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT now(),
    who      text NOT NULL,
    kind     text NOT NULL,
    bytes    integer NOT NULL,
    body     bytea NOT NULL                -- its name, digest and pages on one line, then the file; sealed
);
CREATE INDEX ON hcoint_upload (order_id);
ALTER TABLE hcoint_upload ALTER body SET STORAGE EXTERNAL;

-- Which file was sent for which order: the same file for another patient is stopped.
CREATE TABLE hcoint_note (
    message  bigint PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES hcoint_order ON DELETE CASCADE,
    number   smallint NOT NULL,
    partner  text NOT NULL,
    digest   bigint NOT NULL,              -- blind: SHA-256 of the file
    kind     text NOT NULL,
    bytes    integer NOT NULL,
    who      text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON hcoint_note (digest);
CREATE INDEX ON hcoint_note (order_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON hcoint_order, hcoint_patient, hcoint_visit, hcoint_upload TO handoff_app;
GRANT SELECT, INSERT ON hcoint_event, hcoint_note TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
