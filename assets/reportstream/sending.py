"""How ReportStream's lane sends: its destinations, their clients, and how ReportStream's words become ours.

What an arrival becomes is in ``encoding``, what a bucket is told in ``objects``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from assets.drain.settings import (
    BatchClient,
    BatchLane,
    BatchReceipt,
    Fate,
    ItemsRefused,
    Keys,
    Remark,
    TooLarge,
    pace,
)
from assets.reportstream.destinations import Destination, destinations, own_of
from assets.reportstream.devices import known_devices
from assets.reportstream.encoding import BULK_ROW, TEST_EVENT, item_of, join_of
from assets.reportstream.exceptions import QUEUES, Exceptions
from assets.reportstream.lineage import recall, recalled
from assets.reportstream.objects import Objects
from resources import reportstream, s3
from resources.reportstream import Account, Batch, BatchRefused, BatchTooLarge, Nowhere, ReportStream
from resources.reportstream_reply import Fate as Said
from resources.reportstream_reply import ItemRemark, Reply, places, read_errors
from resources.settings import SettingError, Settings
from resources.store.lanes import NUMBERS

__all__ = ["KINDS", "Client", "lane", "lanes", "recalled"]

NAME = "reportstream"
NUMBER = NUMBERS[NAME]

#: The arrivals that destinations are sent.
KINDS = (TEST_EVENT, BULK_ROW)


def lanes(settings: Settings) -> list[BatchLane]:
    """The lane's destinations as these settings describe them, each with a track of its own."""
    known = destinations(settings)
    return [_lane(settings, one, known) for one in known]


def lane(settings: Settings, part: int = 0) -> BatchLane:
    """One destination, by default the first."""
    known = destinations(settings)
    return _lane(settings, known[part], known)


def _lane(settings: Settings, own: Destination, known: Sequence[Destination]) -> BatchLane:
    mode = settings.text("REPORTSTREAM_PROCESSING_MODE", "P")
    most_items = settings.whole("REPORTSTREAM_BATCH_ITEMS", 500)
    others = [one.format for one in known if one.part != own.part]
    return BatchLane(
        name=NAME,
        number=NUMBER,
        destination=own.transport if not others else f"{own.transport} {own.format}",
        part=own.part,
        item=item_of(own.format, mode, known_devices(), others),
        join=join_of(own.format, mode, single=most_items == 1),
        connect=_connect(settings, own, len(known), mode),
        recall=recall,
        heard=Exceptions(QUEUES[own.format], bool(settings.text("REPORTSTREAM_CALLBACK_URL"))).heard,
        most_items=most_items,
        window=settings.number("REPORTSTREAM_BATCH_WINDOW_SECONDS", 120.0),
        polls=settings.numbers("REPORTSTREAM_POLL_PLAN", (60.0, 300.0, 900.0, 3600.0)),
        beside=bool(others),
        pace=pace(settings, settle=settings.number("REPORTSTREAM_SETTLE_SECONDS", 600.0)),
    )


def _connect(
    settings: Settings, own: Destination, count: int, mode: str
) -> Callable[[], Awaitable[BatchClient]]:
    """What opens the way there; what a setting lacks is said when the run starts."""
    if own.transport == "s3":
        bucket = _bucket(settings, own, count)
        folder = own_of(settings, "REPORTSTREAM_S3_FOLDER", own.part, count)

        async def open_bucket() -> BatchClient:
            return Objects(await asyncio.to_thread(s3.connect, bucket), folder, own.format, mode)

        return open_bucket
    account = _account(settings, own, count) if own.transport == "https" else None

    async def open_account() -> BatchClient:
        return Client(reportstream.connect(account) if account else Nowhere())

    return open_account


def _account(settings: Settings, own: Destination, count: int) -> Account:
    def text(name: str) -> str:
        return own_of(settings, name, own.part, count)

    settings.required("REPORTSTREAM_URL")
    return Account(
        url=text("REPORTSTREAM_URL"),
        form=own.format,
        client=text("REPORTSTREAM_CLIENT"),
        function_key=text("REPORTSTREAM_FUNCTION_KEY"),
        private_key=_pem(text("REPORTSTREAM_PRIVATE_KEY")),
        key_id=text("REPORTSTREAM_KEY_ID"),
        timeout_seconds=settings.number("REPORTSTREAM_TIMEOUT_SECONDS", 90.0),
    )


def _pem(setting: str) -> str:
    """The key itself, or what stands in the file it names."""
    if not setting or setting.lstrip().startswith("-----BEGIN"):
        return setting.replace("\\n", "\n")  # on one line, as an environment file holds it
    try:
        return Path(setting).read_text()
    except (OSError, UnicodeDecodeError):
        raise SettingError(
            "REPORTSTREAM_PRIVATE_KEY: write the key in PEM, or a file that can be read"
        ) from None


