"""What is asked when a test is ordered (AOE), and how the answers are coded.

Origin: SimpleReport's FHIR observations and ReportStream's AOE list (CC0). This material contains content from
LOINC (http://loinc.org), copyright (c) Regenstrief Institute, Inc. and the LOINC Committee, available at no cost
under the license at http://loinc.org/license.
"""

from typing import Final

from assets.reportstream.report import LOINC, NULL_FLAVOR, SNOMED, YES_NO, Coded
from assets.reportstream.tables import snomed

SYMPTOMATIC: Final = Coded("95419-8", "Has symptoms related to condition of interest", LOINC)
ONSET: Final = Coded("65222-2", "Date and time of symptom onset", LOINC)
FIRST_TEST: Final = Coded("95417-2", "First test for condition of interest", LOINC)
PREGNANT: Final = Coded("82810-3", "Pregnancy status", LOINC)
EMPLOYED: Final = Coded("95418-0", "Employed in a healthcare setting", LOINC)
HOSPITALIZED: Final = Coded("77974-4", "Hospitalized for condition", LOINC)
ICU: Final = Coded("95420-6", "Admitted to ICU for condition", LOINC)
CONGREGATE: Final = Coded("95421-4", "Resides in a congregate care setting", LOINC)
RESIDENCE: Final = Coded("75617-1", "Residence type", LOINC)
GENDER_IDENTITY: Final = Coded("76691-5", "Gender identity", LOINC)
SEXUAL_PARTNERS: Final = Coded("SR0001", "Gender of sexual partners", "http://simplereport.gov/")
SYPHILIS_HISTORY: Final = Coded(*snomed.SYPHILIS_HISTORY, SNOMED)

#: What all questions belong to: the panel their Observations carry as an identifier.
PANEL: Final = Coded("81959-9", "Public health laboratory ask at order entry panel", LOINC)

#: LOINC version an HL7 receiver is told with a question, as ReportStream tells it.
LOINC_VERSIONS: Final[dict[str, str]] = {
    "95417-2": "2.69",
    "95418-0": "2.69",
    "95419-8": "2.69",
    "95421-4": "2.69",
    "95420-6": "2.69",
    "82810-3": "2.68",
    "77974-4": "2.69",
}

YES: Final = Coded("Y", "Yes", YES_NO)
NO: Final = Coded("N", "No", YES_NO)
UNKNOWN: Final = Coded("UNK", "unknown", NULL_FLAVOR)
ASKED_BUT_DECLINED: Final = Coded(
    "asked-declined", "Asked But Declined", "http://terminology.hl7.org/CodeSystem/data-absent-reason"
)

FEMALE: Final = Coded(*snomed.FEMALE_IDENTITY, SNOMED)
MALE: Final = Coded(*snomed.MALE_IDENTITY, SNOMED)
NON_BINARY: Final = Coded(*snomed.NON_BINARY_IDENTITY, SNOMED)

#: What the bulk template takes for a gender. "Other" has no code of its own in either partner's list.
GENDERS: Final[dict[str, Coded]] = {
    **dict.fromkeys(("f", "female", "tw", "trans woman"), FEMALE),
    **dict.fromkeys(("m", "male", "tm", "trans man"), MALE),
    **dict.fromkeys(("nb", "nonbinary", "non binary"), NON_BINARY),
    **dict.fromkeys(("o", "other"), UNKNOWN),
    **dict.fromkeys(("r", "refused"), ASKED_BUT_DECLINED),
}


def yes_no(answer: bool | None) -> Coded:
    """The code of an answer; nobody knowing is an answer too."""
    return UNKNOWN if answer is None else YES if answer else NO
