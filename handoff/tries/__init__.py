"""``handoff try LANE FILE``: what a lane's mapping makes of a sample. It needs no database and sends nothing.

Each lane has a module of its name here with three names:

* ``FORMATS``: what it can print, the default first;
* ``add_arguments(parser)``: the options only this lane has;
* ``run(documents, arguments)``: a ``Tried``: the output of the good ones and a remark for every problem.

Standard output gets the output and nothing else, standard error one remark a line, with the place in the input.
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from assets.formats.decode import ShapeError, elements

#: Each lane, and what goes in and comes out.
LANES = {
    "reportstream": "test events as CSV, FHIR bundles or an HL7 batch",
    "elation": "chart events as Elation's patient and policies",
    "hcoint": "an order and a note as Redox Results, ORU or MDM",
    "pridok": "a referral as it is normalised and judged",
    "openmrs": "a resource as the other side of a link gets it",
}

EXAMPLES = """\
What would be sent goes to standard output, what is wrong, with its place in the sample, to standard error.

examples:
  handoff try reportstream tests/samples/reportstream/original.json
  handoff try reportstream events.jsonl --as hl7 --check
  handoff try elation --help
"""

T = TypeVar("T")


class Document(NamedTuple):
    """One JSON document of the input; ``where`` tells several apart (``line 3``, ``[2]``)."""

    where: str
    raw: bytes


class Remark(NamedTuple):
    """Something to know about a document; if it ``stops``, nothing of the document is in the output."""

    text: str
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Tried:
    """What would be sent, and what there is to say."""

    output: bytes = b""
    remarks: list[Remark] = field(default_factory=list)


Say = Callable[[Remark], None]


class Lane(Protocol):
    """What a lane's module offers."""

    FORMATS: tuple[str, ...]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options only this lane has."""
        ...

    def run(self, documents: list[Document], arguments: argparse.Namespace) -> Tried:
        """Map all documents; ``arguments.form`` is the format, ``arguments.check`` asks the oracles."""
        ...


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount ``try`` on a command line; its arguments carry ``run``, which takes them and returns an exit code."""
    parser = subparsers.add_parser(
        "try",
        help="show what a mapping makes of a sample; sends nothing",
        description="Show what a mapping makes of a sample. Needs no database and sends nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    lanes = parser.add_subparsers(metavar="LANE", required=True, parser_class=_LaneParser)
    for lane, text in LANES.items():
        lanes.add_parser(
            lane, help=text, description=f"Map a sample of {lane} and print what would be sent: {text}."
        )


class _LaneParser(argparse.ArgumentParser):
    """Asks its lane for arguments when it is that lane's turn: ``handoff`` starts without importing all five."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        if self.get_default("run") is None:
            _complete(self, self.prog.rpartition(" ")[2])
        return super().parse_known_args(args, namespace)


def _complete(parser: argparse.ArgumentParser, lane: str) -> None:
    module: Lane = import_module(f"handoff.tries.{lane}")
    parser.add_argument("file", metavar="FILE", help="a JSON document, or one a line; - reads standard input")
    parser.add_argument("--as", dest="form", choices=module.FORMATS, default=module.FORMATS[0])
    parser.add_argument("--check", action="store_true", help="also ask an independent reader of the format")
    module.add_arguments(parser)
    parser.set_defaults(run=lambda arguments: _try(module, arguments))


def _try(lane: Lane, arguments: argparse.Namespace) -> int:
    try:
        raw = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as error:
        print(f"{arguments.file}: {error.strerror}", file=sys.stderr)
        return 1
    tried = lane.run(documents(raw), arguments)
    sys.stdout.buffer.write(tried.output)
    sys.stdout.flush()
    for remark in tried.remarks:
        print(remark.text, file=sys.stderr)
    return 1 if any(remark.stops for remark in tried.remarks) else 0


def documents(raw: bytes) -> list[Document]:
    """The documents of a file: one over any number of lines, the elements of an array, or one a line."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if _complete_json(raw):
        found = elements(raw)
        alone = len(found) == 1 and not raw.lstrip().startswith(b"[")
        return [Document("" if alone else f"[{index}]", one) for index, one in enumerate(found)]
    lines = [(number, line) for number, line in enumerate(raw.split(b"\n"), 1) if line.strip()]
    if not _is_one_a_line([line for _, line in lines]):
        return [Document("", raw)]
    return [Document(f"line {number}", line) for number, line in lines]


def _is_one_a_line(lines: list[bytes]) -> bool:
    """Whether documents stand one a line, some of them broken; else it is one broken document."""
    complete = [_complete_json(line) for line in lines]
    return len(lines) > 1 and (complete[0] or 2 * sum(complete) >= len(lines))


_syntax = msgspec.json.Decoder(msgspec.Raw)


def _complete_json(raw: bytes) -> bool:
    try:
        _syntax.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return raw.lstrip()[:1] in (b"{", b"[")


def each(found: Iterable[Document], make: Callable[[bytes, Say], T | None]) -> tuple[list[T], list[Remark]]:
    """What ``make`` makes of every document it does not refuse, and all remarks, in the order of the input.

    ``make`` gets the bytes and a way to say something; it returns nothing for what must not be sent.
    """
    made: list[T] = []
    remarks: list[Remark] = []
    for document in found:

        def say(remark: Remark, where: str = document.where) -> None:
            remarks.append(remark._replace(text=_located(where, remark.text)))

        try:
            one = make(document.raw, say)
        except ShapeError as error:
            say(Remark(str(error) if error.place else f"the document {error.text}"))
        except Exception as error:  # a bug in a mapping costs one document, here as in the lane
            say(Remark(f"the mapping failed: {_spot(error)}"))
        else:
            made += [] if one is None else [one]
    return made, remarks


def _located(where: str, text: str) -> str:
    return f"{where}: {text}" if where else text


def _spot(error: Exception) -> str:
    """Kind and line of a fault. Its text may repeat a value and is left out."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
