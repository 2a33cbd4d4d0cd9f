"""SimpleReport's callback: takes what ReportStream said of one test event, and cannot be asked whether it has it.

It stores every one as a new row, so a repetition after an unclear answer is a second row with the same words.
"""

from dataclasses import dataclass, field

from resources import partner_http
from resources.errors import PartnerAway, Refused
from resources.http_transport import Transport
from resources.store.values import Message, Receipt


@dataclass(frozen=True, slots=True)
class Callback:
    """Where it is, and the shared token it knows us by."""

    url: str
    key: str = field(default="", repr=False)
    timeout_seconds: float = 30.0


class SimpleReport:
    """Sends one exception at a time."""

    def __init__(self, callback: Callback, over: Transport) -> None:
        self._callback, self._over = callback, over
        self._headers = {"content-type": "application/json"}
        if callback.key:
            self._headers["x-functions-key"] = callback.key

    async def send(self, message: Message) -> Receipt:
        """Tell it."""
        request = partner_http.request(
            "POST", self._callback.url, "", headers=self._headers, content=message.body
        )
        try:
            answer = await partner_http.send(
                self._over, request, idempotent=False, timeout=self._callback.timeout_seconds
            )
        except Refused as refused:
            if refused.status in (401, 403, 404, 405):
                text = "SimpleReport's callback is not open to us: check REPORTSTREAM_CALLBACK_URL and _KEY"
                raise PartnerAway(text, status=refused.status, answer=refused.answer) from None
            raise
        return Receipt(status=answer.status_code, answer=answer.content)

    async def ask(self, message: Message) -> Receipt | None:
        """It cannot be asked: without an answer the same goes once more after the settle time."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._over.aclose()


def connect(callback: Callback) -> SimpleReport:
    """A client with connections of its own."""
    return SimpleReport(callback, partner_http.transport(connections=4))
