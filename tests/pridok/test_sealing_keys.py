"""Key files: made, listed, opened by their passphrase only, rotated and retired without losing a record."""

import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources import sealing, sealing_keys
from resources.sealing import NotForThisKey, Place, PrivateKey, PublicKey
from resources.sealing_keys import KeyFileError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery"
CHEAP = 2**10  # the real cost is for people's passphrases, not for tests
HERE = Place("consultation_result", "17")


def make(folder: Path, recipient: str = "clinic", days: int = 0) -> PublicKey:
    return sealing_keys.make(folder, recipient, PASSPHRASE, NOW + timedelta(days=days), cost=CHEAP)


def test_a_key_file_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    public = make(tmp_path)
    key = sealing_keys.opened(tmp_path, "clinic", PASSPHRASE)[public.kid]
    assert key.public == public
    with pytest.raises(KeyFileError, match="check the passphrase") as refused:
        sealing_keys.opened(tmp_path, "clinic", "wrong horse battery")
    assert "wrong horse" not in str(refused.value)


def test_the_real_cost_opens_too(tmp_path: Path) -> None:
    public = sealing_keys.make(tmp_path, "clinic", PASSPHRASE, NOW)
    content = sealing_keys.listed(tmp_path)[0].path.read_bytes()
    assert json.loads(content)["clear"]["cost"] == 2**17
    assert sealing_keys.opened_key(content, PASSPHRASE).public == public


def test_only_the_owner_can_read_the_file_and_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    make(folder)
    path = sealing_keys.listed(folder)[0].path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_file_does_not_hold_the_private_key_in_the_clear(tmp_path: Path) -> None:
    make(tmp_path)
    [listed] = sealing_keys.listed(tmp_path)
    key = sealing_keys.opened_key(listed.path.read_bytes(), PASSPHRASE)
    stored = json.loads(listed.path.read_bytes())
    assert key.secret.private_bytes_raw() not in base64.b64decode(stored["sealed"])


@pytest.mark.parametrize(
    ("member", "value"),
    [("recipient", "report"), ("made_at", "2020-01-01T00:00:00Z"), ("salt", "AAAA"), ("cost", 2048)],
)
def test_a_changed_clear_part_does_not_open(tmp_path: Path, member: str, value: object) -> None:
    make(tmp_path)
    stored = json.loads(sealing_keys.listed(tmp_path)[0].path.read_bytes())
    stored["clear"][member] = value
    with pytest.raises(KeyFileError, match="check the passphrase"):
        sealing_keys.opened_key(json.dumps(stored).encode(), PASSPHRASE)


@pytest.mark.parametrize("cost", [0, 1, 1000, 2**21, -(2**14)])
def test_a_cost_out_of_range_is_not_tried(tmp_path: Path, cost: int) -> None:
    make(tmp_path)
    stored = json.loads(sealing_keys.listed(tmp_path)[0].path.read_bytes())
    stored["clear"]["cost"] = cost
    with pytest.raises(KeyFileError, match="cost is out of range"):
        sealing_keys.opened_key(json.dumps(stored).encode(), PASSPHRASE)


def test_a_public_key_that_does_not_fit_its_id_is_not_listed(tmp_path: Path) -> None:
    make(tmp_path)
    path = sealing_keys.listed(tmp_path)[0].path
    stored = json.loads(path.read_bytes())
    stored["clear"]["public"] = "A" * 43 + "="
    path.write_text(json.dumps(stored))
    with pytest.raises(KeyFileError, match="does not fit its id"):
        sealing_keys.listed(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]"])
def test_a_damaged_file_is_said_to_be_one(content: bytes) -> None:
    with pytest.raises(KeyFileError, match="not readable"):
        sealing_keys.opened_key(content, PASSPHRASE)


def test_listing_needs_no_passphrase_and_gives_the_oldest_first(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path, days=1)
    report = make(tmp_path, "report", days=2)
    assert [one.public for one in sealing_keys.listed(tmp_path)] == [first, second, report]
    assert sealing_keys.current(tmp_path) == {"clinic": second, "report": report}


