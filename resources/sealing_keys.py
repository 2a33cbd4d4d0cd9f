"""Private keys as files, each sealed by a passphrase; their public halves can be listed by anybody.

A file is JSON: recipient, id, day made and public key in the clear, the private key under AES-256-GCM with a key
that scrypt makes of the passphrase, all of the clear part bound in. Files lie in a folder that only the account of
the decrypt service (or the report, or the escrow's safe) can read. Not here: what is sealed to the keys
(``resources.sealing``), and which keys an installation uses (its settings).

KeyFileError     wrong passphrase, damaged file, or a step that would lose records
"""

import os
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from resources.sealing import PrivateKey, PublicKey

#: Memory-hard on purpose: 128 MB and some tenths of a second a try (OWASP's figure for scrypt).
SCRYPT_COST: Final = 2**17
SHORTEST_PASSPHRASE: Final = 12

_CHEAPEST, _DEAREST = 2**10, 2**20
_SUFFIX = ".key"
_RETIRED = ".retired"


class KeyFileError(Exception):
    """The key file cannot be used so; the text names file or member and what to do."""


class _Clear(msgspec.Struct, forbid_unknown_fields=True):
    """What a key file shows without a passphrase."""

    recipient: str
    kid: str
    made_at: datetime
    public: bytes
    salt: bytes
    cost: int


class _File(msgspec.Struct, forbid_unknown_fields=True):
    clear: _Clear
    nonce: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A key file as a listing shows it."""

    public: PublicKey
    made_at: datetime
    retired: bool
    path: Path


def sealed_key(key: PrivateKey, passphrase: str, now: datetime, *, cost: int = SCRYPT_COST) -> bytes:
    """The content of a key file for ``key``."""
    public = key.public
    clear = _Clear(public.recipient, public.kid, now.astimezone(UTC), public.raw, os.urandom(16), cost)
    nonce = os.urandom(12)
    cipher = AESGCM(_stretched(passphrase, clear))
    sealed = cipher.encrypt(nonce, key.secret.private_bytes_raw(), _bound(clear))
    return msgspec.json.encode(_File(clear, nonce, sealed)) + b"\n"


def opened_key(content: bytes, passphrase: str) -> PrivateKey:
    """The private key in a key file."""
    file = _read(content)
    cipher = AESGCM(_stretched(passphrase, file.clear))
    try:
        secret = cipher.decrypt(file.nonce, file.sealed, _bound(file.clear))
    except (InvalidTag, ValueError):
        raise KeyFileError(f"{file.clear.kid}: does not open; check the passphrase") from None
    key = PrivateKey.of(file.clear.recipient, X25519PrivateKey.from_private_bytes(secret))
    if key.public.kid != file.clear.kid:
        raise KeyFileError(f"{file.clear.kid}: holds another key; restore the file")
    return key


def joint_passphrase(*parts: str) -> str:
    """One passphrase of several people's parts: the escrow key opens only with all of them, in order."""
    for part in parts:
        _checked(part)
    return "\n".join(unicodedata.normalize("NFC", part) for part in parts)


def make(
    folder: Path, recipient: str, passphrase: str, now: datetime, *, cost: int = SCRYPT_COST
) -> PublicKey:
    """A new key pair for ``recipient`` in ``folder``; rotation is this, and new records use the new one."""
    if not recipient or not all(part.isascii() and part.isalnum() for part in recipient.split("-")):
        raise KeyFileError("recipient: letters, digits and single hyphens")
    key = PrivateKey.made(recipient)
    _write(folder / f"{key.public.kid}{_SUFFIX}", sealed_key(key, passphrase, now, cost=cost))
    return key.public


def listed(folder: Path) -> list[Listed]:
    """Every key file of a folder, the oldest first, the retired ones among them. No passphrase is needed."""
    files = [*folder.glob(f"*{_SUFFIX}"), *folder.glob(f"*{_SUFFIX}{_RETIRED}")]
    return sorted((_listed(path) for path in files), key=lambda one: (one.made_at, one.public.kid))


def current(folder: Path) -> dict[str, PublicKey]:
    """The newest key of each recipient: what new records are sealed to."""
    return {one.public.recipient: one.public for one in listed(folder) if not one.retired}


def opened(folder: Path, recipient: str, passphrase: str) -> dict[str, PrivateKey]:
    """Every key of ``recipient`` in use, by id: the newest, and older ones until all is rewrapped."""
    mine = [one for one in listed(folder) if one.public.recipient == recipient and not one.retired]
    if not mine:
        raise KeyFileError(f"{recipient}: no key in the folder; make one with `handoff keys make`")
    return {one.public.kid: opened_key(one.path.read_bytes(), passphrase) for one in mine}


def change_passphrase(path: Path, old: str, new: str, now: datetime, *, cost: int = SCRYPT_COST) -> None:
    """The same key under another passphrase; the file is replaced in one step."""
    fresh = path.with_name(f"{path.name}.new")
    _write(fresh, sealed_key(opened_key(path.read_bytes(), old), new, now, cost=cost))
    fresh.replace(path)


def retire(folder: Path, kid: str, named: Collection[str]) -> Path:
    """Take a key out of use; ``named`` are the ids that stored records still name.

    The file stays, renamed, for backups from before the rewrap; delete it when those are gone.
    """
    if kid in named:
        raise KeyFileError(f"{kid}: records still name it; rewrap them first")
    in_use = [one for one in listed(folder) if not one.retired]
    mine = next((one for one in in_use if one.public.kid == kid), None)
    if mine is None:
        raise KeyFileError(f"{kid}: no such key in use")
    if current(folder)[mine.public.recipient].kid == kid:
        raise KeyFileError(f"{kid}: the current key; make the next one first")
    return mine.path.rename(mine.path.with_name(f"{mine.path.name}{_RETIRED}"))


def _listed(path: Path) -> Listed:
    clear = _read(path.read_bytes()).clear
    public = PublicKey(clear.recipient, clear.public)
    if public.kid != clear.kid:
        raise KeyFileError(f"{path.name}: its public key does not fit its id; restore the file")
    return Listed(public, clear.made_at, path.name.endswith(_RETIRED), path)


def _read(content: bytes) -> _File:
    try:
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeyFileError("key file: not readable; restore it") from None
    if not _CHEAPEST <= file.clear.cost <= _DEAREST or file.clear.cost & (file.clear.cost - 1):
        raise KeyFileError(f"{file.clear.kid}: its scrypt cost is out of range; restore the file")
    return file


def _stretched(passphrase: str, clear: _Clear) -> bytes:
    return Scrypt(salt=clear.salt, length=32, n=clear.cost, r=8, p=1).derive(_checked(passphrase))


def _checked(passphrase: str) -> bytes:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise KeyFileError(f"passphrase: at least {SHORTEST_PASSPHRASE} characters")
    return unicodedata.normalize("NFC", passphrase).encode()


def _bound(clear: _Clear) -> bytes:
    return msgspec.json.encode(clear)


def _write(path: Path, content: bytes) -> None:
    """A file only its owner can read, from its first byte on; one that exists is not written over."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path.name}: exists already; move it away first") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
