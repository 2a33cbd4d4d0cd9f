"""SNOMED CT codes that results and answers travel as, and the names people write for results and specimens.

Origin: the code lists of SimpleReport and ReportStream (CC0). This material includes SNOMED Clinical Terms
(SNOMED CT), used by permission of SNOMED International; in the United States under the UMLS licence.
"""

from typing import Final

#: Qualitative results: the preferred name and the abnormal flag of HL7 table 0078. No flag where a result
#: says nothing about the patient: "not done" and "invalid" are not normal.
RESULTS: Final[dict[str, tuple[str, str]]] = {
    "260373001": ("Detected", "A"),
    "10828004": ("Positive", "A"),
    "720735008": ("Presumptive positive", "A"),
    "11214006": ("Reactive", "A"),
    "260415000": ("Not detected", "N"),
    "260385009": ("Negative", "N"),
    "895231008": ("Not detected in pooled specimen", "N"),
    "131194007": ("Non-reactive", "N"),
    "419984006": ("Inconclusive", ""),
    "42425007": ("Equivocal", ""),
    "82334004": ("Indeterminate", ""),
    "373121007": ("Test not done", ""),
    "455371000124106": ("Invalid result", ""),
    "125154007": ("Specimen unsatisfactory for evaluation", ""),
}

#: What a person may write instead of a result's code.
RESULT_NAMES: Final[dict[str, str]] = {
    "positive": "260373001",
    "negative": "260415000",
    "detected": "260373001",
    "not detected": "260415000",
    "invalid result": "455371000124106",
}

#: What a person may write instead of a specimen's code, in lower case.
SPECIMEN_NAMES: Final[dict[str, str]] = {
    "swab of internal nose": "445297001",
    "nasal swab": "445297001",
    "nasal": "445297001",
    "varied": "445297001",
    "nasopharyngeal swab": "258500001",
    "mid-turbinate nasal swab": "1293160008",
    "anterior nares swab": "697989009",
    "anterior nasal swab": "697989009",
    "nasopharyngeal aspirate": "258411007",
    "nasopharyngeal wash": "258467004",
    "nasopharyngeal washings": "258467004",
    "nasal aspirate": "429931000124105",
    "nasal aspirate specimen": "429931000124105",
    "throat swab": "258529004",
    "oropharyngeal swab": "258529004",
    "oral swab": "418932006",
    "sputum": "119334006",
    "sputum specimen": "119334006",
    "saliva": "258560004",
    "saliva specimen": "258560004",
    "serum": "119364003",
    "serum specimen": "119364003",
    "plasma": "119361006",
    "plasma specimen": "119361006",
    "whole blood": "258580003",
    "whole blood sample": "258580003",
    "venous blood specimen": "122555007",
    "venous whole blood": "122555007",
    "blood specimen": "119297000",
    "capillary blood specimen": "122554006",
    "fingerstick whole blood": "122554006",
    "dried blood spot": "440500007",
    "dried blood spot specimen": "440500007",
    "fingerstick blood dried blood spot": "440500007",
    "nasopharyngeal and oropharyngeal swab": "433801000124107",
    "nasal and throat swab": "433801000124107",
    "nasal and throat swab combination": "433801000124107",
    "lower respiratory fluid sample": "309171007",
    "lower respiratory tract aspirates": "309171007",
    "bronchoalveolar lavage": "258607008",
    "bronchoalveolar lavage fluid": "258607008",
    "bronchoalveolar lavage fluid sample": "258607008",
}

RESIDENCES: Final[dict[str, str]] = {
    "22232009": "Hospital",
    "2081004": "Hospital ship",
    "32074000": "Long term care hospital",
    "224929004": "Secure hospital",
    "42665001": "Nursing home",
    "30629002": "Retirement home",
    "74056004": "Orphanage",
    "722173008": "Prison-based care site",
    "20078004": "Substance abuse treatment center",
    "257573002": "Boarding house",
    "224683003": "Military accommodation",
    "284546000": "Hospice",
    "257628001": "Hostel",
    "310207003": "Sheltered housing",
    "257656006": "Penal institution",
    "285113009": "Religious institutional residence",
    "285141008": "Work (environment)",
    "32911000": "Homeless",
}
RESIDENCE_NAMES: Final[dict[str, str]] = {name.lower(): code for code, name in RESIDENCES.items()}
#: SimpleReport's guide prints the penal institution without its first digit: taken, and sent right.
MISPRINTED_PENAL_INSTITUTION: Final = "57656006"

PREGNANT: Final = ("77386006", "Pregnant")
NOT_PREGNANT: Final = ("60001007", "Not pregnant")
#: ReportStream's code; SimpleReport sends 102874004 (possible pregnancy), which says something else.
PREGNANCY_UNKNOWN: Final = ("261665006", "Unknown")

SYPHILIS_HISTORY: Final = ("1087151000119108", "History of syphilis")
NO_SYPHILIS_HISTORY: Final = ("14732006", "No history of syphilis")
SYPHILIS_HISTORY_UNKNOWN: Final = ("261665006", "Unknown")

FEMALE_IDENTITY: Final = ("446141000124107", "Female gender identity")
MALE_IDENTITY: Final = ("446151000124109", "Male gender identity")
NON_BINARY_IDENTITY: Final = ("446131000124102", "Non-binary gender identity")


def is_sctid(text: str) -> bool:
    """Whether the text is a SNOMED CT identifier: 6 to 18 digits of which the last checks the rest (Verhoeff).

    >>> is_sctid("445297001"), is_sctid("445297002")
    (True, False)
    """
    if not (6 <= len(text) <= 18 and text.isascii() and text.isdigit() and text[0] != "0"):
        return False
    check = 0
    for place, digit in enumerate(reversed(text)):
        check = _MULTIPLIED[check][_PERMUTED[place % 8][int(digit)]]
    return check == 0


# The tables of Verhoeff's check digit: multiplication in the dihedral group D5 and its permutation.
_MULTIPLIED: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)
