-- The roles of a new server. Change every password before the first start; .env names the same ones.
CREATE ROLE handoff_owner LOGIN PASSWORD 'change-me-owner';
CREATE ROLE handoff_app LOGIN PASSWORD 'change-me-app';
CREATE ROLE handoff_sender LOGIN PASSWORD 'change-me-sender';
CREATE ROLE handoff_dagster LOGIN PASSWORD 'change-me-dagster';
CREATE DATABASE handoff OWNER handoff_owner;
CREATE DATABASE dagster OWNER handoff_dagster;
REVOKE CONNECT ON DATABASE handoff FROM PUBLIC;
GRANT CONNECT ON DATABASE handoff TO handoff_app, handoff_sender;
REVOKE CONNECT ON DATABASE dagster FROM PUBLIC;
