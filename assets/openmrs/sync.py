"""One record brought to agreement: read here, read there, decide, write, read back.

A ``Sync`` is made for each message of a run. It keeps nothing that a crash would miss: what it must remember it returns
as ``Settled`` for the store, and before a first byte leaves it has told the store what it is about to do.
A server that is away raises ``TryLater`` or ``PartnerAway`` out of here, and so parks nothing (R7).
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TypeAlias, TypeGuard

from assets.openmrs.canonical import canonical
from assets.openmrs.catchment import Catchment, Leaving
from assets.openmrs.checks import before_sending
from assets.openmrs.clocks import newer
from assets.openmrs.events import Action, Key, Side
from assets.openmrs.links import Link
from assets.openmrs.mapping import Mapped, Target, calls, message_kind, outgoing
from assets.openmrs.membership import Membership, enters
from assets.openmrs.merge import Change, applied, changes, meanwhile, stuck
from assets.openmrs.neighbours import DEEPEST, Neighbours, renumbered
from assets.openmrs.ports import FarEnd, Learnt, Outcome, Settled, Shelf, reading
from assets.openmrs.reconcile import (
    Carry,
    Conflict,
    Create,
    Decision,
    Edit,
    Nothing,
    Plan,
    Quarrel,
    Reason,
    Revive,
    Rules,
    Void,
    Write,
    decide,
    unchanged,
)
from assets.openmrs.states import Absence, Alive, Known, Reading, RecordState, settled
from assets.openmrs.tree import Tree
from assets.openmrs.turns import CROSSED_SECONDS, InHand
from resources.errors import OneAway, Refused

#: Keeps other links to the same servers from a record of these ids.
Apart: TypeAlias = Callable[[Mapping[Side, Key]], AbstractAsyncContextManager[None]]

UNDECIDED = Decision()
#: A server answers an edited record of these types under another uuid.
RENUMBERED = frozenset({"Observation"})
GONE = 410
#: Stands in place of an element where nothing of a write is to be seen.
ALL_OF_IT = "(the record itself)"


class Sync:
    """Settles records of one link; ``catchment`` has the run's members where it is a Group.

    ``hand`` and ``learnt`` are the link's in this run: others settle their records beside us. ``apart`` has other
    links to the same servers leave a record alone, by its ids there.
    """

    def __init__(
        self,
        link: Link,
        ends: Mapping[Side, FarEnd],
        shelf: Shelf,
        catchment: Catchment,
        *,
        hand: InHand | None = None,
        learnt: Learnt | None = None,
        apart: Apart | None = None,
    ) -> None:
        self._link = link
        self._apart = apart
        self._ends = ends
        self._shelf = shelf
        self._hand = hand or InHand()
        learnt = learnt or Learnt()
        self._membership = Membership(catchment, ends[Side.PARENT], shelf, learnt)
        self._near = Neighbours(link, ends, shelf, self._fetch, learnt)

    @asynccontextmanager
    async def alone(self, side: Side, key: Key) -> AsyncIterator[None]:
        """Have a record in hand, whatever id of it we were told."""
        fixed = self._link.same_ids and key.type not in RENUMBERED
        while True:
            name = key if fixed else await self._name(side, key)
            async with self._hand.one(name):
                if fixed or name == await self._name(side, key):  # it may have got another id while we waited
                    async with await self._alone_there(side, key):
                        yield
                    return

    async def _alone_there(self, side: Side, key: Key) -> AbstractAsyncContextManager[None]:
        if self._apart is None:
            return nullcontext()
        state, _ = await self._state(side, key)
        return self._apart({each: Key(key.type, state.on(each).id) for each in Side})

    async def _name(self, side: Side, key: Key) -> Key:
        state, _ = await self._state(side, key)
        return Key(key.type, state.parent.id)

    async def settle(
        self,
        side: Side,
        key: Key,
        actions: frozenset[Action] = frozenset(),
        handed_in: Tree | None = None,
        decision: Decision = UNDECIDED,
        depth: int = 0,
    ) -> Settled:
        """Bring one record to agreement after a hint from ``side``.

        ``handed_in`` is its state there (scenarios B and C); ``decision`` is a person's word on its conflict,
        which is carried out like any other write: both sides are read anew before it. The caller has the
        record in hand (``alone``).
        """
        state, known = await self._state(side, key)
        if not known and await self._ours_perhaps(side, key, depth):
            state, known = await self._state(side, key)
        if key.id != state.on(side).id:
            if not state.open:
                return _done(key, state, Outcome.UNCHANGED, Reason.RENUMBERED.value)
            key, handed_in = Key(key.type, state.on(side).id), None
        here = (
            Alive(handed_in) if handed_in is not None else await reading(self._ends[side], key.type, key.id)
        )
        if not known and key.type in RENUMBERED and await self._near.being_written(side, here):
            raise OneAway("another link is writing this record there", after_seconds=CROSSED_SECONDS)
        settled_before = not (state.intended or state.outside or state.open)
        if settled_before and state.on(side).met and unchanged(state.on(side), here):
            return _done(key, state, Outcome.UNCHANGED, Reason.ECHO.value)
        there, state = await self._near.other(side, key, state)
        parent, child = (here, there) if side is Side.PARENT else (there, here)
        if state.intended and (child if state.intended is Side.CHILD else parent) is Absence.VOIDED:
            twin = await self._near.edited_twin(state)
            if twin is not None and state.intended is Side.CHILD:
                child, state = twin
            elif twin is not None:
                parent, state = twin
        inside = await self._membership.may_go_down(state, parent)
        if not inside and not isinstance(child, Alive) and state.child.base is None:
            return _done(key, replace(state, outside=True), Outcome.OUTSIDE, Outcome.OUTSIDE.value)
        entering = inside and key.type == "Patient" and enters(state, actions)
        if entering and state.child.absent is Absence.VOIDED:
            state = replace(state, parent=Known(id=state.parent.id, absent=Absence.VOIDED))
        if not inside and self._link.leaving is not Leaving.KEEP:
            return await self._left(key, state, parent, child, depth)
        plan = await self._plan(state, parent, child)
        if _against_a_void(plan):
            readings = {Side.PARENT: parent, Side.CHILD: child}
            if (elsewhere := await self._near.edited_elsewhere(state, readings)) is not None:
                where, found, state = elsewhere
                parent, child = (found, child) if where is Side.PARENT else (parent, found)
                plan = await self._plan(state, parent, child)
        if isinstance(plan, Conflict) and decision is not UNDECIDED:
            plan = await self._plan(state, parent, child, decision)
        done = await self._carry_out(key, state, plan, parent, child, depth)
        return replace(done, wants_history=entering)

    async def _plan(
        self, state: RecordState, parent: Reading, child: Reading, decision: Decision = UNDECIDED
    ) -> Plan:
        ahead = (self._ends[Side.PARENT].clock_ahead, self._ends[Side.CHILD].clock_ahead)
        later = newer(parent, child, ahead, self._link.clock_limit_seconds)
        rules = Rules(policies=self._link.policies, newer=later, decision=decision)
        told, seen = await self._near.in_childs_ids(state, parent)
        plan = decide(told, seen, child, rules)
        if isinstance(plan, Carry) and isinstance(parent, Alive):
            new = [replace(w, record=parent.record) if _is_down(w) else w for w in plan.writes]
            plan = replace(plan, writes=tuple(new))
        return plan

    async def _fetch(self, side: Side, key: Key, depth: int) -> RecordState | None:
        """Settle a record that another points to, and keep it; it has no message but the other's."""
        if self._hand.mine(await self._name(side, key)):
            return None
        async with self.alone(side, key):
            state, _ = await self._state(side, key)
            if state.on(side.other).base is None or state.intended:  # nobody has brought it while we waited
                done = await self.settle(side, key, depth=depth)
                await self._shelf.keep(done)
                state = done.state
        return state

    async def _ours_perhaps(self, side: Side, key: Key, depth: int) -> bool:
        """Whether writes to that side whose end was not known had to be settled first.

        A record nobody has heard of may be what one of them made under an id that we have not been told: taken
        for a new one it would be made a second time on the other side.
        """
        renumbers = not self._link.same_ids or key.type in RENUMBERED
        if not renumbers or depth >= DEEPEST:
            return False
        found = False
        for old in (await self._shelf.ids_there(side, key))[:-1]:
            if (await self._state(side, Key(key.type, old)))[1]:
                found = await self._end_begun(side, Key(key.type, old), depth, always=True) or found
        for state in await self._shelf.begun(key.type):
            source = side.other
            fixed = self._link.same_ids and state.on(side).base is None
            if state.intended is side and not fixed:
                found = await self._end_begun(source, Key(key.type, state.on(source).id), depth) or found
        return found

    async def _end_begun(self, side: Side, key: Key, depth: int, *, always: bool = False) -> bool:
        if self._hand.mine(await self._name(side, key)):
            return False
        async with self.alone(side, key):
            state, _ = await self._state(side, key)
            if state.intended is not None or (always and key.id == state.on(side).id):
                try:
                    await self._shelf.keep(await self.settle(side, key, depth=depth + 1))
                except Refused:
                    return True  # it has not happened; its own message says so to a person
        return True

    async def _left(
        self, key: Key, state: RecordState, parent: Reading, child: Reading, depth: int
    ) -> Settled:
        """The patient lives elsewhere now: nothing goes down, and what goes up goes up.

        What the clinic has not been given stays a difference to the parent's base, so that it follows when
        the patient comes back.
        """
        outside = replace(state, outside=True)
        if self._link.leaving is Leaving.PURGE and not state.outside and unchanged(state.child, child):
            purge = Carry(writes=(Void(Side.CHILD),))
            done = await self._carry_out(key, state, purge, parent, child, depth)
            return replace(done, state=replace(done.state, outside=True))
        plan = await self._plan(state, parent, child)
        up = [write for write in plan.writes if write.side is Side.PARENT] if isinstance(plan, Carry) else []
        if isinstance(plan, Conflict) or not up:
            return _done(key, outside, Outcome.OUTSIDE, Outcome.OUTSIDE.value)
        done = await self._carry_out(key, state, Carry(writes=tuple(up)), parent, child, depth)
        base = state.parent.base
        if done.outcome is Outcome.APPLIED and base is not None and isinstance(up[0], Edit):
            given = replace(done.state.parent, base=canonical(applied(base, up[0].changes)))
            done = replace(done, state=replace(done.state, parent=given))
        return replace(done, state=replace(done.state, outside=True))

    async def _carry_out(
        self, key: Key, state: RecordState, plan: Plan, parent: Reading, child: Reading, depth: int
    ) -> Settled:
        if isinstance(plan, Conflict):
            return _done(key, state, Outcome.CONFLICT, plan.quarrel.value, conflict=plan)
        if isinstance(plan, Nothing):
            outcome = _NOTHING.get(plan.reason, Outcome.UNCHANGED)
            return _done(key, settled(state, parent, child), outcome, plan.reason.value)
        before, readings = state, {Side.PARENT: parent, Side.CHILD: child}
        lost: list[str] = []
        for write in plan.writes:
            found = await self._write(key, state, write, readings, depth)
            if isinstance(found, Settled):
                return found
            state, left = found
            lost += left
        state = settled(state, readings[Side.PARENT], readings[Side.CHILD])
        wrote = tuple(write.side for write in plan.writes)
        if any(isinstance(write, Revive) for write in plan.writes):
            return await self._compared_anew(key, before, readings, wrote, depth)
        outcome = _outcome(plan.writes, lost)
        return Settled(
            key=key,
            state=state,
            outcome=outcome,
            reason=outcome.value,
            elements=tuple(dict.fromkeys(lost)),
            overruled=plan.overruled,
            wrote=wrote,
            changed=tuple(dict.fromkeys(name for write in plan.writes for name in _names(write))),
        )

    async def _compared_anew(
        self,
        key: Key,
        state: RecordState,
        readings: Mapping[Side, Reading],
        wrote: tuple[Side, ...],
        depth: int,
    ) -> Settled:
        """A revived record may have changed while it was gone: compared with its bases, or as if just met."""
        parent, child = readings[Side.PARENT], readings[Side.CHILD]
        alive = replace(
            state,
            parent=Known(id=state.parent.id, base=state.parent.base),
            child=Known(id=state.child.id, base=state.child.base),
        )
        plan = await self._plan(alive, parent, child)
        done = await self._carry_out(key, alive, plan, parent, child, depth)
        if done.outcome is Outcome.UNCHANGED:
            done = replace(done, outcome=Outcome.APPLIED, reason=Outcome.APPLIED.value)
        return replace(done, wrote=wrote + done.wrote)

    async def _write(
        self, key: Key, state: RecordState, write: Write, readings: dict[Side, Reading], depth: int
    ) -> Settled | tuple[RecordState, list[str]]:
        """One write with its read-back, which takes the reading's place; a ``Settled`` ends the record here."""
        write, missing = await self._near.pointed(write, depth)
        if missing:
            return _parked(key, state, missing)
        mapped = self._mapped(state, write, readings)
        if problems := before_sending(mapped.calls):
            return _done(key, state, Outcome.SET_ASIDE, "; ".join(problems[:5]))
        if not mapped.calls:
            return state, list(mapped.left)
        if isinstance(write, Create):
            state = replace(state, intended=write.side, sent=canonical(write.record))
        elif isinstance(write, Edit) and state.type in RENUMBERED:
            state = replace(state, intended=write.side, sent=canonical(write.after))
        message = outgoing(mapped.calls)
        await self._shelf.owe(state, write.side, message_kind(write), message)
        try:
            sent = await self._ends[write.side].carry_out(message)
        except Refused as refused:
            # A dropped connection may have been tried again below us: what it left the first time is looked for.
            twin = await self._near.edited_twin(state) if refused.status == GONE else None
            if twin is not None:
                readings[write.side], state = twin
                return state, _unkept(write, mapped, readings[write.side])
            if state.intended is not None:
                state = replace(state, intended=None, sent=None)
                await self._shelf.refused(state)
            if gone := await self._near.gone(write):
                return _parked(key, state, gone)
            if isinstance(write, Create) and (taken := await self._near.identifier_taken(write, readings)):
                return _done(key, state, Outcome.CONFLICT, taken.quarrel.value, conflict=taken)
            raise
        if isinstance(write, Create) or state.type != "Patient":
            state = renumbered(state, write.side, sent.id)
        back = await reading(self._ends[write.side], state.type, state.on(write.side).id)
        readings[write.side] = _exchanged(write, readings[write.side], back)
        return state, _unkept(write, mapped, back)

    def _mapped(self, state: RecordState, write: Write, readings: Mapping[Side, Reading]) -> Mapped:
        known, there = state.on(write.side), readings[write.side]
        alive = [each.record for each in readings.values() if isinstance(each, Alive)]
        target = Target(
            kind=self._link.on(write.side).kind,
            id=known.id,
            record=alive[0] if alive else {"resourceType": state.type, "id": known.id},
            origin=self._link.on(write.side.other).url,
            version=there.version if isinstance(there, Alive) else "",
            telephone=self._link.telephone,
        )
        return calls(write, target)

    async def _state(self, side: Side, key: Key) -> tuple[RecordState, bool]:
        """What is remembered of the record, and whether that is anything."""
        known = await self._shelf.states(side, [key])
        if key in known:
            return known[key], True
        return RecordState(type=key.type, parent=Known(id=key.id), child=Known(id=key.id)), False


