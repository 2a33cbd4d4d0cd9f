"""A file on its way in: the same bytes come out, little of it is in memory, and none of it is readable on the disk."""

import gc
import hashlib
import os
import random
import tracemalloc

import pytest

from web.spool import PIECE, Spool
from web.staff.uploads import Reader

TEXT = b"a name that must not be readable"


def spooled(data: bytes, at_a_time: int = 65_536) -> Spool:
    spool = Spool()
    for start in range(0, len(data), at_a_time):
        spool.write(data[start : start + at_a_time])
    return spool


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 17])
def test_what_went_in_comes_out_and_again(size: int) -> None:
    data = random.Random(size).randbytes(size)
    spool = spooled(data, 50_001)
    assert spool.open().read() == spool.open().read() == data
    assert (spool.size, spool.sha256) == (size, hashlib.sha256(data).hexdigest())
    spool.close()


def test_two_read_at_once_each_at_their_own_place() -> None:
    data = random.Random(1).randbytes(2 * PIECE)
    spool = spooled(data)
    first, second = spool.open(), spool.open()
    assert first.read(PIECE) == second.read(PIECE) == data[:PIECE]
    spool.close()


def opened() -> set[str]:
    """The files of this process that have no name any more."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}").endswith("(deleted)"):
                found.add(f"/proc/self/fd/{number}")
        except OSError:
            continue
    return found


def test_on_the_disk_it_is_sealed_without_a_name_and_gone_when_closed() -> None:
    before = opened()
    spool = spooled(TEXT * 40_000)
    assert spool.open().read(len(TEXT)) == TEXT
    (path,) = opened() - before
    with open(path, "rb") as file:
        written = file.read()
    assert len(written) > 4 * PIECE
    assert TEXT not in written
    spool.close()
    assert opened() == before


def test_a_small_file_touches_no_disk() -> None:
    before = opened()
    spool = spooled(TEXT)
    assert spool.open().read() == TEXT
    assert opened() == before


def test_a_form_with_a_large_file_is_read_in_little_memory() -> None:
    head = (
        b'--x\r\ncontent-disposition: form-data; name="csrf"\r\n\r\ntoken\r\n'
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    )
    chunk = b"," * 65_536
    tokens: list[str] = []
    reader = Reader(b"x", 50_000_000, tokens.append, spool=True)
    gc.collect()
    tracemalloc.start()
    try:
        reader.write(head)
        for _ in range(400):
            reader.write(chunk)
        reader.write(b"\r\n--x--\r\n")
        form = reader.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tokens == ["token"]
    assert form.spooled["file"].size == 400 * len(chunk)
    assert peak < 2_000_000
    form.close()


def test_a_form_whose_file_was_not_chosen_has_none() -> None:
    reader = Reader(b"x", 1_000, lambda token: None, spool=True)
    reader.write(b'--x\r\ncontent-disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n')
    assert reader.finish().spooled == {}
