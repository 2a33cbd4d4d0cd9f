"""What elation adds to the store: what is remembered of partners and charts, and the door for SQL."""

from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = """
-- What a client remembers from one run to the next, such as the partner's id of a patient.
CREATE TABLE known (
    lane  smallint NOT NULL,
    name  bytea    NOT NULL,        -- blind
    value bytea    NOT NULL,        -- sealed
    PRIMARY KEY (lane, name)
) WITH (fillfactor = 80);

-- What stands at the partner, by the last delivered message of a queue: the next one that says the same needs
-- no call. Written in the transaction of the outcome.
CREATE TABLE standing (
    queue   bigint NOT NULL,
    aspect  text   NOT NULL,        -- of what: the patient, the policies
    digest  bigint NOT NULL,        -- keyed, of the bytes
    message bigint NOT NULL,        -- which brought it there
    PRIMARY KEY (queue, aspect)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- Events an application of the same database hands over within its own transaction. The one table with plain
-- bodies: they are the application's own data on its own server, and are gone within a second.
CREATE TABLE door (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane        text  NOT NULL,
    event_id    text  NOT NULL,
    event_type  text  NOT NULL,
    resource_id text  NOT NULL,
    payload     jsonb NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- No NOTIFY: it would make the application's transactions commit one after the other.
CREATE FUNCTION record_event(lane text, event_id text, event_type text, resource_id text, payload jsonb)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = handoff, pg_temp AS $$
BEGIN
    IF record_event.lane IS DISTINCT FROM 'elation' THEN
        RAISE EXCEPTION 'record_event: no lane of this name takes events by SQL; elation does'
              USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(record_event.event_id, '') = '' OR coalesce(record_event.event_type, '') = ''
       OR coalesce(record_event.resource_id, '') = '' OR record_event.payload IS NULL THEN
        RAISE EXCEPTION 'record_event: event_id, event_type, resource_id and payload are all needed'
              USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO door (lane, event_id, event_type, resource_id, payload)
    VALUES (record_event.lane, record_event.event_id, record_event.event_type, record_event.resource_id,
            record_event.payload);
END $$;

REVOKE ALL ON FUNCTION record_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_event TO handoff_sender;
GRANT SELECT, INSERT, UPDATE, DELETE ON known, standing TO handoff_app;
GRANT SELECT, DELETE ON door TO handoff_app;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)
