"""R1 as Dagster makes it: kept sealed, counts and pictures in the run, nothing of a person, and no private key."""

import base64
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import openpyxl
import pytest

from assets.pridok import month
from assets.pridok.consultation import Reason
from assets.pridok.lane import ASSETS, MONTHS
from assets.pridok.results import Form
from pipelines.pridok import report_monthly
from resources.settings_resource import SettingsResource
from resources.store import month as kept
from tests.conftest import Database
from tests.pridok.room import NOTE, PROVIDER, SECRETARY, Room

MARCH = date(2026, 3, 1)
KEY = dg.AssetKey(["pridok", "insurer_report"])


@pytest.fixture
def room(database: Database) -> Iterator[Room]:
    made = Room(database)
    yield made
    made.close()


def finished(room: Room, guid: int, outcome: str = "helped", organisation: str = "If") -> None:
    """A consultation of a quarter of an hour, half an hour after its referral came."""
    one = room.running(guid, organisation=organisation)
    room.clock.forward(15)
    room.finishing.finish(one.id, Form(icpc2="R74", outcome=outcome, notes=NOTE), PROVIDER)


def played(room: Room) -> None:
    """March: six finished with If, one with Nordlys; one cancelled; one still waits."""
    for guid in range(1, 7):
        finished(room, guid)
    finished(room, 7, "sick_note", "Nordlys")
    one = room.running(8, organisation="If")
    room.practice.cancel(one.id, Reason.TECHNICAL_FAILURE, SECRETARY)
    room.clock.at = datetime(2026, 4, 2, 5, tzinfo=UTC)


def materialized(room: Room, key: str = "2026-03") -> dg.ExecuteInProcessResult:
    """A run of the asset, as the schedule or an operator asks for one."""
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(KEY),
        partition_key=key,
        resources={"settings": SettingsResource(override=dict(room.settings.values))},
    )


def metadata(ran: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = ran.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_the_month_is_kept_sealed_and_is_an_excel_file(room: Room) -> None:
    played(room)
    shown = metadata(materialized(room))
    with room.database.connect() as db:
        (listed,) = kept.listed(db, ["r1"])
        found = kept.one(db, room.database.sealer, int(shown["report_id"]))
    assert (listed.month, listed.kind) == (MARCH, "r1")
    assert found
    assert len(found[1]) == shown["workbook_bytes"]
    sheet = openpyxl.load_workbook(io.BytesIO(found[1]))["Month"]
    table = {line[0]: line[1:] for line in sheet.iter_rows(values_only=True)}
    assert dict(zip(table["organisation"], table["all"], strict=True))["received"] == 8
    assert b"PK" not in bytes(room.database.one("SELECT body FROM pridok_report"))[:64]  # type: ignore[call-overload]


def test_dagster_sees_counts_that_are_not_small_and_nothing_of_anybody(room: Room) -> None:
    played(room)
    shown = metadata(materialized(room))
    assert (shown["received"], shown["completed"], shown["waiting_median"]) == (8, 7, 30)
    assert shown["within_guarantee"] == 1
    assert shown["outcome_helped"] == 6
    assert not {"outcome_sick_note", "no_shows", "open_at_end"} & shown.keys()  # each under five
    said = json.dumps({name: value for name, value in shown.items() if not name.startswith("plot_")})
    for word in ("Danser", "13116900216", NOTE, "R74", "Nordlys"):
        assert word not in said + str(pictures(shown))


def pictures(shown: dict[str, Any]) -> dict[str, list[str | None]]:
    """What is written in each picture."""
    texts = {}
    for name in ("plot_volume", "plot_minutes", "plot_outcomes"):
        picture = base64.b64decode(shown[name].partition("base64,")[2].rstrip(")"))
        texts[name] = [part.text for part in ET.fromstring(picture).iter() if part.tag.endswith("text")]
    return texts


def test_each_picture_is_whole_and_hides_what_is_small(room: Room) -> None:
    played(room)
    texts = pictures(metadata(materialized(room)))
    assert texts["plot_volume"][:1] == ["Volume"]
    assert "8" in texts["plot_volume"]
    assert "1" not in texts["plot_outcomes"]
    assert texts["plot_outcomes"].count("<5") > 0
    assert {"waiting median", "30"} <= set(texts["plot_minutes"])


def test_a_month_that_still_runs_has_no_report(room: Room) -> None:
    finished(room, 1)
    with pytest.raises(month.NotOver, match="2026-03"):
        month.make(room.clinic, MARCH)
    assert MONTHS.get_last_partition_key() < f"{datetime.now(UTC):%Y-%m}"


def test_a_night_across_the_change_of_clocks_is_counted_by_the_real_clock(room: Room) -> None:
    room.clock.at = datetime(2026, 3, 29, 0, 20, tzinfo=UTC)  # 01:20 in Oslo; at 02:00 it becomes 03:00
    for guid in range(1, 6):
        one = room.running(guid)
        room.clock.forward(15)
        room.finishing.finish(one.id, Form(icpc2="R74", outcome="helped"), PROVIDER)
        room.clock.at = datetime(2026, 3, 29, 0, 20, tzinfo=UTC)
    room.clock.at = datetime(2026, 4, 2, 5, tzinfo=UTC)
    assert month.make(room.clinic, MARCH).figures["waiting median"] == 30


def test_a_month_made_again_takes_the_place_of_the_one_before(room: Room) -> None:
    played(room)
    first = month.make(room.clinic, MARCH)
    again = month.make(room.clinic, MARCH)
    assert again.figures == first.figures
    with room.database.connect() as db:
        assert [one.id for one in kept.listed(db, ["r1"])] == [again.id]
        assert kept.one(db, room.database.sealer, first.id) is None


def test_what_happened_in_another_month_is_not_fetched_for_it(room: Room) -> None:
    played(room)
    window = timedelta(days=28)
    with room.database.connect() as db:
        june = kept.times(db, datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC) + window)
        february = kept.times(db, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC) + window)
    assert [one.completed for one in june] == []
    assert [one.completed for one in february] == []


def test_the_report_needs_no_key_of_any_recipient(room: Room) -> None:
    played(room)
    bare = {name: value for name, value in room.settings.values.items() if not name.endswith("_PUBLIC_KEY")}
    ran = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(KEY),
        partition_key="2026-03",
        resources={"settings": SettingsResource(override=bare)},
    )
    assert metadata(ran)["completed"] == 7


def test_the_schedule_asks_for_the_month_that_has_just_ended() -> None:
    ticked = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 4, 2, 2, 15, tzinfo=UTC))
    request = report_monthly(ticked)
    assert (request.partition_key, request.run_key) == ("2026-03", "2026-03")
    assert request.partition_key in MONTHS.get_partition_keys()