_NOTHING = {
    Reason.TOMBSTONED: Outcome.TOMBSTONED,
    Reason.PURGED: Outcome.PURGED,
    Reason.ADOPTED: Outcome.APPLIED,
}


def _done(
    key: Key,
    state: RecordState,
    outcome: Outcome,
    reason: str,
    *,
    conflict: Conflict | None = None,
    waits_for: tuple[Key, ...] = (),
) -> Settled:
    return Settled(
        key=key, state=state, outcome=outcome, reason=reason, conflict=conflict, waits_for=waits_for
    )


def _against_a_void(plan: Plan) -> bool:
    """Whether a record voided on one side lives on the other: it may go on over there under another id."""
    if isinstance(plan, Conflict):
        return plan.quarrel in (Quarrel.VOID_AGAINST_EDIT, Quarrel.VOID_AGAINST_MET)
    return isinstance(plan, Carry) and any(isinstance(write, Revive) for write in plan.writes)


def _names(write: Write) -> list[str]:
    """What a write is about, by the names of elements."""
    if isinstance(write, Edit):
        return [change.element.partition("[")[0] for change in write.changes]
    return [{Create: "created", Void: "voided", Revive: "alive again"}[type(write)]]


def _is_down(write: Write) -> TypeGuard[Create]:
    """Whether it makes the parent's record at the child: of the parent's own words, not of the compared ones."""
    return isinstance(write, Create) and write.side is Side.CHILD


