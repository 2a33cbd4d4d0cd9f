"""What can go wrong at the far end.

DeliveryError
├── TryLater         the partner may accept the same bytes later: 408, 429, 5xx, no connection
│   └── Unsure       the request left us and no trustworthy answer came back; it may have been accepted
└── Refused          the partner will never accept these bytes: every other answer but 2xx
PartnerAway          the lane cannot work at all (sign-in refused, ambiguous physician): pause, eat no attempt
└── OneAway          the same for one of a lane's several partners: the others go on
"""


class DeliveryError(Exception):
    """The partner did not confirm the message.

    The text says what we tried and the status; it is safe to log. ``answer`` is what the partner
    said: it may name a patient, so it goes to the store, sealed, and nowhere else.
    """

    def __init__(self, text: str, *, status: int = 0, answer: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer


class TryLater(DeliveryError):
    """Sending the same bytes later may work; ``after_seconds`` is the partner's Retry-After, if any."""

    def __init__(
        self, text: str, *, status: int = 0, answer: bytes = b"", after_seconds: float | None = None
    ) -> None:
        super().__init__(text, status=status, answer=answer)
        self.after_seconds = after_seconds


class Unsure(TryLater):
    """The request was sent and no trustworthy answer came back: ask before sending again."""


class Refused(DeliveryError):
    """Sending the same bytes again cannot work; a person has to look."""


class PartnerAway(TryLater):
    """Nothing of this lane can be sent now; the lane pauses and no message pays an attempt for it."""


class OneAway(PartnerAway):
    """Nothing can be sent to this one of the lane's partners; its messages wait, the others' go on."""
