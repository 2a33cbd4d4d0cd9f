"""``/messages``: find messages, see the life of one, act on it. What one holds: see ``web.staff.content``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import Response

from assets.drain.outcomes import Outcome
from resources.store import looks, lookup
from resources.store.connect import Connection
from resources.store.ids import arrival_and_part
from resources.store.lanes import NUMBERS
from resources.store.lookup import Filter, Found, Life
from resources.store.operators import Who
from resources.store.values import State
from web.staff import acting
from web.staff.answers import Problem, flash, log_access, redirect, render
from web.staff.house import House
from web.staff.pages import PageRequest, page
from web.staff.roles import CLINICIAN, OF_LANES, OF_MESSAGES, Person, acts_on_all, reads_content, sees_all
from web.staff.showing import from_input, local_input

#: Rows of one page, and how many of a clinician's lane are looked through for their own.
ROWS = 100
LOOKED_THROUGH = 2_000
#: The parts of one arrival stay on one page.
PARTS = 8

NO_SUCH = Problem(
    404, "There is no such message.", "It may have been typed wrongly, or kept its time and gone."
)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the list is narrowed to, as it stands in the address. It names no patient."""

    lane: str = ""
    state: str = ""
    queue: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None

    @classmethod
    def read(cls, given: Mapping[str, str], house: House) -> "Narrowed":
        """Of an address; raises Problem where it makes no sense."""
        lane, state = given.get("lane", ""), given.get("state", "")
        queue, before = given.get("queue", "").strip().lower(), given.get("before", "")
        sound = (
            lane in ("", *NUMBERS)
            and state.upper() in ("", *State.__members__)
            and re.fullmatch(r"[0-9a-f]{0,16}", queue)
            and re.fullmatch(r"[0-9]{0,18}|[1-8][0-9]{18}", before)
        )
        if not sound:
            raise Problem(400, "The list cannot be narrowed in this way.", "Choose again from the form.")
        try:
            since, until = (from_input(given.get(name, ""), house.zone) for name in ("since", "until"))
        except ValueError:
            raise Problem(400, "One of the times cannot be read.", "Write it as 2026-03-01T15:04.") from None
        return cls(lane, state, queue, since, until, int(before) if before else None)

    def address(self, house: House) -> str:
        """The same as the beginning of an address, without the page."""
        given = {
            "lane": self.lane,
            "state": self.state,
            "queue": self.queue,
            "since": local_input(self.since, house.zone),
            "until": local_input(self.until, house.zone),
        }
        return urlencode({name: value for name, value in given.items() if value})

    def filter(self, limit: int, lane: str = "") -> Filter:
        """For the store."""
        return Filter(
            lane=lane or self.lane or None,
            state=self.state or None,
            queue=self.queue or None,
            since=self.since,
            until=self.until,
            before=self.before,
            limit=limit,
        )


@page("/messages", roles=OF_MESSAGES, title="Messages", nav="Messages")
def messages(request: PageRequest) -> Response:
    """The newest that fit what stands in the address."""
    narrowed = Narrowed.read(request.query_params, request.house)
    if sees_all(request.person):
        with request.house.store() as db:
            found = lookup.find(db, narrowed.filter(ROWS + PARTS))
            queue = looks.queue(db, narrowed.queue) if len(narrowed.queue) >= 12 else None
        return _list(request, narrowed, found, queue=queue)
    with request.house.store() as db:
        found = lookup.find(db, narrowed.filter(LOOKED_THROUGH, lane="hcoint"))
    return _list(request, narrowed, _own(request, found), queue=None)


@page("/messages", roles=OF_MESSAGES, method="POST", title="Messages")
def find(request: PageRequest) -> Response:
    """By one value a person has at hand. It may name a patient, so it is never part of an address."""
    key = request.field("key", "what to look for", most=200)
    subject = request.house.sealer.blind("looked up", key)
    log_access(request, "looked for messages", subject, "found by a value somebody had at hand")
    with request.house.store() as db:
        found = by_value(db, request.house, key)
    shown = found if sees_all(request.person) else _own(request, found)
    return _list(request, Narrowed(), shown, queue=None, key=key)


def by_value(db: Connection, house: House, key: str) -> list[Found]:
    """A message's id, a queue's digits, the sender's own id, an order's or a patient's: whichever it is."""
    arrivals = lookup.arrivals_of_key(db, house.sealer, key)
    if re.fullmatch(r"[0-9]{1,18}|[1-8][0-9]{18}", key):
        arrivals.append(arrival_and_part(int(key))[0])
    found = lookup.find(db, Filter(arrivals=arrivals, limit=ROWS)) if arrivals else []
    if re.fullmatch(r"[0-9a-fA-F]{12}", key):
        found += lookup.find(db, Filter(queue=key.lower(), limit=ROWS))
    return list({one.id: one for one in found}.values())


def _own(request: PageRequest, found: Sequence[Found]) -> list[Found]:
    own = request.site.own(request.person, [one.id for one in found])
    return [one for one in found if one.id in own]


