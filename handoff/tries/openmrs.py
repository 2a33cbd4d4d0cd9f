"""``handoff try openmrs RESOURCE.json --link NAME``: the call that would create a record on the other side.

References are taken as known there, and nothing is compared: what a change carries depends on both servers'
present state, which no file holds.
"""

import argparse
import os
from pathlib import Path

from assets.openmrs import links
from assets.openmrs.checks import problems
from assets.openmrs.events import CARRIED, Key, Side, handed_in, record_id
from assets.openmrs.links import Link
from assets.openmrs.mapping import FarKind, Target, calls, prepared, shown
from assets.openmrs.reconcile import Create
from assets.openmrs.tree import Tree, decode, encode, text
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("calls",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which link, and which way."""
    parser.add_argument("--link", required=True, metavar="NAME", help="a link of openmrs.toml")
    parser.add_argument(
        "--links",
        default=os.environ.get("OPENMRS_LINKS", "openmrs.toml"),
        metavar="FILE",
        help="where the links are (OPENMRS_LINKS)",
    )
    parser.add_argument(
        "--to", choices=[side.value for side in Side], default=Side.CHILD.value, help="the side that gets it"
    )


def run(documents: list[Document], arguments: argparse.Namespace) -> Tried:
    """One line of JSON a record: method, path and body."""
    try:
        link = _link(arguments.links, arguments.link)
    except (OSError, links.LinksError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Tried(remarks=[Remark(f"{arguments.links}: {reason}")])
    to = Side(arguments.to)

    def make(raw: bytes, say: Say) -> Tree | None:
        key, record = _record(raw, say)
        if to is Side.CHILD and key.type == "Patient" and not link.catchment.holds(record):
            say(Remark("address: outside the link's catchment; nothing is sent down", stops=False))
            return None
        made = calls(
            Create(to, record),
            Target(
                kind=link.on(to).kind,
                id=key.id,
                record=record,
                origin=link.on(to.other).url,
                telephone=link.telephone,
            ),
        )
        found = _problems(record, link.on(to).kind, arguments.check)
        for problem in found:
            say(Remark(problem, stops=link.on(to).kind is not FarKind.OPENMRS_REST))
        return None if found and link.on(to).kind is not FarKind.OPENMRS_REST else shown(made.calls[0])

    made, remarks = each(documents, make)
    return Tried(b"".join(encode(one) + b"\n" for one in made), remarks)


def _record(raw: bytes, say: Say) -> tuple[Key, Tree]:
    """A record as a clinic would hand it in; a sample may lack the uuid that a server's record has."""
    record = decode(raw)
    if text(record, "resourceType") in CARRIED and not record_id(text(record, "id")):
        say(Remark("id: is no OpenMRS uuid; left out, so the server would give its own", stops=False))
        return Key(text(record, "resourceType"), ""), {**record, "id": ""}
    return handed_in(raw)


def _problems(record: Tree, kind: FarKind, check: bool) -> list[str]:
    """FHIR is judged before it is sent; for REST the record itself is judged when asked."""
    if kind is FarKind.OPENMRS_REST and not check:
        return []
    prefix = text(record, "resourceType")
    return [each.removeprefix(f"{prefix}.") for each in problems(prepared(record))]


def _link(path: str, name: str) -> Link:
    found = {link.name: link for link in links.read(Path(path).read_text(encoding="utf-8"))}
    if name not in found:
        raise links.LinksError(f"has no link of this name; it has: {', '.join(found) or 'none'}")
    return found[name]
