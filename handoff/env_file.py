"""Files of settings, one ``NAME=value`` a line: ``.env`` and ``.handoff/secrets.env``.

Not a shell: nothing is expanded. A comment is a line of its own; quotes around a whole value are taken off.
"""

import re
from pathlib import Path

LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class EnvFileError(ValueError):
    """A line that is no setting; the text names the line and never what stands there."""


def read(path: Path) -> dict[str, str]:
    """The file's settings; an empty value is one that is not set."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        if match is None:
            raise EnvFileError(f"{path}, line {number}: write NAME=value")
        if value := _unquoted(match[2]):
            found[match[1]] = value
    return found


def _unquoted(value: str) -> str:
    """
    >>> _unquoted('"a b"'), _unquoted("a'b'")
    ('a b', "a'b'")
    """
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
