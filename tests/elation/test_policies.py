"""The policies follow the patient, and what the clinic wrote stays the clinic's."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import httpx
import pytest

from assets.elation.calls import owed
from assets.elation.events import decode
from assets.elation.mapping import Practice
from resources.elation import Elation
from resources.elation_api import POLICY_NAMES, Settings
from resources.errors import Refused, TryLater, Unsure
from resources.store.values import Message
from tests.elation.charts import event_bytes
from tests.elation.far_end import FarEnd, Remembered, client, message

T = TypeVar("T")
HEALTHFIRST = {"rank": 1, "carrier": "Healthfirst", "member_id": "HF123456"}
MEDICAID = {"rank": 2, "carrier": "Medicaid", "member_id": "AB12345C", "payment_program": "Medicaid"}
NO_PAYER = {"payer_name": None, "member_id": None}


class Clinic:
    """A far end with one patient that is linked to the chart, and one client over all calls of a test."""

    def __init__(self) -> None:
        self.far_end, self.known = FarEnd(), Remembered()
        self.patient = self.far_end.add(metadata={"object_id": "chart-1"})
        self.known["chart-1"] = self.patient
        self.elation: Elation = client(self.far_end, self.known)

    def send(self, **chart: object) -> None:
        asyncio.run(self.elation.send(policies(**chart)))

    def ask(self, **chart: object) -> bool:
        return asyncio.run(self.elation.ask(policies(**chart))) is not None

    def held(self) -> list[dict[str, Any]]:
        """What is active, without Elation's ids, by rank."""
        rows = self.far_end.policies.get(self.patient, {}).values()
        found = [{k: v for k, v in row.items() if k != "id"} for row in rows if row["rank"]]
        return sorted(found, key=lambda row: row["rank"])

    def write(self, **row: object) -> dict[str, Any]:
        """A person at the clinic writes a policy."""
        policy = next(self.far_end.ids)
        return self.far_end.policies.setdefault(self.patient, {}).setdefault(
            str(policy), {"id": policy} | row
        )

    def written(self) -> list[str]:
        return [asked.split(" ")[0] for asked in self.far_end.asked if not asked.startswith("GET")]


def policies(names: Mapping[str, str] = POLICY_NAMES, **chart: object) -> Message:
    call = owed(decode(event_bytes("insurance_changed", **chart)), Practice(), names)[1]
    return message(call.kind, call.body, dict(call.address))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def test_policies_are_read_first_and_written_one_a_rank() -> None:
    clinic = Clinic()
    clinic.send(medicaid_id="AB12345C")
    assert clinic.held() == [HEALTHFIRST, MEDICAID]
    assert clinic.far_end.asked[0].startswith("GET ")
    assert clinic.written() == ["POST", "POST"]


def test_what_is_there_already_is_not_sent_again() -> None:
    clinic = Clinic()
    clinic.write(**HEALTHFIRST, group_id="G1")
    clinic.send()
    assert clinic.written() == []


def test_a_changed_policy_of_ours_is_edited_in_place() -> None:
    clinic = Clinic()
    clinic.send()
    clinic.send(member_id="HF999999")
    assert clinic.held() == [HEALTHFIRST | {"member_id": "HF999999"}]
    assert clinic.written() == ["POST", "PUT"]


def test_a_policy_that_ended_in_arc_ends_in_elation() -> None:
    clinic = Clinic()
    clinic.send(medicaid_id="AB12345C")
    clinic.send(medicaid_id="AB12345C", **NO_PAYER)
    assert clinic.held() == [MEDICAID | {"rank": 1}]
    clinic.send(**NO_PAYER)
    assert clinic.held() == []


def test_a_policy_of_ours_that_is_gone_already_ends_quietly() -> None:
    clinic = Clinic()
    clinic.send()
    clinic.far_end.fail("DELETE", httpx.Response(404))
    clinic.send(**NO_PAYER)
    assert clinic.written() == ["POST", "DELETE"]


@pytest.mark.parametrize("status", [403, 500])
def test_a_policy_that_cannot_be_ended_is_told(status: int) -> None:
    clinic = Clinic()
    clinic.send()
    clinic.far_end.fail("DELETE", httpx.Response(status))
    with pytest.raises((Refused, TryLater)):
        clinic.send(**NO_PAYER)


@pytest.mark.parametrize("chart", [{}, {"member_id": "HF999999"}])
def test_a_policy_that_the_clinic_changed_is_not_overwritten(chart: dict[str, str]) -> None:
    clinic = Clinic()
    clinic.send()
    policy = next(iter(clinic.far_end.policies[clinic.patient].values()))
    policy["member_id"] = "by the clinic"
    with pytest.raises(Refused, match="rank 1 holds a policy") as caught:
        clinic.send(**chart)
    assert policy["member_id"] == "by the clinic"
    assert "clinic," not in str(caught.value)


