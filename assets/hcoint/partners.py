"""Who the hospitals are: ``hcoint.toml``, one table a partner, read into typed values.

A partner is configuration, not code. UAT and production of one hospital are two partners with ids of their
own. What is wrong with the file is said by partner and setting; nothing here opens a connection.
"""

import tomllib
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from assets.hcoint.documents import KINDS, LARGEST
from assets.hcoint.events import Order


class PartnersError(ValueError):
    """``hcoint.toml`` cannot be used; the text names the partner, the setting and what to do."""


class Partner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One hospital and how its orders come and its notes go."""

    name: str = ""
    orders: Literal["redox", "mllp"]
    redox_source_id: str = ""
    mllp_sender: str = ""  # MSH-3 and MSH-4 with a bar between
    results: Literal["redox", "oru", "mdm"]
    destinations: tuple[str, ...] = ()
    mllp_url: str = ""  # mllp:// or, with TLS, mllps://
    http_url: str = ""  # in place of mllp_url: the same messages by HTTP POST
    facility: str
    result_code: str
    result_description: str
    result_system: str = ""  # LOINC where the code looks like one
    document_type: str = "CN"  # TXA-2
    upload_above_bytes: int = 200_000
    kinds: tuple[str, ...]
    note_alert_hours: int = 72
    mrn_kind: str = "MR"  # which of a patient's identifiers the pages show first
    after_discharge: bool = False  # the upload waits until the visit has ended
    test_orders: bool = False  # a test order may be answered in production too
    source_id: str = ""  # Meta.Source.ID of what we send; Redox asks for it with several keys
    settings: str = "REDOX"  # the account: REDOX_URL, REDOX_CLIENT_ID ...; UAT may have one of its own
    ed_form: Literal["mime", "ap", "text", "bare"] = "mime"
    ack_timeout_seconds: float = 30.0

    @property
    def address(self) -> tuple[str, int, bool]:
        """Host, port and whether TLS is spoken, of ``mllp_url``."""
        parts = urlsplit(self.mllp_url)
        return parts.hostname or "", parts.port or 0, parts.scheme == "mllps"

    @property
    def system(self) -> str:
        """Whose code ``result_code`` is: LN for LOINC, which ends in a dash and a check digit, else L."""
        looks = self.result_code[-2:-1] == "-" and self.result_code.replace("-", "").isdigit()
        return self.result_system or ("LN" if looks else "L")


class Partners(msgspec.Struct, frozen=True):
    """All partners, in the order of the file."""

    all: tuple[Partner, ...]

    def named(self, name: str) -> Partner:
        """The partner of that name; ``KeyError`` where there is none."""
        for partner in self.all:
            if partner.name == name:
                return partner
        raise KeyError(f"no partner {name} in hcoint.toml")

    def of(self, sender: str) -> Partner | None:
        """Whose orders come from this Redox source, or from this application and facility."""
        return next((p for p in self.all if sender in (p.redox_source_id, p.mllp_sender) and sender), None)

    def of_order(self, order: Order) -> Partner | None:
        """Whose order this is."""
        return self.of(order.sender)

    @property
    def mllp_senders(self) -> frozenset[str]:
        """Who may send orders to the MLLP listener."""
        return frozenset([partner.mllp_sender for partner in self.all if partner.orders == "mllp"])


def load(path: Path) -> Partners:
    """The partners of a file; ``PartnersError`` says what to mend."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PartnersError(
            f"{path}: cannot be read ({error.strerror}); HCOINT_PARTNERS names the file"
        ) from None
    return read(text)


def read(text: str) -> Partners:
    """The partners of a file's text.

    >>> read("[partner]").all
    ()
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PartnersError(f"hcoint.toml: {error}") from None
    tables = document.pop("partner", {})
    if document or not isinstance(tables, dict):
        raise PartnersError("hcoint.toml: it holds tables [partner.NAME] and nothing else")
    partners = tuple([_partner(name, table) for name, table in tables.items()])
    _unique(partners, "redox_source_id", lambda partner: partner.redox_source_id)
    _unique(partners, "mllp_sender", lambda partner: partner.mllp_sender)
    return Partners(partners)


def _partner(name: str, table: object) -> Partner:
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name == name.lower()):
        raise PartnersError(f"partner.{name}: a name is made of small letters, digits, - and _")
    try:
        partner = msgspec.convert(table, Partner)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        raise PartnersError(f"partner.{name}{place.rstrip('`')}: {said}") from None
    for setting, text in _mistakes(partner):
        raise PartnersError(f"partner.{name}.{setting}: {text}")
    return msgspec.structs.replace(partner, name=name)


def _mistakes(partner: Partner) -> Iterable[tuple[str, str]]:
    """What the types cannot say, in the order a person would mend it."""
    if partner.name:
        yield "name", "the name stands in the table's heading"
    if partner.orders == "redox" and not partner.redox_source_id:
        yield "redox_source_id", "name the Redox source the orders come from"
    if partner.orders == "mllp" and len(partner.mllp_sender.split("|")) != 2:
        yield "mllp_sender", "name MSH-3 and MSH-4 of the orders: APPLICATION|FACILITY"
    if partner.results == "redox" and not all(partner.destinations or ("",)):
        yield "destinations", "name at least one Redox destination"
    if partner.results != "redox" and partner.http_url:
        yield from _web_address_mistakes(partner)
    elif partner.results != "redox":
        yield from _address_mistakes(partner.mllp_url)
    for setting in ("facility", "result_code", "result_description"):
        if not getattr(partner, setting):
            yield setting, "must not be empty"
    if not partner.kinds or set(partner.kinds) - set(KINDS):
        yield "kinds", f"choose from {', '.join(KINDS)}"
    if not 0 <= partner.upload_above_bytes <= LARGEST:
        yield "upload_above_bytes", f"a number of bytes from 0 to {LARGEST}"
    if partner.note_alert_hours < 1 or partner.ack_timeout_seconds <= 0:
        yield "note_alert_hours", "hours and seconds are more than 0"


def _address_mistakes(url: str) -> Iterable[tuple[str, str]]:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("mllp", "mllps") and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        good = False
    if not good:
        yield "mllp_url", "give host and port: mllp://host:2575, or mllps:// with TLS"


def _web_address_mistakes(partner: Partner) -> Iterable[tuple[str, str]]:
    if partner.mllp_url:
        yield "http_url", "results go one way: give either mllp_url or http_url"
    try:
        parts = urlsplit(partner.http_url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.username or parts.query or parts.fragment:
        yield "http_url", "give an address such as https://host/hl7, without account and query"


def _unique(partners: Iterable[Partner], setting: str, value: Callable[[Partner], Hashable]) -> None:
    seen: dict[Hashable, str] = {}
    for partner in partners:
        if (given := value(partner)) and given in seen:
            raise PartnersError(f"partner.{partner.name}.{setting}: partner {seen[given]} has the same one")
        seen[given] = partner.name
