"""What an event owes Elation, and which calls may stand in for which. Opens no connection.

An event that carries the whole chart owes two calls, in this order, each with an outcome of its own: the
patient (``patient_create`` or ``patient_update``) and the ``policies``.

==================  ====================================================================================
``patient_create``  the whole patient; POST, or PATCH where Elation has the patient already
``patient_update``  the whole patient; PATCH
``patient_change``  a part of the patient; PATCH. For event types that do not carry the whole chart
``policies``        all policies that Arc knows
==================  ====================================================================================

A body is what goes over the wire. Elation's own id of the patient is not in it: the client looks it up by the
address, which holds the chart id and the facts by which a patient is searched and told from a namesake.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from assets.elation.events import ChartCreated, ChartEvent
from assets.elation.mapping import Patient, Policy, Practice, Problem, Unmappable, snapshot
from resources.store.values import OnFailure, Owed

#: These carry the whole state: the newest of a queue makes the older ones needless.
FULL_STATE = frozenset({"patient_update", "policies"})
#: Nothing of a chart may go before it exists; an update that fails is healed by the next one.
ON_FAILURE: Mapping[str, OnFailure] = {"patient_create": OnFailure.HOLD}
#: What a call leaves behind at Elation. After ``patient_change`` the patient is no longer what was last sent.
LEAVES = {"patient_create": "patient", "patient_update": "patient", "policies": "policies"}
#: Of the chart, into the address.
FACTS = ("last_name", "first_name", "dob", "member_id", "medicaid_id")
#: The policy API numbers the ranks (help.elationhealth.com, Insurance policies).
RANK_NUMBERS = {"primary": 1, "secondary": 2}

_encode = msgspec.json.Encoder().encode


def owed(event: ChartEvent, practice: Practice, policy_names: Mapping[str, str]) -> tuple[Owed, ...]:
    """The calls an event gives rise to; ``Unmappable`` when Elation could not take the chart.

    ``policy_names`` are Elation's names for the members of a policy; an empty one leaves the member out.
    """
    if found := queue_problems(event):
        raise Unmappable(found)
    told, address = snapshot(event, practice), _address(event)
    if not isinstance(told.patient, Patient):
        calls = [Owed(kind="patient_change", body=_encode(told.patient), address=address)]
    else:
        kind = "patient_create" if isinstance(event, ChartCreated) else "patient_update"
        calls = [Owed(kind=kind, body=_linked(told.patient, event.resource_id), address=address)]
    if told.policies is not msgspec.UNSET:
        rows = [policy_body(policy, policy_names) for policy in told.policies]
        calls.append(Owed(kind="policies", body=_encode(rows), address=address))
    return tuple(calls)


def queue_problems(event: ChartEvent) -> list[Problem]:
    """What keeps an event from the queue of its chart."""
    if event.data.chart.id == event.resource_id:
        return []
    text = "is not the resource_id, by which the events of a chart are kept in order; send both alike"
    return [Problem("data.chart.id", text)]


def on_failure(kind: str) -> OnFailure:
    """What the chart's later calls do when one of this kind has finally failed."""
    return ON_FAILURE.get(kind, OnFailure.CONTINUE)


def digest(kind: str, body: bytes) -> bytes | None:
    """What Elation has after this call, in 16 bytes; None for a call that carries a part only.

    A call whose digest is that of the last one delivered for the same queue and the same ``LEAVES`` changes
    nothing and is closed without being sent.
    """
    leaves = LEAVES.get(kind)
    return hashlib.blake2b(body, digest_size=16, person=leaves.encode()).digest() if leaves else None


def superseded(kinds: Sequence[str]) -> dict[int, int]:
    """Of one queue's waiting calls, in order: the index of each that is needless, and of the one that carries it.

    A creation or a part of a patient is never merged, and nothing is merged across one.

    >>> superseded(["patient_create", "policies", "patient_update", "policies", "patient_update", "policies"])
    {3: 5, 2: 4, 1: 5}
    """
    newest: dict[str, int] = {}
    needless: dict[int, int] = {}
    for index in range(len(kinds) - 1, -1, -1):
        kind = kinds[index]
        if kind not in FULL_STATE:
            newest.clear()
        elif kind in newest:
            needless[index] = newest[kind]
        else:
            newest[kind] = index
    return needless


def policy_body(policy: Policy, names: Mapping[str, str]) -> dict[str, object]:
    """One policy under Elation's member names; ``KeyError`` for a member nobody has named."""
    ours = (
        ("rank", RANK_NUMBERS[policy.rank]),
        ("carrier", policy.carrier),
        ("member_id", policy.member_id),
        ("payment_program", policy.payment_program),
    )
    return {names[name]: value for name, value in ours if value is not None and names[name]}


def _linked(patient: Patient, chart: str) -> bytes:
    """The body of a whole patient, with the chart's id for Elation to keep."""
    return _encode(patient)[:-1] + b',"metadata":' + _encode({"object_id": chart}) + b"}"


def _address(event: ChartEvent) -> dict[str, str]:
    chart, address = event.data.chart, {"chart": event.resource_id}
    for name in FACTS:
        if value := getattr(chart, name):
            address[name] = value
    return address
