"""What a partner's acknowledgement of an HL7 v2 message means to us, whichever wire it came back on.

Codes: HL7 table 0008. Texts of errors name the place given as ``where`` and never repeat what was said.
"""

from collections.abc import Collection
from typing import NamedTuple

from resources.errors import Refused, TryLater, Unsure
from resources.store.values import Receipt


class Acknowledged(NamedTuple):
    """What an acknowledgement says: MSA-1, MSA-2, and the codes in ERR-3."""

    code: str
    control_id: str
    errors: tuple[str, ...] = ()


def acknowledged(answer: bytes) -> Acknowledged:
    """The acknowledgement's verdict; ``ValueError`` for what is none."""
    text = answer.decode("utf-8", "replace").replace("\n", "\r")
    if not text.startswith("MSH") or len(text) < 8:
        raise ValueError("no acknowledgement")
    field, component = text[3], text[4]
    found = [line.split(field) for line in text.split("\r")]
    msa = next((line for line in found if line[0] == "MSA" and len(line) > 2), None)
    if msa is None:
        raise ValueError("no acknowledgement")
    errors = [line[3].split(component)[0] for line in found if line[0] == "ERR" and len(line) > 3]
    return Acknowledged(msa[1].strip(), msa[2].strip(), tuple(errors))


def control_id(message: bytes) -> str:
    """MSH-10 of a message of ours; ``Refused`` when it has none, for then no answer could be matched."""
    header = message[:4096].split(b"\r", 1)[0].decode("utf-8", "replace")
    fields = header.split(header[3]) if len(header) > 3 and header.startswith("MSH") else []
    if len(fields) < 10 or not fields[9]:
        raise Refused("MSH-10: the message has no control id; it was not sent")
    return fields[9]


def read(answer: bytes, expected: str, where: str) -> Acknowledged:
    """The acknowledgement of the message with this control id; ``Unsure`` for anything else."""
    try:
        verdict = acknowledged(answer)
    except ValueError:
        raise Unsure(f"{where}: the answer is no acknowledgement", answer=answer) from None
    if verdict.control_id != expected:
        raise Unsure(f"{where}: the acknowledgement is for another message", answer=answer)
    return verdict


def judged(
    verdict: Acknowledged, answer: bytes, where: str, later_errors: Collection[str] = (), status: int = 200
) -> Receipt:
    """AA and CA: they have it. AE, AR, CE, CR: they will not take it, or not yet by one of ``later_errors``."""
    if verdict.code in ("AA", "CA"):
        return Receipt(status=status, external_id=verdict.control_id, answer=answer)
    if verdict.code not in ("AE", "AR", "CE", "CR"):
        raise Unsure(f"{where}: the acknowledgement has no code of table 0008", answer=answer)
    text = f"{where}: {verdict.code}"
    if verdict.errors and set(verdict.errors) <= set(later_errors):
        raise TryLater(text, answer=answer)
    raise Refused(text, status=status, answer=answer)
