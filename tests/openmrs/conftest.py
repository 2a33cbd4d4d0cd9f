"""A parent and two children on a free port, empty, with a feed that publishes at once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.openmrs import servers
from sandbox.running import sandbox_thread
from tests.conftest import case_folders as places
from tests.openmrs.clinic import Clinic

Open = Callable[..., Clinic]


@pytest.fixture
def sandbox_url() -> Iterator[str]:
    systems = servers()
    for system in systems:
        system.set({"publish_delay_seconds": 0})
    with sandbox_thread(systems) as url:
        yield url


@pytest.fixture
def open_clinic(sandbox_url: str) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_one(**link: Any) -> Clinic:
            runner = stack.enter_context(asyncio.Runner())
            clinic = Clinic(sandbox_url, runner, **link)
            stack.callback(clinic.close)
            return clinic

        yield open_one


@pytest.fixture
def clinic(open_clinic: Open) -> Clinic:
    return open_clinic()


def case_folders(pattern: str) -> list[Path]:
    """The case files of this lane that fit."""
    return [found for place in places() for found in sorted((place / "openmrs").glob(pattern))]
