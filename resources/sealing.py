"""Sealing to recipients: whoever seals holds public keys only and cannot open what it has sealed.

A record's members are each encrypted under one random key of the record, and that key is wrapped once for every
recipient by HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM). Table, row, version and member are bound
into every ciphertext, and the list of members into every wrapped key: a value that was moved to another row,
swapped with a neighbour, taken from an older version, or a record that lost a member, does not open.

What it does not do: say who sealed (anybody with the public key can), or notice that a whole row was put back
to an older version *together with* its version number. Values in, values out: no database and no files
(``resources.sealing_keys`` has the key files).

SealBroken     the ciphertext does not belong here: moved, swapped, replayed, changed, damaged
└── NotForThisKey     the record names other keys only: another recipient's, or rewrapped since
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
SUITE_NAME: Final = "HPKE-X25519-HKDF_SHA256-AES_256_GCM"
#: Members are filled up to full blocks: "helped" and "referred_gp" must not differ in length.
MEMBER_BLOCK: Final = 64
#: The same for a whole message.
WHOLE_BLOCK: Final = 1024

_KEY_BYTES = 32
_NONCE_BYTES = 12
_DOMAIN = "handoff sealed 1"


class SealBroken(Exception):
    """It does not open. The text names table and row and nothing of the content."""


class NotForThisKey(SealBroken):
    """It was never sealed to this key, or is no longer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed record stands. Opening it names the place again, from the row it was found in."""

    table: str
    row: str
    version: int = 1

    def __str__(self) -> str:
        return f"{self.table}/{self.row} version {self.version}"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A recipient's public key. ``kid`` is the name and a fingerprint of name and key: neither can be mistyped."""

    recipient: str
    raw: bytes

    @property
    def kid(self) -> str:
        fingerprint = hashlib.sha256(self.recipient.encode() + b"\x00" + self.raw).hexdigest()
        return f"{self.recipient}-{fingerprint[:16]}"

    @property
    def text(self) -> str:
        """``kid:base64``, as settings carry it."""
        return f"{self.kid}:{base64.b64encode(self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a setting's ``kid:base64``."""
        kid, _, encoded = text.strip().partition(":")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError("public key: must be kid:base64, as `handoff keys list` prints it") from None
        key = cls(kid.rpartition("-")[0], raw)
        if not key.recipient or len(raw) != _KEY_BYTES or key.kid != kid:
            raise ValueError(
                "public key: its id does not fit the key; copy it whole from `handoff keys list`"
            )
        return key


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An opened private key: only in the decrypt service, or a report's own process."""

    public: PublicKey
    secret: X25519PrivateKey = field(repr=False)

    @classmethod
    def made(cls, recipient: str) -> Self:
        """A new key pair."""
        return cls.of(recipient, X25519PrivateKey.generate())

    @classmethod
    def of(cls, recipient: str, secret: X25519PrivateKey) -> Self:
        return cls(PublicKey(recipient, secret.public_key().public_bytes_raw()), secret)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed record: each member's ciphertext, and the record's key wrapped for each ``kid``.

    The store may keep it whole (``to_bytes``) or the wrapped keys in a table of their own, by ``kid``.
    """

    members: Mapping[str, bytes] = field(repr=False)
    keys: Mapping[str, bytes] = field(repr=False)

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode({"v": 1, "members": self.members, "keys": self.keys}, order="sorted")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        try:
            stored = msgspec.msgpack.decode(raw, type=_Stored)
        except msgspec.DecodeError:
            raise SealBroken("sealed record: not readable; the stored bytes are damaged") from None
        return cls(stored.members, stored.keys)


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    members: dict[str, bytes]
    keys: dict[str, bytes]


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A message sealed as a whole, for a receiver with software of its own."""

    suite: str
    kid: str
    table: str
    row: str
    version: int
    ciphertext: bytes


def seal(place: Place, members: Mapping[str, bytes], recipients: Iterable[PublicKey]) -> Sealed:
    """``members`` sealed to every one of ``recipients``, each of whom can open all of it."""
    keys = {key.kid: key for key in recipients}
    if not keys:
        raise ValueError("recipients: none; what nobody can open is lost")
    if not members:
        raise ValueError("members: none")
    record_key = AESGCM.generate_key(bit_length=256)
    cipher = AESGCM(record_key)
    sealed = {name: _encrypted(cipher, place, name, value) for name, value in members.items()}
    return Sealed(sealed, {kid: _wrapped(record_key, place, members, key) for kid, key in keys.items()})


