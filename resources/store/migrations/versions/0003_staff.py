"""Who may sign in, their sessions, and the tries that failed.

The application may read accounts and not make or change one: whoever takes over the web service gets no account
of their own. ``handoff staff`` does that as the owner.
"""

from resources.store.migrations import run

revision = "0003"
down_revision = "0002"

SCHEMA = """
CREATE TABLE staff (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
    role        text NOT NULL CHECK (role IN ('clinician', 'secretary', 'provider', 'operator', 'administrator')),
    password    text NOT NULL CHECK (password LIKE '$argon2id$%'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    password_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

-- A session is known by the hash of its token: a copy of the table opens nothing.
CREATE TABLE staff_session (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    staff      bigint NOT NULL REFERENCES staff ON DELETE CASCADE,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    flashes    text[] NOT NULL DEFAULT '{}'     -- sentences for the next page; they name no patient
);
CREATE INDEX staff_session_of ON staff_session (staff);

-- Tries that have not led to a session. Account and address are blind: people type passwords into the wrong field.
CREATE TABLE sign_in_try (
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    account bytea NOT NULL,
    address bytea NOT NULL
);
CREATE INDEX sign_in_try_account ON sign_in_try (account, at);
CREATE INDEX sign_in_try_address ON sign_in_try (address, at);
CREATE INDEX sign_in_try_at ON sign_in_try (at);

-- The acts on one message, for its page.
CREATE INDEX audit_target ON audit (target) WHERE target IS NOT NULL;

GRANT SELECT ON staff TO handoff_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON staff_session TO handoff_app;
GRANT SELECT, INSERT, DELETE ON sign_in_try TO handoff_app;
"""


def upgrade() -> None:
    run(SCHEMA)
