"""What the live system says of our place in it."""

from typing import Any

import httpx
import pytest

from resources.elation import connect
from resources.errors import PartnerAway
from tests.elation.far_end import SETTINGS, FarEnd, Remembered, client
from tests.elation.talk import run


def test_a_list_without_pages_is_read_too() -> None:
    far_end = FarEnd()
    far_end.fail("GET /languages/", httpx.Response(200, json=["English", "Spanish"]))
    assert run(client(far_end).setup()).languages == ("English", "Spanish")


def test_the_client_over_real_connections_opens_none_before_it_sends() -> None:
    async def open_and_close() -> None:
        await connect(SETTINGS, Remembered()).aclose()

    assert run(open_and_close()) is None


def test_our_physician_is_the_one_active_of_that_name() -> None:
    far_end = FarEnd()
    far_end.physicians += [
        {"id": 2, "first_name": "Katie", "last_name": "Old", "is_active": False},
        {"id": 3, "first_name": "Kate", "last_name": "Lee", "is_active": True},
    ]
    setup = run(client(far_end).setup())
    assert setup.primary_physician == 131074
    assert setup.languages == ("English", "Spanish")


def test_a_full_name_tells_two_physicians_apart() -> None:
    far_end = FarEnd()
    far_end.physicians.append({"id": 2, "first_name": "Katie", "last_name": "Moss", "is_active": True})
    assert run(client(far_end, primary_physician="Katie Moss").setup()).primary_physician == 2


@pytest.mark.parametrize(
    "physicians", [[], [{"id": 1, "first_name": "Katie"}, {"id": 2, "first_name": "Katie"}]]
)
def test_no_physician_or_two_pause_the_lane(physicians: list[Any]) -> None:
    far_end = FarEnd()
    far_end.physicians = physicians
    with pytest.raises(PartnerAway, match="ELATION_PRIMARY_PHYSICIAN"):
        run(client(far_end).setup())


def test_a_physician_given_by_id_is_not_searched() -> None:
    far_end = FarEnd()
    far_end.languages = None
    setup = run(client(far_end, primary_physician="77").setup())
    assert setup.primary_physician == 77
    assert setup.languages is None
    assert far_end.asked == ["GET /languages/"]


def test_the_practice_is_read_once_a_day() -> None:
    far_end = FarEnd()
    elation = client(far_end)

    async def twice() -> None:
        await elation.setup()
        await elation.setup()

    run(twice())
    assert far_end.asked == ["GET /physicians/", "GET /languages/"]
