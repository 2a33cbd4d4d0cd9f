"""Ports of this machine: who listens, and one that is free."""

import random
import socket


def listening(port: int) -> bool:
    """Whether somebody answers there. A connection may reach itself on a port of the outgoing range."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()


def free_port() -> int:
    """A port nobody has, below the range that outgoing connections take theirs from."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
