"""The shape of a chart event, and nothing more."""

import json
from typing import Any

import pytest

from assets.elation.events import ChartCreated, ContactChanged, InsuranceChanged, ProfileChanged, decode
from assets.formats.decode import ShapeError
from tests.elation.charts import event_bytes


def changed(**members: Any) -> bytes:
    return json.dumps(json.loads(event_bytes()) | members).encode()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chart_created", ChartCreated),
        ("profile_changed", ProfileChanged),
        ("contact_changed", ContactChanged),
        ("insurance_changed", InsuranceChanged),
    ],
)
def test_each_event_type_has_a_class_of_its_own(name: str, kind: type) -> None:
    assert type(decode(event_bytes(name))) is kind


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (changed(event_type="chart_exploded"), "event_type"),
        (changed(event_id=""), "event_id"),
        (changed(event_id=7), "event_id"),
        (changed(resource_id=None), "resource_id"),
        (changed(data={}), "data.chart"),
        (changed(data={"chart": {"first_name": "Ana"}}), "data.chart.id"),
        (event_bytes(phones=[{"number": 7185550142}]), "data.chart.phones[0].number"),
        (event_bytes(address="12 Elm St"), "data.chart.address"),
        (b'{"event_type": "chart_created"', ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_wrong_shape_is_refused_by_its_place_without_a_value(raw: bytes, place: str) -> None:
    with pytest.raises(ShapeError) as caught:
        decode(raw)
    assert caught.value.place == place
    for value in ("chart_exploded", "Elm", "7185550142"):
        assert value not in str(caught.value)


def test_an_unknown_event_type_is_told_which_there_are() -> None:
    with pytest.raises(ShapeError, match="must be one of chart_created, profile_changed"):
        decode(changed(event_type="chart_exploded"))


def test_members_we_do_not_know_are_left_alone() -> None:
    assert decode(event_bytes(nickname="Anita")).data.chart.first_name == "Ana"


def test_null_and_absent_are_alike() -> None:
    event = json.loads(event_bytes())
    event["data"]["chart"] = {k: v for k, v in event["data"]["chart"].items() if v is not None}
    assert decode(json.dumps(event).encode()) == decode(event_bytes())


def test_what_an_event_need_not_say_may_be_null() -> None:
    event = decode(changed(source=None, occurred_at=None))
    assert (event.source, event.occurred_at) == (None, None)
