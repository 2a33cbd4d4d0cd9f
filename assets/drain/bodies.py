"""What is sealed with a message's bytes: its address, or the keys of a batch's items. Both name people."""

from collections.abc import Mapping, Sequence

import orjson


def pack(body: bytes, address: Mapping[str, str]) -> bytes:
    """The address as one line of JSON, then the exact bytes.

    >>> unpack(pack(b"x\\ny", {"chart": "c-1"}))
    (b'x\\ny', {'chart': 'c-1'})
    """
    return orjson.dumps(dict(address)) + b"\n" + body


def unpack(packed: bytes) -> tuple[bytes, dict[str, str]]:
    """The bytes and the address."""
    line, _, body = packed.partition(b"\n")
    return body, orjson.loads(line)


def pack_batch(body: bytes, keys: Sequence[str]) -> bytes:
    """The keys of the items as one line of JSON, then the exact bytes.

    >>> unpack_batch(pack_batch(b"x", ["k"]))
    (b'x', ['k'])
    """
    return orjson.dumps(list(keys)) + b"\n" + body


def unpack_batch(packed: bytes) -> tuple[bytes, list[str]]:
    """The bytes and the keys."""
    line, _, body = packed.partition(b"\n")
    return body, orjson.loads(line)


def reason(error: Exception) -> str:
    """Why an arrival was set aside, as people may read it.

    Our own errors name the place and repeat no value. Of any other only the kind is kept: its text may hold
    what the arrival said.

    >>> reason(KeyError("Ana"))
    'the mapping failed (KeyError); this is a fault of ours'
    """
    if getattr(error, "safe", False):
        return str(error)[:500]
    return f"the mapping failed ({type(error).__name__}); this is a fault of ours"
