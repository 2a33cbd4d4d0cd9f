"""The insurer's inbox: takes sealed messages and cannot be asked whether it has one.

The same message always goes with the same id, so the insurer can tell a repetition. What is in a message only its own
key can tell: nothing is opened here.
"""

import httpx

from resources import partner_http
from resources.errors import PartnerAway, Refused
from resources.store.values import Message, Receipt

TIMEOUT = 30.0


class Insurer:
    """Sends one sealed message at a time."""

    def __init__(self, over: httpx.AsyncBaseTransport, url: str, token: str = "") -> None:
        self._over, self._url = over, url
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    async def send(self, message: Message) -> Receipt:
        """Hand it over under its own id."""
        headers = {**self._headers, "idempotency-key": str(message.id)}
        request = partner_http.request("POST", self._url, "", headers=headers, content=message.body)
        try:
            answer = await partner_http.send(self._over, request, idempotent=False, timeout=TIMEOUT)
        except Refused as refused:
            if refused.status in (401, 403):
                text = "the insurer does not let us in: check PRIDOK_INSURER_TOKEN"
                raise PartnerAway(text, status=refused.status, answer=refused.answer) from None
            raise
        return Receipt(status=answer.status_code, answer=answer.content)

    async def ask(self, message: Message) -> Receipt | None:
        """It cannot be asked: without an answer the message goes once more after the settle time, with the same id."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._over.aclose()
