"""The door for HL7 v2: keeps every message that comes over MLLP, and only then acknowledges.

Frames and acknowledgements are ``web/mllp.py``'s; here is what stands behind it, and with which settings it listens.
"""

import asyncio
import logging
import ssl
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from assets.formats.hl7_ack import Verdict
from assets.hcoint.book import Book
from assets.hcoint.told import by_hl7
from resources.settings import SettingError, Settings
from resources.store import intake
from web.intake import Surroundings
from web.mllp import MllpListener

log = logging.getLogger("handoff.door")

LANE = "hcoint"
SAME_ID = Verdict("AE", "this control id came before with other content", "MSH-10", "207")
CLOSED = Verdict("AR", "nothing is taken now; send it again later")


class Hl7Door:
    """Listens where HANDOFF_MLLP_PORT says; without that setting it does not."""

    def __init__(self, settings: Settings, book: Book, around: Surroundings) -> None:
        self._book, self._around = book, around
        self._host = settings.text("HANDOFF_MLLP_HOST", "127.0.0.1")
        self._port = settings.whole("HANDOFF_MLLP_PORT", 0)
        self._tls = tls_of(settings)
        self._meter = around.figures.meter(LANE)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="hl7")
        self._listener = MllpListener(self.receive)

    async def start(self) -> int:
        """Begin to listen, where somebody may send; the port, or 0."""
        if not self._port or not self._book.partners.mllp_senders:
            return 0
        port = await self._listener.start(self._host, self._port, tls=self._tls)
        log.info("HL7 v2 is taken on port %d", port)
        return port

    async def stop(self) -> None:
        """Finish what is being stored and hang up."""
        await self._listener.aclose()
        self._threads.shutdown()

    async def receive(self, octets: bytes) -> Verdict:
        """Keep one message; what is acknowledged is committed."""
        if self._around.opening.closed:
            return CLOSED
        began = perf_counter()
        loop = asyncio.get_running_loop()
        verdict = await loop.run_in_executor(self._threads, self._keep, octets)
        self._meter.answered(200, perf_counter() - began)
        return verdict

    def _keep(self, octets: bytes) -> Verdict:
        told, verdict = by_hl7(octets, self._book.partners.mllp_senders)
        taken = self._book.take(told)
        self._meter.stored([taken.verdict])
        return SAME_ID if taken.verdict is intake.Verdict.CONFLICT else verdict


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """TLS where a certificate is set; with authorities, senders must show a certificate of theirs."""
    certificate = settings.text("HANDOFF_MLLP_CERTIFICATE")
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, settings.text("HANDOFF_MLLP_KEY") or None)
        if authorities := settings.text("HANDOFF_MLLP_AUTHORITIES"):
            context.load_verify_locations(authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise SettingError(
            "HANDOFF_MLLP_CERTIFICATE, HANDOFF_MLLP_KEY, HANDOFF_MLLP_AUTHORITIES: a file cannot be read"
        ) from None
    return context
