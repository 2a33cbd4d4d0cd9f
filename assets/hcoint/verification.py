"""How Redox proves itself at our door, and how it checks that the door is ours.

Every message carries the shared token; nothing is signed. To verify an address Redox sends the token and a
challenge, by POST in the body or by GET in the query, and wants the challenge back.
Source: docs.redoxengine.com, "Create and verify an endpoint".
"""

import hmac
from collections.abc import Iterable, Mapping

import msgspec

from assets.formats.decode import ShapeError, decoder


class Verification(msgspec.Struct, frozen=True, rename={"token": "verification-token"}):
    """The body or the query of a verification."""

    token: str
    challenge: str


_verification = decoder(Verification)


def verification(raw: bytes) -> Verification | None:
    """The verification in a body; None for any other message."""
    try:
        return _verification(raw)
    except ShapeError:
        return None


def presented(headers: Mapping[str, str]) -> str:
    """The token a request carries, in its own header or as a bearer; names of headers in any case."""
    named = {name.lower(): value for name, value in headers.items()}
    if "verification-token" in named:
        return named["verification-token"]
    scheme, _, token = named.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def proven(token: str, configured: Iterable[str]) -> bool:
    """Whether the token is one of those in force, compared in constant time. An empty one never is."""
    given = token.encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(given, one.encode()) for one in configured if one]
    return any(matches)
