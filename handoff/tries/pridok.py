"""``handoff try pridok``: referrals in normal form, each with its verdict and flags.

The referrals of one input are judged in order, as if the store were empty before the first.
"""

import argparse
import os
from datetime import UTC, datetime

import msgspec

from assets.pridok import events, referral
from assets.pridok.events import Referral
from assets.pridok.mapping import normalised
from assets.pridok.referral import Contact, Judgement, Known, Seen
from handoff.tries import Document, Remark, Say, Tried, each

FORMATS = ("json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where they are judged, and when."""
    parser.add_argument(
        "--environment",
        choices=("test", "production"),
        default=os.environ.get("HANDOFF_ENVIRONMENT", "test"),
        help="synthetic national numbers are accepted in test only",
    )
    parser.add_argument(
        "--received-at",
        type=_moment,
        help="when they arrived, such as 2026-03-02T15:04:05+00:00; now, if not given",
    )


def run(documents: list[Document], arguments: argparse.Namespace) -> Tried:
    """One line of JSON a referral; only a body that would be answered 400 is a problem."""
    now = arguments.received_at or datetime.now(UTC)
    before = _Before()

    def make(raw: bytes, say: Say) -> dict[str, object] | None:
        try:
            one = events.read(raw)
        except events.NotAReferral as refused:
            say(Remark(f"{refused} (rejected_400)"))
            return None
        judgement = referral.judge(one, before.known(one), environment=arguments.environment, now=now)
        before.add(judgement)
        return normalised(judgement)

    made, remarks = each(documents, make)
    output = b"".join(msgspec.json.encode(one) + b"\n" for one in made)
    if arguments.check:
        remarks.append(Remark("check: json: no independent reader knows these rules", stops=False))
    return Tried(output, remarks)


class _Before:
    """What came earlier in the same input, in place of the store."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.patients: dict[str, Contact] = {}

    def known(self, one: Referral) -> Known:
        content = self.contents.get(one.guid)
        number = referral.number_of(one)
        patient = None if number is None else self.patients.get(number.digits)
        if content is None:
            return Known(patient=patient)
        return Known(seen=Seen.SAME if content == one.content else Seen.OTHER, patient=patient)

    def add(self, judgement: Judgement) -> None:
        one, number, contact = judgement.referral, judgement.number, judgement.contact
        self.contents.setdefault(one.guid, one.content)
        if judgement.verdict.accepted and number is not None and contact is not None:
            known = self.patients.get(number.digits)
            self.patients[number.digits] = contact if known is None else known.updated_by(contact)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date and time") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("give the zone too, such as +00:00")
    return moment