def _parked(key: Key, state: RecordState, missing: tuple[Key, ...]) -> Settled:
    reason = f"waits for {', '.join(each.type for each in missing)} on the other side"
    return _done(key, state, Outcome.PARKED, reason, waits_for=missing)


def _exchanged(write: Write, before: Reading, back: Reading) -> Reading:
    """What was read back, without what somebody else changed while we wrote.

    Taken into the base it would be agreed between the sides and never carried over; the event it made finds it.
    """
    if not isinstance(write, Edit) or not isinstance(before, Alive) or not isinstance(back, Alive):
        return back
    foreign = meanwhile(before.record, write.changes, back.record)
    return replace(back, record=applied(back.record, foreign)) if foreign else back


def _unkept(write: Write, sent: Mapped, back: Reading) -> list[str]:
    """What a server answered 200 to and does not show, by element."""
    if isinstance(write, Void):
        return [ALL_OF_IT] if isinstance(back, Alive) else []
    if not isinstance(back, Alive):
        return [ALL_OF_IT]
    if isinstance(write, Create):
        return sorted(
            name for name, change in changes(canonical(write.record), back.record).items() if _lost(change)
        )
    return [*sent.left, *stuck(write.changes, back.record)] if isinstance(write, Edit) else []


def _lost(change: Change) -> bool:
    """Whether a new record lacks an element; what the server added by itself is no loss."""
    return change.before is not None and change.after is None


def _outcome(writes: tuple[Write, ...], unkept: list[str]) -> Outcome:
    """A creation is poorer where OpenMRS has no place for an element; a change that vanished is a surprise."""
    if all(isinstance(write, Create) for write in writes) and ALL_OF_IT not in unkept:
        return Outcome.APPLIED
    return Outcome.NOT_KEPT if unkept else Outcome.APPLIED
