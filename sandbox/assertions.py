"""Signed client assertions as a partner checks them: one JWT, one use, five minutes (RFC 7523)."""

from __future__ import annotations

from collections.abc import Mapping

import jwt

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_SECONDS = 300
#: How far an assertion may reach beyond its five minutes: clocks differ.
LEEWAY_SECONDS = 30


class Unauthorized(Exception):
    """The assertion is no proof; the text says why."""


class Assertions:
    """Checks assertions and remembers those that were used.

    Without a public key the signature is looked at for its form only.
    """

    def __init__(self, *algorithms: str) -> None:
        self.public_keys: dict[str, str] = {}
        self._algorithms = list(algorithms)
        self._used: dict[str, float] = {}

    def subject(self, form: Mapping[str, str], now: float) -> str:
        """Who signs in by this token request; Unauthorized when it is no proof."""
        if form.get("grant_type") != "client_credentials":
            raise Unauthorized("grant_type must be client_credentials")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Unauthorized(f"client_assertion_type must be {ASSERTION_TYPE}")
        claims = self._claims(form.get("client_assertion", ""))
        for name in ("iss", "sub", "aud", "jti", "exp"):
            if not claims.get(name):
                raise Unauthorized(f"the assertion has no {name}")
        if claims["iss"] != claims["sub"]:
            raise Unauthorized("iss and sub differ")
        self._once(str(claims["jti"]), claims["exp"], now)
        return str(claims["sub"])

    def _once(self, jti: str, expires: object, now: float) -> None:
        if not isinstance(expires, int | float) or expires <= now:
            raise Unauthorized("the assertion has expired")
        if expires > now + LIFE_SECONDS + LEEWAY_SECONDS:
            raise Unauthorized(f"exp is more than {LIFE_SECONDS} seconds away")
        self._used = {used: until for used, until in self._used.items() if until > now}
        if jti in self._used:
            raise Unauthorized("jti was used before")
        self._used[jti] = expires + LEEWAY_SECONDS

    def _claims(self, assertion: str) -> dict[str, object]:
        try:
            head = jwt.get_unverified_header(assertion)
            if head.get("alg") not in self._algorithms:
                raise Unauthorized(f"alg must be one of {', '.join(self._algorithms)}")
            key = self.public_keys.get(str(head.get("kid")))
            if not head.get("kid") or (self.public_keys and key is None):
                raise Unauthorized("kid is missing or unknown")
            claims: dict[str, object] = jwt.decode(
                assertion,
                key or "",
                self._algorithms,
                options={"verify_signature": key is not None, "verify_aud": False, "verify_exp": False},
            )
        except jwt.PyJWTError as wrong:
            raise Unauthorized(f"the assertion is not a readable JWT: {type(wrong).__name__}") from wrong
        return claims
