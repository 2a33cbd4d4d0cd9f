"""Sealed records open for their recipients, in their place, whole; and for nobody else, nowhere else."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hpke
from hypothesis import given
from hypothesis import strategies as st

from resources import sealing
from resources.sealing import NotForThisKey, Place, PrivateKey, PublicKey, SealBroken, Sealed

CLINIC, REPORT, ESCROW = (PrivateKey.made(name) for name in ("clinic", "report", "escrow"))
ALL = [key.public for key in (CLINIC, REPORT, ESCROW)]
HERE = Place("consultation_result", "17", 2)
MEMBERS = {"icpc2": b"R74", "outcome": b"helped", "notes": b""}


def record() -> Sealed:
    return sealing.seal(HERE, MEMBERS, ALL)


def other_members(sealed: Sealed, **changed: bytes) -> Sealed:
    return Sealed({**sealed.members, **changed}, sealed.keys)


@given(st.dictionaries(st.text(min_size=1), st.binary(max_size=200), min_size=1, max_size=5))
def test_every_recipient_opens_all_of_it(members: dict[str, bytes]) -> None:
    sealed = Sealed.from_bytes(sealing.seal(HERE, members, ALL).to_bytes())
    for key in (CLINIC, REPORT, ESCROW):
        assert sealing.unseal(sealed, HERE, key) == members


def test_some_members_can_be_opened_alone() -> None:
    assert sealing.unseal(record(), HERE, REPORT, only=["outcome"]) == {"outcome": b"helped"}


def test_another_key_of_the_same_recipient_opens_nothing() -> None:
    with pytest.raises(NotForThisKey, match="not sealed to clinic-"):
        sealing.unseal(record(), HERE, PrivateKey.made("clinic"))


@pytest.mark.parametrize(
    "place",
    [
        Place("consultation_result", "18", 2),
        Place("consultation_result", "17", 1),
        Place("consultation_result", "17", 3),
        Place("referral", "17", 2),
        Place("consultation_result1", "7", 2),
    ],
)
def test_a_record_moved_to_another_place_or_version_does_not_open(place: Place) -> None:
    with pytest.raises(SealBroken, match="moved or changed"):
        sealing.unseal(record(), place, CLINIC)


def test_two_swapped_members_do_not_open() -> None:
    sealed = record()
    swapped = other_members(sealed, icpc2=sealed.members["outcome"], outcome=sealed.members["icpc2"])
    with pytest.raises(SealBroken, match="icpc2 does not open"):
        sealing.unseal(swapped, HERE, CLINIC)


def test_a_member_of_another_record_or_of_an_earlier_sealing_does_not_open() -> None:
    earlier = record()
    with pytest.raises(SealBroken, match="outcome does not open"):
        sealing.unseal(other_members(record(), outcome=earlier.members["outcome"]), HERE, CLINIC)


def test_an_earlier_version_with_its_keys_does_not_open_as_the_present_one() -> None:
    earlier = sealing.seal(Place("consultation_result", "17", 1), MEMBERS, ALL)
    with pytest.raises(SealBroken):
        sealing.unseal(earlier, HERE, CLINIC)


def test_a_record_that_lost_or_gained_a_member_does_not_open() -> None:
    sealed = record()
    lost = Sealed({"icpc2": sealed.members["icpc2"], "outcome": sealed.members["outcome"]}, sealed.keys)
    with pytest.raises(SealBroken, match="key does not open"):
        sealing.unseal(lost, HERE, CLINIC)
    with pytest.raises(SealBroken, match="key does not open"):
        sealing.unseal(other_members(sealed, more=sealed.members["notes"]), HERE, CLINIC)


def test_a_wrapped_key_under_another_recipients_name_does_not_open() -> None:
    sealed = record()
    crossed = Sealed(sealed.members, {CLINIC.public.kid: sealed.keys[REPORT.public.kid]})
    with pytest.raises(SealBroken, match="key does not open"):
        sealing.unseal(crossed, HERE, CLINIC)


@given(st.data())
def test_one_changed_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    sealed = record()
    name = data.draw(st.sampled_from(sorted(MEMBERS)))
    value = bytearray(sealed.members[name])
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        sealing.unseal(other_members(sealed, **{name: bytes(value)}), HERE, CLINIC)


@pytest.mark.parametrize("value", [b"", b"short", bytes(12), bytes(28)])
def test_a_cut_member_is_broken_and_not_a_crash(value: bytes) -> None:
    with pytest.raises(SealBroken):
        sealing.unseal(other_members(record(), notes=value), HERE, CLINIC)


def test_lengths_do_not_tell_one_outcome_from_another() -> None:
    lengths = {
        len(sealing.seal(HERE, {"outcome": outcome}, ALL).members["outcome"])
        for outcome in (b"", b"helped", b"referred_specialist", b"x" * 63)
    }
    assert lengths == {12 + 64 + 16}


def test_sealing_twice_gives_other_bytes() -> None:
    assert record().members["icpc2"] != record().members["icpc2"]


def test_rewrapping_moves_the_record_to_the_new_key_and_keeps_every_member_as_it_is() -> None:
    sealed, fresh = record(), PrivateKey.made("clinic")
    moved = sealing.rewrap(sealed, HERE, CLINIC, fresh.public)
    assert moved.members == sealed.members
    assert sealing.unseal(moved, HERE, fresh) == MEMBERS
    assert sealing.unseal(moved, HERE, ESCROW) == MEMBERS
    with pytest.raises(NotForThisKey):
        sealing.unseal(moved, HERE, CLINIC)


def test_rewrapping_needs_the_right_place() -> None:
    with pytest.raises(SealBroken):
        sealing.rewrap(
            record(), Place("consultation_result", "18", 2), CLINIC, PrivateKey.made("clinic").public
        )


def test_a_shredded_record_opens_for_nobody() -> None:
    gone = sealing.shred(record())
    for key in (CLINIC, REPORT, ESCROW):
        with pytest.raises(NotForThisKey):
            sealing.unseal(gone, HERE, key)


def test_nothing_is_sealed_to_nobody() -> None:
    with pytest.raises(ValueError, match="recipients: none"):
        sealing.seal(HERE, MEMBERS, [])
    with pytest.raises(ValueError, match="members: none"):
        sealing.seal(HERE, {}, ALL)


def test_damaged_bytes_of_a_record_are_broken_and_not_a_crash() -> None:
    for raw in (b"", b"\xc1", record().to_bytes()[:-1], b"\x81\xa1v\x01"):
        with pytest.raises(SealBroken, match="damaged"):
            Sealed.from_bytes(raw)


def test_a_whole_message_opens_for_its_receiver_in_its_place() -> None:
    place = Place("insurer_message", "17")
    envelope = sealing.seal_whole(place, b'{"outcome": "helped"}', CLINIC.public)
    assert b"helped" not in envelope
    assert sealing.unseal_whole(envelope, place, CLINIC) == b'{"outcome": "helped"}'
    with pytest.raises(SealBroken, match="moved or changed"):
        sealing.unseal_whole(envelope, Place("insurer_message", "18"), CLINIC)
    with pytest.raises(NotForThisKey, match="sealed to clinic-"):
        sealing.unseal_whole(envelope, place, REPORT)
    with pytest.raises(SealBroken, match="no sealed envelope"):
        sealing.unseal_whole(b"{}", place, CLINIC)


def test_whole_messages_of_one_kind_have_one_length() -> None:
    place = Place("insurer_message", "17")
    lengths = {len(sealing.seal_whole(place, b"x" * size, CLINIC.public)) for size in (0, 1, 500, 1023)}
    assert len(lengths) == 1
    assert (
        sealing.unseal_whole(sealing.seal_whole(place, b"x" * 5000, CLINIC.public), place, CLINIC)
        == b"x" * 5000
    )


def test_a_receiver_with_plain_hpke_opens_a_message_by_the_documented_recipe() -> None:
    envelope = sealing.seal_whole(Place("insurer_message", "17", 1), b"told", CLINIC.public)
    read = json.loads(envelope)
    parts = ["handoff sealed 1", "whole", read["table"], read["row"], str(read["version"]), read["kid"]]
    info = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    padded = suite.decrypt(base64.b64decode(read["ciphertext"]), CLINIC.secret, info=info)
    assert padded.rstrip(b"\x00") == b"told\x80"


def test_a_message_that_is_not_filled_up_as_ours_is_broken() -> None:
    place = Place("insurer_message", "17")
    envelope = json.loads(sealing.seal_whole(place, b"told", CLINIC.public))
    info = sealing.binding("whole", place.table, place.row, "1", CLINIC.public.kid)
    key = CLINIC.secret.public_key()
    envelope["ciphertext"] = base64.b64encode(sealing.SUITE.encrypt(b"told", key, info=info)).decode()
    with pytest.raises(SealBroken, match="not filled up"):
        sealing.unseal_whole(json.dumps(envelope).encode(), place, CLINIC)


def test_a_public_key_goes_through_a_setting_and_a_mistyped_one_is_refused() -> None:
    text = CLINIC.public.text
    assert PublicKey.parse(f" {text}\n") == CLINIC.public
    other = REPORT.public.text.split(":")[1]
    for wrong in (
        text[:-2],
        text.replace("clinic", "report"),
        f"{CLINIC.public.kid}:{other}",
        "clinic",
        ":",
        "a:!",
    ):
        with pytest.raises(ValueError, match="public key: "):
            PublicKey.parse(wrong)


def test_no_secret_shows_in_a_repr() -> None:
    assert CLINIC.secret.private_bytes_raw().hex() not in repr(CLINIC)
    assert "secret" not in repr(CLINIC)
    assert repr(record()) == "Sealed()"
