"""Whether the doors take anything now: not in maintenance, not when the disk of the store is full."""

from web.answers import Answer, problem

MAINTENANCE = problem(503, "maintenance: nothing is taken now; send the same again later", retry_after="60")
DISK_FULL = problem(503, "the store's disk is full; send the same again later", retry_after="60")


class Opening:
    """``closed`` is what every sender is told, or None while the doors are open."""

    def __init__(self, *, maintenance: bool) -> None:
        self._maintenance = maintenance
        self.closed: Answer | None = MAINTENANCE if maintenance else None

    def disk(self, *, full: bool) -> None:
        """What the watch has seen of the disk."""
        self.closed = MAINTENANCE if self._maintenance else DISK_FULL if full else None
