"""An httpx transport over aiohttp, for requests that are sent once and answers that are read whole.

``partner_http`` uses it; nothing else should. It knows no partner and judges nothing: aiohttp's exceptions pass
through as they are. It exists because httpx's own layers take more time than the request itself: a short plain
answer comes in one piece (a fifth less time in all than httpx-aiohttp, which streams every answer), any other
one as a stream that the reader may leave.
"""

import io
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
import httpx
from yarl import URL

from resources.http_request import Request

#: A plain answer up to this length is read at once; a larger body is written in pieces.
AT_ONCE = 1_048_576


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections to one partner: no cookies, no redirects, no proxy of the environment."""

    def __init__(self, connections: int, tls: ssl.SSLContext, keep_alive_seconds: float) -> None:
        self._connections, self._tls, self._keep_alive = connections, tls, keep_alive_seconds
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; the answer is read already, or a stream to be closed."""
        if isinstance(request, Request):
            address, headers, body = request.address, request.to_send(), request.content
        else:
            address, body = str(request.url), await request.aread()
            headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        response = await (self._session or self._open()).request(
            request.method,
            URL(address, encoded=True),
            headers=headers,
            data=_sent(body),
            allow_redirects=False,
            timeout=_limit(request.extensions.get("timeout", {}).get("connect")),
        )
        if _is_short(response):
            body = await response.read()
            return httpx.Response(response.status, headers=response.raw_headers, content=body)
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Stream(response))

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session belongs to the loop of the first request."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=self._keep_alive, ssl=self._tls
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "handoff", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )
        return self._session


@lru_cache
def _limit(connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect)


def _sent(body: bytes) -> bytes | io.BytesIO | None:
    """The body; a large one in pieces, so that the loop is not held while it is written."""
    return io.BytesIO(body) if len(body) > AT_ONCE else body or None


def _is_short(response: aiohttp.ClientResponse) -> bool:
    length = response.content_length
    return length is not None and length <= AT_ONCE and "Content-Encoding" not in response.headers


class _Stream(httpx.AsyncByteStream):
    """The body as it comes in, still compressed if it is."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.content.iter_chunked(65_536):
            yield chunk

    async def aclose(self) -> None:
        # Closes the connection unless the body was read to its end: what is left of it may be endless.
        self._response.close()
