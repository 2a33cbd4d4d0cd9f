"""The whole lane on a real store: what the door takes goes out to the sandbox's ReportStream and its buckets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assets.drain.run import Ended, drain_batches
from assets.reportstream import sending
from assets.reportstream.destinations import destinations, queues
from resources.settings import Settings
from sandbox.reportstream import ReportStream
from sandbox.running import sandbox_thread
from sandbox.s3 import S3
from tests.conftest import Database
from tests.reportstream.conftest import changed
from web.reportstream import reading

#: The universal pipeline knows its senders by token alone.
KEY = (
    generate_private_key(SECP384R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


@dataclass(frozen=True)
class Lane:
    """One lane with its settings, and its partners in miniature."""

    database: Database
    settings: Settings
    url: str

    def take(self, *changes: dict[str, Any]) -> None:
        """Events as the door takes them, each the original with these members changed."""
        read = reading(self.database.sealer, queues(len(destinations(self.settings))))
        for one in changes:
            self.database.receive([read(msgspec.json.encode(changed(one)))])

    def run(self) -> Ended:
        return drain_batches(self.settings, sending.lanes(self.settings), run_id="test-run")

    def received(self, system: str) -> list[dict[str, Any]]:
        return json.loads(httpx.get(f"{self.url}/_sandbox/{system}/received").content)

    def bodies(self, system: str) -> list[str]:
        """What the partner really took."""
        uploads = ("/api/waters", "/api/reports")
        return [
            one["body"]
            for one in self.received(system)
            if one["effect"] and (one["path"] in uploads or one["method"] == "PUT")
        ]

    def fault(self, system: str, **how: Any) -> None:
        httpx.post(f"{self.url}/_sandbox/{system}/faults", json=how).raise_for_status()

    def states(self) -> list[tuple[int, int]]:
        """Part and state of every message, in the order of arrival."""
        return self.database.rows("SELECT part, state FROM ended ORDER BY arrival, part")


@contextmanager
def lane(database: Database, **values: object) -> Iterator[Lane]:
    """The lane with these settings; its window is over at once."""
    with sandbox_thread([ReportStream(), S3()]) as url:
        settings = database.with_(
            **{
                "REPORTSTREAM_URL": f"{url}/reportstream",
                "REPORTSTREAM_PRIVATE_KEY": KEY,
                "REPORTSTREAM_S3_ENDPOINT": f"{url}/s3",
                "REPORTSTREAM_S3_BUCKET": "aims",
                "REPORTSTREAM_S3_FOLDER": "us01",
                "REPORTSTREAM_S3_ACCESS_KEY": "test",
                "REPORTSTREAM_S3_SECRET_KEY": "test",
                "REPORTSTREAM_BATCH_WINDOW_SECONDS": 0,
                "REPORTSTREAM_SETTLE_SECONDS": 0.2,
                "REPORTSTREAM_POLL_PLAN": "600",
                "HANDOFF_RETRY_PLAN": "0.05,0.05,0.1",
                "HANDOFF_LINGER_SECONDS": 0.3,
                **values,
            }
        )
        yield Lane(database, settings, url)
