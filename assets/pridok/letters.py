"""The two mails a patient gets. They hold a link and no health data: not even that it is about health.

Both are about the patient's own appointment. Whatever else is ever mailed is marketing unless it says otherwise here,
and goes to nobody an insurer has referred: ``may_go`` is asked of every mail at the moment it is sent.
"""

from collections.abc import Mapping
from typing import Final, Literal

from assets.pridok.patients import Patient, may_market

Kind = Literal["link", "thanks"]
Purpose = Literal["appointment", "marketing"]

PURPOSES: Final[Mapping[str, Purpose]] = {"link": "appointment", "thanks": "appointment"}

SUBJECTS: Final = {"link": "Your appointment begins now", "thanks": "Thank you"}


def text(kind: Kind, address: str) -> str:
    """What the mail says."""
    if kind == "link":
        return (
            "Hello,\n\nyour appointment begins now. Open this link to join:\n\n"
            f"{address}\n\nThe link is yours alone: please do not pass it on. It stops working by itself.\n"
        )
    return (
        "Hello,\n\nyour appointment has ended. Thank you. If you like, tell us how it was:\n\n"
        f"{address}\n\nThe link works once and for a week.\n"
    )


def may_go(purpose: Purpose, patient: Patient) -> bool:
    """Whether a mail of this purpose may be sent to this patient."""
    return purpose == "appointment" or may_market(patient)
