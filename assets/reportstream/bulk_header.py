"""The first line of a bulk upload: where the template's columns stand, and what else stands there."""

import re
from collections import Counter
from collections.abc import Sequence

from assets.reportstream import bulk_rules
from assets.reportstream.profile import Profile

_NAME = re.compile(r"[a-z0-9_]{1,40}")

#: Of more unknown columns the first are named.
_NAMED = 10


class Header:
    """Where each column of the template stands in this file."""

    def __init__(self, names: Sequence[str], profile: Profile) -> None:
        exact = profile is Profile.AS_PUBLISHED
        self.names = [name if exact else name.strip().lower() for name in names]
        self.width = len(names)
        self.places = {name: place for place, name in enumerate(self.names) if name in bulk_rules.BY_NAME}
        self.unknown = [name for name in self.names if name and name not in bulk_rules.BY_NAME]
        self.repeated = [name for name, times in Counter(self.names).items() if times > 1 and name]

    def separated_otherwise(self) -> bool:
        """Whether this is the template's header with something else than a comma between its columns."""
        told = _NAME.findall(",".join(self.names))
        return not self.places and len(bulk_rules.BY_NAME.keys() & told) > 1

    def cell(self, cells: Sequence[str], column: str) -> str:
        place = self.places.get(column)
        return cells[place].strip() if place is not None else ""

    def not_sent(self) -> str:
        """What is said of the columns that are not the template's.

        Only what looks like the name of a column is repeated: a line that is no header may hold anything.
        """
        count = len(self.unknown)
        named = [name for name in self.unknown if _NAME.fullmatch(name)][:_NAMED]
        if not named:
            columns = "1 column is" if count == 1 else f"{count} columns are"
            return f"{columns} not part of the template and not sent."
        more = f" and {count - len(named)} more" if count > len(named) else ""
        return f"These columns are not part of the template and are not sent: {', '.join(named)}{more}."
