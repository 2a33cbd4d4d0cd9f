"""A second opinion on an HL7 v2 message, from hl7apy's tables: for tests and ``handoff try --check``.

hl7apy needs 25 ms a message, so nothing that runs in a lane asks it. It is asked to parse TOLERANT and
then to validate: parsing STRICT refuses names and documents longer than 199 characters, which is every
document. It refuses every ORM^O01 (it wants a segment of each choice in the order group): those are parsed
and not validated.
"""

import re


def objections(message: str, *, strict: bool = False) -> list[str]:
    """What hl7apy has against the message: its kind of error and the elements it names, never a value."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    level = VALIDATION_LEVEL.STRICT if strict else VALIDATION_LEVEL.TOLERANT
    try:
        parsed = parse_message(message, validation_level=level)
        if "ORM^O01" not in message[:200]:
            parsed.validate()
    except (HL7apyException, ValueError) as error:
        return [_safe(error)]
    return []


def _safe(error: Exception) -> str:
    said = re.match(r"[A-Za-z ]+", str(error))
    elements = re.findall(
        r"\b(?:[A-Z][A-Z0-9]{2}_[A-Z0-9]+(?:_[A-Z]+)*|[A-Z]{3}\.[A-Z]{3}_\d+)\b", str(error)
    )
    first = said[0].strip() if said and elements else ""
    return " ".join([f"{type(error).__name__}:", first, *dict.fromkeys(elements)]).strip(": ")
