"""What one link remembers of its records while a run settles them: the ``Shelf`` of ``ports``, on the store.

States are read when asked for and kept in no other place, so a run that dies leaves nothing half known.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from assets.drain.bodies import pack
from assets.openmrs import hints, remembering
from assets.openmrs.events import Action, Key, Side
from assets.openmrs.ports import Outcome, Settled
from assets.openmrs.reconcile import Decision
from assets.openmrs.states import RecordState
from assets.openmrs.tree import Tree
from resources.store import sync_feeds, sync_records
from resources.store.connect import BorrowedAsync
from resources.store.seal import Sealer
from resources.store.sync_hints import Hint
from resources.store.sync_records import Call, Kept, Name, Remembered

#: A write of another link that was begun longer ago is not waited for: that link may be away for days.
MOMENT = 60.0
#: After these a record's state is what it was: nothing of it may be taken for agreed.
UNSETTLED = (Outcome.CONFLICT, Outcome.PARKED)
#: A record whose last look came to one of these is compared anew whatever is heard of it.
REFUSED = "refused"
OPEN = frozenset({*(each.name.lower() for each in UNSETTLED), Outcome.SET_ASIDE.name.lower(), REFUSED})
#: Of these a record's history says nothing.
QUIET = (Outcome.UNCHANGED, Outcome.OUTSIDE)
#: After these others that wait for the record have something to try.
CHANGED = (Outcome.APPLIED, Outcome.NOT_KEPT, Outcome.TOMBSTONED, Outcome.PURGED)


class StoreShelf:
    """One link's records. ``message`` is the one being settled: what is sent on the way belongs to it."""

    def __init__(
        self,
        lend: BorrowedAsync,
        sealer: Sealer,
        ids: Callable[[], int],
        link: str,
        beside: Mapping[Side, Sequence[tuple[str, Side]]],
    ) -> None:
        """``beside`` names, for each side, the other links to the same server and which side of theirs it is."""
        self.message: int | None = None
        self._lend, self._sealer, self._ids, self._link, self._beside = lend, sealer, ids, link, beside

    def of(self, message: int) -> "StoreShelf":
        """The shelf while this message is being settled; others are settled beside it."""
        found = copy.copy(self)
        found.message = message
        return found

    async def states(self, side: Side, keys: Iterable[Key]) -> Mapping[Key, RecordState]:
        """What is remembered, by present and former ids on ``side``."""
        return {
            key: replace(remembering.unpacked(kept.body)[0], open=kept.outcome in OPEN)
            for key, kept in (await self._kept(side, keys)).items()
        }

    async def _kept(self, side: Side, keys: Iterable[Key]) -> dict[Key, Kept]:
        names = {hints.name_of(self._sealer, self._link, key): key for key in keys}
        if not names:
            return {}
        async with self._lend() as db:
            found = await sync_records.find(db, self._sealer, self._link, side.value, names)
        return {names[name]: kept for name, kept in found.items()}

    async def owe(self, state: RecordState, side: Side, kind: str, message: bytes) -> None:
        """Commit the state with its intention and the exact calls, before the first byte leaves."""
        call = None
        if self.message is not None:
            packed = pack(message, {"side": side.value, "link": self._link})
            call = Call(message=self.message, kind=f"{kind} at the {side.value}", packed=packed)
        async with self._lend() as db:
            await sync_records.remember(db, self._sealer, self._ids, self._remembered(state), call)

    async def refused(self, state: RecordState) -> None:
        """Commit that what was begun has not happened."""
        async with self._lend() as db:
            await sync_records.remember(db, self._sealer, self._ids, self._remembered(state), None)

    async def fail(self, side: Side, key: Key, reason: str) -> None:
        """Note that a server refused what the record needs: until it is settled it waits for a person."""
        async with self._lend() as db:
            name = hints.name_of(self._sealer, self._link, key)
            await sync_records.fail(db, self._link, Name(side.value, name), self.message, REFUSED, reason)

    async def begun(self, kind: str) -> list[RecordState]:
        """Records of a type with a write whose end is not known."""
        async with self._lend() as db:
            found = await sync_records.begun(db, self._sealer, self._link, kind)
        return [remembering.unpacked(kept.body)[0] for kept in found]

    async def ids_there(self, side: Side, key: Key) -> list[str]:
        """The ids a record has had on that server, as another link to it remembers."""
        for link, theirs in self._beside[side]:
            name = hints.name_of(self._sealer, link, key)
            async with self._lend() as db:
                found = await sync_records.find(db, self._sealer, link, theirs.value, [name])
            for kept in found.values():
                state, _ = remembering.unpacked(kept.body)
                former = [old for where, old in state.former if where is theirs]
                if former:
                    return [*former, state.on(theirs).id]
        return []

    async def begun_there(self, side: Side, kind: str) -> list[Tree]:
        """What other links are writing to that server at this moment."""
        sent: list[Tree] = []
        for link, theirs in self._beside[side]:
            async with self._lend() as db:
                found = await sync_records.begun(db, self._sealer, link, kind, seconds=MOMENT)
            states = [remembering.unpacked(kept.body)[0] for kept in found]
            sent += [state.sent for state in states if state.intended is theirs and state.sent]
        return sent

    async def decision(self, side: Side, key: Key) -> Decision | None:
        """What a person decided about the record's conflict and nobody has carried out yet."""
        kept = (await self._kept(side, [key])).get(key)
        return None if kept is None or kept.decision is None else remembering.decision_of(kept.decision)

    async def actions(self) -> frozenset[Action]:
        """What the publishers said of the entries that led to this message."""
        async with self._lend() as db:
            return hints.actions(await sync_feeds.actions(db, self.message or 0))

    async def keep(self, done: Settled) -> None:
        """Commit the outcome of a record that another points to; it has no message but the other's."""
        await self._settle(done, ())

    async def settle(self, done: Settled, *, history: Sequence[Key] = ()) -> None:
        """Commit the outcome of the message's own record, with the records to be looked at because of it."""
        more = [hints.hint(self._sealer, self._link, Side.PARENT, key) for key in history]
        await self._settle(done, more)

    async def _settle(self, done: Settled, more: Sequence[Hint]) -> None:
        unsettled = done.outcome in UNSETTLED
        state = await self._before(done) if unsettled else done.state
        names = {hints.name_of(self._sealer, self._link, key) for _, key in remembering.ids_of(state)}
        remembered = replace(
            self._remembered(state, done), outcome=done.outcome.name.lower(), reason=done.reason
        )
        outcome = sync_records.Outcome(
            remembered=remembered,
            message=self.message,
            waits_for=[hints.name_of(self._sealer, self._link, key) for key in done.waits_for],
            changed=sorted(names) if done.outcome in CHANGED else (),
            hints=more,
            ended=not unsettled and done.outcome is not Outcome.SET_ASIDE,
            decided=not unsettled,
            audit=_overruled(done),
            told=done.outcome not in QUIET,
            wrote=[side.value for side in dict.fromkeys(done.wrote)],
            elements=done.changed,
        )
        async with self._lend() as db:
            await sync_records.settle(db, self._sealer, self._ids, outcome)

    async def _before(self, done: Settled) -> RecordState:
        """The state as it is kept: a record that waits has settled nothing but which ids are its own.

        An edit that was begun is over: both sides have been read, and what it may have left was looked for.
        """
        found = done.state
        known = await self.states(Side.PARENT, [Key(found.type, found.parent.id)])
        known = known or await self.states(Side.CHILD, [Key(found.type, found.child.id)])
        kept = next(iter(known.values()), found)
        edited = kept.intended is not None and kept.on(kept.intended).base is not None
        return replace(
            kept,
            parent=replace(kept.parent, id=found.parent.id),
            child=replace(kept.child, id=found.child.id),
            former=found.former,
            intended=None if edited else kept.intended,
            sent=None if edited else kept.sent,
        )

    def _remembered(self, state: RecordState, done: Settled | None = None) -> Remembered:
        names = [
            Name(side.value, hints.name_of(self._sealer, self._link, key))
            for side, key in remembering.ids_of(state)
        ]
        return Remembered(
            link=self._link,
            type=state.type,
            queue=hints.queue_of(self._sealer, self._link, Key(state.type, state.parent.id)),
            names=names,
            begun=state.intended is not None,
            body=remembering.packed(state, done.conflict if done else None),
        )


def _overruled(done: Settled) -> str:
    """Which elements a policy decided against one side: their names, never their values."""
    names = ", ".join(clash.element.partition("[")[0] for clash in done.overruled)
    return f"both sides had changed: {names}" if names else ""