def _bucket(settings: Settings, own: Destination, count: int) -> s3.Bucket:
    def text(name: str, default: str = "") -> str:
        return own_of(settings, name, own.part, count, default)

    settings.required("REPORTSTREAM_S3_BUCKET")
    return s3.Bucket(
        name=text("REPORTSTREAM_S3_BUCKET"),
        region=text("REPORTSTREAM_S3_REGION", "us-east-1"),
        endpoint=text("REPORTSTREAM_S3_ENDPOINT"),
        kms_key=text("REPORTSTREAM_S3_KMS_KEY"),
        access_key=text("REPORTSTREAM_S3_ACCESS_KEY"),
        secret_key=text("REPORTSTREAM_S3_SECRET_KEY"),
        timeout_seconds=settings.number("REPORTSTREAM_TIMEOUT_SECONDS", 90.0),
    )


class Client:
    """ReportStream as a drain of batches uses it."""

    def __init__(self, far: ReportStream | Nowhere) -> None:
        self._far = far

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        try:
            reply = await self._far.send(Batch(name=payload, items=tuple(keys), body=body))
        except BatchRefused as error:
            named = _refusals(read_errors(error.answer), keys)
            raise ItemsRefused(str(error), status=error.status, answer=error.answer, remarks=named) from None
        except BatchTooLarge as error:
            raise TooLarge(str(error), status=error.status, answer=error.answer) from None
        return _receipt(reply, keys)

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        reply = await self._far.ask(payload, since=first_sent - timedelta(minutes=5))
        if reply is None:
            return None
        if reply.refused:
            text = "ReportStream had the batch and refused it"
            named = _refusals(reply.errors, keys)
            raise ItemsRefused(text, status=reply.http_status, answer=reply.answer, remarks=named)
        return _receipt(reply, keys)

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        reply = await self._far.history(external_id)
        if reply is None or reply.fate is Said.PENDING:
            return Fate(final=False)
        names = tuple(await keys())
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


def _refusals(errors: Sequence[ItemRemark], keys: Sequence[str]) -> list[Remark]:
    """What ReportStream refused the batch for; where one item stands alone, also what names no item."""
    found = [
        Remark(place, "error", "refused by ReportStream", error.said)
        for error in errors
        for place in places(error, keys)
    ]
    if not found and len(keys) == 1:
        return [Remark(0, "error", "refused by ReportStream", error.said) for error in errors]
    return found


def _code(remark: ItemRemark) -> Sequence[str]:
    """ReportStream's code for it; UNKNOWN is that of whatever has none."""
    return () if remark.code in ("", "UNKNOWN") else (remark.code,)


def _receipt(reply: Reply, keys: Sequence[str]) -> BatchReceipt:
    remarks = [
        Remark(
            place,
            "warning",
            " ".join(("ReportStream warns about", remark.field or "the item", *_code(remark))),
            remark.said,
        )
        for remark in reply.remarks
        if not remark.error
        for place in places(remark, keys)
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
    if missing := reply.lost(len(keys)):
        # Nobody knows which: to call any of them delivered would hide a loss.
        text = f"ReportStream counts {missing} fewer than the {len(keys)} results of this batch; ask before resending"
        return [Remark(place, "error", text) for place in range(len(keys))]
    receivers: dict[str, set[str]] = {}
    filters: dict[str, set[str]] = {}
    words: dict[str, list[str]] = {}
    for one in reply.filtered:
        receivers.setdefault(one.tracking_id, set()).add(one.receiver)
        filters.setdefault(one.tracking_id, set()).add(one.filter)
        words.setdefault(one.tracking_id, []).append(one.said)
    everyone = {destination.name for destination in reply.destinations}
    return [
        Remark(
            place,
            "error",
            f"filtered: {', '.join(sorted(filters[key]))}",
            "; ".join(filter(None, words[key])),
        )
        for place, key in enumerate(keys)
        if key in receivers and receivers[key] >= everyone
    ]


def _filtered(reply: Reply, keys: tuple[str, ...], lost: list[Remark]) -> list[Remark]:
    """What some receivers filtered although others took it."""
    gone = {remark.index for remark in lost}
    at = {key: place for place, key in enumerate(keys)}
    return [
        Remark(at[one.tracking_id], "warning", f"{one.receiver} does not get it: {one.filter}", one.said)
        for one in reply.filtered
        if one.tracking_id in at and at[one.tracking_id] not in gone
    ]
