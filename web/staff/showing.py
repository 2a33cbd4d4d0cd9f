"""Words and times as people read them: states, outcomes, moments, ages. Pure; no request, no store."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

#: A state: its word, and how it looks.
STATES: Mapping[str, tuple[str, str]] = {
    "waiting": ("Waiting", "wait"),
    "accepted": ("Accepted", "going"),
    "delivered": ("Delivered", "good"),
    "failed": ("Failed", "bad"),
    "skipped": ("Skipped", "still"),
    "superseded": ("Superseded", "still"),
    "cancelled": ("Cancelled", "still"),
    "set_aside": ("Set aside", "bad"),
    # orders
    "requested": ("Waits for its note", "wait"),
    "note_attached": ("Note attached", "going"),
    "sending": ("On its way", "going"),
    "on_hold": ("On hold", "wait"),
    # consultations
    "to_screen": ("To screen", "wait"),
    "ready_for_pickup": ("To pick up", "wait"),
    "pending_sp": ("Picked", "going"),
    "in_progress": ("In progress", "going"),
    "completed": ("Completed", "good"),
    # records of two hospitals
    "conflict": ("Two sides disagree", "bad"),
    "refused": ("Refused", "bad"),
    "parked": ("Waits for another record", "wait"),
    "applied": ("Carried over", "good"),
    "not_kept": ("Carried over in part", "wait"),
    "unchanged": ("Both sides agree", "good"),
    "outside": ("Outside the catchment", "still"),
    "tombstoned": ("Voided on both sides", "still"),
    "purged": ("Purged on one side", "wait"),
    # lanes
    "ok": ("Running well", "good"),
    "held": ("Held", "wait"),
    "away": ("Partner away", "bad"),
    "stalled": ("Standing still", "bad"),
}

#: An outcome of a try, as ``assets.drain.outcomes`` names it, and how it looks.
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "DELIVERED": ("The partner took it", "good"),
    "ACCEPTED": ("The partner has it and has not said what became of it", "going"),
    "TRY_LATER": ("Not now: it is tried again", "wait"),
    "UNSURE": ("No clear answer: the partner is asked before it is sent again", "wait"),
    "REFUSED": ("The partner refused it", "bad"),
    "FOUND": ("Asked: the partner has it", "good"),
    "NOT_FOUND": ("Asked: the partner does not have it, or not yet", "wait"),
    "PROBE": ("A probe: the partner is still away", "wait"),
}

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age(seconds: float | None) -> str:
    """How long, in the two words a person would use.

    >>> age(3), age(200), age(90_000)
    ('3 s', '3 min', '1 d 1 h')
    """
    if seconds is None:
        return "—"
    for index, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            below = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            more = f" {rest // below[0]} {below[1]}" if below and rest >= below[0] else ""
            return f"{whole} {unit}{more}"
    return f"{int(seconds)} s"


def moment(at: datetime | None, zone: ZoneInfo) -> Markup:
    """A time in the zone of the house, exact for machines and on pointing at it."""
    if at is None:
        return Markup("—")
    here = at.astimezone(zone)
    exact = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        exact.isoformat(timespec="milliseconds"),
        f"{exact:%Y-%m-%d %H:%M:%S}.{exact.microsecond // 1000:03}",
        f"{here.day} {here:%b %Y, %H:%M:%S}",
    )


def local_input(at: datetime | None, zone: ZoneInfo) -> str:
    """A time as a form's date-and-time field takes it."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


def from_input(text: str, zone: ZoneInfo) -> datetime | None:
    """What a date-and-time field holds, in the zone of the house; raises ValueError."""
    if not text:
        return None
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=zone)


def number(value: int) -> str:
    """A count, with thin spaces between the thousands.

    >>> number(1234567).replace(chr(0x202F), "_")
    '1_234_567'
    """
    return f"{value:,}".replace(",", "\u202f")


def for_eyes(text: str) -> str:
    """A body as a page shows it: HL7's line ends as ours, control characters made visible.

    >>> for_eyes("MSH|1" + chr(13) + "PID|" + chr(27))
    'MSH|1\\nPID|\ufffd'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in lines)


def filters(zone: ZoneInfo) -> dict[str, Callable[..., object]]:
    """What templates call."""
    return {
        "age": age,
        "eyes": for_eyes,
        "input": lambda at: local_input(at, zone),
        "named": lambda names: [(name, STATES.get(name, (name, ""))[0]) for name in names],
        "number": number,
        "outcome": lambda name: OUTCOMES.get(name, (name, "still")),
        "state": lambda name: STATES.get(name, (name.replace("_", " ").capitalize(), "still")),
        "when": lambda at: moment(at, zone),
    }
