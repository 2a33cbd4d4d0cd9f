"""What everybody in the clinic shares: the store, ids, keys to seal to, deals, the environment.

Only public keys are here. Private ones are opened in the decrypt service, never in this process.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from assets.pridok import icpc
from assets.pridok.icpc import CodeList
from assets.pridok.numbers import Environment
from assets.pridok.orders import Deal
from resources.sealing import Place, PublicKey, seal
from resources.settings import SettingError, Settings
from resources.store.connect import Borrowed
from resources.store.orders import Numbers
from resources.store.seal import Sealer
from resources.store.sealers import Sealers

LANE: Final = "pridok"
ROOT = Path(__file__).resolve().parents[2]

#: Who can open a result; the raw referral and the national number are the clinic's alone.
RECIPIENTS: Final = ("clinic", "report", "escrow")


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """To whom is sealed: the recipients of results, and the insurer."""

    recipients: tuple[PublicKey, ...]
    insurer: PublicKey

    @property
    def clinic(self) -> PublicKey:
        return self.recipients[0]


def public_keys(settings: Settings) -> PublicKeys | None:
    """The keys of the settings: all four, or None where none is set."""
    names = {name: f"PRIDOK_{name.upper()}_PUBLIC_KEY" for name in (*RECIPIENTS, "insurer")}
    given = {name: settings.text(setting) for name, setting in names.items()}
    if not any(given.values()):
        return None
    keys = {name: _public_key(names[name], name, text) for name, text in given.items()}
    return PublicKeys(tuple([keys[name] for name in RECIPIENTS]), keys["insurer"])


def _public_key(setting: str, recipient: str, text: str) -> PublicKey:
    if not text:
        raise SettingError(f"{setting} is not set; the other keys of the lane are")
    try:
        key = PublicKey.parse(text)
    except ValueError as error:
        raise SettingError(f"{setting}: {error}") from None
    if key.recipient != recipient:
        raise SettingError(f"{setting}: is the key of another recipient; it must be that of {recipient}")
    return key


def deals(settings: Settings) -> Mapping[str, Deal]:
    """The deals of ``PRIDOK_DEALS``, a TOML file with a table ``[deal.ID]`` each; none where it is not set."""
    path = settings.text("PRIDOK_DEALS")
    if not path:
        return {}
    try:
        tables = tomllib.loads((ROOT / path).read_text("utf-8")).get("deal", {})
        return {name: _deal(name, table) for name, table in tables.items()}
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, InvalidOperation, ValueError) as error:
        raise SettingError(f"PRIDOK_DEALS: the file cannot be used ({type(error).__name__})") from None


def _deal(name: str, table: Mapping[str, object]) -> Deal:
    shares = ("discount", "no_show_share", "late_cancel_share")
    amounts = {share: Decimal(str(table[share])) for share in shares if share in table}
    return Deal(
        id=name, organisation=str(table["organisation"]), price=Decimal(str(table["price"])), **amounts
    )


class KeysMissing(Exception):
    """There is nobody to seal to: nothing may be taken or finished."""


@dataclass(frozen=True)
class Clinic:
    """One a process. Blocking: call what uses it from a thread."""

    settings: Settings
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    store: Borrowed = field(init=False)
    numbers: Numbers = field(init=False)
    deals: Mapping[str, Deal] = field(init=False)
    codes: CodeList = field(init=False)
    _keys: PublicKeys | None = field(init=False, repr=False)
    _sealers: Sealers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = {
            "store": Borrowed(self.settings.database_url, "handoff consultations"),
            "numbers": Numbers(self.settings.database_url),
            "deals": deals(self.settings),
            "codes": icpc.shipped(),
            "_keys": public_keys(self.settings),
            "_sealers": Sealers(self.settings.keys),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def keys(self) -> PublicKeys:
        """To whom is sealed; raises KeysMissing where no keys are set."""
        if self._keys is None:
            raise KeysMissing("PRIDOK_CLINIC_PUBLIC_KEY and the other public keys of the lane are not set")
        return self._keys

    @property
    def environment(self) -> Environment:
        """Which national numbers are taken."""
        return "production" if self.settings.production else "test"

    @property
    def sealer(self) -> Sealer:
        """This thread's."""
        return self._sealers.mine()

    def close(self) -> None:
        """Close the connections."""
        self.numbers.close()
        self.store.close()

    def number(self, digits: str) -> bytes:
        """The blind index of a national number."""
        return self.sealer.name("national number", LANE, digits)

    def sealed_number(self, digits: str) -> bytes:
        """A national number, for the clinic alone, bound to its blind index."""
        place = Place("pridok_number", self.number(digits).hex())
        return seal(place, {"number": digits.encode()}, [self.keys.clinic]).to_bytes()

    def subject(self, patient: int) -> int:
        """The patient as the access log names them."""
        return self.sealer.blind("patient", LANE, str(patient))
