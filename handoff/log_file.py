"""Log files that processes write by themselves, kept below a size.

A process goes on writing at the end of the emptied file, because each opens its log for appending.
"""

import os
import shutil
from pathlib import Path

#: A log that is larger is emptied into ``<name>.log.1``.
MOST = 5_000_000


def trim(log: Path, *, most: int = MOST) -> None:
    """Empty a log that has grown too large; what it said is kept beside it, once."""
    if log.exists() and log.stat().st_size > most:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        log.with_suffix(".log.1").chmod(0o600)
        os.truncate(log, 0)
