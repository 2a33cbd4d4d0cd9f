"""The files a person attaches: what they are by their content, and which of them we take.

A refusal is a sentence for the person who chose the file. Names of files are for people only: they decide
nothing, and are not kept. Virus scanning by a scanner belongs to the door; here only the test pattern that
every scanner knows is recognised.
"""

import hashlib
import io
import logging
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from assets.formats.hl7_read import ParsedSegment

#: Redox takes 30 MB a file, as do MLLP partners; one byte more is refused at the upload.
LARGEST: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: what people call it, and what the wires call it."""

    said: str
    mime: tuple[str, str]
    redox: str
    ending: str


KINDS: Final = {
    "pdf": Kind("a PDF", ("application", "pdf"), "PDF", "pdf"),
    "tiff": Kind("a TIFF image", ("image", "tiff"), "TIFF", "tif"),
    "jpeg": Kind("a JPEG image", ("image", "jpeg"), "JPEG", "jpg"),
    "png": Kind("a PNG image", ("image", "png"), "PNG", "png"),
    "rtf": Kind("an RTF document", ("text", "rtf"), "RTF", "rtf"),
    "txt": Kind("plain text", ("text", "plain"), "TXT", "txt"),
}
_ENDINGS = {
    "pdf": "pdf",
    "tif": "tiff",
    "tiff": "tiff",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "png": "png",
    "rtf": "rtf",
}

_STARTS = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"{\\rtf", "rtf"),
)
_MARKUP = re.compile(rb"<(?:!doctype|html|head|body|script|svg|\?xml|iframe)\b", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
#: The EICAR test file (eicar.org), in two parts so that no scanner takes this module for it.
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class NotTaken(ValueError):
    """The file cannot be sent; the text is for the person who chose it. ``too_large`` goes out as 413."""

    def __init__(self, text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Document:
    """A file that may be sent. ``remark`` is a sentence for the page, where its name promises another kind."""

    data: bytes
    kind: str
    sha256: str
    pages: int = 0
    remark: str = ""


def examine(data: bytes, *, name: str, kinds: Collection[str]) -> Document:
    """The file as a document of one of ``kinds``; ``NotTaken`` says why not."""
    if len(data) > LARGEST:
        raise NotTaken(
            "This file is larger than 30 MB, which is the most the hospital's systems take. "
            "Save it with fewer or smaller images, or split it.",
            too_large=True,
        )
    if not data:
        raise NotTaken("This file is empty. Please choose the finished note.")
    if _EICAR in data:
        raise NotTaken("The virus check stopped this file. Do not send it, and tell your IT support.")
    found = kind(data)
    if found is None:
        raise NotTaken(_unknown(data, name, kinds))
    if found not in kinds:
        raise NotTaken(
            f"This file is {KINDS[found].said}, which this hospital does not take. {_please(kinds)}"
        )
    pages = _pages(data) if found == "pdf" else 0
    return Document(data, found, hashlib.sha256(data).hexdigest(), pages, _remark(found, name))


def kind(data: bytes) -> str | None:
    """What the content is, whatever the file is called; None for what we do not know or do not want."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, found in _STARTS:
        if data.startswith(signature) or (found in ("pdf", "rtf") and start.startswith(signature)):
            return found
    return "txt" if _is_text(data) else None


def _is_text(data: bytes) -> bool:
    if _MARKUP.search(data[:65536]):
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text) and not text.isspace()


def _pages(data: bytes) -> int:
    """The pages of a PDF that opens without a password."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it remarks on may quote the file
    try:
        reader = PdfReader(io.BytesIO(_closed(data)))
        protected = reader.is_encrypted
        pages = 0 if protected else len(reader.pages)
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError):
        protected, pages = False, 0
    if protected:
        raise NotTaken(
            "This PDF is protected by a password, so the hospital could not open it. "
            "Save it again without protection."
        )
    if not pages:
        raise NotTaken(
            "This PDF is damaged or has no pages. Open it, save it as PDF again, and choose the new file."
        )
    return pages


def _closed(data: bytes) -> bytes:
    """The PDF without what follows its end, and with the pointer to its index that some writers leave out."""
    end = data.rfind(b"%%EOF")
    body = data[: end + 5] if end > 0 else data
    return body if b"startxref" in body[-2048:] else body + b"\nstartxref\n0\n%%EOF\n"


def _unknown(data: bytes, name: str, kinds: Collection[str]) -> str:
    if _MARKUP.search(data[:65536]):
        return f"This file is a web page{_although(name)}. {_please(kinds)}"
    if not data.strip():
        return "This file is empty. Please choose the finished note."
    return f"We cannot tell what this file is{_although(name)}. {_please(kinds)}"


def _although(name: str) -> str:
    promised = _ENDINGS.get(name.rpartition(".")[2].lower())
    return f", although its name says that it is {KINDS[promised].said}" if promised else ""


def _remark(found: str, name: str) -> str:
    promised = _ENDINGS.get(name.rpartition(".")[2].lower(), found)
    if promised == found:
        return ""
    return f"The name says {KINDS[promised].said}, but this is {KINDS[found].said}. It will be sent as that."


def _please(kinds: Collection[str]) -> str:
    wanted = [KINDS[one].said for one in KINDS if one in kinds]
    return f"Please choose {' or '.join(wanted)}."


def embedded(obx: ParsedSegment) -> bytes:
    """The document in an OBX-5 of type ED: the component after the word Base64, whatever stands before it.

    Senders differ in the order of the first components, so that word is what is looked for.
    """
    parts = [part[0] for part in (obx.repetitions(5) or [[[""]]])[0]]
    at = next((index for index, part in enumerate(parts) if part.lower() == "base64"), len(parts))
    try:
        data = b64decode("".join("".join(parts[at + 1 : at + 2]).split()), validate=True)
    except Base64Error:
        data = b""
    if not data:
        raise ValueError("OBX-5: no base64 document where one was promised")
    return data
