"""Who the embedded PostgreSQL server runs as: PostgreSQL refuses to run as root, and root may own the clone.

Not the server itself: see ``handoff.postgres``. Nothing here changes a permission or an owner of any folder.

A plain user runs the server as itself. Root hands it to an account that exists already and, where that account
cannot reach the clone (below ``/root`` say), lets it keep one of root's capabilities for files: the ambient set
survives ``exec``, so the server's children inherit it. ``access()`` would ignore it for an account that is not
root unless the securebit ``no_setuid_fixup`` is set (capabilities(7), access(2)). The second way is a user
namespace, in which our own uid goes by the account's.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Accounts that may run the server in root's place; Debian has both.
NAMES = ("postgres", "nobody")

#: From least to most: nothing; reading and searching past permissions; writing past them as well, which is
#: often the only one of them that a container leaves to its root.
CAPABILITIES = ("-all", "-all,+dac_read_search", "-all,+dac_override")


class NoAccountError(RuntimeError):
    """Nobody here can run the server; the text says what to do."""


@dataclass(frozen=True)
class Account:
    """The owner of the server's files, and the words that go before each of its commands."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


def account_for(binary: Path, home: Path, data: Path) -> Account:
    """The account that can run ``binary`` below ``home``; a data folder that exists names its owner."""
    us = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if us != 0 and owner not in (None, us):
        raise NoAccountError(
            f"{data} belongs to uid {owner}: run as that user, or remove {home} to start anew"
        )
    if us != 0 and _entry(us):
        return Account(us, os.getegid())
    for account in _ways(us, owner):
        if _works(account, binary, home):
            return account
    raise NoAccountError(
        "PostgreSQL does not run as root or as a user without a name, and neither setpriv nor unshare could lend"
        f" it one of the accounts {', '.join(NAMES)}: run as a plain user, or set HANDOFF_DATABASE_URL,"
        " HANDOFF_OWNER_URL and DAGSTER_POSTGRES_URL to a server of your own"
    )


def _ways(us: int, owner: int | None) -> Iterator[Account]:
    """Root lends itself to an account; whoever cannot takes an account's number in a user namespace."""
    accounts = [entry for name in NAMES if (entry := _entry(name))]
    if us == 0 and owner:
        accounts = [entry for entry in (_entry(owner),) if entry]
    if us == 0 and owner != 0 and (setpriv := shutil.which("setpriv")):
        for entry in accounts:
            for capability in CAPABILITIES:
                yield Account(entry.pw_uid, entry.pw_gid, (setpriv, *_as(entry, capability)))
    if owner in (None, us) and (unshare := shutil.which("unshare")):
        for entry in accounts:
            maps = (f"--map-user={entry.pw_uid}", f"--map-group={entry.pw_gid}")
            yield Account(us, os.getegid(), (unshare, "--user", *maps, "--"))


def _as(entry: pwd.struct_passwd, capability: str) -> tuple[str, ...]:
    """What ``setpriv`` is told: that account, no group but its own, and no privilege but the capability."""
    return (
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
        f"--bounding-set={capability}",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
        "--",
    )


def _works(account: Account, binary: Path, home: Path) -> bool:
    """Whether a child of the account's shell can enter the folder and run the server's program."""
    question = (*account.prefix, "/bin/sh", "-c", 'cd "$1" && "$0" --version', str(binary), str(home))
    answer = subprocess.run(question, cwd="/", capture_output=True, check=False)  # noqa: S603 - our own words
    return answer.returncode == 0


def _entry(who: str | int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(who) if isinstance(who, str) else pwd.getpwuid(who)
    except KeyError:
        return None
