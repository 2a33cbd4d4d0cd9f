"""Which code this is: a digest of what a run is made of, so that a run knows when it is out of date."""

import hashlib
from pathlib import Path

ROOMS = ("assets", "pipelines", "resources")


def code_version(root: Path | None = None) -> str:
    """The first 12 hex digits of a SHA-256 over the sources of the rooms a run imports."""
    root = root or Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
