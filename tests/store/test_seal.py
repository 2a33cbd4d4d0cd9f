"""A sealed body opens in its own row alone, and only as it was sealed."""

import pytest

from resources.store.seal import KeyMissing, Keys, Sealer, Unreadable, new_key

KEYS = Keys.read(new_key("one"), new_key("index"))
#: One that is sealed as it is, one that is compressed before, and the ones between which the choice is made.
BODIES = [b"", b"x", b"x" * 64, b"x" * 65, b'{"first_name":"Ana"}' * 100]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_opens_in_its_own_row_alone(body: bytes) -> None:
    sealer = Sealer(KEYS)
    sealed = sealer.seal(body, b"inbox", 8)
    assert Sealer(KEYS).open(sealed, b"inbox", 8) == body
    for table, row in ((b"inbox", 16), (b"outbox", 8)):
        with pytest.raises(Unreadable):
            sealer.open(sealed, table, row)


@pytest.mark.parametrize("body", BODIES)
def test_no_byte_of_it_can_be_changed_unnoticed(body: bytes) -> None:
    sealer = Sealer(KEYS)
    sealed = sealer.seal(body, b"inbox", 8)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 3  # of the first byte this makes the other format
        with pytest.raises((Unreadable, KeyMissing)):
            sealer.open(bytes(changed), b"inbox", 8)


def test_a_short_body_takes_no_more_than_its_seal() -> None:
    sealer = Sealer(KEYS)
    assert len(sealer.seal(b"7", b"attempt", 8)) == len(sealer.seal(b"", b"attempt", 8)) + 1


def test_a_ring_without_its_key_says_which_is_missing() -> None:
    sealed = Sealer(KEYS).seal(b"x", b"inbox", 8)
    other = Keys(Keys.read(new_key("two"), new_key("index")).sealing, KEYS.indexing)
    with pytest.raises(KeyMissing, match="'one'"):
        Sealer(other).open(sealed, b"inbox", 8)


def test_a_digest_tells_content_and_key_apart() -> None:
    sealer = Sealer(KEYS)
    assert sealer.digest(b"a") == Sealer(KEYS).digest(b"a") != sealer.digest(b"b")
    other = Keys(KEYS.sealing, Keys.read(new_key("one"), new_key("index")).indexing)
    assert Sealer(other).digest(b"a") != sealer.digest(b"a")
