"""clamd, the virus scanner: asks about bytes over its socket. What a find means is the caller's.

Source: clamd's manual page, command INSTREAM.
"""

import socket
import struct
import time
from dataclasses import dataclass

CHUNK = 1 << 18


class ScannerAway(Exception):
    """The scanner gave no verdict: unreachable, busy, or the file is larger than its StreamMaxLength."""


@dataclass(frozen=True, slots=True)
class Clamd:
    """One scanner. ``patience``: so long a file waits for one that does not answer at once."""

    host: str
    port: int
    timeout: float = 60.0
    patience: float = 10.0

    @classmethod
    def at(cls, address: str) -> "Clamd | None":
        """The scanner at ``host:port``; None where no address is set. Raises ValueError for anything else."""
        if not address:
            return None
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError("HANDOFF_CLAMD: write host:port")
        return cls(host.strip("[]"), int(port))

    def clean(self, data: bytes) -> bool:
        """Whether it finds nothing; raises ScannerAway."""
        end = time.monotonic() + self.patience
        while True:
            try:
                return self._verdict(self._ask(data))
            except OSError:
                if time.monotonic() >= end:
                    raise ScannerAway("no answer") from None
                time.sleep(0.5)

    def _ask(self, data: bytes) -> bytes:
        with socket.create_connection((self.host, self.port), self.timeout) as line:
            line.sendall(b"zINSTREAM\0")
            for start in range(0, len(data), CHUNK):
                part = data[start : start + CHUNK]
                line.sendall(struct.pack("!I", len(part)) + part)
            line.sendall(struct.pack("!I", 0))
            answer = b""
            while not answer.endswith(b"\0"):
                more = line.recv(4096)
                if not more:
                    raise ConnectionError
                answer += more
        return answer

    @staticmethod
    def _verdict(answer: bytes) -> bool:
        words = answer.rstrip(b"\0\n").rsplit(b" ", 1)
        if words[-1] == b"OK":
            return True
        if words[-1] == b"FOUND":
            return False
        raise ScannerAway("no verdict")
