"""Links lead where people are: to this machine, or to the address the proxy has."""

import pytest

from resources.settings import Settings
from web.addresses import pages_at, results_at

HERE = ("http://127.0.0.1:8080", "http://127.0.0.1:8091")
PUBLIC = "https://handoff.example.org"


@pytest.mark.parametrize(
    ("values", "addresses"),
    [
        ({}, HERE),
        (
            {"HANDOFF_WEB_PORT": "1", "HANDOFF_DECRYPT_PORT": "2"},
            ("http://127.0.0.1:1", "http://127.0.0.1:2"),
        ),
        ({"PRIDOK_PUBLIC_URL": f"{PUBLIC}/"}, (PUBLIC, PUBLIC)),
        (
            {"PRIDOK_PUBLIC_URL": PUBLIC, "PRIDOK_JOURNAL_URL": "https://j.example.org/"},
            (PUBLIC, "https://j.example.org"),
        ),
    ],
)
def test_pages_and_results_are_where_the_settings_say(
    values: dict[str, str], addresses: tuple[str, str]
) -> None:
    settings = Settings(values)
    assert (pages_at(settings), results_at(settings)) == addresses