def _list(
    request: PageRequest,
    narrowed: Narrowed,
    found: Sequence[Found],
    *,
    queue: "looks.Queue | None",
    key: str = "",
) -> Response:
    rows, older = cut(found) if not key else (found, None)
    return render(
        request,
        "messages.html",
        rows=rows,
        older=urlencode({"before": older}) if older else "",
        address=narrowed.address(request.house),
        narrowed=narrowed,
        queue=queue,
        key=key,
        lanes=list(NUMBERS) if sees_all(request.person) else ["hcoint"],
        states=[state.name.lower() for state in State],
        everything=sees_all(request.person),
    )


def cut(found: Sequence[Found], rows: int = ROWS) -> tuple[Sequence[Found], int | None]:
    """One page's rows, and the arrival before which the next page begins."""
    if len(found) <= rows:
        return found, None
    end = rows
    while end < len(found) and _arrival(found[end]) == _arrival(found[end - 1]):
        end += 1
    return found[:end], _arrival(found[end - 1])


def _arrival(one: Found) -> int:
    return arrival_and_part(one.id)[0]


# -- one message -------------------------------------------------------------------------------------------------


def life_of(request: PageRequest) -> Life:
    """The message of the address, if this person may know of it."""
    message = request.path_params["id"]
    if message >= 1 << 63:
        raise NO_SUCH
    with request.house.store() as db:
        life = lookup.life(db, message)
    if life is None:
        raise NO_SUCH
    if not sees_all(request.person) and message not in request.site.own(request.person, [message]):
        raise NO_SUCH
    return life


@page("/messages/{id:int}", roles=OF_MESSAGES, title="Message")
def message(request: PageRequest) -> Response:
    """Its life: arrived, mapped, each try, what people did, where it stands."""
    life = life_of(request)
    found = life.found
    with request.house.store() as db:
        made = lookup.versions(db, found.id)
        done = looks.acts_on(db, [str(found.id), found.queue])
        queue = looks.queue(db, found.queue)
    return render(
        request,
        "message.html",
        found=found,
        life=life,
        versions=made,
        steps=steps(life, done),
        queue=queue,
        acts=possible(found, queue, request.person),
        readable=reads_content(request.person),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened: a try of ours, or what a person did."""

    at: datetime
    outcome: str = ""
    status: int = 0
    ms: int = 0
    batch: int | None = None
    run_id: str = ""
    who: str = ""
    what: str = ""
    reason: str = ""


def steps(life: Life, done: Sequence[looks.Act]) -> list[Step]:
    """Tries and acts in the order of time."""
    tries = [
        Step(
            at=one.at,
            outcome=Outcome(one.outcome).name,
            status=one.status,
            ms=one.ms,
            batch=one.batch,
            run_id=one.run_id,
        )
        for one in life.tries
    ]
    acts = [Step(at=act.at, who=act.who, what=act.what, reason=act.reason) for act in done]
    return sorted([*tries, *acts], key=lambda step: step.at)


def possible(found: Found, queue: "looks.Queue | None", person: Person) -> list[str]:
    """What this person can do to it as it stands, the gentlest first."""
    stands = found.state in ("waiting", "failed", "set_aside")
    acts = ["retry"] if stands else []
    if not acts_on_all(person):
        return acts
    if queue is not None:
        acts.append("release" if queue.hold else "hold")
    return [*acts, "skip"] if stands else acts


@page("/messages/{id:int}/act", roles=OF_MESSAGES, method="POST")
def act(request: PageRequest) -> Response:
    """Retry, skip, hold or release, with a reason."""
    found = life_of(request).found
    what = request.fields.get("act", "")
    if what not in acting.ON_MESSAGE:
        raise Problem(400, "There is no such act.", "Choose one of the buttons.")
    if request.person.role == CLINICIAN and what != "retry":
        raise Problem(403, "Your role sends its own messages again, and nothing else.")
    who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
    with request.house.store() as db:
        said = acting.ON_MESSAGE[what](db, found.id, who)
    flash(request, said)
    return redirect(request, f"/messages/{found.id}")


@page("/queues/{digits}/act", roles=OF_LANES, method="POST")
def act_on_queue(request: PageRequest) -> Response:
    """Retry, hold or release all of one queue, with a reason."""
    digits, what = request.path_params["digits"], request.fields.get("act", "")
    if what not in acting.ON_QUEUE or not re.fullmatch(r"[0-9a-f]{12,16}", digits):
        raise Problem(400, "There is no such act.", "Choose one of the buttons.")
    who = Who(request.person.name, request.field("reason", "a reason; it goes into the audit"))
    with request.house.store() as db:
        said = acting.ON_QUEUE[what](db, acting.queue_shown(db, digits), who)
    flash(request, said)
    return redirect(request, f"/messages?queue={digits}")


PAGES = [messages, find, message, act, act_on_queue]
