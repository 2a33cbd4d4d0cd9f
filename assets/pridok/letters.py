"""The two mails a patient gets. They hold a link and no health data: not even that it is about health.

Both are about the patient's own appointment; nothing else is ever mailed by this lane. Marketing asks
``patients.may_market`` and there is none here.
"""

from typing import Final, Literal

Kind = Literal["link", "thanks"]

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