def unseal(
    sealed: Sealed, place: Place, key: PrivateKey, only: Collection[str] | None = None
) -> dict[str, bytes]:
    """The members in the clear, or only some of them."""
    cipher = AESGCM(_unwrapped(sealed, place, key))
    wanted = sealed.members if only is None else {name: sealed.members[name] for name in only}
    return {name: _decrypted(cipher, place, name, value) for name, value in wanted.items()}


def rewrap(sealed: Sealed, place: Place, key: PrivateKey, to: PublicKey) -> Sealed:
    """The same record for ``to`` in place of ``key``; no member is encrypted anew."""
    record_key = _unwrapped(sealed, place, key)
    keys = {kid: wrapped for kid, wrapped in sealed.keys.items() if kid != key.public.kid}
    return replace(sealed, keys={**keys, to.kid: _wrapped(record_key, place, sealed.members, to)})


def shred(sealed: Sealed) -> Sealed:
    """The record without any key: nobody opens it again. Whether it may go is asked before."""
    return replace(sealed, keys={})


def seal_whole(place: Place, plaintext: bytes, to: PublicKey) -> bytes:
    """One message for one receiver, as a JSON envelope that says for whom and what it is."""
    padded = _padded(plaintext, WHOLE_BLOCK)
    ciphertext = SUITE.encrypt(padded, _curve_key(to), info=_whole_info(place, to.kid))
    envelope = _Envelope(SUITE_NAME, to.kid, place.table, place.row, place.version, ciphertext)
    return msgspec.json.encode(envelope)


def unseal_whole(envelope: bytes, place: Place, key: PrivateKey) -> bytes:
    """The message in an envelope that is expected to be ``place``."""
    try:
        found = msgspec.json.decode(envelope, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SealBroken(f"{place}: no sealed envelope") from None
    if found.kid != key.public.kid:
        raise NotForThisKey(f"{place}: sealed to {found.kid}; open it with that key")
    try:
        padded = SUITE.decrypt(found.ciphertext, key.secret, info=_whole_info(place, found.kid))
    except InvalidTag:
        raise SealBroken(f"{place}: does not open; it was moved or changed") from None
    return _unpadded(padded, place)


def binding(*parts: str) -> bytes:
    """The parts as one byte string, each with its length before it, so that no two lists of parts meet.

    >>> binding("a", "bc") == binding("ab", "c")
    False
    """
    encoded = [part.encode() for part in (_DOMAIN, *parts)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _place_parts(place: Place) -> tuple[str, str, str]:
    return place.table, place.row, str(place.version)


def _wrap_info(place: Place, members: Iterable[str], kid: str) -> bytes:
    return binding("key", *_place_parts(place), kid, *sorted(members))


def _whole_info(place: Place, kid: str) -> bytes:
    return binding("whole", *_place_parts(place), kid)


def _member_data(place: Place, name: str) -> bytes:
    return binding("member", *_place_parts(place), name)


def _wrapped(record_key: bytes, place: Place, members: Iterable[str], to: PublicKey) -> bytes:
    return SUITE.encrypt(record_key, _curve_key(to), info=_wrap_info(place, members, to.kid))


def _unwrapped(sealed: Sealed, place: Place, key: PrivateKey) -> bytes:
    kid = key.public.kid
    if kid not in sealed.keys:
        raise NotForThisKey(f"{place}: not sealed to {kid}")
    try:
        return SUITE.decrypt(sealed.keys[kid], key.secret, info=_wrap_info(place, sealed.members, kid))
    except InvalidTag:
        raise SealBroken(f"{place}: its key does not open; the record was moved or changed") from None


def _encrypted(cipher: AESGCM, place: Place, name: str, value: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, _padded(value, MEMBER_BLOCK), _member_data(place, name))


def _decrypted(cipher: AESGCM, place: Place, name: str, value: bytes) -> bytes:
    nonce, ciphertext = value[:_NONCE_BYTES], value[_NONCE_BYTES:]
    try:
        padded = cipher.decrypt(nonce, ciphertext, _member_data(place, name))
    except (InvalidTag, ValueError):
        raise SealBroken(f"{place}: {name} does not open; it was moved or changed") from None
    return _unpadded(padded, place)


def _curve_key(key: PublicKey) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(key.raw)


def _padded(value: bytes, block: int) -> bytes:
    """ISO/IEC 7816-4: a byte 0x80, then zeros to the end of the block."""
    return value + b"\x80" + bytes(-(len(value) + 1) % block)


def _unpadded(padded: bytes, place: Place) -> bytes:
    value, mark, zeros = padded.rpartition(b"\x80")
    if not mark or zeros.strip(b"\x00"):
        raise SealBroken(f"{place}: opened, but not filled up as ours are")
    return value
