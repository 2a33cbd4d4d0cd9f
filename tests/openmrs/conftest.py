"""A parent and two children on a free port, empty, with a feed that publishes at once."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.openmrs import servers
from sandbox.running import sandbox_thread
from tests.openmrs.clinic import Clinic

ROOT = Path(__file__).parents[2]

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
    """Folders of case files that fit, in ``HANDOFF_CASES`` and in the clone's own samples."""
    given = Path(os.environ.get("HANDOFF_CASES") or ROOT.parent / "shared" / "data")
    places = [given / "openmrs", ROOT / "tests" / "samples" / "openmrs"]
    return [found for place in places for found in sorted(place.glob(pattern))]
