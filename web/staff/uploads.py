"""Files people send, read into memory or into a spool: what is not sealed yet touches no disk.

The form's token stands before the file and is judged there, so a form that is not ours costs no memory.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from web.spool import Spool
from web.staff.answers import Problem

#: Fields and headers beside the files of one form.
OVERHEAD = 200_000
FIELDS = 200
HEADERS = 4_000
#: Files larger than this wait until few others of their size are in hand.
LARGE = 2_000_000
LARGE_TOGETHER = 2
#: Whoever needs longer for one form is hung up on: it holds the place of others.
READ_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file: ``name`` and ``kind`` are what the sender's machine says, and prove nothing."""

    name: str
    kind: str
    data: bytes


@dataclass(slots=True)
class Form:
    """What a form holds."""

    fields: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    spooled: dict[str, Spool] = field(default_factory=dict)

    def close(self) -> None:
        """Give back what its files hold."""
        for spool in self.spooled.values():
            spool.close()


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    file: str | None = None
    data: bytearray = field(default_factory=bytearray)
    spool: Spool | None = None


def too_large(most: int) -> Problem:
    """Said before or while a file is read."""
    return Problem(
        413,
        "The file is too large.",
        f"A file may have {most:,} bytes. Nothing of it was kept. Save it smaller, or as several files.",
    )


#: Said when the disk takes no more.
NO_ROOM = Problem(
    503, "There is no room for the file just now.", "Nothing of it was kept. Send it again in a few minutes."
)


class Reader:
    """Takes one form apart as it comes; with ``spool`` its files go there and not into memory."""

    def __init__(
        self, boundary: bytes, most: int, check: Callable[[str], None], *, spool: bool = False
    ) -> None:
        self.form = Form()
        self._most, self._check, self._spool = most, check, spool
        self._checked = False
        self._part = _Part()
        self._header = (b"", b"")
        self._parts = 0
        self._whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._ended,
            },
        )

    def write(self, chunk: bytes) -> None:
        """The next bytes; raises Problem."""
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise Problem(400, "The form could not be read.", "Go back and send it again.") from None

    def finish(self) -> Form:
        """The whole form."""
        self._prove()
        if not self._whole:
            raise Problem(400, "The form did not arrive whole.", "Nothing of it was kept. Send it again.")
        return self.form

    def _prove(self) -> None:
        if not self._checked:
            self._check(self.form.fields.get("csrf", ""))
            self._checked = True

    def _ended(self) -> None:
        self._whole = True

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > FIELDS:
            raise Problem(413, "The form has too many fields.")
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])
        self._no_longer_than_a_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])
        self._no_longer_than_a_header()

    def _no_longer_than_a_header(self) -> None:
        if sum(map(len, self._header)) > HEADERS:
            raise Problem(400, "The form could not be read.", "The file's name is too long.")

    def _header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._header = (b"", b"")

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", ""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self._prove()
            self._part.file = options[b"filename"].decode("utf-8", "replace")[:255]
            if self._spool:
                # Of two files of one name the later counts; the form knows it from here on, to give it back.
                self._part.spool = Spool()
                if before := self.form.spooled.get(self._part.name):
                    before.close()
                self.form.spooled[self._part.name] = self._part.spool

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        held = part.spool.size if part.spool else len(part.data)
        if held + end - start > (OVERHEAD if part.file is None else self._most):
            raise too_large(self._most)
        if part.spool is None:
            part.data += data[start:end]
            return
        try:
            part.spool.write(data[start:end])
        except OSError:
            raise NO_ROOM from None

    def _end(self) -> None:
        part, self._part = self._part, _Part()
        if part.file is None:
            self.form.fields.setdefault(part.name, part.data.decode("utf-8", "replace").strip())
        elif part.spool is not None:
            if not part.file and not part.spool.size:  # a form whose file was not chosen
                self.form.spooled.pop(part.name).close()
        elif part.file or part.data:
            kind = part.headers.get("content-type", "application/octet-stream")
            self.form.uploads.setdefault(part.name, Upload(part.file, kind, bytes(part.data)))


class Uploads:
    """Reads the forms with files of this process."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_TOGETHER)

    async def read(
        self, request: Request, most: int, check: Callable[[str], None], *, spool: bool = False
    ) -> Form:
        """The form; ``check`` judges its token and raises. Whoever gets it closes it."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Problem(415, "This page takes a form with a file.", "Send it as multipart/form-data.")
        said = request.headers.get("content-length", "")
        length = int(said) if said.isdecimal() else 0
        if length > most + OVERHEAD:
            raise too_large(most)
        reader = Reader(boundary, most, check, spool=spool)
        try:
            async with asyncio.timeout(READ_SECONDS):
                if 0 < length <= LARGE:
                    return await _fill(request, reader, most)
                async with self._large:
                    return await _fill(request, reader, most)
        except TimeoutError:
            reader.form.close()
            raise Problem(408, "The file took too long to arrive.", "Nothing of it was kept.") from None
        except BaseException:
            reader.form.close()
            raise


async def _fill(request: Request, reader: Reader, most: int) -> Form:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most + OVERHEAD:
            raise too_large(most)
        reader.write(chunk)
    return reader.finish()
