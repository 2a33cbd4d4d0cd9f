"""Pridok: what is sealed to recipients is written once by the application; its keys are the owner's to change."""

from resources.store.migrations import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run("REVOKE UPDATE ON pridok_result, pridok_number FROM handoff_app")
    run("GRANT UPDATE (patient, until) ON pridok_number TO handoff_app")
