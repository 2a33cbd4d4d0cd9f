"""The lane's fixtures."""

from collections.abc import Iterator

import pytest

from tests.conftest import Database
from tests.elation.practice import Practice, practising


@pytest.fixture
def practice(database: Database) -> Iterator[Practice]:
    """The whole lane, with an empty store and an empty Elation."""
    with practising(database) as made:
        yield made