def test_a_rank_that_somebody_else_holds_is_not_taken_and_nothing_else_is_written() -> None:
    clinic = Clinic()
    clinic.write(rank=2, carrier="Aetna", member_id="A1")
    with pytest.raises(Refused, match="rank 2"):
        clinic.send(medicaid_id="AB12345C")
    assert clinic.written() == []


def test_what_the_clinic_added_at_another_rank_stays() -> None:
    clinic = Clinic()
    clinic.write(rank=3, carrier="Aetna", member_id="A1")
    clinic.send()
    clinic.send(**NO_PAYER)
    assert clinic.held() == [{"rank": 3, "carrier": "Aetna", "member_id": "A1"}]


@pytest.mark.parametrize(
    "inactive", [{"rank": None}, {"rank": 1, "deleted_date": "2026-01-01"}, {"rank": 1, "is_active": False}]
)
def test_an_inactive_policy_holds_no_rank(inactive: dict[str, Any]) -> None:
    clinic = Clinic()
    clinic.write(**{"carrier": "Aetna", "member_id": "A1"} | inactive)
    clinic.send()
    assert HEALTHFIRST in clinic.held()


@pytest.mark.parametrize("took", [True, False])
def test_after_a_doubtful_policy_elation_is_asked(took: bool) -> None:
    clinic = Clinic()
    clinic.far_end.fail("POST", httpx.Response(504), take=took)
    with pytest.raises(Unsure):
        clinic.send()
    assert clinic.ask() is took
    clinic.send()
    clinic.send(member_id="HF999999")
    assert clinic.held() == [HEALTHFIRST | {"member_id": "HF999999"}]


def test_a_policy_that_should_have_ended_and_stands_is_a_no() -> None:
    clinic = Clinic()
    clinic.send()
    assert clinic.ask(**NO_PAYER) is False


def test_a_refused_second_policy_does_not_forget_the_first() -> None:
    clinic = Clinic()
    clinic.send()
    clinic.far_end.fail("POST", httpx.Response(400))
    with pytest.raises(Refused):
        clinic.send(member_id="HF999999", medicaid_id="AB12345C")
    clinic.send(member_id="HF111111")
    assert clinic.held() == [HEALTHFIRST | {"member_id": "HF111111"}]


def test_without_a_patient_there_is_nothing_to_insure() -> None:
    far_end = FarEnd()
    with pytest.raises(Refused, match="send its creation first"):
        run(client(far_end).send(policies()))
    assert run(client(far_end).ask(policies())) is None


def test_what_is_remembered_of_a_policy_shows_no_number() -> None:
    clinic = Clinic()
    clinic.send()
    assert "HF123456" not in json.dumps(clinic.known)


def test_members_go_by_the_names_of_the_setting() -> None:
    names = {"rank": "rank_no", "carrier": "insurance_company", "member_id": "member", "payment_program": ""}
    body = policies(names, medicaid_id="AB12345C").body
    assert json.loads(body)[1] == {"rank_no": 2, "insurance_company": "Medicaid", "member": "AB12345C"}


def test_a_policy_mapped_under_other_names_is_mapped_anew() -> None:
    clinic = Clinic()
    with pytest.raises(Refused, match="map it anew"):
        run(
            clinic.elation.send(
                policies({"rank": "no", "carrier": "c", "member_id": "m", "payment_program": ""})
            )
        )


ENVIRONMENT = {
    "ELATION_URL": "https://ehr.test/api/2.0/",
    "ELATION_CLIENT_ID": "us",
    "ELATION_CLIENT_SECRET": "secret-7",
    "ELATION_CAREGIVER_PRACTICE": "142857632874497",
    "ELATION_POLICY_NAMES": "carrier=insurance_company, payment_program=",
}


def test_the_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(ENVIRONMENT)
    assert settings.token_url == "https://ehr.test/api/2.0/oauth2/token/"
    assert settings.primary_physician == "Katie"
    assert settings.caregiver_practice == 142857632874497
    assert settings.concurrency == 64
    assert settings.policy_names == {
        "rank": "rank",
        "carrier": "insurance_company",
        "member_id": "member_id",
        "payment_program": "",
    }
    assert "secret-7" not in repr(settings)


@pytest.mark.parametrize("name", ["URL", "CLIENT_ID", "CLIENT_SECRET", "CAREGIVER_PRACTICE"])
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"ELATION_{name} is not set"):
        Settings.from_environment(ENVIRONMENT | {f"ELATION_{name}": ""})


def test_a_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="ELATION_CONCURRENCY is not a whole number"):
        Settings.from_environment(ENVIRONMENT | {"ELATION_CONCURRENCY": "many"})
    with pytest.raises(ValueError, match="ELATION_POLICY_NAMES: no policy has a member plan"):
        Settings.from_environment(ENVIRONMENT | {"ELATION_POLICY_NAMES": "plan=x"})
