"""``handoff tables``: the code tables the mappings use, where they are from, and newer official files over them.

What is loaded stands in the store, so that every machine maps alike, and is in force for the runs that start after.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import columns, command
from handoff.environment import ROOT

if TYPE_CHECKING:
    from resources.store.code_tables import Loaded
    from resources.store.connect import Connection


#: No official table is nearly as large; a larger file is another one.
MOST_BYTES = 20_000_000

EXAMPLES = """\
A file goes over the shipped table: its entries win, and what it does not name stays, so that no word a sender uses
is lost. It is judged whole before anything is loaded.

examples:
  handoff tables list
  handoff tables load reportstream languages patient_preferred_language.csv --by Katie
  handoff tables reset reportstream languages --by Katie --reason "the new file was wrong"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One verb each."""
    parser.epilog = EXAMPLES
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="every table: lane, entries, origin and terms, since when")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)
    loading = verbs.add_parser("load", help="put a newer official file in force")
    _add_table(loading)
    loading.add_argument(
        "file", metavar="FILE", type=Path, help="the official file: CSV with a header, in UTF-8"
    )
    loading.add_argument("--dry-run", action="store_true", help="judge the file and load nothing")
    loading.set_defaults(run=_load)
    resetting = verbs.add_parser("reset", help="go back to the shipped table")
    _add_table(resetting)
    resetting.set_defaults(run=_reset)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lane", metavar="LANE", choices=command.LANES)
    parser.add_argument("name", metavar="NAME", help="as `handoff tables list` names it")
    parser.add_argument("--by", metavar="NAME", help="your name, for the audit (your account's)")
    parser.add_argument(
        "--reason", metavar="TEXT", default="a newer official table", help="why, for the audit"
    )


# -- list --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shipped:
    """A table as the product ships it: a file of ``assets/<lane>/tables`` that says where it is from."""

    lane: str
    name: str
    about: str
    origin: str
    entries: int


def shipped() -> list[Shipped]:
    """Every table of every lane, out of what the files say of themselves."""
    found = []
    for lane in command.LANES:
        for path in sorted((ROOT / "assets" / lane / "tables").glob("*")):
            if path.suffix in READ and path.stem not in ("__init__", "loadable"):
                found.append(_shipped(lane, path))
    return found


def _shipped(lane: str, path: Path) -> Shipped:
    heading = _heading(path)
    about, _, rest = heading.partition(". ")
    origin = rest.partition("Origin: ")[2] or rest
    return Shipped(lane, path.stem, about.rstrip("."), origin.strip(), READ[path.suffix](lane, path))


def _heading(path: Path) -> str:
    """The docstring of a module, or the lines a data file begins with that are remarks."""
    if path.suffix == ".py":
        return " ".join(
            (import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)).__doc__ or "").split()
        )
    remarks = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
    return " ".join(remarks)


def _in_module(lane: str, path: Path) -> int:
    """What a module's public tables hold together; a table in text has an entry a line."""
    if (lane, path.stem) == ("pridok", "icpc2"):  # kept as runs of codes
        from assets.pridok import icpc

        return len(icpc.shipped().codes)
    module = import_module(f"assets.{lane}.tables.{path.stem}")
    values = [value for name, value in vars(module).items() if name.isupper() and not name.startswith("_")]
    tables = [value for value in values if isinstance(value, Mapping | frozenset | set | tuple)]
    return sum(map(len, tables)) + sum(len(one.splitlines()) for one in values if _is_text_table(one))


def _is_text_table(value: object) -> bool:
    return isinstance(value, str) and "\n" in value


def _in_lines(lane: str, path: Path) -> int:
    """The lines under remarks and header."""
    return sum(not line.startswith("#") for line in path.read_text().splitlines()) - 1


def _in_parts(lane: str, path: Path) -> int:
    """What stands between semicolons, on every line."""
    return sum(line.count(";") + 1 for line in path.read_text().splitlines() if not line.startswith("#"))


READ: Mapping[str, Callable[[str, Path], int]] = {".py": _in_module, ".csv": _in_lines, ".txt": _in_parts}


def _list(arguments: argparse.Namespace) -> int:
    from handoff import lanes
    from resources.store import code_tables

    with command.store() as (_, db):
        loaded = {(one.lane, one.name): one for one in code_tables.newest(db) if one.entries is not None}
    lines = [_line(one, loaded.pop((one.lane, one.name), None)) for one in shipped()]
    named = {(line["lane"], line["name"]) for line in lines}
    for lane in command.LANES:
        for name, table in lanes.loadable(lane).items():
            if (lane, name) not in named:
                lines.append(_line(_part(lane, name, table), loaded.pop((lane, name), None)))
    lines.sort(key=lambda line: (command.LANES.index(line["lane"]), line["name"]))
    if arguments.json:
        for line in lines:
            print(json.dumps(line, ensure_ascii=False))
        return command.DONE
    headings = [columns.Column(name) for name in ("lane", "table", "entries", "in force")]
    rows = [(one["lane"], one["name"], str(one["entries"]), _since(one), one["origin"]) for one in lines]
    columns.show([*headings, columns.Column("origin and terms", cut=True)], rows)
    return command.DONE


