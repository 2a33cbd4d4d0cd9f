"""A file on its way in that may be larger than memory should hold: written as it comes, read as often as wanted.

What does not fit one piece stands on the disk, in a file without a name, each piece sealed with a key that only this
object has: what is left behind by a process that was killed is noise. Nothing here outlives its request.
"""

import hashlib
import io
import os
import tempfile
from typing import IO, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PIECE: Final = 256 * 1024
_SEALED: Final = PIECE + 16


class Spool:
    """Takes bytes until it is read for the first time."""

    def __init__(self) -> None:
        self._key = AESGCM(AESGCM.generate_key(256))
        self._tail = bytearray()
        self._pieces = 0
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes; raises OSError when the disk takes no more."""
        self.size += len(data)
        self._digest.update(data)
        self._tail += data
        while len(self._tail) > PIECE:
            self._put(bytes(self._tail[:PIECE]))
            del self._tail[:PIECE]

    def _put(self, piece: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._file.write(self._key.encrypt(self._nonce(self._pieces), piece, None))
        self._pieces += 1

    def _nonce(self, number: int) -> bytes:
        return number.to_bytes(12, "big")  # each once: the key is this file's alone

    def piece(self, number: int) -> bytes:
        """The bytes of one piece; empty behind the last."""
        if self._file is None or number >= self._pieces:
            return bytes(self._tail) if number == self._pieces else b""
        self._file.flush()
        sealed = os.pread(self._file.fileno(), _SEALED, number * _SEALED)
        return self._key.decrypt(self._nonce(number), sealed, None)

    def open(self) -> io.BufferedReader:
        """A reader of its own, at the first byte."""
        return io.BufferedReader(_Pieces(self), PIECE)

    @property
    def sha256(self) -> str:
        """The digest of all that was written."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Give the disk back."""
        if self._file is not None:
            self._file.close()


class _Pieces(io.RawIOBase):
    """One reader's place in a spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._number, self._left = spool, 0, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(self._spool.piece(self._number))
            self._number += 1
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
