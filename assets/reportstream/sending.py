"""How ReportStream's lane sends: test events become items of a batch, and ReportStream's words become ours."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from assets.drain.settings import (
    BatchLane,
    BatchReceipt,
    Fate,
    Item,
    ItemsRefused,
    Keys,
    Remark,
    SetAside,
    TooLarge,
    pace,
)
from assets.formats import csv
from assets.reportstream import rules
from assets.reportstream.events import decode
from assets.reportstream.mapping import COLUMNS, row
from resources import reportstream
from resources.reportstream import Account, Batch, BatchRefused, BatchTooLarge, Nowhere, ReportStream
from resources.reportstream_reply import Fate as Said
from resources.reportstream_reply import Reply, culprits
from resources.settings import Settings
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival

NAME = "reportstream"
NUMBER = NUMBERS[NAME]


def lane(settings: Settings) -> BatchLane:
    """The lane as these settings describe it."""
    transport = settings.choice("REPORTSTREAM_TRANSPORT", ("https", "s3", "none"))
    mode = settings.text("REPORTSTREAM_PROCESSING_MODE", "P")
    account = _account(settings) if transport == "https" else None

    async def connect() -> Client:
        return Client(reportstream.connect(account) if account else Nowhere())

    return BatchLane(
        name=NAME,
        number=NUMBER,
        destination=transport,
        part=0,
        item=csv_item(mode),
        join=csv_document,
        connect=connect,
        most_items=settings.whole("REPORTSTREAM_BATCH_ITEMS", 500),
        window=settings.number("REPORTSTREAM_BATCH_WINDOW_SECONDS", 120.0),
        polls=settings.numbers("REPORTSTREAM_POLL_PLAN", (60.0, 300.0, 900.0, 3600.0)),
        pace=pace(settings, settle=settings.number("REPORTSTREAM_SETTLE_SECONDS", 600.0)),
    )


def _account(settings: Settings) -> Account:
    return Account(
        url=settings.required("REPORTSTREAM_URL"),
        client=settings.text("REPORTSTREAM_CLIENT"),
        function_key=settings.text("REPORTSTREAM_FUNCTION_KEY"),
        private_key=settings.text("REPORTSTREAM_PRIVATE_KEY"),
        key_id=settings.text("REPORTSTREAM_KEY_ID"),
        timeout_seconds=settings.number("REPORTSTREAM_TIMEOUT_SECONDS", 90.0),
    )


def csv_item(processing_mode: str) -> Callable[[Arrival], Item]:
    """One test event as a line of ReportStream's CSV; SetAside names what keeps it from going."""

    def item(arrival: Arrival) -> Item:
        event = decode(arrival.body)
        found = rules.problems(event, now=arrival.received_at)
        flag = _flag(found) if found else None
        values = row(event, received_at=arrival.received_at, processing_mode=processing_mode)
        return Item(event.event_id, csv.line(values, len(COLUMNS)).encode(), flag)

    return item


def _flag(found: list[rules.Problem]) -> str:
    """What a person should know of an event that goes all the same."""
    if rules.sets_aside(found):
        raise SetAside("; ".join(str(one) for one in found if one.severity is rules.Severity.SET_ASIDE))
    return "; ".join(map(str, found))[:300]


_HEADER = csv.line(COLUMNS, len(COLUMNS)).encode()


def csv_document(items: Sequence[Item]) -> bytes:
    """The header and the lines."""
    return _HEADER + b"".join(item.line for item in items)


class Client:
    """ReportStream as a drain of batches uses it."""

    def __init__(self, far: ReportStream | Nowhere) -> None:
        self._far = far

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        try:
            reply = await self._far.send(Batch(name=payload, items=tuple(keys), body=body))
        except BatchRefused as error:
            named = tuple(Remark(place, "error", "refused by ReportStream") for place in error.culprits)
            raise ItemsRefused(str(error), status=error.status, answer=error.answer, remarks=named) from None
        except BatchTooLarge as error:
            raise TooLarge(str(error), status=error.status, answer=error.answer) from None
        return _receipt(reply, keys)

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        reply = await self._far.ask(payload, since=first_sent - timedelta(minutes=5))
        if reply is None:
            return None
        if reply.refused:
            places = culprits(reply.errors, tuple(keys))
            named = tuple(Remark(place, "error", "refused by ReportStream") for place in places)
            text = "ReportStream had the batch and refused it"
            raise ItemsRefused(text, status=reply.http_status, answer=reply.answer, remarks=named)
        return _receipt(reply, keys)

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        reply = await self._far.history(external_id)
        if reply is None or reply.fate is Said.PENDING:
            return Fate(final=False)
        names = tuple(await keys()) if reply.filtered or reply.fate is Said.FAILED else ()
        lost = _lost(reply, names)
        sent = sum(one.sent for one in reply.destinations)
        tally = {
            "items": reply.items or 0,
            "sent": sent,
            "filtered": len(reply.filtered),
            "lost": len(lost),
        }
        return Fate(
            final=True, answer=reply.answer, lost=lost, remarks=_filtered(reply, names, lost), tally=tally
        )

    async def close(self) -> None:
        await self._far.aclose()


def _receipt(reply: Reply, keys: Sequence[str]) -> BatchReceipt:
    places = {key: place for place, key in enumerate(keys)}
    remarks = [
        Remark(
            place, "warning", f"ReportStream warns about {remark.field or 'the item'} {remark.code}".strip()
        )
        for remark in reply.remarks
        if not remark.error and remark.scope == "item"
        for place in (
            [places[name] for name in remark.tracking_ids if name in places]
            or [number - 1 for number in remark.indices if 0 < number <= len(keys)]
        )
    ]
    receipt = reply.receipt()
    return BatchReceipt(
        status=reply.http_status or 201,
        external_id=receipt.external_id,
        answer=reply.answer,
        accepted=receipt.accepted,
        remarks=remarks,
    )


def _lost(reply: Reply, keys: tuple[str, ...]) -> list[Remark]:
    """The items that reached no receiver: all where nothing was delivered, else those every receiver filtered."""
    if reply.fate is Said.FAILED:
        return [Remark(place, "error", f"ReportStream: {reply.overall_status}") for place in range(len(keys))]
    receivers: dict[str, set[str]] = {}
    filters: dict[str, set[str]] = {}
    for one in reply.filtered:
        receivers.setdefault(one.tracking_id, set()).add(one.receiver)
        filters.setdefault(one.tracking_id, set()).add(one.filter)
    everyone = {destination.name for destination in reply.destinations}
    return [
        Remark(place, "error", f"filtered: {', '.join(sorted(filters[key]))}")
        for place, key in enumerate(keys)
        if key in receivers and receivers[key] >= everyone
    ]


def _filtered(reply: Reply, keys: tuple[str, ...], lost: list[Remark]) -> list[Remark]:
    """What some receivers filtered although others took it."""
    gone = {remark.index for remark in lost}
    places = {key: place for place, key in enumerate(keys)}
    return [
        Remark(places[one.tracking_id], "warning", f"{one.receiver} does not get it: {one.filter}")
        for one in reply.filtered
        if one.tracking_id in places and places[one.tracking_id] not in gone
    ]
