"""HL7 v2 over HTTP: one message a POST, its acknowledgement in the answer.

What an acknowledgement means is in ``hl7_answers``: it counts whatever the status beside it, since receivers differ
(some answer 200 to everything, some 400 and 500 beside AR and AE). Without one the status counts, and a 2xx is
``Unsure``: a proxy may have said it. Source: "HL7 over HTTP", the specification of HAPI.
"""

import asyncio
import ssl
from collections.abc import Collection
from urllib.parse import urlsplit

from resources import partner_http
from resources.errors import DeliveryError, PartnerAway, Unsure
from resources.hl7_answers import control_id, judged, read
from resources.store.values import Message, Receipt

CONTENT_TYPE = "application/hl7-v2; charset=utf-8"
#: Without an acknowledgement these say that the address or our account is wrong, not the message.
OURS = frozenset({401, 403, 404, 405})


class Hl7OverHttp:
    """One partner's address. One message at a time, as over MLLP."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        ack_seconds: float = 30.0,
        write_seconds: float = 120.0,
        later_errors: Collection[str] = (),
    ) -> None:
        parts = urlsplit(url)
        self._origin, self._path = f"{parts.scheme}://{parts.netloc}", parts.path or "/"
        self._over = partner_http.transport(connections=1, tls=tls)
        self._turn = asyncio.Lock()
        self._later_errors = frozenset(later_errors)
        self._headers = {"content-type": CONTENT_TYPE, "accept": "*/*"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self.longest_seconds = write_seconds + ack_seconds

    async def send(self, message: Message) -> Receipt:
        """Send one message: AA or CA, else an error of ``resources.errors``."""
        expected = control_id(message.body)
        asked = partner_http.request(
            "POST", self._origin, self._path, headers=self._headers, content=message.body
        )
        where = partner_http.where(asked)
        async with self._turn:
            try:
                answer = await partner_http.send(
                    self._over, asked, idempotent=False, timeout=self.longest_seconds
                )
            except DeliveryError as error:
                return self._refused(error, expected, where)
        return judged(read(answer.content, expected, where), answer.content, where, self._later_errors)

    def _refused(self, error: DeliveryError, expected: str, where: str) -> Receipt:
        """What a status that is no success means: what the acknowledgement beside it says, if there is one."""
        try:
            verdict = read(error.answer, expected, where)
        except Unsure:
            if error.status in OURS:
                text = f"{where}: {error.status}: check http_url and the token"
                raise PartnerAway(text, status=error.status, answer=error.answer) from None
            raise error from None
        return judged(verdict, error.answer, where, self._later_errors, error.status)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._over.aclose()
