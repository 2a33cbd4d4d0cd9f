"""An httpx request made of ready parts, for requests that are built once and sent once.

httpx's own constructor parses the address and looks through every header: that takes as long as all we do with a
message beside it. Here both are done when somebody looks, which on the way to ``http_transport`` nobody does; to a
transport of httpx, in the tests for one, it is a request like any other.
"""

from collections.abc import Mapping
from functools import cached_property

import httpx


class Request(httpx.Request):
    """``address`` is the whole address, quoted; ``given`` the headers beside those that HTTP itself wants.

    What httpx keeps in plain attributes is a cached property here: it can be read and set alike.
    """

    def __init__(
        self, method: str, address: str, given: Mapping[str, str] | None, content: bytes, template: str
    ) -> None:
        self.method = method
        self.address = address
        self.given = dict(given) if given else {}
        self.extensions = {"template": template}
        self._content = content

    @cached_property
    def url(self) -> httpx.URL:  # type: ignore[override]
        return httpx.URL(self.address)

    @cached_property
    def headers(self) -> httpx.Headers:  # type: ignore[override]
        return self._whole.headers

    @cached_property
    def stream(self) -> httpx.SyncByteStream | httpx.AsyncByteStream:  # type: ignore[override]
        return self._whole.stream

    @cached_property
    def _whole(self) -> httpx.Request:
        return httpx.Request(self.method, self.url, headers=self.given, content=self._content)

    def put(self, name: str, value: str) -> None:
        """Set a header."""
        self.given[name] = value
        if "headers" in self.__dict__:
            self.headers[name] = value

    def to_send(self) -> Mapping[str, str] | list[tuple[str, str]]:
        """The headers as they go: those that somebody may have changed, else the given ones."""
        if "headers" in self.__dict__:
            return [(name.decode(), value.decode()) for name, value in self.headers.raw]
        return self.given
