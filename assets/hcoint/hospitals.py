"""All hospitals as one client: each note goes to its own, and what is wrong with one stops no other.

A client a hospital is made when its first note goes. A hospital that fails several times in a row is left alone for a
minute, then one note tries it: otherwise the few places of the lane would all stand waiting for it. This is known to
one run only; the next finds out anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assets.drain.outcomes import Breaker
from resources.errors import OneAway, PartnerAway, Refused, TryLater
from resources.settings import SettingError
from resources.store.values import Message, Receipt

#: A hospital that is away, or whose account is at fault, is tried again this often.
AWAY_SECONDS = 60.0


class Sends(Protocol):
    """A client of one hospital."""

    async def send(self, message: Message) -> Receipt:
        """As ``assets.drain.settings.Client``."""

    async def aclose(self) -> None:
        """Hang up."""


@dataclass(slots=True)
class _Hospital:
    """How it is with one of them."""

    breaker: Breaker
    sends: Sends | None = None
    away_until: float = 0.0
    probing: bool = False


class Client:
    """``connected`` makes the client of a hospital by its name; ``breaker_after`` 0 leaves nobody alone."""

    def __init__(
        self,
        connected: Callable[[str], Sends],
        *,
        breaker_after: int,
        away_seconds: float = AWAY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connected, self._after, self._away, self._clock = connected, breaker_after, away_seconds, clock
        self._hospitals: dict[str, _Hospital] = {}

    async def send(self, message: Message) -> Receipt:
        """Send it; an account that is at fault, or a hospital that is away, stops nobody else."""
        name = message.address["partner"]
        hospital = self._hospitals.setdefault(name, _Hospital(Breaker(self._after)))
        left = hospital.away_until - self._clock()
        if left > 0 or hospital.probing:
            raise OneAway(f"{name}: away; one note tries again soon", after_seconds=max(1.0, left))
        hospital.probing = hospital.away_until > 0
        try:
            return await self._sent(hospital, name, message)
        finally:
            hospital.probing = False

    async def _sent(self, hospital: _Hospital, name: str, message: Message) -> Receipt:
        try:
            if hospital.sends is None:
                hospital.sends = self._connected(name)
            receipt = await hospital.sends.send(message)
        except PartnerAway as error:
            wait = max(self._away, error.after_seconds or 0.0)
            text = f"{name}: {error}"
            raise OneAway(text, status=error.status, answer=error.answer, after_seconds=wait) from None
        except (SettingError, KeyError) as error:
            raise OneAway(f"{name}: {error}", after_seconds=self._away) from None
        except TryLater:
            if hospital.away_until or hospital.breaker.failed(self._clock()):
                hospital.away_until = self._clock() + self._away
            raise
        except Refused:
            self._answers(hospital)
            raise
        self._answers(hospital)
        return receipt

    def _answers(self, hospital: _Hospital) -> None:
        hospital.breaker.answered()
        hospital.away_until = 0.0

    async def ask(self, message: Message) -> Receipt | None:
        """Nobody here can be asked: without an answer the note is sent once more after the settle time."""
        return None

    async def close(self) -> None:
        """Hang up everywhere."""
        for hospital in self._hospitals.values():
            if hospital.sends is not None:
                await hospital.sends.aclose()
