"""Pridok: patients and their numbers, referrals, consultations and their results, what is told of them.

A result, a raw referral and a national number are sealed to recipients: no key of the application opens them. Names
and contact are sealed under the store's keys. What people search by is a blind index.
"""

from resources.store.migrations import run

revision = "0005"
down_revision = "0004"

SCHEMA = """
CREATE TABLE pridok_patient (
    id                bigint PRIMARY KEY,
    tags              text[] NOT NULL DEFAULT '{}',
    marketing_allowed boolean NOT NULL DEFAULT false,
    merged_into       bigint REFERENCES pridok_patient,
    created_at        timestamptz NOT NULL DEFAULT now(),
    body              bytea NOT NULL,          -- name and contact, sealed
    CHECK (NOT (marketing_allowed AND 'insurer_referral' = ANY (tags)))
);

-- Every number a person has had finds them. The number itself is sealed to the clinic.
CREATE TABLE pridok_number (
    number  bytea PRIMARY KEY CHECK (length(number) = 16),   -- blind
    patient bigint NOT NULL REFERENCES pridok_patient,
    since   timestamptz NOT NULL,
    until   timestamptz,
    sealed  bytea NOT NULL
);
CREATE INDEX ON pridok_number (patient);

CREATE TABLE pridok_referral (
    id          bigint PRIMARY KEY,            -- the arrival
    patient     bigint REFERENCES pridok_patient,    -- null: quarantined
    verdict     text NOT NULL,
    flags       text[] NOT NULL,
    received_at timestamptz NOT NULL,
    body        bytea NOT NULL,                -- journal id, partner, supervisor, deal, organisation; sealed
    sealed      bytea NOT NULL                 -- the raw bytes, sealed to the clinic
);
CREATE INDEX ON pridok_referral (patient) WHERE patient IS NOT NULL;
ALTER TABLE pridok_referral ALTER sealed SET STORAGE EXTERNAL;

CREATE TABLE pridok_consultation (
    id               bigint PRIMARY KEY,
    version          integer NOT NULL,         -- a change is written where the one before still stands
    state            text NOT NULL CHECK (state IN ('ready_for_pickup', 'pending_sp', 'in_progress', 'completed',
                                                    'cancelled')),
    patients         bigint[] NOT NULL CHECK (cardinality(patients) > 0),
    referral         bigint REFERENCES pridok_referral,
    order_id         bigint,
    organisation     text,
    category         text NOT NULL,
    primary_channel  text NOT NULL,
    enabled_channels text[] NOT NULL,
    providers        text[] NOT NULL,
    planned_at       timestamptz,
    created_at       timestamptz NOT NULL,     -- contractual time starts here
    screened_at      timestamptz,
    assigned_at      timestamptz,
    starts_at        timestamptz,
    ends_at          timestamptz,
    reported_at      timestamptz,
    cancelled_at     timestamptz,
    cancelled_for    text,
    rebooked_from    bigint REFERENCES pridok_consultation,
    CHECK ((state = 'completed') = (reported_at IS NOT NULL)),
    CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK (state NOT IN ('pending_sp', 'in_progress', 'completed') OR cardinality(providers) > 0)
);
CREATE INDEX ON pridok_consultation (state, id);
CREATE INDEX ON pridok_consultation (id) WHERE state = 'ready_for_pickup' AND screened_at IS NOT NULL;
CREATE INDEX ON pridok_consultation USING gin (patients);
CREATE INDEX ON pridok_consultation USING gin (providers);
CREATE INDEX ON pridok_consultation (created_at);

CREATE TABLE pridok_event (
    consultation bigint NOT NULL REFERENCES pridok_consultation,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    what         text NOT NULL,
    who          text
);
CREATE INDEX ON pridok_event (consultation, at);

-- Written once, when a consultation is finished. The keys may be wrapped anew or destroyed; a member never changes.
CREATE TABLE pridok_result (
    consultation bigint PRIMARY KEY REFERENCES pridok_consultation,
    version      integer NOT NULL,
    kids         text[] NOT NULL,              -- for whom it can be opened
    sealed       bytea NOT NULL
);
CREATE INDEX ON pridok_result USING gin (kids);
ALTER TABLE pridok_result ALTER sealed SET STORAGE EXTERNAL;

-- How many were finished with which outcome: numbers only, nobody's.
CREATE TABLE pridok_tally (
    month        date NOT NULL CHECK (extract(day FROM month) = 1),
    organisation text NOT NULL,
    outcome      text NOT NULL,
    finished     integer NOT NULL,
    PRIMARY KEY (month, organisation, outcome)
);

CREATE TABLE pridok_order (
    id           bigint PRIMARY KEY,
    consultation bigint NOT NULL UNIQUE REFERENCES pridok_consultation,
    customer     text NOT NULL,
    deal         text NOT NULL,
    price        numeric(12, 2) NOT NULL CHECK (price >= 0),
    discount     numeric(6, 5) NOT NULL CHECK (discount BETWEEN 0 AND 1),
    no_show_share     numeric(6, 5) NOT NULL CHECK (no_show_share BETWEEN 0 AND 1),
    late_cancel_share numeric(6, 5) NOT NULL CHECK (late_cancel_share BETWEEN 0 AND 1),
    share        numeric(6, 5) NOT NULL CHECK (share BETWEEN 0 AND 1),
    category     text NOT NULL,
    total        numeric(12, 2) NOT NULL
);

-- The patient's link is known by its hash; the room and the link itself are sealed.
CREATE TABLE pridok_link (
    consultation bigint PRIMARY KEY REFERENCES pridok_consultation,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    until        timestamptz NOT NULL,
    used_at      timestamptz,
    stars        smallint CHECK (stars BETWEEN 1 AND 5),
    body         bytea NOT NULL
);

-- Mails that are to go. They hold no address: it is read when one goes.
CREATE TABLE pridok_mail (
    id           bigint PRIMARY KEY,
    consultation bigint NOT NULL REFERENCES pridok_consultation,
    kind         text NOT NULL CHECK (kind IN ('link', 'thanks')),
    due_at       timestamptz NOT NULL DEFAULT now(),
    tries        smallint NOT NULL DEFAULT 0
);
CREATE INDEX ON pridok_mail (due_at);

CREATE TABLE pridok_report (
    id      bigint PRIMARY KEY,
    month   date NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('r1', 'r2')),
    made_at timestamptz NOT NULL DEFAULT now(),
    body    bytea NOT NULL                     -- sealed under the store's keys; R2 to the insurer before that
);
CREATE INDEX ON pridok_report (month, kind, id);
ALTER TABLE pridok_report ALTER body SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE ON pridok_patient, pridok_number, pridok_consultation, pridok_result, pridok_tally,
    pridok_order TO handoff_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON pridok_link, pridok_mail TO handoff_app;
GRANT SELECT, INSERT ON pridok_referral, pridok_event, pridok_report TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
