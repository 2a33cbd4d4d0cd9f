"""What every page is given: settings, the store, a sealer, the clock. Made once a process; nothing is global."""

import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from resources.settings import SettingError, Settings
from resources.store.connect import Borrowed
from resources.store.seal import Sealer
from resources.store.sealers import Sealers
from web.asking import seconds


@dataclass(frozen=True)
class House:
    """``store`` lends a connection: ``with request.house.store() as db``."""

    settings: Settings
    store: Borrowed
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sealers: Sealers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sealers", Sealers(self.settings.keys))

    @property
    def sealer(self) -> Sealer:
        """This thread's."""
        return self._sealers.mine()

    @property
    def https(self) -> bool:
        """Whether people reach the pages by https only: the cookie is then never sent in the clear."""
        default = ("on", "off") if self.settings.production else ("off", "on")
        return self.settings.choice("HANDOFF_WEB_HTTPS", default) == "on"

    @property
    def idle_seconds(self) -> float:
        """A session nobody uses ends after this."""
        return self.settings.number("HANDOFF_SESSION_IDLE_MINUTES", 30.0) * 60

    @property
    def whole_seconds(self) -> float:
        """A session ends after this, used or not."""
        return self.settings.number("HANDOFF_SESSION_HOURS", 12.0) * 3600

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """In which times are shown."""
        try:
            return zoneinfo.ZoneInfo(self.settings.text("HANDOFF_TIME_ZONE", "UTC"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise SettingError("HANDOFF_TIME_ZONE must be a name such as Europe/Oslo") from None

    @property
    def windows(self) -> dict[str, float]:
        """How long a lane may wait for more before it sends: that is not standing still."""
        return seconds(self.settings)

    def check(self) -> None:
        """Read every setting once, so that a wrong one ends the start and not the first visit."""
        _ = (self.https, self.idle_seconds, self.whole_seconds, self.zone, self.windows)
