"""Starts systems of the sandbox on a free port, as a client sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from sandbox.core import System
from sandbox.running import sandbox_thread

Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the given systems until the test ends."""
    with ExitStack() as stack:

        def start(*systems: System) -> httpx.Client:
            url = stack.enter_context(sandbox_thread(systems))
            return stack.enter_context(httpx.Client(base_url=url, timeout=10))

        yield start