def test_a_rotation_keeps_every_record_readable_and_the_retired_key_reads_none(tmp_path: Path) -> None:
    old = make(tmp_path)
    sealed = sealing.seal(HERE, {"outcome": b"helped"}, [old])
    new = make(tmp_path, days=1)
    keys = sealing_keys.opened(tmp_path, "clinic", PASSPHRASE)
    assert sealing.unseal(sealed, HERE, keys[old.kid]) == {"outcome": b"helped"}

    with pytest.raises(KeyFileError, match="rewrap them first"):
        sealing_keys.retire(tmp_path, old.kid, named=sealed.keys)
    moved = sealing.rewrap(sealed, HERE, keys[old.kid], new)
    sealing_keys.retire(tmp_path, old.kid, named=moved.keys)

    assert set(sealing_keys.opened(tmp_path, "clinic", PASSPHRASE)) == {new.kid}
    assert sealing.unseal(moved, HERE, keys[new.kid]) == {"outcome": b"helped"}
    with pytest.raises(NotForThisKey):
        sealing.unseal(moved, HERE, keys[old.kid])
    assert [one.retired for one in sealing_keys.listed(tmp_path)] == [True, False]


def test_the_current_key_and_an_unknown_one_are_not_retired(tmp_path: Path) -> None:
    public = make(tmp_path)
    with pytest.raises(KeyFileError, match="make the next one first"):
        sealing_keys.retire(tmp_path, public.kid, named=())
    with pytest.raises(KeyFileError, match="no such key"):
        sealing_keys.retire(tmp_path, "clinic-0000000000000000", named=())


def test_a_recipient_without_a_key_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="handoff keys make"):
        sealing_keys.opened(tmp_path, "clinic", PASSPHRASE)


def test_a_passphrase_can_be_changed_and_the_old_one_opens_nothing(tmp_path: Path) -> None:
    public = make(tmp_path)
    path = sealing_keys.listed(tmp_path)[0].path
    sealing_keys.change_passphrase(path, PASSPHRASE, "another long passphrase", NOW, cost=CHEAP)
    assert set(sealing_keys.opened(tmp_path, "clinic", "another long passphrase")) == {public.kid}
    with pytest.raises(KeyFileError, match="check the passphrase"):
        sealing_keys.opened(tmp_path, "clinic", PASSPHRASE)
    assert [one.path for one in sealing_keys.listed(tmp_path)] == [path]


def test_what_a_broken_off_change_left_behind_is_not_written_over(tmp_path: Path) -> None:
    make(tmp_path)
    path = sealing_keys.listed(tmp_path)[0].path
    before = path.read_bytes()
    path.with_name(f"{path.name}.new").write_text("left behind")
    with pytest.raises(KeyFileError, match="exists already"):
        sealing_keys.change_passphrase(path, PASSPHRASE, "another long passphrase", NOW, cost=CHEAP)
    assert path.read_bytes() == before


def test_a_file_that_holds_another_key_than_it_says_is_refused() -> None:
    one, other = PrivateKey.made("clinic"), PrivateKey.made("clinic")
    mixed = PrivateKey(one.public, other.secret)
    content = sealing_keys.sealed_key(mixed, PASSPHRASE, NOW, cost=CHEAP)
    with pytest.raises(KeyFileError, match="holds another key"):
        sealing_keys.opened_key(content, PASSPHRASE)


def test_the_escrow_opens_only_with_both_parts_in_order(tmp_path: Path) -> None:
    both = sealing_keys.joint_passphrase("first person's part", "second person's part")
    public = sealing_keys.make(tmp_path, "escrow", both, NOW, cost=CHEAP)
    assert set(sealing_keys.opened(tmp_path, "escrow", both)) == {public.kid}
    turned = sealing_keys.joint_passphrase("second person's part", "first person's part")
    with pytest.raises(KeyFileError):
        sealing_keys.opened(tmp_path, "escrow", turned)
    with pytest.raises(KeyFileError, match="at least 12"):
        sealing_keys.joint_passphrase("first person's part", "short")


@pytest.mark.parametrize("recipient", ["", "../clinic", "clinic key", "klinikk-", "klinikké"])
def test_a_recipients_name_is_plain(tmp_path: Path, recipient: str) -> None:
    with pytest.raises(KeyFileError, match="recipient: "):
        make(tmp_path, recipient)


def test_a_short_passphrase_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="at least 12"):
        sealing_keys.make(tmp_path, "clinic", "short", NOW, cost=CHEAP)
    assert list(tmp_path.iterdir()) == []
