"""Reading a request's body: how large it may be and how it must be written is judged before a byte is read.

What is refused here is not read: the server discards what the sender still sends.
"""

import asyncio
from collections.abc import Mapping

from starlette.types import Receive

from web.answers import Refusal, problem

#: A body may be so large; one of more than LARGE waits until few others of its size are in hand.
MOST_BYTES = 16_000_000
LARGE = 1_000_000
LARGE_TOGETHER = 8

#: A sender that needs longer for one body than this is hung up on.
READ_SECONDS = 60.0

TOO_LARGE = problem(413, f"the body is larger than {MOST_BYTES:,} bytes; send fewer events at a time")
TOO_SLOW = problem(408, f"the body did not arrive within {READ_SECONDS:.0f} seconds", connection="close")
NOT_JSON = problem(415, "send application/json in UTF-8", accept="application/json")
ENCODED = problem(415, "send the body as it is, without a content-encoding", accept_encoding="identity")
BAD_LENGTH = problem(400, "the content-length is not a number")


class Gone(Exception):
    """The sender hung up before the body was complete; there is nobody to answer."""


class Bodies:
    """Reads the bodies of all doors of this process."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_TOGETHER)

    async def json(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The bytes of a JSON document; raises Refusal or Gone."""
        _check_kind(headers)
        length = headers.get(b"content-length")
        if length is not None and _number(length) <= LARGE:
            return await _read(receive)
        async with self._large:
            return await _read(receive)


def _check_kind(headers: Mapping[bytes, bytes]) -> None:
    kind = headers.get(b"content-type", b"application/json")
    if kind != b"application/json":
        name, *parameters = (part.strip() for part in kind.lower().split(b";"))
        written = {_charset(parameter) for parameter in parameters}
        if name != b"application/json" or not written <= {b"", b"utf-8", b"us-ascii"}:
            raise Refusal(NOT_JSON)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refusal(ENCODED)


def _charset(parameter: bytes) -> bytes:
    name, _, value = parameter.partition(b"=")
    return value.strip(b' "') if name.strip() == b"charset" else b""


def _number(length: bytes) -> int:
    if not length.isdigit() or len(length) > 18:
        raise Refusal(BAD_LENGTH)
    number = int(length)
    if number > MOST_BYTES:
        raise Refusal(TOO_LARGE)
    return number


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] != "http.request":
        raise Gone
    first: bytes = message.get("body", b"")
    if message.get("more_body"):
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await _rest(receive, bytearray(first))
        except TimeoutError:
            raise Refusal(TOO_SLOW) from None
    if len(first) > MOST_BYTES:
        raise Refusal(TOO_LARGE)
    return first


async def _rest(receive: Receive, body: bytearray) -> bytes:
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Refusal(TOO_LARGE)
        more = message.get("more_body", False)
    return bytes(body)
