"""HL7 v2 is written so that other parsers read it as we meant it, and read whatever its writer announces."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.formats.hl7 import Field, Raw, Segment, Slot, Template, batch, encode, escape, timestamp
from assets.formats.hl7_ack import Verdict, acknowledgement
from assets.formats.hl7_checks import problems
from assets.formats.hl7_oracle import objections
from assets.formats.hl7_read import Hl7Error, decode, parse, unbatch, unescape

NOW = datetime(2026, 2, 3, 19, 0, tzinfo=UTC)
ODD = "a|b^c~d\\e&f\rg\nh\r\n\x0b\x1c\t 😀 é \x85 \u2028 \\.br\\ \\F\\ 100 %s \\X0D"
TEXT = st.text(st.characters(codec="utf-8"))


def msh(**more: Field) -> Segment:
    fields: dict[int, Field] = {
        3: "ENGINE",
        7: timestamp(NOW),
        9: ("ORU", "R01", "ORU_R01"),
        10: "C1",
        11: "T",
    }
    return Segment(
        "MSH", {**fields, 12: "2.5.1", 18: "UNICODE UTF-8", **{int(k[1:]): v for k, v in more.items()}}
    )


def oru(text: str) -> str:
    return encode(
        [
            msh(),
            Segment(
                "PID", {1: "1", 3: [("7", "", "", ("Lab", "1.2", "ISO"), "MR")], 5: [(text or "-", "Ann")]}
            ),
            Segment("OBR", {1: "1", 4: ("11506-3", "Progress note", "LN")}),
            Segment("OBX", {1: "1", 2: "ST", 3: ("c", text), 5: text or "-", 11: "F"}),
        ]
    )


def test_components_subcomponents_and_repetitions_stand_where_hl7_wants_them() -> None:
    fields: dict[int, Field] = {1: "1", 3: [("7", "", "", ("Lab", "1.2")), ("8",)], 5: ("Ann", "", ""), 9: ""}
    assert encode([Segment("PID", fields)]) == "PID|1||7^^^Lab&1.2~8||Ann\r"


def test_header_segments_begin_with_the_delimiters() -> None:
    assert encode([Segment("BHS", {3: "A", 5: ("B", "")})]) == "BHS|^~\\&|A||B\r"
    assert encode([Segment("MSH", {})]) == "MSH|^~\\&\r"


@given(TEXT)
def test_every_text_survives_escaping(text: str) -> None:
    written = escape(text)
    assert unescape(written) == text
    assert not set(written.replace("\\", "")) & set("|^~&\r\n\x0b\x1c")


@given(TEXT)
def test_an_independent_parser_reads_every_text_as_we_wrote_it(text: str) -> None:
    read = hl7.parse(oru(text))
    assert [str(segment[0]) for segment in read] == ["MSH", "PID", "OBR", "OBX"]
    assert read.unescape(str(read.segment("OBX")[5])) == (text or "-")


@given(st.lists(st.lists(st.lists(TEXT, min_size=1), min_size=1), min_size=1))
def test_a_field_of_any_shape_survives_the_way_out_and_back(value: list[list[list[str]]]) -> None:
    written = encode(
        [msh(), Segment("ZZZ", {2: [tuple([tuple(part) for part in parts]) for parts in value]})]
    )
    read = parse(written).first("ZZZ").repetitions(2)
    assert trimmed(read) == trimmed(value)


def trimmed(value: list[list[list[str]]]) -> list[list[list[str]]]:
    """Without the empty ends, which HL7 does not distinguish from nothing."""
    parts = [[without_end(part, "") for part in parts] for parts in value]
    return without_end([without_end(part, []) for part in parts], [])


def without_end(values: list[Any], empty: object) -> list[Any]:
    while values and values[-1] == empty:
        values = values[:-1]
    return values


def test_half_a_character_is_replaced_because_it_cannot_be_sent() -> None:
    assert escape("a\ud800b").encode() == "a\ufffdb".encode()


TEMPLATE = Template(
    Segment(
        "PID",
        {1: "1", 3: [(Slot("id"), "", "", (Slot("lab"), "1.2"), "100%")], 5: (Slot("last"), Slot("first"))},
    ),
    Segment("OBX", {1: "1", 5: ("", Slot("data", raw=True)), 8: Slot("last"), 11: "F"}),
)


def written_out(values: Mapping[str, str]) -> str:
    pid: dict[int, Field] = {
        1: "1",
        3: [(values["id"], "", "", (values["lab"], "1.2"), "100%")],
        5: (values["last"], values["first"]),
    }
    obx: dict[int, Field] = {1: "1", 5: ("", Raw(values["data"])), 8: values["last"], 11: "F"}
    return encode([Segment("PID", pid), Segment("OBX", obx)])


@given(st.fixed_dictionaries(dict.fromkeys(("id", "lab", "last", "first"), TEXT) | {"data": st.just("QUJD")}))
def test_a_template_says_what_the_plain_encoder_says(values: dict[str, str]) -> None:
    assert TEMPLATE.fill(values) == written_out(values)


def test_a_template_leaves_out_what_is_empty_and_keeps_percent_signs() -> None:
    empty = dict.fromkeys(("id", "lab", "last", "first", "data"), "")
    assert TEMPLATE.fill(empty) == "PID|1||^^^&1.2^100%\rOBX|1||||||||||F\r"
    assert TEMPLATE.fill(empty | {"last": "50%s"}) == "PID|1||^^^&1.2^100%||50%s\rOBX|1|||||||50%s|||F\r"


def test_a_template_asks_for_every_slot_by_name() -> None:
    with pytest.raises(KeyError, match="lab"):
        TEMPLATE.fill({"id": "1"})


def test_a_template_without_slots_is_its_text_and_one_with_a_single_slot_takes_one() -> None:
    assert Template(Segment("NTE", {1: "1"})).fill({}) == "NTE|1\r"
    assert Template(Segment("NTE", {3: Slot("note")})).fill({"note": "a|b"}) == "NTE|||a\\F\\b\r"


def test_a_template_keeps_a_bounded_number_of_layouts() -> None:
    template = Template(Segment("NTE", {n: Slot(f"s{n}") for n in range(1, 12)}))
    for shape in range(2**11):
        template.fill({f"s{n}": "x" if shape >> (n - 1) & 1 else "" for n in range(1, 12)})
    assert len(template._layouts) <= Template.LAYOUTS


def test_an_unfilled_slot_is_an_error_outside_a_template() -> None:
    with pytest.raises(TypeError, match="only a Template fills slots"):
        encode([Segment("NTE", {3: Slot("note")})])


def test_delimiters_are_those_the_message_announces() -> None:
    message = parse("MSH!@%?$#!APP!!!!!!ORU@R01!1!T\rPID!!!7$Lab@x%8!!O?S?Neil@A?F?n!?X41?\r")
    assert message.first("PID").repetitions(3) == [[["7", "Lab"], ["x"]], [["8"]]]
    assert message.first("PID").text(5) == "O@Neil"
    assert message.first("PID").text(5, 2) == "A!n"
    assert message.first("PID").text(6) == "A"
    assert message.first("MSH").text(9, 2) == "R01"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_every_line_end_people_use_is_read(end: str) -> None:
    text = oru("x").replace("\r", end)
    assert [segment.name for segment in parse(text).segments] == ["MSH", "PID", "OBR", "OBX"]


def test_what_is_missing_is_empty() -> None:
    message = parse(oru("x"))
    assert message.first("PV1").text(19) == ""
    assert message.first("PID").text(99, 9, 9, 9) == ""
    assert message.first("PID").text(3, 4, 2) == "1.2"
    assert message.first("PID").repetitions(6) == []
    assert [segment.text(1) for segment in message.all("OBX")] == ["1"]


@pytest.mark.parametrize("text", ["", "PID|1", "MSH|", "MSH|||||||||", "MSHAAAAAAAAAA", "MSH|^~^&|A"])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(Hl7Error, match=r"^MSH"):
        parse(text)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (r"a\.br\b", "a\nb"),
        (r"\H\loud\N\ ", "loud "),
        (r"\X53616D\ ", "Sam "),
        (r"\XC3A9\ ", "é "),
        (r"\XE9\ ", "é "),
        (r"C:\temp", r"C:\temp"),
        (r"\Zfoo\ ", r"\Zfoo\ "),
        (r"\XF\ ", r"\XF\ "),
    ],
)
def test_escape_sequences_of_others_are_read(written: str, plain: str) -> None:
    assert unescape(written) == plain


@pytest.mark.parametrize(
    ("announced", "octets"),
    [("", b"\xc3\xa9"), ("UNICODE UTF-8", b"\xc3\xa9"), ("", b"\xe9"), ("8859/1", b"\xe9")],
)
def test_the_character_set_is_the_one_announced(announced: str, octets: bytes) -> None:
    raw = f"MSH|^~\\&|||||||ORU^R01|1|T|2.5.1||||||{announced}\rPID|||||".encode() + octets + b"\r"
    assert parse(decode(raw)).first("PID").text(5) == "é"
    assert decode(b"\xef\xbb\xbf" + raw) == decode(raw)


@pytest.mark.parametrize("announced", ["KLINGON", "UNICODE UTF-8", "ASCII"])
def test_text_that_is_not_in_the_announced_set_is_refused_by_place(announced: str) -> None:
    with pytest.raises(Hl7Error, match=r"^MSH-18"):
        decode(f"MSH|^~\\&|||||||ORU^R01|1|T|2.5.1||||||{announced}\rPID|||||".encode() + b"\xe9\r")


def test_a_batch_holds_its_messages_and_gives_them_back() -> None:
    messages = [oru("one"), oru("two")]
    text = batch(messages, {3: "A", 7: timestamp(NOW)})
    assert text.startswith("FHS|^~\\&|A||||20260203190000+0000\rBHS|^~\\&|A||||20260203190000+0000\rMSH|")
    assert text.endswith("BTS|2\rFTS|1\r")
    assert unbatch(text) == messages
    assert unbatch(batch(messages, {3: "A"}, between="\n")) == messages
    assert unbatch(messages[0]) == [messages[0]]
    assert hl7.isbatch(text) or hl7.isfile(text)


def test_a_moment_goes_with_its_offset() -> None:
    assert (
        timestamp(datetime(2026, 2, 3, 1, 2, 3, 999, tzinfo=timezone(timedelta(hours=-7))))
        == "20260203010203-0700"
    )
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 2, 3))  # noqa: DTZ001


def test_an_acknowledgement_goes_back_to_its_sender() -> None:
    order = parse(
        "MSH|^~\\&|EPIC^1.2^ISO|MULTI\\T\\CARE|ENGINE|NOTES|20260203||ORM^O01^ORM_O01|OR\\F\\1|P|2.5.1\r"
    )
    ack = acknowledgement(order, Verdict("AA"), control_id="A1", now=NOW)
    read = parse(ack)
    assert ack.startswith(
        "MSH|^~\\&|ENGINE|NOTES|EPIC^1.2^ISO|MULTI\\T\\CARE|20260203190000+0000||ACK^O01^ACK|A1|P"
    )
    assert [read.first("MSA").text(n) for n in (1, 2, 3)] == ["AA", "OR|1", ""]
    assert problems(read) == []
    assert objections(ack) == []


def test_a_refusal_says_why_and_where() -> None:
    verdict = Verdict("AE", "the order has no placer number", "ORC-2", "101")
    ack = acknowledgement(parse(oru("x")), verdict, control_id="A1", now=NOW)
    assert "ERR||ORC^1^2|101^Required field missing^HL70357|E||||the order has no placer number\r" in ack
    assert problems(parse(ack)) == []
    assert objections(ack) == []


def test_bytes_that_cannot_be_read_are_acknowledged_too() -> None:
    ack = acknowledgement(None, Verdict("AR", "no MSH segment"), control_id="A1", now=NOW)
    assert parse(ack).first("MSA").text(1) == "AR"


def test_a_document_of_thirty_megabytes_is_written_and_read_unharmed() -> None:
    octets = bytes(range(256)) * 117_188
    template = Template(
        msh(), Segment("OBX", {2: "ED", 5: ("A", "AP", "PDF", "Base64", Slot("data", raw=True))})
    )
    text = template.fill({"data": base64.b64encode(octets).decode()})
    assert base64.b64decode(parse(text).first("OBX").text(5, 5)) == octets
