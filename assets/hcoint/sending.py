"""How the lane hcoint sends: a note that a person has sent becomes the message of its partner's wire.

Which account, address and keys each partner's client gets; how they work side by side is in ``hospitals``.
"""

import dataclasses
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from assets.drain.settings import SetAside, SinglesLane, pace
from assets.hcoint import partners as table
from assets.hcoint.answer import unpack
from assets.hcoint.hospitals import Client, Sends
from assets.hcoint.mapping import outgoing
from assets.hcoint.partners import Partner, Partners, PartnersError
from resources import partner_http
from resources.hl7_http import Hl7OverHttp
from resources.http_transport import Transport
from resources.mllp import MllpSender
from resources.redox import Redox, signed_in_by_key, signed_in_by_legacy_key
from resources.settings import SettingError, Settings
from resources.sign_in import SignIn
from resources.store import notes
from resources.store.lanes import NUMBERS
from resources.store.values import Arrival, Message, OnFailure, Owed, Receipt

NAME = "hcoint"
NUMBER = NUMBERS[NAME]
ROOT = Path(__file__).resolve().parents[2]

#: A note may have 30 MB, so few are in hand at a time.
AT_ONCE = 4


def partners(settings: Settings) -> Partners:
    """The hospitals of ``HCOINT_PARTNERS``; ``HCOINT_<NAME>_MLLP_URL`` and ``_HTTP_URL`` move one's receiving end."""
    path = ROOT / settings.text("HCOINT_PARTNERS", "hcoint.toml")
    try:
        found = table.load(path)
    except PartnersError as error:
        raise SettingError(str(error)) from None
    return Partners(tuple([_moved(partner, settings) for partner in found.all]))


def _moved(partner: Partner, settings: Settings) -> Partner:
    mllp, http = (settings.text(_own(partner, name)) for name in ("MLLP_URL", "HTTP_URL"))
    if mllp and partner.mllp_url:
        return msgspec.structs.replace(partner, mllp_url=mllp)
    return msgspec.structs.replace(partner, http_url=http) if http and partner.http_url else partner


def _own(partner: Partner, name: str) -> str:
    """A setting of one partner."""
    return f"HCOINT_{partner.name.upper().replace('-', '_')}_{name}"


def lane(settings: Settings) -> SinglesLane:
    """The lane as these settings describe it."""
    known = partners(settings)

    slow = pace(settings, settle=settings.number("HCOINT_SETTLE_SECONDS", 60.0), concurrency=AT_ONCE)

    async def connect() -> Client:
        return Client(lambda name: connected(known.named(name), settings), breaker_after=slow.breaker_after)

    def owed(arrival: Arrival) -> Sequence[Owed]:
        return messages(arrival, known)

    return SinglesLane(
        name=NAME,
        number=NUMBER,
        map=owed,
        connect=connect,
        on_failure=lambda kind: OnFailure.HOLD,
        can_ask=False,
        # The lane's own breaker is off: one hospital that is away must not stop the others. Client has one each.
        pace=dataclasses.replace(slow, breaker_after=0, each=1),
    )


def messages(arrival: Arrival, known: Partners) -> Sequence[Owed]:
    """The one message a note becomes. What hospitals said is in the book of orders already: it owes nothing."""
    if arrival.kind != notes.KIND:
        raise SetAside(f"{arrival.kind}: it is not sent on; ask the hospital to send the order again")
    answer = unpack(arrival.body)
    try:
        partner = known.named(answer.partner)
    except KeyError:
        raise SetAside(f"partner: hcoint.toml has no partner {answer.partner} any more") from None
    out = outgoing(answer.order, answer.note, partner, now=arrival.received_at)
    return [Owed(kind=out.kind, body=out.body, address={"partner": partner.name, **out.address})]


def connected(partner: Partner, settings: Settings) -> Sends:
    """The client of one partner; opens nothing until the first message."""
    if partner.results == "redox":
        return _Account(partner.settings, settings)
    if partner.http_url:
        secure = partner.http_url.startswith("https:")
        return Hl7OverHttp(
            partner.http_url,
            token=settings.text(_own(partner, "HTTP_TOKEN")),
            tls=_tls(settings) if secure else None,
            ack_seconds=partner.ack_timeout_seconds,
        )
    host, port, secure = partner.address
    tls = _tls(settings) if secure else None
    return MllpSender(host, port, tls=tls, ack_seconds=partner.ack_timeout_seconds)


def _tls(settings: Settings) -> ssl.SSLContext:
    """Whom we trust, and what we show of ourselves."""
    tls = ssl.create_default_context(cafile=settings.text("HCOINT_MLLP_AUTHORITIES") or None)
    if certificate := settings.text("HCOINT_MLLP_CERTIFICATE"):
        tls.load_cert_chain(certificate, settings.text("HCOINT_MLLP_KEY") or None)
    return tls


class _Account:
    """One account at Redox: its settings begin with the partner's prefix."""

    def __init__(self, prefix: str, settings: Settings) -> None:
        origin = settings.required(f"{prefix}_URL").rstrip("/")
        self._over = partner_http.transport(connections=AT_ONCE)
        self._redox = Redox(
            self._over,
            origin,
            _sign_in(self._over, origin, prefix, settings),
            says_more=settings.choice(f"{prefix}_SAYS_MORE", ("no", "yes")) == "yes",
            upload_path=settings.text(f"{prefix}_UPLOAD_PATH", "/uploads"),
        )

    async def send(self, message: Message) -> Receipt:
        """Through the account."""
        return await self._redox.send(message)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._over.aclose()


def _sign_in(over: Transport, origin: str, prefix: str, settings: Settings) -> SignIn:
    if settings.text(f"{prefix}_API_KEY"):
        return signed_in_by_legacy_key(
            over,
            origin,
            api_key=settings.required(f"{prefix}_API_KEY"),
            secret=settings.required(f"{prefix}_SECRET"),
        )
    return signed_in_by_key(
        over,
        origin,
        client_id=settings.required(f"{prefix}_CLIENT_ID"),
        key=_private_key(settings.required(f"{prefix}_PRIVATE_KEY")),
        key_id=settings.required(f"{prefix}_KEY_ID"),
        algorithm=settings.choice(f"{prefix}_ALGORITHM", ("RS384", "ES384")),
    )


def _private_key(text: str) -> str:
    """The key itself, or the file that holds it."""
    if text.startswith("-----BEGIN"):
        return text.replace("\\n", "\n")
    try:
        return Path(text).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise SettingError("the private key's file cannot be read: check the setting _PRIVATE_KEY") from None
