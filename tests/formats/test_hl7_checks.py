"""Every kind of mistake is found at its place, and nothing is found in good messages."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.formats.hl7_checks import problems
from assets.formats.hl7_oracle import objections
from assets.formats.hl7_read import decode, parse, unbatch

HERE = Path(__file__).parents[1] / "samples"
CASES = Path(os.environ.get("HANDOFF_CASES", Path(__file__).parents[3] / "shared" / "data"))

GOOD = "\r".join(
    [
        r"MSH|^~\&|ENGINE^1.2^ISO|NOTES|EPIC|NORTH|20260203190000+0000||ORU^R01^ORU_R01|ORU0001|T|2.5.1|||AL|NE||"
        "UNICODE UTF-8",
        "PID|1||1^^^NORTH^MR||Bixby^Timothy^Paul^^^^L||20080106|M||2106-3^White^HL70005|1 Test Way^^Tacoma^WA^98402"
        "^USA^H||^PRN^PH^^1^206^5550100|||||||||N^Not Hispanic^HL70189||||||||N",
        "PV1|1|O",
        "ORC|RE|157968300^EPIC|ENG1^ENGINE||CM",
        "OBR|1|157968300^EPIC|ENG1^ENGINE|11506-3^Progress note^LN|||20260203170000|||||||||4356789876^Granite^Pat"
        "||||||20260203190000|||F",
        "OBX|1|CWE|94500-6^SARS-CoV-2^LN||260373001^Detected^SCT|||A^Abnormal^HL70078|||F|||20260203",
        r"OBX|2|NM|8310-5^Temperature^LN||37.5|Cel|35-38|N|||F|||202602031700-0800",
        "OBX|3|ED|11506-3^Progress note^LN||ENGINE^application^pdf^Base64^JVBERi0xLjQ=||||||F",
        r"NTE|1|L|fine \T\ well\.br\really",
        "SPM|1|1&Lab^1&Lab||258500001^Nasopharyngeal swab^SCT|||||||||||||20260203170000",
        "ZPI|1|anything\r",
    ]
)


def test_a_good_message_has_no_problem() -> None:
    assert problems(parse(GOOD)) == []


@pytest.mark.parametrize(
    ("good", "bad", "place", "says"),
    [
        ("|20080106|", "|20080230|", "PID-7.1", "not a moment"),
        ("|20080106|", "|2008-01-06|", "PID-7.1", "not a moment"),
        ("|20080106|", "|200801|", "", ""),
        ("202602031700-0800", "202602032500-0800", "OBX[2]-14.1", "not a moment"),
        ("202602031700-0800", "202602031700-0860", "OBX[2]-14.1", "not a moment"),
        ("202602031700-0800", "\u0662\u0660\u0662\u0666", "OBX[2]-14.1", "not a moment"),
        ("PID|1|", "PID|one|", "PID-1", "set id"),
        ("PID|1|", "PID|0|", "PID-1", "set id"),
        ("|M||2106", "|Male||2106", "PID-8", "HL7 table 0001"),
        ("|2106-3^", "|2106-4^", "PID-10.1", "HL7 table 0005"),
        ("|2106-3^White^HL70005", "|UNK^unknown^NULLFL", "", ""),
        ("|2106-3^White^HL70005", "|2106-3^White^NULLFL", "PID-10.1", "HL7 table 0005"),
        ("|2106-3^White^HL70005", "|W^White^L", "", ""),
        ("|N^Not Hispanic^HL70189", "|X^Not Hispanic^HL70189", "PID-22.1", "HL7 table 0189"),
        ("|A^Abnormal^HL70078", "|Q^Abnormal^HL70078", "OBX[1]-8.1", "HL7 table 0078"),
        ("|F|||20260203\r", "|Final|||20260203\r", "OBX[1]-11", "HL7 table 0085"),
        ("20260203190000|||F\r", "20260203190000|||W\r", "OBR-25", "HL7 table 0123"),
        ("ORC|RE|", "ORC|re|", "ORC-1", "HL7 table 0119"),
        ("|37.5|", "|37,5|", "OBX[2]-5", "not a number"),
        ("|NM|", "|XX|", "OBX[2]-2", "HL7 table 0125"),
        ("|NM|", "||", "OBX[2]-2", "type of the value"),
        ("|CWE|", "||", "OBX[1]-2", "type of the value"),
        ("|CWE|", "|XX|", "OBX[1]-2", "HL7 table 0125"),
        ("|37.5|", "|37^5|", "OBX[2]-5", "has no components"),
        ("Base64^JVBERi0xLjQ=", "Base64^JVBERi0xLjQ", "OBX[3]-5.5", "not base64"),
        ("Base64^JVBERi0xLjQ=", "Base64^", "OBX[3]-5.5", "missing"),
        ("^Base64^", "^base-64^", "OBX[3]-5", "how it is encoded"),
        ("^application^pdf^", "^program^pdf^", "OBX[3]-5.2", "HL7 table 0191"),
        (r"\T\ well", r"\well", "NTE-3", "escape character"),
        (r"\T\ well", r"\Q\ well", "NTE-3", "escape character"),
        (r"\T\ well", "\x07well", "NTE-3", "control character"),
        ("|NORTH|", "|" + "N" * 200 + "|", "MSH-6.1", "at most 199 characters"),
        ("^98402^", "^98402-98402-98402^", "PID-11.5", "at most 12 characters"),
        ("|1 Test Way^", "|1 Test Way" + "^" * 14 + "x^", "PID-11.15", "14 components"),
        ("&Lab^1&Lab|", "&Lab^1&Lab&c&d&e|", "SPM-2.2.5", "4 parts"),
        ("|M||2106", "|M~F||2106", "PID-8", "does not repeat"),
        ("|N\rPV1", "|N" + "|" * 15 + "x\rPV1", "PID-45", "no such field"),
        ("|1^^^NORTH^MR|", "||", "PID-3", "required"),
        ("|ORU0001|", "||", "MSH-10", "required"),
        ("|UNICODE UTF-8\r", "|KLINGON\r", "MSH-18", "HL7 table 0211"),
        ("|UNICODE UTF-8\r", "|UNICODE UTF-8^\r", "MSH-18", "has no components"),
        ("|T|2.5.1|", "|X|2.5.1|", "MSH-11.1", "HL7 table 0103"),
        ("PV1|1|O\r", "", "", ""),
        ("PV1|1|O\r", "PV1|1|Q\r", "PV1-2", "HL7 table 0004"),
        ("ORU^R01^ORU_R01", "ORU^R01^ORU_R99", "MSH-9", "none of ours"),
        ("fine ", "fine\n", "NTE-3", "control character"),
    ],
)
def test_one_mistake_is_one_problem_at_its_place(good: str, bad: str, place: str, says: str) -> None:
    assert GOOD.count(good) == 1
    found = problems(parse(GOOD.replace(good, bad)))
    assert [problem.place for problem in found] == ([place] if place else [])
    assert all(says in problem.text for problem in found)


def test_a_line_end_inside_a_value_is_found_and_the_rest_of_the_value_not_repeated() -> None:
    found = problems(parse(GOOD.replace("fine ", "fine\rMRS SMITH ")))
    assert [problem.place for problem in found] == ["MSH", "segment 10"]
    assert "SMITH" not in "".join(map(str, found))


def test_segments_out_of_order_are_found() -> None:
    lines = GOOD.split("\r")
    lines[2], lines[3] = lines[3], lines[2]
    assert [str(problem) for problem in problems(parse("\r".join(lines)))] == [
        "MSH: the segments are not in the order of ORU_R01"
    ]


def test_characters_beyond_ascii_need_a_character_set() -> None:
    text = GOOD.replace("fine", "très bien").replace("UNICODE UTF-8", "")
    assert [problem.place for problem in problems(parse(text))] == ["MSH-18"]


def test_no_problem_repeats_what_the_sender_wrote() -> None:
    words = "PERSIMMON"
    text = GOOD.replace("20080106", words).replace("|M||", f"|{words}||").replace("PV1|1|O", f"PV1|1|{words}")
    found = problems(parse(text.replace("Base64^JVBERi0xLjQ=", f"Base64^{words}")))
    assert len(found) == 4
    assert words not in "".join(map(str, found))


def test_the_oracle_names_elements_and_repeats_no_value() -> None:
    plain = GOOD.replace("ZPI|1|anything\r", "").replace("A^Abnormal^HL70078", "A")
    assert objections(plain) == []
    assert objections(plain.replace("|1^^^NORTH^MR|", "||")) == [
        "ValidationError: Missing required child PID PID.PID_3"
    ]
    assert objections(GOOD.replace("20080106", "PERSIMMON"), strict=True) == ["ValueError"]
    assert objections("PID|PERSIMMON")[0].startswith("ParserError")


def case_files(pattern: str) -> list[Path]:
    return sorted([*HERE.glob(pattern), *CASES.glob(pattern)])


def messages(path: Path) -> Iterator[str]:
    yield from unbatch(decode(path.read_bytes()))


@pytest.mark.cases
@pytest.mark.parametrize("path", case_files("partners/hl7/*.hl7"), ids=lambda path: path.stem)
def test_every_sample_is_read_and_neither_we_nor_the_oracle_object(path: Path) -> None:
    assert list(messages(path))
    for message in messages(path):
        assert problems(parse(message)) == []
        assert objections(message) == []


#: Published messages that our checks object to, rightly: an OBR-25 of table 0085, an XON of eleven parts,
#: a null flavour in PID-10 without its system.
FAULTY = {
    "sample-single-pdi-20210608-0002": "OBR-25",
    "single_message": "OBX[1]-23.11",
    "sample_RI_20231213-0001": "PID-10.1",
}


@pytest.mark.cases
def test_published_reportstream_messages_are_read_and_judged() -> None:
    paths = case_files("reportstream/rs-*hl7/*.hl7")
    if not paths:
        pytest.skip("no folder of published ReportStream messages: set HANDOFF_CASES")
    for path in paths:
        for message in messages(path):
            found = [problem.place for problem in problems(parse(message))]
            assert found == ([FAULTY[path.stem]] if path.stem in FAULTY else []), path.stem
