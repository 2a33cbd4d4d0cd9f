"""One message's life: where it stands, every attempt and, with a reason, what it holds.

Not for lists: nothing here shows more than one message, and of a batch only its own item. A look at what it holds
stands in the access log before the first byte is read.
"""

import argparse
import base64
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from handoff import columns, command

if TYPE_CHECKING:
    from resources.settings import Settings
    from resources.store.connect import Connection
    from resources.store.lookup import Found, Life

#: What only a look with a reason shows.
PARTS = ("received", "sent", "remarks", "other_contents")


def show(arguments: argparse.Namespace) -> int:
    """Print one message."""
    from resources.store import lookup

    if arguments.content and not (arguments.reason or "").strip():
        raise command.Fault("--content needs --reason TEXT: why you must see it goes into the access log")
    with command.store() as (settings, db):
        life = lookup.life(db, arguments.message)
        if life is None:
            raise command.Fault("no such message: `handoff messages list` shows what there is")
        shown = as_json(life.found) | {
            "carried_by": str(life.carried_by) if life.carried_by else None,
            "conflicts": life.conflicts,
            "attempts": [_attempt(one) for one in life.tries],
        }
        if arguments.content:
            lookup.log_access(
                db,
                who=arguments.by or command.account(),
                role="command",
                what="content of a message",
                subject=life.found.id,
                reason=arguments.reason,
            )
            _add_content(db, settings, life, shown)
    if arguments.json:
        print_lines([shown])
    else:
        _print_life(shown)
    return command.DONE


def _attempt(one: Any) -> dict[str, Any]:
    from assets.drain.outcomes import Outcome

    shown = {
        "run_id": one.run_id,
        "at": command.iso(one.at),
        "outcome": Outcome(one.outcome).name.lower(),
        "status": one.status,
        "ms": one.ms,
    }
    return shown | ({"batch": str(one.batch)} if one.batch is not None else {})


def _add_content(db: "Connection", settings: "Settings", life: "Life", shown: dict[str, Any]) -> None:
    """What came, what was sent and what the partner said. The look has been logged."""
    from resources.store import lookup
    from resources.store.ids import arrival_and_part
    from resources.store.seal import Sealer

    sealer = Sealer(settings.keys)
    message = life.found.id
    arrival, _ = arrival_and_part(message)
    for one, line in zip(life.tries, shown["attempts"], strict=True):
        if one.answer:
            row = one.batch or message
            line |= _answer(sealer.open(one.answer, b"attempt", row), alone=one.batch is None)
    shown["received"] = text(lookup.body_of(db, sealer, arrival))
    shown["sent"] = _sent(db, sealer, life)
    shown["remarks"] = [
        {"at": command.iso(at), "severity": severity, "text": text(sealer.open(body, b"remark", message))}
        for at, severity, body in life.remarks
    ]
    shown["other_contents"] = [text(body) for body in lookup.conflict_bodies(db, sealer, arrival)]


def _answer(answer: bytes, *, alone: bool) -> dict[str, Any]:
    """What a partner answered; before that of a single message stands the partner's own id, on a line."""
    if not alone:
        return {"answer": text(answer)}
    external_id, _, rest = answer.partition(b"\n")
    return {"external_id": text(external_id), "answer": text(rest)}


def _sent(db: "Connection", sealer: Any, life: "Life") -> list[dict[str, Any]]:
    from assets.drain.bodies import unpack, unpack_batch
    from assets.drain.items import NotApart, item_of
    from resources.store import lookup

    shown: list[dict[str, Any]] = []
    for packed in lookup.sent_bodies(db, sealer, life.found.id):
        body, address = unpack(packed)
        shown.append({"body": text(body), "address": address})
    for batch in life.batches:
        members, packed = lookup.batch_body(db, sealer, batch)
        try:
            head, item = item_of(unpack_batch(packed)[0], members, life.found.id)
        except NotApart as error:
            command.tell(f"batch {batch}: {error}")
            continue
        shown.append({"batch": str(batch), "header": text(head), "body": text(item)})
    return shown


def text(body: bytes) -> Any:
    """Bytes as JSON carries them: as text where they are UTF-8.

    >>> text(b"a"), text(bytes([255]))
    ('a', {'base64': '/w=='})
    """
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _print_life(shown: dict[str, Any]) -> None:
    attempts = shown.pop("attempts")
    content: dict[str, Any] = {name: shown.pop(name) for name in PARTS if name in shown}
    for name, value in shown.items():
        if value not in (None, ""):
            print(f"{name.replace('_', ' '):13} {value}")
    headings = [columns.Column(name) for name in ("at", "outcome", "status", "ms", "batch", "run")]
    if attempts:
        print()
        rows = [
            (a["at"], a["outcome"], a["status"], a["ms"], a.get("batch", ""), a["run_id"]) for a in attempts
        ]
        columns.show(headings, [tuple(map(str, row)) for row in rows])
    for one in attempts:
        if one.get("answer") or one.get("external_id"):
            _print_part(
                f"answer of {one['at']}",
                "\n".join(map(str, filter(None, (one.get("external_id"), one["answer"])))),
            )
    _print_content(content)


def _print_content(content: dict[str, Any]) -> None:
    if "received" in content:
        _print_part("received", content["received"])
    for one in content.get("sent", ()):
        where = f"sent in batch {one['batch']}" if "batch" in one else "sent"
        _print_part(where, f"{one.get('header', '')}{one['body']}")
        if one.get("address"):
            _print_part("addressed to", json.dumps(one["address"], ensure_ascii=False))
    for one in content.get("remarks", ()):
        _print_part(f"{one['severity']} of {one['at']}", one["text"])
    for one in content.get("other_contents", ()):
        _print_part("also came under this id, kept and not sent", one)


def _print_part(title: str, body: object) -> None:
    print(f"\n-- {title}\n{for_eyes(str(body)).rstrip()}")


def for_eyes(body: str) -> str:
    """Text a terminal may be given: HL7's line ends as ours, other control characters made harmless.

    >>> for_eyes("MSH|1" + chr(13) + "PID|" + chr(27) + "[2J")
    'MSH|1\\nPID|\ufffd[2J'
    """
    lines = body.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in lines)


def as_json(found: "Found") -> dict[str, Any]:
    """A message as JSON; its id as text, because JSON's numbers lose digits on their way."""
    return {
        "id": str(found.id),
        "lane": found.lane,
        "kind": found.kind,
        "queue": found.queue,
        "seq": found.seq,
        "state": found.state,
        "due_at": command.iso(found.due_at),
        "attempts": found.attempts,
        "reason": found.reason,
        "external_id": found.external_id,
        "received_at": command.iso(found.received_at),
        "delivered_at": command.iso(found.delivered_at),
    }


def print_lines(lines: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))
