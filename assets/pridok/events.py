"""What Pridok sends: one referral as one JSON object, read at the edge.

Reading asks only for one object with a journal id, since without an id nothing could be found again. All
other rules are judgements (``referral``), so that a bad referral is kept for a person and not lost.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

#: The namespace of the referral standard 2.0 (HIS 80517:2017); senders of older ones are asked to update.
REFERRAL_2_0: Final = "http://ehelse.no/xmlstds/henvisning/2017-11-30"

MEMBERS = frozenset(
    {
        "JournalGuid",
        "PID",
        "FormatId",
        "MessageTimestamp",
        "Firstname",
        "Lastname",
        "Email",
        "PhoneNumber",
        "deal_id",
        "organisation",
    }
)

_GUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?")
# .NET writes seven decimals; a moment without a zone is not a moment.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotAReferral(ValueError):
    """The body cannot be kept under an id: the sender is told the place, and nothing is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """A referral as it came, typed; what is missing or unreadable is ``None``.

    ``guid`` is in lower case. ``content`` is the whole object in normal form: two referrals are the same
    when guid and content are. Members that name the patient never show in a repr.
    """

    guid: str
    content: bytes = field(repr=False)
    pid: str | None = field(repr=False)
    pid_was_a_number: bool
    format_id: str | None
    sent_at: datetime | None
    first_name: str | None = field(repr=False)
    last_name: str | None = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    deal_id: str | None = None
    organisation: str | None = None
    has_unknown_members: bool = False


def read(body: bytes) -> Referral:
    """The referral in ``body``, or ``NotAReferral``."""
    members, guid, content = _opened(body)
    pid = members.get("PID")
    return Referral(
        guid=guid,
        content=content,
        pid=_number(pid),
        pid_was_a_number=_is_number(pid),
        format_id=_text(members.get("FormatId")),
        sent_at=_moment(members.get("MessageTimestamp")),
        first_name=_text(members.get("Firstname")),
        last_name=_text(members.get("Lastname")),
        email=_text(members.get("Email")),
        phone=_loose_text(members.get("PhoneNumber")),
        deal_id=_loose_text(members.get("deal_id")),
        organisation=_loose_text(members.get("organisation")),
        has_unknown_members=not members.keys() <= MEMBERS,
    )


def _opened(body: bytes) -> tuple[dict[str, object], str, bytes]:
    """The members, the id, and the normal form: members sorted, no space, so that equal objects are equal bytes."""
    try:
        members = msgspec.json.decode(body.removeprefix(_BYTE_ORDER_MARK), type=dict[str, object])
        guid = _guid(members.get("JournalGuid"))
        return members, guid, msgspec.json.encode({**members, "JournalGuid": guid}, order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's own words may quote the body.
        raise NotAReferral("body: must be one JSON object in UTF-8") from None


def _guid(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NotAReferral("JournalGuid: missing; it is the referral's id, send it as text")
    match = _GUID.fullmatch(value.strip().lower())
    if match is None:
        raise NotAReferral("JournalGuid: must be a UUID")
    return "-".join(match.groups())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> str | None:
    """The national number as text; a JSON number has lost its leading zero and gets it back.

    >>> _number(1010112345)
    '01010112345'
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:011d}"
    # Not trimmed: a number with spaces around it is taken, and flagged as normalised.
    return value if isinstance(value, str) and value.strip() else None


def _text(value: object) -> str | None:
    """Text without control characters and doubled spaces, in composed form; blank is ``None``."""
    if not isinstance(value, str):
        return None
    printable = "".join(" " if unicodedata.category(char) == "Cc" else char for char in value)
    return unicodedata.normalize("NFC", " ".join(printable.split())) or None


def _loose_text(value: object) -> str | None:
    """Like ``_text``, and takes a whole number for its digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value.strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip().upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
