"""The insurance policies of one Elation patient, brought to what Arc knows of them.

Elation keeps one active policy a rank, and a new one on a taken rank silently ends the old
(help.elationhealth.com, Insurance policies). So the ranks are read first, and a policy that the clinic has
changed since we wrote it, or that we never wrote, is not touched: that is a conflict for a person.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from resources.elation_api import Api, Known, document
from resources.errors import Refused

LIST = "/patients/{patient}/policies/"
ONE = "/patients/{patient}/policies/{policy}/"
#: After the chart's id, in the name under which we remember what we wrote; no id holds this character.
REMEMBERED = "\x1fpolicies"

Row = dict[str, Any]


class Written(msgspec.Struct, frozen=True):
    """What we last wrote at a rank: which members, and a digest of their values."""

    members: list[str]
    digest: str


_MEMORY = msgspec.json.Decoder(dict[int, Written])
_ROW = msgspec.json.Decoder(Row)
_ROWS = msgspec.json.Decoder(list[Row])


@dataclass(frozen=True, slots=True)
class Ranks:
    """For each rank: what Arc wants there, what Elation has there, and what we last wrote there."""

    wanted: Mapping[int, Row]
    there: Mapping[int, Row]
    ours: Mapping[int, Written]

    def held(self) -> bool:
        """Elation has all that is wanted and nothing of ours beside it."""
        stray = [rank for rank in self.there if rank not in self.wanted and self.is_ours(rank)]
        return not stray and all(self.same(rank) for rank in self.wanted)

    def same(self, rank: int) -> bool:
        """Elation has at this rank what is wanted there."""
        want, have = self.wanted.get(rank), self.there.get(rank)
        return want is not None and have is not None and _digest(want, want) == _digest(have, want)

    def is_ours(self, rank: int) -> bool:
        """Elation has at this rank what we last wrote there."""
        last = self.ours.get(rank)
        return last is not None and last.digest == _digest(self.there[rank], last.members)

    def in_conflict(self) -> list[int]:
        """The ranks that are wanted otherwise but hold what somebody else wrote."""
        return [r for r in self.wanted if r in self.there and not self.same(r) and not self.is_ours(r)]


class Policies:
    """Reads and writes policies, a request each."""

    def __init__(self, api: Api, known: Known, names: Mapping[str, str]) -> None:
        self._api, self._known = api, known
        self._rank = names["rank"]

    async def write(self, patient: str, chart: str, body: bytes) -> None:
        """Bring the patient's ranks to ``body``; nothing is sent for a rank that is so already."""
        ranks = await self._read(patient, chart, body)
        if conflict := ranks.in_conflict():
            raise Refused(
                f"{LIST}: rank {', '.join(map(str, conflict))} holds a policy that was not written by us or was "
                "changed in Elation; decide there which one is right, then retry or skip"
            )
        ours = dict(ranks.ours)
        for rank in sorted(ranks.wanted.keys() | ranks.there.keys() | ranks.ours.keys()):
            await self._settle(patient, rank, ranks)
            ours = await self._remember(chart, rank, ranks.wanted.get(rank), ours)

    async def hold(self, patient: str, chart: str, body: bytes) -> bool:
        """Whether Elation has all of ``body``."""
        ranks = await self._read(patient, chart, body)
        if not ranks.held():
            return False
        ours = dict(ranks.ours)
        for rank, want in ranks.wanted.items():
            ours = await self._remember(chart, rank, want, ours)
        return True

    async def _settle(self, patient: str, rank: int, ranks: Ranks) -> None:
        """Send what this rank needs, if anything."""
        want, have = ranks.wanted.get(rank), ranks.there.get(rank)
        if want is None:
            if have is not None and ranks.is_ours(rank):
                await self._end(patient, str(have["id"]))
        elif have is None:
            content = msgspec.json.encode(want)
            document(await self._api.call("POST", LIST, content, patient=patient))
        elif not ranks.same(rank):
            content = msgspec.json.encode(want)
            document(await self._api.call("PUT", ONE, content, patient=patient, policy=str(have["id"])))

    async def _end(self, patient: str, policy: str) -> None:
        try:
            await self._api.call("DELETE", ONE, patient=patient, policy=policy)
        except Refused as error:
            if error.status not in (404, 410):  # gone is what we wanted
                raise

    async def _read(self, patient: str, chart: str, body: bytes) -> Ranks:
        wanted = {_number(row.get(self._rank)): row for row in _ROWS.decode(body)}
        if 0 in wanted:
            raise Refused(f"{LIST}: mapped under other names than ELATION_POLICY_NAMES has now; map it anew")
        rows = await self._api.rows(_ROW.decode, LIST, patient=patient)
        there = {_number(row.get(self._rank)): row for row in rows if _active(row)}
        there.pop(0, None)
        remembered = await self._known.get(chart + REMEMBERED)
        return Ranks(wanted, there, _MEMORY.decode(remembered) if remembered else {})

    async def _remember(
        self, chart: str, rank: int, want: Row | None, ours: dict[int, Written]
    ) -> dict[int, Written]:
        """Note what now stands at a rank because of us."""
        now = {number: written for number, written in ours.items() if number != rank}
        if want is not None:
            now[rank] = Written(sorted(want), _digest(want, want))
        if now != ours:
            await self._known.put(chart + REMEMBERED, msgspec.json.encode(now).decode())
        return now


def _number(rank: object) -> int:
    """The rank as a number; 0 for a policy without one, which is inactive."""
    return int(str(rank)) if str(rank).isdecimal() else 0


def _active(row: Row) -> bool:
    return not row.get("deleted_date") and row.get("is_active", True) is not False


def _digest(row: Row, members: Iterable[str]) -> str:
    values = [(name, "" if row.get(name) is None else str(row[name])) for name in sorted(members)]
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).hexdigest()
