"""Orders of a laboratory without Redox: ORM^O01 over MLLP, each asking for a progress note."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from .people import Person, Run, people

START, END = b"\x0b", b"\x1c\r"
CONTROLS = {"New": "NW", "Update": "XO", "Cancel": "CA"}


def messages(run: Run, count: int, now: datetime, changes: float = 0.0) -> Iterator[str]:
    """Messages in the order the orders were placed; ``changes`` of a hundred update or cancel an earlier one."""
    chance = run.chance
    crowd = people(run, now.date())
    placed: list[tuple[str, Person, str]] = []
    for number in range(count):
        at = now - timedelta(seconds=count - number)
        if placed and chance.random() * 100 < changes:
            kind = chance.choice(("Update", "Update", "Cancel"))
            order = placed.pop(chance.randrange(len(placed)))
        else:
            kind, order = "New", new_order(run, number, next(crowd), chance)
        if kind != "Cancel":
            placed.append(order)
        yield message(run, number, order, kind, at)


def new_order(run: Run, number: int, person: Person, chance: random.Random) -> tuple[str, Person, str]:
    """The placer's number, the patient and the patient's number."""
    return (
        str(int(run.uuid("order", number).replace("-", "")[:12], 16)),
        person,
        f"{chance.randrange(10**10):010d}",
    )


def message(run: Run, number: int, order: tuple[str, Person, str], kind: str, at: datetime) -> str:
    """One ORM^O01; segments end in CR."""
    order_id, person, patient_id = order
    when = at.strftime("%Y%m%d%H%M%S")
    control_id = run.uuid("message", number).replace("-", "")[:20]
    provider = "1245319599^Granite^Pat^^^^MD^^NPI^^^^NPI"
    middle = escaped(person.middle_name or "")
    town = person.town
    home = f"{escaped(person.street)}^^{town.city}^{town.state}^{town.zip_code}^USA"
    segments = (
        f"MSH|^~\\&|NORTHLAB|NORTH|HANDOFF|NOTES|{when}||ORM^O01^ORM_O01|{control_id}|P|2.5.1|||AL|NE||UNICODE UTF-8",
        f"PID|1||{patient_id}^^^NORTH^MR||{escaped(person.last_name)}^{escaped(person.first_name)}^{middle}"
        f"||{person.birth_date:%Y%m%d}|U|||{home}",
        f"PV1|1|O|||||{provider}||||||||||||V-{order_id[-6:]}^^^NORTH^VN",
        f"ORC|{CONTROLS[kind]}|{order_id}^NORTHLAB|||||^^^^^R||{when}|||{provider}",
        f"OBR|1|{order_id}^NORTHLAB||11506-3^Progress note^LN|||{when}|||||||||{provider}",
    )
    return "".join(f"{segment}\r" for segment in segments)


def escaped(text: str) -> str:
    """A text that may stand between delimiters."""
    for character, letter in (("\\", "E"), ("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        text = text.replace(character, f"\\{letter}\\")
    return text


async def send(to: str, waiting: Iterable[str]) -> Counter[str]:
    """Sends over one line, each after the acknowledgement of the one before; the answers by code."""
    address = urlsplit(to)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answers: Counter[str] = Counter()
    for text in waiting:
        writer.write(START + text.encode() + END)
        await writer.drain()
        answer = (await reader.readuntil(END)).decode("utf-8", "replace")
        answers[answer.partition("\rMSA|")[2][:2]] += 1
    writer.close()
    await writer.wait_closed()
    return answers
