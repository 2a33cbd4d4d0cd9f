"""``openmrs.toml`` as typed links: which parent and child agree, about whose records, and by which rules.

An error names the place in the file (``link.clinic-a.filter.kind: ...``). Accounts come from the environment,
never from the file, and are not repeated in any text.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import msgspec

from assets.formats.decode import ShapeError, shape_error
from assets.openmrs.catchment import (
    AddressParts,
    Catchment,
    Everyone,
    Identifiers,
    Leaving,
    Locations,
    Members,
    pattern,
)
from assets.openmrs.events import CARRIED, Side, record_id
from assets.openmrs.mapping import FarKind
from assets.openmrs.merge import Policy
from assets.openmrs.records import FEEDS
from assets.openmrs.rest import TELEPHONE

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_CATEGORY = re.compile(r"[A-Za-z0-9_-]{1,60}")

Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class LinksError(ValueError):
    """The file or an account cannot be used; the text says where and what to do."""


class _Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Whose records go down; ``kind`` says which of the following it is."""


class _Address(_Filter, tag="address", frozen=True):
    parts: list[str]
    values: list[str]


class _Group(_Filter, tag="group", frozen=True):
    group: str


class _Locations(_Filter, tag="locations", frozen=True):
    locations: list[str]


class _Identifiers(_Filter, tag="identifiers", frozen=True):
    identifiers: list[str]


class _All(_Filter, tag="all", frozen=True):
    pass


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    parent: str
    child: str
    feeds: list[str] = msgspec.field(default_factory=lambda: list(FEEDS))
    filter: _Address | _Group | _Locations | _Identifiers | _All
    create: Literal["rest-uuid", "fhir-map"] = "rest-uuid"
    push: Literal["A", "B", "C"] = "A"
    conflict: dict[str, Policy] = {}
    leaving: Leaving = Leaving.FREEZE
    parent_kind: Literal["openmrs", "fhir-r4"] = "openmrs"
    child_kind: Literal["openmrs", "fhir-r4"] = "openmrs"
    page_size: Positive = 5
    rate: Positive = 20
    at_once: Positive = 8
    every_seconds: Positive = 60
    clock_limit_seconds: Positive = 30
    outbox_url: str = ""
    telephone: str = TELEPHONE


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    link: dict[str, _Link]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of one server."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One side of a link: where it is and how it takes new records."""

    url: str
    kind: FarKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One parent and one child, and the rules between them."""

    name: str
    parent: End
    child: End
    feeds: tuple[str, ...]
    catchment: Catchment
    leaving: Leaving
    push: Literal["A", "B", "C"]
    policies: Mapping[str, Policy]
    page_size: int
    rate: int
    at_once: int
    every_seconds: int
    clock_limit_seconds: int
    outbox_url: str
    telephone: str

    def on(self, side: Side) -> End:
        return self.parent if side is Side.PARENT else self.child

    @property
    def same_ids(self) -> bool:
        """Whether records have the same ids on both sides, because both sides take ours."""
        return all(self.on(side).kind is FarKind.OPENMRS_REST for side in Side)

    def policy(self, kind: str) -> Policy:
        """What happens when both sides changed a record of this type; ``merge`` unless the file says."""
        return self.policies.get(kind, Policy.MERGE)


def read(written: str) -> tuple[Link, ...]:
    """The links of a file, in its order."""
    try:
        found = tomllib.loads(written)
    except tomllib.TOMLDecodeError as problem:
        at = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(problem))
        raise LinksError(f"the file is not TOML: see {at[1]}" if at else "the file is not TOML") from None
    try:
        shaped = msgspec.convert(found, _File)
    except msgspec.ValidationError as problem:
        raise LinksError(str(_placed(problem, found))) from None
    return tuple(_link(name, each) for name, each in shaped.link.items())


def _placed(problem: msgspec.ValidationError, found: Mapping[str, object]) -> ShapeError:
    """msgspec says ``link[...]`` for a link's name: the name is found by trying the links one by one."""
    error = shape_error(problem, _File)
    links = found.get("link")
    for name, each in links.items() if isinstance(links, dict) else ():
        try:
            msgspec.convert(each, _Link)
        except msgspec.ValidationError as own:
            told = shape_error(own, _Link)
            return ShapeError(f"link.{name}.{told.place}".rstrip("."), told.text)
    return error


