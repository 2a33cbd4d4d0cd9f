"""What ReportStream says of a submission: the answer to an upload and its later history have one shape.

Only what a lane acts on is read. ReportStream's sentences quote cells: they are passed on to be sealed and stand in
no text of ours. The shape has changed before, so a part that cannot be read is left out and ``complete`` is false;
an answer is unreadable only when it is no JSON object or has no id at all.
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from resources.store.values import Receipt

T = TypeVar("T")


class Fate(enum.Enum):
    """What has become of a submission, as far as a sender is concerned."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


_FATES = {
    "Received": Fate.PENDING,
    "Waiting to Deliver": Fate.PENDING,
    "Partially Delivered": Fate.PENDING,
    "Delivered": Fate.DELIVERED,
    "Not Delivering": Fate.FAILED,
    "Error": Fate.FAILED,
    "Valid": Fate.FAILED,  # only looked at, never sent: we do not ask for that
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRemark:
    """An error or a warning. With scope ``item`` it is about the items it names, else about all."""

    error: bool
    scope: str
    tracking_ids: tuple[str, ...] = ()
    #: Numbers of the items, counted from 1 without the header.
    indices: tuple[int, ...] = ()
    field: str = ""
    code: str = ""
    said: str = dataclasses.field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredItem:
    """An item a receiver will not get, and the name of the filter that held it back."""

    receiver: str
    filter: str
    tracking_id: str
    said: str = dataclasses.field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A health department's share of a submission; ``offered`` counts items before its quality filter."""

    name: str
    items: int
    offered: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The state of one submission. ``report_id`` is empty where ReportStream took nothing."""

    submission_id: int = 0
    report_id: str = ""
    overall_status: str = ""
    http_status: int = 0
    items: int | None = None
    external_name: str = ""
    timestamp: str = ""
    remarks: tuple[ItemRemark, ...] = ()
    destinations: tuple[Destination, ...] = ()
    filtered: tuple[FilteredItem, ...] = ()
    complete: bool = True
    answer: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def fate(self) -> Fate:
        """Pending also for a status we do not know: the next question may tell."""
        return _FATES.get(self.overall_status, Fate.PENDING)

    @property
    def errors(self) -> tuple[ItemRemark, ...]:
        """The remarks for which ReportStream refuses."""
        return tuple(remark for remark in self.remarks if remark.error)

    def lost(self, sent: int) -> int:
        """How many of the items sent ReportStream does not count."""
        return 0 if self.items is None else max(sent - self.items, 0)

    @property
    def refused(self) -> bool:
        """Whether ReportStream knows the submission and took nothing of it."""
        return bool(self.errors) or self.overall_status == "Error" or self.http_status >= 300

    def receipt(self) -> Receipt:
        """The reply as the store keeps it: accepted, until the history says that it was delivered."""
        return Receipt(
            status=self.http_status,
            external_id=self.report_id or str(self.submission_id or ""),
            answer=self.answer,
            accepted=self.fate is not Fate.DELIVERED,
        )


def places(remark: ItemRemark, items: Sequence[str]) -> tuple[int, ...]:
    """The places (from 0) in ``items`` that a remark names, by tracking id or else by number; none of a whole batch.

    >>> places(ItemRemark(error=True, scope="item", indices=(2,)), ["a", "b"])
    (1,)
    """
    if remark.scope != "item":
        return ()
    names = set(remark.tracking_ids)
    named = tuple(place for place, name in enumerate(items) if name in names) if names else ()
    return named or tuple(sorted({number - 1 for number in remark.indices if 0 < number <= len(items)}))


def culprits(remarks: tuple[ItemRemark, ...], items: tuple[str, ...]) -> tuple[int, ...]:
    """The places (from 0) in ``items`` of those that errors name.

    Nothing means that ReportStream names none: only parting the batch tells which one it was.
    """
    return tuple(sorted({place for remark in remarks if remark.error for place in places(remark, items)}))


class _Remark(msgspec.Struct, rename="camel"):
    scope: str = ""
    tracking_ids: list[str | None] | None = None
    indices: list[int] | None = None
    field: str | None = None
    error_code: str | None = None
    message: Any = None


class _Filtered(msgspec.Struct, rename="camel"):
    filter_name: str = ""
    filtered_tracking_element: str | None = None
    message: Any = None


class _SentReport(msgspec.Struct, rename="camel"):
    item_count: int = 0


class _Destination(msgspec.Struct):
    organization_id: str = ""
    service: str = ""
    items: int = msgspec.field(default=0, name="itemCount")
    offered: int | None = msgspec.field(default=None, name="itemCountBeforeQualityFiltering")
    filtered: list[_Filtered] | None = msgspec.field(default=None, name="filteredReportItems")
    sent: list[_SentReport] | None = msgspec.field(default=None, name="sentReports")
    fetched: list[_SentReport] | None = msgspec.field(default=None, name="downloadedReports")


_object = msgspec.json.Decoder(dict[str, Any]).decode
_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode


def read_reply(answer: bytes) -> Reply:
    """The state of a submission from an upload's answer or its history. ``ValueError`` if there is none in it."""
    reply = _reply(_decoded(_object, answer), answer)
    if not reply.report_id and not reply.submission_id:
        raise ValueError("the answer holds no id of a report or a submission")
    return reply


def read_list(answer: bytes) -> list[Reply]:
    """The submissions of an organisation, in the order of the list. ``ValueError`` if it is no such list."""
    return [_reply(entry, b"") for entry in _decoded(_objects, answer)]


def read_errors(answer: bytes) -> tuple[ItemRemark, ...]:
    """The errors in a refusal; none where it speaks of none or is no JSON."""
    try:
        return _reply(_decoded(_object, answer), b"").errors
    except ValueError:
        return ()


def _decoded(decode: Callable[[bytes], T], answer: bytes) -> T:
    try:
        return decode(answer)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None


def _reply(found: Mapping[str, Any], answer: bytes) -> Reply:
    errors, plain_errors = _each(found, "errors", _Remark)
    warnings, plain_warnings = _each(found, "warnings", _Remark)
    destinations, plain_destinations = _each(found, "destinations", _Destination)
    return Reply(
        submission_id=_one(found, "submissionId", int) or 0,
        report_id=_one(found, "id", str) or "",
        overall_status=_one(found, "overallStatus", str) or "",
        http_status=_one(found, "httpStatus", int) or 0,
        items=_one(found, "reportItemCount", int),
        external_name=_one(found, "externalName", str) or "",
        timestamp=_one(found, "timestamp", str) or "",
        remarks=tuple([_remark(one, True) for one in errors] + [_remark(one, False) for one in warnings]),
        destinations=tuple(_destination(one) for one in destinations),
        filtered=tuple(item for one in destinations for item in _filtered(one)),
        complete=plain_errors and plain_warnings and plain_destinations,
        answer=answer,
    )


def _remark(said: _Remark, error: bool) -> ItemRemark:
    return ItemRemark(
        error=error,
        scope=said.scope.lower(),
        tracking_ids=tuple(name for name in said.tracking_ids or () if name),
        indices=tuple(said.indices or ()),
        field=said.field or "",
        code=said.error_code or "",
        said=said.message if isinstance(said.message, str) else "",
    )


def _receiver(said: _Destination) -> str:
    return f"{said.organization_id}.{said.service}"


def _destination(said: _Destination) -> Destination:
    sent = sum(one.item_count for one in [*(said.sent or ()), *(said.fetched or ())])
    offered = said.items if said.offered is None else said.offered
    return Destination(name=_receiver(said), items=said.items, offered=offered, sent=sent)


def _filtered(said: _Destination) -> list[FilteredItem]:
    return [
        FilteredItem(
            receiver=_receiver(said),
            filter=one.filter_name,
            tracking_id=one.filtered_tracking_element or "",
            said=one.message if isinstance(one.message, str) else "",
        )
        for one in said.filtered or ()
    ]


def _one(found: Mapping[str, Any], name: str, kind: Callable[..., T]) -> T | None:
    """A member of the wrong type counts as absent; ids have come as numbers and as texts."""
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return kind(value)
    except ValueError:
        return None


def _each(found: Mapping[str, Any], name: str, shape: type[T]) -> tuple[list[T], bool]:
    """The members of a list that have the shape, and whether all of them have."""
    value = found.get(name) or []
    if not isinstance(value, list):
        return [], False
    kept = []
    for one in value:
        try:
            kept.append(msgspec.convert(one, shape))
        except msgspec.ValidationError:
            continue
    return kept, len(kept) == len(value)
