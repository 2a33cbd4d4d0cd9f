"""What a facility does about what ReportStream said of one of its results, in a sentence or two.

Chosen by what ReportStream's sentence or filter is about; nothing of the sentence itself is repeated.
"""

import re
from typing import Final

_CORRECT: Final = "then correct the result, so that a corrected one is sent"
_WENT_ON: Final = (
    "The result went on, but without this value. If the health department needs it, correct the result."
)

#: What it is about, and what to do; the first that fits counts.
_ADVICE: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (
            r"duplicate",
            "ReportStream has this result already. Nothing is to be done, unless the two should differ: then correct"
            " it.",
        ),
        (
            r"isValidCLIA|testing_lab_clia|\bCLIA\b",
            "The health department does not know the laboratory by its CLIA number. Check the number in the facility's"
            f" settings, {_CORRECT}.",
        ),
        (
            r"patient_dob|birth",
            f"The patient's date of birth is missing or cannot be right. Enter it, {_CORRECT}.",
        ),
        (
            r"patient_(last|first)_name|last name|first name",
            f"The health department takes no result without the patient's name. Enter it, {_CORRECT}.",
        ),
        (
            r"specimen_type|specimen",
            f"The specimen is not one the health department takes. Choose it from the list, {_CORRECT}.",
        ),
        (
            r"equipment_model_name|LIVD|No match found|test_performed_code",
            "The device is not in CDC's table of devices, so the result has no full name. Check the device's model in"
            f" the facility's settings, {_CORRECT}.",
        ),
        (
            r"(order_test|specimen_collection|test_result)_date|Invalid date",
            f"A date is missing or cannot be read. Check the date of the test, {_CORRECT}.",
        ),
        (
            r"phone",
            "A phone number does not have ten digits. Check the patient's, the provider's and the facility's,"
            f" {_CORRECT}.",
        ),
        (
            r"postal|zip_code|patient_street|address",
            f"The address is incomplete or its postal code is wrong. Check it, {_CORRECT}.",
        ),
        (
            r"processing_mode_code",
            "The result was marked as a test, and a health department gets no tests. Whoever looks after the connection"
            " checks the setting.",
        ),
        (
            r"county",
            f"The county does not fit the state. Check the patient's address, {_CORRECT}.",
        ),
        (
            r"Blank value|missing|hasValidDataFor|hasAtLeastOneOf|atLeastOneHasValue",
            f"A value the health department asks for is missing. It is named beside this; enter it, {_CORRECT}.",
        ),
        (
            r"fewer than",
            "It is not certain whether this result arrived. Whoever looks after the connection asks ReportStream; send"
            " nothing again before that.",
        ),
        (
            r"Not Delivering",
            "No health department takes results of this kind from this place. If one should, ask it whether it receives"
            " by ReportStream.",
        ),
        (
            r"\bcode\b.*invalid|invalid.*\bcode\b",
            f"A value is not one of those the health department knows. Choose it from the list, {_CORRECT}.",
        ),
    )
)
_REFUSED: Final = (
    f"The result was not taken. Read what ReportStream said, check the value it names, {_CORRECT}."
)


def advice(severity: str, said: str) -> str:
    """What to do about one remark.

    >>> advice("error", "filtered: isValidCLIA")[:36]
    'The health department does not know '
    """
    for pattern, text in _ADVICE:
        if pattern.search(said):
            return text
    return _REFUSED if severity == "error" else _WENT_ON
