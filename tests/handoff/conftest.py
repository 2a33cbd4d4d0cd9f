"""One embedded server for the questions that do not harm it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import postgres
from handoff.ports import free_port


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder; whatever server a test starts in it is stopped."""
    folder = tmp_path_factory.mktemp("state")
    yield folder
    postgres.stop(folder)


@pytest.fixture(scope="module")
def cluster(state: Path) -> postgres.Cluster:
    """A running server of its own."""
    return postgres.ensure(state, port=free_port(), durable=False)
