"""Sealing bodies at rest and finding them again without opening them.

Bodies are compressed, then sealed with AES-256-GCM under the first key of the ring; the id of the key stands
in front, so that a ring can be rotated while it is used. The associated data binds a body to its table and
row: bytes moved to another row do not open. Look-up keys are HMACs under keys of their own.
"""

import base64
import hashlib
import hmac
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT = 1
#: Not compressed: bodies so short that compressing makes them longer.
_SHORT_FORMAT = 2
_SHORT = 64
_NONCE = 12
_PACKED = struct.Struct("q").pack
_UNPACKED = struct.Struct("q").unpack_from


class KeyMissing(Exception):
    """The ring lacks the key a body was sealed with: add it to HANDOFF_KEYS. Nothing is lost."""


class Unreadable(Exception):
    """The sealed bytes are damaged or stand in the wrong row."""


@dataclass(frozen=True)
class Keys:
    """The secrets of the store, by id; the first of each seals and indexes."""

    sealing: Mapping[str, bytes]
    indexing: Mapping[str, bytes]

    @classmethod
    def read(cls, sealing: str, indexing: str) -> "Keys":
        """Read ``id:base64(32 bytes)``, comma between, as HANDOFF_KEYS and HANDOFF_INDEX_KEYS hold them."""
        return cls(_ring(sealing, "HANDOFF_KEYS"), _ring(indexing, "HANDOFF_INDEX_KEYS"))


def _ring(text: str, setting: str) -> dict[str, bytes]:
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, encoded = entry.partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except ValueError:
            secret = b""
        if not name or len(name) > 32 or len(secret) != 32:
            raise ValueError(f"{setting}: each key is id:base64 of 32 bytes, comma between")
        ring[name] = secret
    if not ring:
        raise ValueError(f"{setting} is empty; `handoff keys make` prints a new key")
    return ring


class Sealer:
    """Seals, opens and indexes. One a thread: the compressors are not shared."""

    def __init__(self, keys: Keys) -> None:
        self._keys = {name: AESGCM(secret) for name, secret in keys.sealing.items()}
        first = next(iter(keys.sealing))
        self._first = self._keys[first]
        self._prefix = bytes((_FORMAT, len(first))) + first.encode()
        self._short_prefix = bytes((_SHORT_FORMAT, len(first))) + first.encode()
        # Look-up keys do not rotate by re-sealing: one secret indexes, the others are kept for old rows.
        self._index = next(iter(keys.indexing.values()))
        self._digest = hashlib.blake2b(digest_size=8, key=self._index, person=b"handoff body")
        self._compress = zstandard.ZstdCompressor(level=1).compress
        self._expand = zstandard.ZstdDecompressor()

    def seal(self, body: bytes, table: bytes, row: int) -> bytes:
        """Compress and seal one body for this row."""
        nonce = os.urandom(_NONCE)
        if len(body) <= _SHORT:
            return self._short_prefix + nonce + self._first.encrypt(nonce, body, _bound_short(table, row))
        return self._prefix + nonce + self._first.encrypt(nonce, self._compress(body), _bound(table, row))

    def open(self, sealed: bytes, table: bytes, row: int) -> bytes:
        """Open one body.

        Raises KeyMissing when the ring lacks its key, Unreadable when the bytes are damaged or moved.
        """
        end = 2 + sealed[1]
        key = self._keys.get(sealed[2:end].decode())
        if key is None:
            raise KeyMissing(f"no key {sealed[2:end].decode()!r} in HANDOFF_KEYS")
        nonce, packed = sealed[end : end + _NONCE], sealed[end + _NONCE :]
        try:
            if sealed[0] == _SHORT_FORMAT:
                return key.decrypt(nonce, packed, _bound_short(table, row))
            return self._expand.decompress(key.decrypt(nonce, packed, _bound(table, row)))
        except (InvalidTag, zstandard.ZstdError) as error:
            raise Unreadable(f"a body of {table.decode()} does not open") from error

    def name(self, *parts: str) -> bytes:
        """The blind name of a sender's id: 16 bytes, what makes a second arrival the same arrival."""
        return hmac.digest(self._index, b"name\0" + "\0".join(parts).encode(), "sha256")[:16]

    def blind(self, *parts: str) -> int:
        """The blind index of a queue, a patient, an order: 8 bytes, as PostgreSQL's bigint."""
        digest = hmac.digest(self._index, b"index\0" + "\0".join(parts).encode(), "sha256")
        return int(struct.unpack_from("q", digest)[0])

    def digest(self, body: bytes) -> int:
        """A keyed digest that tells a repeat from other content; BLAKE2's own key is faster than an HMAC."""
        digest = self._digest.copy()
        digest.update(body)
        return int(_UNPACKED(digest.digest())[0])

    def key_of(self, sealed: bytes) -> str:
        """The id of the key a body was sealed with."""
        return sealed[2 : 2 + sealed[1]].decode()


def _bound(table: bytes, row: int) -> bytes:
    return table + _PACKED(row)


def _bound_short(table: bytes, row: int) -> bytes:
    """The format is bound too: the byte that says it stands in front in the clear."""
    return b"short" + table + _PACKED(row)


def shown(key: int) -> str:
    """A blind index as people see it: 12 hex digits.

    >>> shown(-1)
    'ffffffffffff'
    """
    return f"{key & 0xFFFF_FFFF_FFFF_FFFF:016x}"[:12]


def shown_range(digits: str) -> tuple[int, int]:
    """The first and last blind index that is shown with these hex digits.

    >>> shown(shown_range("00000000000a")[0]), shown(shown_range("00000000000a")[1])
    ('00000000000a', '00000000000a')
    """
    low = int(digits.ljust(16, "0"), 16)
    high = int(digits.ljust(16, "f"), 16)
    return struct.unpack("q", struct.pack("Q", low))[0], struct.unpack("q", struct.pack("Q", high))[0]


def new_key(name: str) -> str:
    """A new secret as the settings hold it: ``id:base64``."""
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def fingerprint(secret: bytes) -> str:
    """What may be shown of a key: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(secret).hexdigest()[:8]
