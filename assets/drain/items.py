"""What of a batch belongs to one message: its line, its document, its HL7 message; never its neighbours'.

The format is read off the bytes, so that a batch that was sent in another format than today's is understood.
"""

from collections.abc import Iterator, Sequence


class NotApart(ValueError):
    """A batch cannot be taken apart into as many items as it has messages."""

    def __init__(self) -> None:
        super().__init__("the batch cannot be taken apart")


def item_of(body: bytes, members: Sequence[int], message: int) -> tuple[bytes, bytes]:
    """What stands before the first item (the header of a CSV, or nothing), and the message's own item."""
    head, items = apart(body)
    if len(items) != len(members):
        raise NotApart
    return head, items[members.index(message)]


def apart(body: bytes) -> tuple[bytes, list[bytes]]:
    """The header and the items of a batch.

    >>> apart(b'a,b\\n1,"x\\ny"\\n2,z\\n')
    (b'a,b\\n', [b'1,"x\\ny"\\n', b'2,z\\n'])
    >>> apart(b'{"a":1}\\n{"a":2}\\n')
    (b'', [b'{"a":1}\\n', b'{"a":2}\\n'])
    >>> apart(b"FHS|^~\\\\&\\rBHS|^~\\\\&\\rMSH|1\\rPID|1\\rMSH|2\\rBTS|2\\rFTS|1\\r")[1]
    [b'MSH|1\\rPID|1\\r', b'MSH|2\\r']
    """
    if body.startswith((b"FHS", b"BHS", b"MSH")):
        return b"", list(_hl7_messages(body))
    if body.startswith(b"{"):
        return b"", body.splitlines(keepends=True)
    records = list(_csv_records(body))
    return (records[0], records[1:]) if records else (b"", [])


def _csv_records(body: bytes) -> Iterator[bytes]:
    """Records end at a line end outside quotes: there the quotes so far are even."""
    record = b""
    for line in body.split(b"\n"):
        record += line
        if record.count(b'"') % 2:
            record += b"\n"
        elif record:
            yield record + b"\n"
            record = b""


def _hl7_messages(body: bytes) -> Iterator[bytes]:
    message = b""
    for segment in body.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        if segment.startswith((b"MSH", b"FHS", b"BHS", b"BTS", b"FTS")):
            if message:
                yield message
            message = b""
        if message or segment.startswith(b"MSH"):
            message += segment + b"\r" if segment else b""
    if message:
        yield message
