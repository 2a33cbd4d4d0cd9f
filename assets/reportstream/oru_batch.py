"""HL7 messages on their way: a batch file with its envelope, and the object they become in AIMS' storage.

Names follow from ids and from times that stay, never from the clock: a send that is tried again writes the same
object over itself, where SimpleReport's own (the time of sending in the name) made a second one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from assets.formats import hl7
from assets.reportstream.oru import AGGREGATOR, APHL, SENDERS
from assets.reportstream.oru_fields import at

CONTENT_TYPE: Final = "text/plain"
_ENVIRONMENTS: Final = {"P": "Prod", "T": "Test", "D": "Test"}


def file(messages: Sequence[str], *, batch_id: str, made_at: datetime, processing_mode: str = "P") -> str:
    """The messages in one file: FHS and BHS, the messages, BTS with their number, FTS."""
    header: dict[int, hl7.Field] = {
        3: SENDERS[processing_mode],
        4: AGGREGATOR,
        5: APHL,
        6: APHL,
        7: at(made_at),
        11: batch_id,
    }
    return hl7.batch(messages, header, between="\n")


def object_name(identity: str, made_at: datetime, processing_mode: str = "P") -> str:
    """The file name AIMS reads its routing from; ``identity`` is MSH-10, for a batch the batch's id."""
    where = _ENVIRONMENTS[processing_mode]
    moment = made_at.astimezone(UTC)
    stamp = f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03}"
    return f"InterPartner~ExpandedELR~Simple-Report~AIMSPlatform~{where}~{where}~{stamp}~STOP~{identity}.hl7"


def object_key(user_id: str, identity: str, made_at: datetime, processing_mode: str = "P") -> str:
    """Where the object goes in the bucket: the folder of our account there."""
    return f"{user_id}/SendTo/{object_name(identity, made_at, processing_mode)}"


def object_metadata(identity: str, made_at: datetime, processing_mode: str = "P") -> dict[str, str]:
    """What AIMS asks to be told beside the object."""
    return {
        "AIMSPlatformSender": "SimpleReport",
        "AIMSPlatformRecipient": "AIMSPlatform",
        "AIMSPlatformSenderProject": "ELR",
        "AIMSPlatformSenderProtocol": "S3",
        "AIMSPlatformSenderEncryptionType": "KMS",
        "AIMSPlatformFilename": object_name(identity, made_at, processing_mode),
        "AIMSPlatformSenderMessageId": identity,
        "Base64Encoded": "False",
    }
