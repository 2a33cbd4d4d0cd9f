"""The store: what came, what is owed, every attempt.

Roles: ``handoff_owner`` runs this and owns everything; ``handoff_app`` is the doors and the runs: it may
not change tables, nor change or delete what is evidence; ``handoff_sender`` is an application that hands
events over by SQL.
"""

from resources.store.migrations import run

revision = "0001"
down_revision = None

SCHEMA = """
-- One row a lane: what an operator or the breaker says about the whole of it.
CREATE TABLE lane (
    number      smallint PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    hold        text,                               -- a person stopped the lane; the reason, in their words
    away_since  timestamptz,                        -- the breaker is open: the partner is away
    away_until  timestamptz,                        -- when the next probe may go
    away_step   smallint NOT NULL DEFAULT 0,        -- how many probes have failed
    away_reason text,
    asked_at    timestamptz NOT NULL DEFAULT '-infinity',  -- when a run was last asked for
    code        text NOT NULL DEFAULT ''            -- version of the newest definitions loaded
);

-- Idempotency. Not partitioned: a unique index on a partitioned table must contain the partition key.
CREATE TABLE seen (
    lane    smallint NOT NULL,
    name    bytea    NOT NULL,      -- HMAC of the sender and the sender's own id
    arrival bigint   NOT NULL,
    lineage bigint   NOT NULL,      -- what a later correction follows
    digest  bigint   NOT NULL,      -- of the normalised content: tells a repeat from a conflict
    PRIMARY KEY (lane, name)
);

-- The same id came again with other content: kept for a person, never sent.
CREATE TABLE conflict (
    id      bigint PRIMARY KEY,
    lane    smallint NOT NULL,
    arrival bigint   NOT NULL,
    digest  bigint   NOT NULL,
    body    bytea    NOT NULL,
    UNIQUE (arrival, digest)        -- the same other content is kept once
);

-- What came, exactly, sealed. The id is the millisecond of arrival shifted left by 20, so a range of ids is
-- a range of time: partitions by id are partitions by month, and a look-up by id prunes.
CREATE TABLE inbox (
    id        bigint   NOT NULL,
    lane      smallint NOT NULL,
    kind      text     NOT NULL,
    patient   bigint,               -- blind index
    reference bigint,               -- blind index: order, accession
    body      bytea    NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX ON inbox (patient) WHERE patient IS NOT NULL;
CREATE INDEX ON inbox (reference) WHERE reference IS NOT NULL;

-- One ordered queue. A leased queue has left the ready index, so renewing a lease touches one row of
-- drain and none of these.
CREATE TABLE queue (
    key      bigint PRIMARY KEY,
    lane     smallint NOT NULL,
    ready_at timestamptz NOT NULL DEFAULT 'infinity',  -- when its head may go: now, a back-off, or never
    lease    bigint,
    last_seq bigint NOT NULL DEFAULT 0,
    hold     text                   -- why it stands still; ready_at is then infinity
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX queue_ready ON queue (lane, ready_at) WHERE lease IS NULL AND ready_at < 'infinity';
CREATE INDEX queue_leased ON queue (lease) WHERE lease IS NOT NULL;
CREATE INDEX queue_held ON queue (lane) WHERE hold IS NOT NULL;

-- What is not done. Deleted when done, so a claim costs the same whatever lies behind it.
-- The primary key is the only index: another one would tempt the planner (ORDER BY ... LIMIT).
CREATE TABLE work (
    queue     bigint   NOT NULL,
    seq       bigint   NOT NULL,    -- dense, in commit order
    part      smallint NOT NULL DEFAULT 0,
    lane      smallint NOT NULL,
    arrival   bigint   NOT NULL,    -- the message's id is arrival + part
    version   smallint NOT NULL DEFAULT 0,  -- of its bytes in the outbox: mapped anew, one more
    attempts  smallint NOT NULL DEFAULT 0,
    unsure_at timestamptz,          -- it may have reached the partner: ask before sending
    flag      text,                 -- what a person should know: 'original not seen'
    PRIMARY KEY (queue, seq, part)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- What we owe or sent, exactly, sealed. Written before the first byte leaves.
CREATE TABLE outbox (
    id        bigint   NOT NULL,    -- arrival + part
    version   smallint NOT NULL,
    lane      smallint NOT NULL,
    kind      text     NOT NULL,
    digest    bigint   NOT NULL,
    reference bigint,               -- blind index: control id
    body      bytea    NOT NULL,
    PRIMARY KEY (id, version)
) PARTITION BY RANGE (id);
CREATE INDEX ON outbox (reference) WHERE reference IS NOT NULL;

-- Many messages in one request: a durable thing with a queue of its own. Its members' queues are leased by
-- the batch until its outcome is known.
CREATE TABLE batch (
    id          bigint   NOT NULL,
    lane        smallint NOT NULL,
    destination text     NOT NULL,
    queue       bigint   NOT NULL,  -- its own
    lease       bigint   NOT NULL,  -- under which its members' queues are held
    parent      bigint,             -- the batch it was split from
    payload     text     NOT NULL,  -- payload name: made of ids only, so that the partner can be asked
    part        smallint NOT NULL,  -- which destination's part of its members
    members     bigint[] NOT NULL,  -- arrivals, in the order of the items
    digest      bigint   NOT NULL,
    state       smallint NOT NULL DEFAULT 0,
    external_id text,               -- the partner's own id: report id
    poll_at     timestamptz,        -- when to ask what became of it
    polls       smallint NOT NULL DEFAULT 0,
    accepted_at timestamptz,
    ended_at    timestamptz,
    tally       jsonb,              -- what the partner counted: sent = delivered + filtered + refused
    body        bytea    NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX batch_lease ON batch (lease) WHERE state = 0;
CREATE INDEX batch_poll ON batch (lane, poll_at) WHERE poll_at IS NOT NULL;

-- What is done, or has come to its end another way.
CREATE TABLE ended (
    arrival  bigint   NOT NULL,
    part     smallint NOT NULL,
    lane     smallint NOT NULL,
    state    smallint NOT NULL,
    version  smallint NOT NULL DEFAULT 0,
    queue    bigint   NOT NULL,
    seq      bigint   NOT NULL,
    attempts smallint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    by_id    bigint,                -- the batch, or the message that carried or replaced it
    reason   text,                  -- for people: never what the partner said, never a value
    PRIMARY KEY (arrival, part)
) PARTITION BY RANGE (arrival);
CREATE INDEX ON ended (lane, arrival) WHERE state IN (1, 3, 7);    -- accepted, failed, set aside

-- Every try. Append only.
CREATE TABLE attempt (
    message bigint   NOT NULL,      -- message or batch
    at      timestamptz NOT NULL DEFAULT now(),
    lease   bigint   NOT NULL,      -- the drain
    outcome smallint NOT NULL,
    status  smallint NOT NULL,
    ms      integer  NOT NULL,
    answer  bytea                   -- what the partner said, sealed
) PARTITION BY RANGE (message);
CREATE INDEX ON attempt (message);

-- What the partner remarked on one message of a batch: warnings, refusals, filters. Sealed: it may quote.
CREATE TABLE remark (
    message  bigint   NOT NULL,
    batch    bigint   NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    severity text     NOT NULL,
    body     bytea    NOT NULL
);
CREATE INDEX ON remark (message);

-- One run draining one lane. It lives while its session holds the advisory lock of its lease; the heartbeat,
-- by the database's clock, is the fall-back.
CREATE TABLE drain (
    lease      bigint PRIMARY KEY,
    lane       smallint NOT NULL,
    run_id     text NOT NULL,
    code       text NOT NULL,
    leaving    boolean NOT NULL DEFAULT false,  -- it hands over: the next run may start
    started_at timestamptz NOT NULL DEFAULT now(),
    beat_at    timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    how        text
);
CREATE INDEX drain_live ON drain (lane) WHERE ended_at IS NULL;
CREATE INDEX drain_taken_over ON drain (lane, ended_at) WHERE how = 'taken over';

-- What people did, with name and reason. Append only.
CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    who    text NOT NULL,
    what   text NOT NULL,
    lane   text,
    target text,
    reason text NOT NULL
);

-- Who looked at a patient's data. Append only, chained: a row that is changed or removed breaks the chain.
CREATE TABLE access_log (
    id       bigint PRIMARY KEY,
    at       timestamptz NOT NULL,
    who      text NOT NULL,
    role     text NOT NULL,
    what     text NOT NULL,
    subject  bigint,                -- blind index of the patient, or the message
    reason   text NOT NULL,
    chain    bytea NOT NULL
);
CREATE TABLE access_log_end (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id bigint NOT NULL,
    chain bytea NOT NULL
);
INSERT INTO access_log_end (id, chain) VALUES (0, sha256('handoff access log'));

CREATE FUNCTION chain_access(previous bytea, id bigint, at timestamptz, who text, role text, what text,
                             subject bigint, reason text) RETURNS bytea LANGUAGE sql STABLE
    SET timezone = 'UTC' AS $$
    SELECT sha256(previous || convert_to(jsonb_build_array(id, to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), who, role,
                                                           what, subject, reason)::text, 'UTF8')) $$;

CREATE FUNCTION log_access(who text, role text, what text, subject bigint, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = handoff, pg_temp AS $$
DECLARE
    head access_log_end;
    moment timestamptz := clock_timestamp();
    link bytea;
BEGIN
    SELECT * INTO head FROM access_log_end FOR UPDATE;
    link := chain_access(head.chain, head.id + 1, moment, who, role, what, subject, reason);
    INSERT INTO access_log VALUES (head.id + 1, moment, who, role, what, subject, reason, link);
    UPDATE access_log_end SET id = head.id + 1, chain = link;
    RETURN head.id + 1;
END $$;

-- One line an incident: opened, still open, recovered; never one a message.
CREATE TABLE incident (
    key       text PRIMARY KEY,
    lane      text,
    text      text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    said_at   timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);
"""

LANES = ("reportstream", "elation", "hcoint", "pridok", "openmrs")

#: What partitions by month, and on which column the range of ids lies.
PARTITIONED = ("inbox", "outbox", "batch", "ended", "attempt")

GRANTS = """
GRANT USAGE ON SCHEMA handoff TO handoff_app, handoff_sender;
GRANT SELECT, INSERT, UPDATE, DELETE ON lane, seen, conflict, queue, work, outbox, batch, ended, remark,
    drain, incident TO handoff_app;
GRANT SELECT, INSERT ON inbox, attempt, audit TO handoff_app;
GRANT SELECT ON access_log, access_log_end TO handoff_app;
REVOKE ALL ON FUNCTION log_access FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_access TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
    for number, name in enumerate(LANES, start=1):
        run(f"INSERT INTO lane (number, name) VALUES ({number}, '{name}')")
    for table in PARTITIONED:
        run(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    # Sealed bytes do not compress: skip the attempt.
    for table, column in (("inbox", "body"), ("outbox", "body"), ("batch", "body"), ("attempt", "answer")):
        run(f"ALTER TABLE {table} ALTER {column} SET STORAGE EXTERNAL")
    run(GRANTS)
