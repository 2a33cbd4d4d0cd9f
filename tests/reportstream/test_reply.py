"""Replies as ReportStream really sends them, old and new, and ones we have never seen."""

from pathlib import Path

import msgspec
import pytest

from resources.reportstream_reply import Destination, Fate, FilteredItem, ItemRemark, read_list, read_reply

ASYNC = {
    "id": "ade3fd00",
    "submissionId": 267,
    "overallStatus": "Received",
    "timestamp": "2022-04-11T20:43:02.424Z",
    "reportItemCount": 14,
    "httpStatus": 201,
    "destinations": [],
    "errors": [],
    "warnings": [
        {"scope": "report", "message": "Missing a header"},
        {
            "scope": "item",
            "indices": [6, 7, 9],
            "trackingIds": ["H6", "H7", "H9"],
            "field": "Specimen_type_code (specimen_type)",
            "message": "Invalid code: 'secret'",
            "errorCode": "UNKNOWN",
        },
    ],
    "externalName": "batch-7",
}


def encode(**changes: object) -> bytes:
    return msgspec.json.encode(ASYNC | changes)


def test_a_reply_tells_ids_counts_and_remarks() -> None:
    reply = read_reply(encode())
    assert (reply.report_id, reply.submission_id, reply.external_name) == ("ade3fd00", 267, "batch-7")
    assert (reply.items, reply.lost(14), reply.lost(15)) == (14, 0, 1)
    assert reply.remarks == (
        ItemRemark(error=False, scope="report", said="Missing a header"),
        ItemRemark(
            error=False,
            scope="item",
            tracking_ids=("H6", "H7", "H9"),
            indices=(6, 7, 9),
            field="Specimen_type_code (specimen_type)",
            code="UNKNOWN",
            said="Invalid code: 'secret'",
        ),
    )
    assert "secret" not in repr(reply)
    assert reply.complete


def test_reportstreams_sentences_stay_in_the_answer() -> None:
    reply = read_reply(encode())
    assert "secret" not in repr(reply)
    assert b"secret" in reply.answer


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("Received", Fate.PENDING),
        ("Waiting to Deliver", Fate.PENDING),
        ("Partially Delivered", Fate.PENDING),
        ("Delivered", Fate.DELIVERED),
        ("Not Delivering", Fate.FAILED),
        ("Error", Fate.FAILED),
        ("Valid", Fate.FAILED),
        ("a new word", Fate.PENDING),
        (None, Fate.PENDING),
    ],
)
def test_a_status_is_a_fate(status: str | None, fate: Fate) -> None:
    reply = read_reply(encode(overallStatus=status))
    assert reply.fate is fate
    assert reply.receipt().accepted is (fate is not Fate.DELIVERED)


def test_a_share_of_a_department_is_counted_and_its_filters_are_named() -> None:
    share = {
        "organization_id": "oh-doh",
        "service": "elr",
        "itemCount": 3,
        "itemCountBeforeQualityFiltering": 5,
        "filteredReportItems": [
            {"filterName": "isValidCLIA", "filteredTrackingElement": "O1", "filterArgs": ["x"]},
            {"filterName": "hasValidDataFor", "filteredTrackingElement": None},
        ],
        "sentReports": [{"itemCount": 2}],
        "downloadedReports": [{"itemCount": 1}],
    }
    reply = read_reply(encode(destinations=[share]))
    assert reply.destinations == (Destination(name="oh-doh.elr", items=3, offered=5, sent=3),)
    assert reply.filtered == (
        FilteredItem(receiver="oh-doh.elr", filter="isValidCLIA", tracking_id="O1"),
        FilteredItem(receiver="oh-doh.elr", filter="hasValidDataFor", tracking_id=""),
    )


def test_a_part_in_another_shape_costs_only_itself() -> None:
    reply = read_reply(
        encode(warnings=[{"scope": "item", "indices": "6 to 7"}, {"scope": "report"}], errors="none")
    )
    assert reply.report_id == "ade3fd00"
    assert [remark.scope for remark in reply.remarks] == ["report"]
    assert not reply.complete
    assert not read_reply(encode(destinations=[7])).complete


def test_ids_may_come_as_texts_or_as_numbers() -> None:
    reply = read_reply(msgspec.json.encode({"id": 12, "submissionId": "267", "httpStatus": True}))
    assert (reply.report_id, reply.submission_id, reply.http_status) == ("12", 267, 0)
    assert reply.receipt().external_id == "12"
    assert read_reply(b'{"id": "r", "submissionId": "none"}').submission_id == 0
    assert read_reply(b'{"submissionId": 267}').receipt().external_id == "267"


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"id": null}', b'{"id": {}}', b"\xff", b'{"a":' * 100_000]
)
def test_what_has_no_id_is_no_reply(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_reply(answer)


@pytest.mark.parametrize("answer", [b"{}", b"[7]", b"", b"[" * 100_000])
def test_what_is_no_list_is_no_list(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_list(answer)


def test_a_list_keeps_its_order() -> None:
    found = read_list(b'[{"submissionId": 2, "httpStatus": 400}, {"submissionId": 1, "id": "r"}]')
    assert [(one.submission_id, one.refused) for one in found] == [(2, True), (1, False)]


@pytest.mark.cases
def test_every_reply_at_hand_is_understood(cases: Path) -> None:
    found = sorted((cases / "rs-responses").glob("*.json"))
    if not found:
        pytest.skip("the case files hold no rs-responses")
    for path in found:
        reply = read_reply(path.read_bytes())
        told = msgspec.json.decode(path.read_bytes())
        assert reply.report_id == told["id"], path.name
        assert reply.items == told["reportItemCount"]
        assert len(reply.remarks) == len(told["errors"]) + len(told["warnings"])
        assert len(reply.destinations) == len(told["destinations"])
        items = (len(one.get("filteredReportItems", ())) for one in told["destinations"])
        assert len(reply.filtered) == sum(items)
