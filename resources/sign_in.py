"""Signing in to a partner by OAuth2: one token for all, refreshed by one at a time.

``SignIn`` keeps the token; ``client_credentials`` and ``client_assertion`` build what asks for it.

    sign_in = SignIn(transport, client_credentials(token_url, client_id, client_secret))
    response = await send_signed(transport, request, sign_in, idempotent=True, timeout=30)

A partner with a sign-in of its own passes its own ``ask`` (builds the request) and ``read`` (answer bytes to
``Grant``). No secret and no token appears in a text or in a ``repr``.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

import httpx
import jwt
import msgspec

from resources import partner_http
from resources.errors import DeliveryError, PartnerAway, Refused, TryLater
from resources.http_request import Request
from resources.partner_http import utc_now

#: A token is renewed this long before its end, or in the last fifth of a short life.
EARLY_SECONDS = 60.0
#: After a failed sign-in the others who waited for it hear the same answer instead of asking again.
QUIET_SECONDS = 1.0
#: RFC 7523, 2.2
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and for how many seconds it is good."""

    token: str = field(repr=False)
    seconds: float


class _TokenAnswer(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # the scheme's name, not a secret
    expires_in: float = 300.0


_TOKEN_ANSWER = msgspec.json.Decoder(_TokenAnswer, strict=False)


def read_grant(answer: bytes) -> Grant:
    """The grant in a token answer (RFC 6749, 5.1). Without ``expires_in`` five minutes are assumed."""
    found = _TOKEN_ANSWER.decode(answer)
    if not found.access_token or found.token_type.lower() != "bearer":
        raise ValueError("the token answer holds no bearer token")
    return Grant(found.access_token, found.expires_in)


class SignIn:
    """The token of one partner, shared by all requests of a process.

    ``ask`` builds the token request anew each time (an assertion is good for one use); ``read`` takes the
    grant out of the answer. ``clock`` counts seconds and need not know the date.
    """

    def __init__(
        self,
        over: httpx.AsyncBaseTransport,
        ask: Callable[[], httpx.Request],
        read: Callable[[bytes], Grant] = read_grant,
        *,
        timeout: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._over, self._ask, self._read = over, ask, read
        self._timeout, self._clock = timeout, clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._failed_at = float("-inf")
        self._failure: TryLater | None = None

    async def token(self) -> str:
        """A token that is still good; asks for a new one when need be. ``PartnerAway`` when there is none."""
        if self._token and self._clock() < self._renew_at:
            return self._token
        async with self._lock:
            if not self._token or self._clock() >= self._renew_at:
                await self._refresh()
            return self._token

    def forget(self, token: str) -> None:
        """The partner no longer takes ``token``; a newer one that someone else has fetched is kept."""
        if token == self._token:
            self._token = ""

    async def _refresh(self) -> None:
        if self._failure and self._clock() < self._failed_at + QUIET_SECONDS:
            raise _away(self._failure)
        try:
            grant = await self._grant()
        except DeliveryError as error:
            self._failure, self._failed_at = _away(error), self._clock()
        else:
            early = min(EARLY_SECONDS, grant.seconds / 5)
            self._token, self._renew_at = grant.token, self._clock() + grant.seconds - early
            self._failure = None
            return
        raise _away(self._failure)

    async def _grant(self) -> Grant:
        response = await partner_http.send(
            self._over, self._ask(), idempotent=True, question=True, timeout=self._timeout
        )
        return partner_http.decoded(response, self._read)


async def send_signed(
    over: httpx.AsyncBaseTransport,
    request: httpx.Request,
    sign_in: SignIn,
    *,
    idempotent: bool,
    timeout: float,  # noqa: ASYNC109  # see partner_http.send
    question: bool = False,
    largest: int = partner_http.LARGEST_ANSWER,
) -> httpx.Response:
    """``partner_http.send`` with a bearer token. A 401 costs one fresh token and one repetition, no attempt.

    A second 401 is ``PartnerAway``: our account is at fault, not the message.
    """
    refused: Refused
    for _ in range(2):
        token = await sign_in.token()
        _sign(request, token)
        try:
            return await partner_http.send(
                over, request, idempotent=idempotent, timeout=timeout, question=question, largest=largest
            )
        except Refused as error:
            if error.status != 401:
                raise
            sign_in.forget(token)
            refused = error
    text = f"{refused}, twice, also with a fresh token; check the account's rights"
    raise PartnerAway(text, status=401, answer=refused.answer)


def _sign(request: httpx.Request, token: str) -> None:
    if isinstance(request, Request):
        request.put("Authorization", f"Bearer {token}")
    else:
        request.headers["Authorization"] = f"Bearer {token}"


def client_credentials(
    token_url: str, client_id: str, client_secret: str, *, scope: str = ""
) -> Callable[[], httpx.Request]:
    """Asks by client id and secret in the form (RFC 6749, 4.4 and 2.3.1)."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
    return lambda: form_request(token_url, form | ({"scope": scope} if scope else {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionKey:
    """What a signed assertion says and the private key (PEM) that signs it.

    ``audience`` is what the partner expects there, often its token address. ``seconds`` is the assertion's
    own life; five minutes is the most that partners take.
    """

    client_id: str
    key: str = field(repr=False)
    key_id: str
    algorithm: str
    audience: str
    seconds: int = 300

    def assertion(self, now: datetime) -> str:
        """A new signed assertion with a ``jti`` of its own (RFC 7523, 3): partners refuse a second use."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + timedelta(seconds=self.seconds),
        }
        return jwt.encode(claims, self.key, self.algorithm, headers={"kid": self.key_id})


def client_assertion(
    token_url: str, key: AssertionKey, *, scope: str = "", now: Callable[[], datetime] = utc_now
) -> Callable[[], httpx.Request]:
    """Asks by a signed assertion, RS256, RS384 or ES384 (RFC 7523, 2.2): ReportStream and Redox."""
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    form |= {"scope": scope} if scope else {}
    return lambda: form_request(token_url, form | {"client_assertion": key.assertion(now())})


def form_request(token_url: str, form: Mapping[str, str]) -> httpx.Request:
    """A token request; its text in errors says ``(sign-in)`` for the path."""
    return httpx.Request(
        "POST",
        token_url,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        content=urlencode(form).encode(),
        extensions={"template": "(sign-in)"},
    )


def _away(error: DeliveryError) -> PartnerAway:
    """Without a token nothing of the lane can go, and nothing has been sent: no message pays for it."""
    text = str(error)
    if isinstance(error, Refused):
        text += "; check the client id, the secret or the key"
    wait = error.after_seconds if isinstance(error, TryLater) else None
    answer = error.answer if error.status >= 300 else b""  # an answer that we could not read may hold a token
    return PartnerAway(text, status=error.status, answer=answer, after_seconds=wait)
