"""Batches as objects in a bucket, as APHL AIMS takes them: a key of stable ids, so that a retry overwrites.

AIMS answers nothing of a single result: a batch that is stored is delivered. HL7 files have the name AIMS reads
its routing from; the other formats are for a bucket of one's own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from assets.drain.settings import BatchReceipt, Fate, Keys
from assets.reportstream import oru_batch
from assets.reportstream.destinations import Format
from resources.s3 import S3
from resources.store.ids import moment

_KINDS: Final[dict[Format, str]] = {
    "csv": "text/csv",
    "fhir": "application/fhir+ndjson",
    "hl7": oru_batch.CONTENT_TYPE,
}
_ENDINGS: Final[dict[Format, str]] = {"csv": ".csv", "fhir": ".ndjson", "hl7": ".hl7"}


class _Object(NamedTuple):
    key: str
    metadata: dict[str, str]


class Objects:
    """A bucket as a drain of batches uses it."""

    def __init__(self, far: S3, folder: str, form: Format, processing_mode: str) -> None:
        self._far, self._folder, self._form, self._mode = far, folder, form, processing_mode

    async def send_batch(self, payload: str, body: bytes, keys: Sequence[str]) -> BatchReceipt:
        """Store the batch, over itself if it is there."""
        named = self._object(payload, keys)
        await self._far.put(named.key, body, kind=_KINDS[self._form], metadata=named.metadata)
        return _stored(named)

    async def ask_batch(self, payload: str, keys: Sequence[str], first_sent: datetime) -> BatchReceipt | None:
        """Whether the object is there."""
        named = self._object(payload, keys)
        return _stored(named) if await self._far.has(named.key) else None

    async def fate(self, external_id: str, keys: Keys) -> Fate:
        """Nothing more is said of an object that is stored."""
        return Fate(final=True)

    async def close(self) -> None:
        await self._far.aclose()

    def _object(self, payload: str, keys: Sequence[str]) -> _Object:
        """A single message goes by its own id (MSH-10), a batch by the batch's, whose id carries its time."""
        made_at = moment(int(payload.rpartition("-")[2]))
        identity = keys[0] if len(keys) == 1 else payload
        name = oru_batch.object_key(self._folder, identity, made_at, self._mode)
        metadata = oru_batch.object_metadata(identity, made_at, self._mode)
        if self._form != "hl7":
            name = name.removesuffix(_ENDINGS["hl7"]) + _ENDINGS[self._form]
            metadata["AIMSPlatformFilename"] = name.rpartition("/")[2]
        return _Object(name.lstrip("/"), metadata)


def _stored(named: _Object) -> BatchReceipt:
    return BatchReceipt(status=200, external_id=named.key, accepted=False)
