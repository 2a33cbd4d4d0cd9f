"""Passwords of people: hashed with argon2id, checked in about the same time whether the account exists or not.

Not a sender's secrets: those are long random tokens, see ``web.proof``.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST, MOST = 12, 200

#: OWASP's second choice of parameters, a little stronger: 32 MiB a check keeps the doors' memory small.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)

#: Of 40 random bytes that were thrown away: what is checked for an account that does not exist.
_NOBODY = "$argon2id$v=19$m=32768,t=3,p=1$OPwI/pRxCuWj1YVQ2ExsWA$mvzxm+iSOh3qsvCNZ41kVkXmH8ZrboTKVc58/U0RpI0"


class Unfit(ValueError):
    """The password cannot be taken; the text says why and never repeats it."""


def hashed(password: str, *, name: str = "") -> str:
    """What is kept of a new password; raises Unfit."""
    if len(password) < LEAST:
        raise Unfit(f"a password has at least {LEAST} characters: several words are easy to remember")
    if len(password) > MOST:
        raise Unfit(f"a password has at most {MOST} characters")
    if password != password.strip():
        raise Unfit("a password does not begin or end with a space")
    if name and name.lower() in password.lower():
        raise Unfit("a password does not contain the account's name")
    return _HASHER.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password of which this was kept; ``None`` is an account that does not exist."""
    try:
        return _HASHER.verify(kept or _NOBODY, password[: MOST + 1]) and kept is not None
    except (VerificationError, InvalidHashError):
        return False
