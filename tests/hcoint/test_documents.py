"""Files are judged by their content, and each refusal is a sentence for the person who chose the file."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.hcoint.documents import KINDS, LARGEST, NotTaken, examine, kind
from tests.hcoint.cases import each_case
from tests.hcoint.notes import document, pdf

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pdf(), "pdf"),
        (b"\xef\xbb\xbf\r\n" + pdf(), "pdf"),
        (PNG, "png"),
        (JPEG, "jpeg"),
        (b"II*\x00\x08\x00\x00\x00", "tiff"),
        (b"MM\x00*\x00\x00\x00\x08", "tiff"),
        (rb"{\rtf1\ansi Seen today.}", "rtf"),
        ("Très bien\r\n\tà demain\f".encode(), "txt"),
        (b"x", "txt"),
        (b"a < b and c > d", "txt"),
        (b"<html><body>", None),
        (b"<!DOCTYPE HTML>", None),
        (b'<?xml version="1.0"?><svg>', None),
        (b"text <script>alert(1)</script>", None),
        (b"PK\x03\x04 a document of an office suite", None),
        (b"\xff\xfea\x00", None),
        (b"a\x00b", None),
        (b" \n", None),
    ],
)
def test_the_kind_is_what_the_content_says(data: bytes, expected: str | None) -> None:
    assert kind(data) == expected


def test_a_document_has_its_digest_and_its_pages() -> None:
    data = pdf(pages=3)
    found = examine(data, name="note.pdf", kinds=["pdf"])
    assert (found.kind, found.pages, found.remark) == ("pdf", 3, "")
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def refusal(data: bytes, name: str = "note.pdf", kinds: tuple[str, ...] = tuple(KINDS)) -> NotTaken:
    with pytest.raises(NotTaken) as refused:
        examine(data, name=name, kinds=kinds)
    return refused.value


def test_thirty_million_bytes_are_taken_and_one_more_is_too_many() -> None:
    assert len(examine(pdf().ljust(LARGEST), name="note.pdf", kinds=["pdf"]).data) == LARGEST
    refused = refusal(pdf().ljust(LARGEST + 1))
    assert refused.too_large
    assert "larger than 30 MB" in str(refused)


def test_a_pdf_with_a_password_is_refused() -> None:
    assert "protected by a password" in str(refusal(pdf(password="secret")))


@pytest.mark.parametrize(
    "data", [pdf(pages=0), b"%PDF-1.4 and nothing else", b"%PDF-1.4\n" + b"\x00\xff" * 5000]
)
def test_a_pdf_that_does_not_open_is_refused(data: bytes) -> None:
    assert "damaged or has no pages" in str(refusal(data))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_damage_to_a_pdf_escapes_as_another_error(noise: bytes, at: int) -> None:
    data = pdf()
    try:
        found = examine(data[:at] + noise + data[at + len(noise) :], name="note.pdf", kinds=KINDS)
    except NotTaken:
        return
    assert found.kind in KINDS


def test_the_virus_test_file_is_refused_wherever_it_stands() -> None:
    eicar = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    assert "virus check" in str(refusal(eicar))
    assert "virus check" in str(refusal(pdf() + eicar))


def test_a_web_page_named_pdf_is_refused() -> None:
    said = str(refusal(b"<html><body>note</body></html>"))
    assert said.startswith("This file is a web page, although its name says that it is a PDF.")


def test_a_picture_named_pdf_is_sent_as_a_picture_where_pictures_are_taken() -> None:
    found = examine(PNG, name="note.pdf", kinds=["pdf", "png"])
    assert found.kind == "png"
    assert found.remark == "The name says a PDF, but this is a PNG image. It will be sent as that."


def test_a_picture_named_pdf_is_refused_where_only_pdf_is_taken() -> None:
    assert str(refusal(PNG, kinds=("pdf",))) == (
        "This file is a PNG image, which this hospital does not take. Please choose a PDF."
    )


def test_what_we_cannot_name_is_refused_with_what_would_do() -> None:
    said = str(refusal(b"PK\x03\x04", name="note.docx", kinds=("pdf", "txt")))
    assert said == "We cannot tell what this file is. Please choose a PDF or plain text."


@pytest.mark.parametrize("data", [b"", b"  \n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert "empty" in str(refusal(data))


def test_a_name_with_a_path_or_none_at_all_does_no_harm() -> None:
    assert document(name="../../etc/passwd").kind == "pdf"
    assert document(name="").kind == "pdf"


@pytest.mark.cases
@pytest.mark.parametrize("path", each_case("partners/redox/*_note.pdf"))
def test_every_sample_note_is_taken(path: Path) -> None:
    assert examine(path.read_bytes(), name=path.name, kinds=["pdf"]).pages == 1
