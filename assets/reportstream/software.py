"""Which software a message says made it (SFT, MessageHeader.source): the release, never the machine or the day.

The same on every machine, so that a message made twice has the same bytes. Both change with the release.
"""

from datetime import UTC, datetime
from typing import Final

VERSION: Final = "0.1.0"
RELEASED_AT: Final = datetime(2026, 11, 21, tzinfo=UTC)