def _part(lane: str, name: str, table: object) -> Shipped:
    """A table that shares its file with another."""
    for path in sorted((ROOT / "assets" / lane / "tables").glob("*.py")):
        module = import_module(f"assets.{lane}.tables.{path.stem}")
        if path.stem not in ("__init__", "loadable") and any(
            value is table for value in vars(module).values()
        ):
            return replace(_shipped(lane, path), name=name)
    return Shipped(lane, name, "", "", 0)


def _line(one: Shipped, over: "Loaded | None") -> dict[str, Any]:
    from handoff import lanes

    table = lanes.loadable(one.lane).get(one.name)
    entries = one.entries
    if table is not None:
        entries = len({*table.shipped, *((over.entries if over else None) or {})})
    return {
        "lane": one.lane,
        "name": one.name,
        "about": one.about,
        "entries": entries,
        "origin": one.origin,
        "loadable": table is not None,
        "loaded_at": command.iso(over.loaded_at) if over else None,
        "by": over.who if over else None,
    }


def _since(line: Mapping[str, Any]) -> str:
    if line["loaded_at"]:
        return f"loaded {line['loaded_at'][:10]}"
    return "shipped, loadable" if line["loadable"] else "shipped"


# -- load and reset ----------------------------------------------------------------------------------------------


def _load(arguments: argparse.Namespace) -> int:
    from assets.code_tables import TableRefused

    table = _table(arguments)
    try:
        content = arguments.file.read_bytes()
        if len(content) > MOST_BYTES:
            raise command.Fault(f"{arguments.file}: larger than any official table; is it the right file?")
        entries = table.read(content)
    except OSError as error:
        raise command.Fault(f"{arguments.file}: {error.strerror}") from None
    except TableRefused as error:
        raise command.Fault(f"{arguments.file}: {error}") from None
    with command.store() as (_, db):
        before = _in_force(db, arguments, table.shipped)
        if not arguments.dry_run:
            _put(db, arguments, entries)
    print(_compared(before, {**table.shipped, **entries}), end="")
    print("nothing is loaded: this was a dry run" if arguments.dry_run else "in force with the next run")
    return command.DONE


def _reset(arguments: argparse.Namespace) -> int:
    table = _table(arguments)
    with command.store() as (_, db):
        before = _in_force(db, arguments, table.shipped)
        _put(db, arguments, None)
    print(_compared(before, table.shipped), end="")
    print("the shipped table is in force with the next run")
    return command.DONE


def _table(arguments: argparse.Namespace) -> Any:
    from handoff import lanes

    tables = lanes.loadable(arguments.lane)
    if arguments.name not in tables:
        names = ", ".join(tables) or "none"
        raise command.Fault(f"{arguments.lane} has no table of this name to load; there are: {names}")
    return tables[arguments.name]


def _in_force(db: "Connection", arguments: argparse.Namespace, base: Mapping[str, str]) -> dict[str, str]:
    from resources.store import code_tables

    return {**base, **code_tables.in_force(db, arguments.lane).get(arguments.name, {})}


def _put(db: "Connection", arguments: argparse.Namespace, entries: Mapping[str, str] | None) -> None:
    from resources.store import code_tables
    from resources.store.operators import Who

    who = Who(arguments.by or command.account(), arguments.reason)
    code_tables.load(db, arguments.lane, arguments.name, entries, who)
    _hand_over(db, arguments.lane)


def _hand_over(db: "Connection", lane: str, seconds: float = 8.0) -> None:
    """Wait until the run at work has seen that it is out of date; the sensor writes over what we say every tick."""
    from resources.store import code_tables, drains
    from resources.store.lanes import NUMBERS

    end = time.monotonic() + seconds
    while drains.lives(db, NUMBERS[lane]) and time.monotonic() < end:
        code_tables.ask_to_hand_over(db, lane)
        time.sleep(0.5)


def _compared(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What changes for a mapping, in numbers; entries that change their meaning by name."""
    new = after.keys() - before.keys()
    gone = before.keys() - after.keys()
    changed = sorted(key for key in before.keys() & after.keys() if before[key] != after[key])
    named = f": {', '.join(changed[:20])}{', ...' * (len(changed) > 20)}" if changed else ""
    return f"{len(after)} entries, {len(new)} new, {len(gone)} gone, {len(changed)} changed{named}\n"