def _link(name: str, found: _Link) -> Link:
    place = f"link.{name}"
    _hold(bool(_NAME.fullmatch(name)), place, "a link's name is lower-case letters, digits and hyphens")
    for category in found.feeds:
        _hold(bool(_CATEGORY.fullmatch(category)), f"{place}.feeds", "a feed is named by letters and digits")
    _hold(bool(found.feeds), f"{place}.feeds", "names no feed")
    for kind in found.conflict:
        known = ", ".join(sorted(CARRIED))
        _hold(kind in CARRIED, f"{place}.conflict", f"has a type that is not carried; these are: {known}")
    _hold(
        found.push != "C" or bool(found.outbox_url),
        f"{place}.outbox_url",
        "push C reads a table of the child's database: give its SQLAlchemy URL",
    )
    return Link(
        name=name,
        parent=_end(found.parent, found.parent_kind, found.create, f"{place}.parent"),
        child=_end(found.child, found.child_kind, found.create, f"{place}.child"),
        feeds=tuple(sorted(found.feeds, key=lambda feed: FEEDS.index(feed) if feed in FEEDS else len(FEEDS))),
        catchment=_catchment(found.filter, f"{place}.filter"),
        leaving=found.leaving,
        push=found.push,
        policies=found.conflict,
        page_size=found.page_size,
        rate=found.rate,
        at_once=found.at_once,
        every_seconds=found.every_seconds,
        clock_limit_seconds=found.clock_limit_seconds,
        outbox_url=found.outbox_url,
        telephone=found.telephone,
    )


def _end(url: str, kind: str, create: str, place: str) -> End:
    fine = re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", url)
    _hold(fine is not None, place, "is not an address like https://openmrs.example.org/openmrs without login")
    return End(url=url.rstrip("/"), kind=FarKind.R4 if kind == "fhir-r4" else FarKind(create))


def _catchment(found: _Filter, place: str) -> Catchment:
    match found:
        case _Address():
            return _address_parts(found, place)
        case _Group():
            _hold(record_id(found.group), f"{place}.group", "is not a Group's uuid")
            return Members(found.group)
        case _Locations():
            _hold(all(map(record_id, found.locations)), f"{place}.locations", "has an entry that is no uuid")
            return Locations(frozenset(found.locations))
        case _Identifiers():
            return Identifiers(tuple(found.identifiers))
    return Everyone()


def _address_parts(found: _Address, place: str) -> AddressParts:
    """``values`` are alternatives, several parts of one joined by ``%``; or one value for each part."""
    _hold(bool(found.parts and found.values), place, "needs parts and values")
    patterns = [pattern(value) for value in found.values]
    if len(found.parts) > 1 and all(len(each) == 1 for each in patterns):
        patterns = [tuple(each[0] for each in patterns)]
    whole = all(len(each) == len(found.parts) for each in patterns)
    _hold(whole, f"{place}.values", f"must have {len(found.parts)} parts joined by %, one for each of parts")
    return AddressParts(tuple(found.parts), tuple(patterns))


def _hold(true: bool, place: str, text: str) -> None:
    if not true:
        raise LinksError(f"{place}: {text}")


def account(link: str, side: Side, environment: Mapping[str, str]) -> Account:
    """The account for one side of a link, from ``OPENMRS_<LINK>_<SIDE>_USER`` and ``_PASSWORD``."""
    prefix = f"OPENMRS_{re.sub('[^A-Z0-9]', '_', link.upper())}_{side.value.upper()}"
    user, password = environment.get(f"{prefix}_USER", ""), environment.get(f"{prefix}_PASSWORD", "")
    if not user or not password:
        raise LinksError(f"{prefix}_USER and {prefix}_PASSWORD: set both to an account of that server")
    if ":" in password or ":" in user:
        raise LinksError(
            f"{prefix}_PASSWORD: holds a colon, and FHIR2 reads a password only up to its first colon; "
            "give the account another password"
        )
    return Account(user=user, password=password)
