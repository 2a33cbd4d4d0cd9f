"""Bulk uploads to begin with: the template's own row, with cells changed."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime

from assets.reportstream import bulk_template
from assets.reportstream.bulk import check
from assets.reportstream.bulk_findings import Checked
from assets.reportstream.bulk_row import BulkRow, row
from assets.reportstream.devices import known_devices
from assets.reportstream.profile import Profile

#: Long after every date in these files.
NOW = datetime(2026, 3, 1, tzinfo=UTC)

HEADER, EXAMPLE = (tuple(line) for line in csv.reader(io.StringIO(bulk_template.template())))


def cells(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The template's row with some cells changed."""
    return {**dict(zip(HEADER, EXAMPLE, strict=True)), **(changes or {})}


def one(changes: Mapping[str, str] | None = None) -> BulkRow:
    """The same as a row that was found right."""
    return row(cells(changes))


def upload(*changes: Mapping[str, str], header: tuple[str, ...] = HEADER) -> bytes:
    """A file of the template's row, once for each set of changes."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    for change in changes:
        values = cells(change)
        writer.writerow([values.get(name, "") for name in header])
    return out.getvalue().encode()


def judged(file: bytes, profile: Profile = Profile.DEFAULT, **switches: frozenset[str]) -> Checked:
    """What the check says of a file."""
    return check(io.BytesIO(file), devices=known_devices(), now=NOW, profile=profile, **switches)


def told(file: bytes, profile: Profile = Profile.DEFAULT) -> list[tuple[str, list[int]]]:
    """The messages of the check with the lines they name."""
    return [(problem.message, list(problem.indices)) for problem in judged(file, profile).problems]
