"""Partners are configuration: what is right is read, what is wrong is said by partner and setting."""

import re
from pathlib import Path

import pytest

from assets.hcoint.events import Happened, Order, Patient
from assets.hcoint.partners import PartnersError, load, read

ROOT = Path(__file__).parents[2]
ORDER = Order(
    happened=Happened.PLACED, sender="source-1", facility="", order_id="7", patient=Patient(identifiers=())
)
REDOX = """
[partner.multicare]
orders = "redox"
redox_source_id = "source-1"
results = "redox"
destinations = ["destination-1"]
facility = "MULTICARE"
result_code = "CN100"
result_description = "Clinical note"
kinds = ["pdf", "txt"]
"""
MLLP = """
[partner.northlab]
orders = "mllp"
mllp_sender = "NORTHLAB|NORTH"
results = "oru"
mllp_url = "mllps://lab.example:2576"
facility = "NORTH"
result_code = "11506-3"
result_description = "Progress note"
kinds = ["pdf"]
"""


def test_the_file_of_the_sandbox_is_read() -> None:
    partners = load(ROOT / "hcoint.toml")
    assert [partner.name for partner in partners.all] == ["multicare", "northlab", "multicare-hl7"]
    assert partners.mllp_senders == {"NORTHLAB|NORTH", "EPIC|MULTICARE"}


def test_a_partner_is_found_by_its_name_and_by_who_sends_its_orders() -> None:
    partners = read(REDOX + MLLP)
    assert partners.named("northlab").address == ("lab.example", 2576, True)
    for sender, name in (("source-1", "multicare"), ("NORTHLAB|NORTH", "northlab")):
        found = partners.of(sender)
        assert found is not None
        assert found.name == name
    found = partners.of_order(ORDER)
    assert found is not None
    assert found.name == "multicare"
    assert partners.of("") is None
    assert partners.of("other") is None
    with pytest.raises(KeyError, match="no partner nobody"):
        partners.named("nobody")


def test_uat_and_production_of_one_hospital_stand_side_by_side() -> None:
    uat = (
        REDOX.replace("multicare", "multicare-uat")
        .replace("source-1", "source-2")
        .replace("destination-1", "d-2")
    )
    partners = read(REDOX + uat + 'test_orders = true\nsettings = "REDOX_UAT"\n')
    assert [(partner.name, partner.test_orders, partner.settings) for partner in partners.all] == [
        ("multicare", False, "REDOX"),
        ("multicare-uat", True, "REDOX_UAT"),
    ]


@pytest.mark.parametrize(
    ("code", "given", "system"),
    [("11506-3", "", "LN"), ("CN100", "", "L"), ("CN-1", "", "L"), ("11506-3", "99X", "99X")],
)
def test_a_code_that_looks_like_loinc_is_said_to_be(code: str, given: str, system: str) -> None:
    (partner,) = read(MLLP.replace("11506-3", code) + f'result_system = "{given}"\n').all
    assert partner.system == system


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partner = 5", "hcoint.toml: it holds tables"),
        ("[other]", "hcoint.toml: it holds tables"),
        ("[partner", "hcoint.toml: "),
        ("[partner.Big]", "partner.Big: a name is made of small letters"),
        ("[partner.a]", "partner.a: Object missing required field `orders`"),
        (REDOX + "colour = 1", "partner.multicare: Object contains unknown field `colour`"),
        (REDOX + 'name = "x"', "partner.multicare.name: the name stands in the table's heading"),
        (REDOX.replace('"CN100"', "100"), "partner.multicare.result_code: Expected `str`, got `int`"),
        (REDOX.replace('"CN100"', '""'), "partner.multicare.result_code: must not be empty"),
        (REDOX.replace('"source-1"', '""'), "partner.multicare.redox_source_id: name the Redox source"),
        (REDOX.replace('["destination-1"]', "[]"), "partner.multicare.destinations: name at least one"),
        (REDOX.replace('["destination-1"]', '[""]'), "partner.multicare.destinations: name at least one"),
        (REDOX.replace('["pdf", "txt"]', '["doc"]'), "partner.multicare.kinds: choose from pdf, tiff"),
        (REDOX.replace('["pdf", "txt"]', "[]"), "partner.multicare.kinds: choose from pdf, tiff"),
        (REDOX + "upload_above_bytes = 30000001", "partner.multicare.upload_above_bytes: a number of bytes"),
        (REDOX + "note_alert_hours = 0", "partner.multicare.note_alert_hours: hours and seconds"),
        (
            REDOX + REDOX.replace("multicare", "again"),
            "partner.again.redox_source_id: partner multicare has the same",
        ),
        (MLLP.replace("NORTHLAB|NORTH", "NORTHLAB"), "partner.northlab.mllp_sender: name MSH-3 and MSH-4"),
        (
            MLLP.replace("mllps://lab.example:2576", "http://x:1"),
            "partner.northlab.mllp_url: give host and port",
        ),
        (MLLP.replace("lab.example:2576", "lab.example"), "partner.northlab.mllp_url: give host and port"),
        (MLLP.replace("lab.example:2576", "lab.example:x"), "partner.northlab.mllp_url: give host and port"),
        (
            MLLP + 'http_url = "https://lab.example/hl7"\n',
            "partner.northlab.http_url: results go one way",
        ),
        *(
            (
                MLLP.replace('mllp_url = "mllps://lab.example:2576"', f'http_url = "{url}"'),
                "partner.northlab.http_url: give an address",
            )
            for url in (
                "lab.example/hl7",
                "ftp://lab.example",
                "http://",
                "https://me:pw@lab.example/",
                "http://x:y",
            )
        ),
        (
            MLLP + MLLP.replace("northlab", "again"),
            "partner.again.mllp_sender: partner northlab has the same",
        ),
    ],
)
def test_a_mistake_is_said_by_partner_and_setting(text: str, said: str) -> None:
    with pytest.raises(PartnersError, match="^" + re.escape(said)):
        read(text)


def test_a_missing_file_is_said_with_the_setting_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PartnersError, match="HCOINT_PARTNERS"):
        load(tmp_path / "none.toml")
