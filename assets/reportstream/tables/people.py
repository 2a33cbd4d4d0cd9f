"""How SimpleReport's words for people become codes.

Origin: ReportStream's tables race, gender, ethnicity and yesno (CC0 1.0). Races are CDC's race codes (HL7 table
0005), ethnicity HL7 table 0189, gender HL7 table 0001, answers HL7 table 0136 with UNK of NullFlavor.
"""

from assets.reportstream.tables import Code

#: ``unknown`` and ``refused`` are NullFlavors: nobody asked or knows, and asked without an answer.
RACES = {
    "native": Code("1002-5", "American Indian or Alaska Native"),
    "asian": Code("2028-9", "Asian"),
    "black": Code("2054-5", "Black or African American"),
    "pacific": Code("2076-8", "Native Hawaiian or Other Pacific Islander"),
    "white": Code("2106-3", "White"),
    "other": Code("2131-1", "Other"),
    "unknown": Code("UNK", "Unknown"),
    "refused": Code("ASKU", "Asked, but unknown"),
}

ETHNICITIES = {
    "hispanic": Code("H", "Hispanic or Latino"),
    "not_hispanic": Code("N", "Not Hispanic or Latino"),
    "refused": Code("U", "Unknown"),
    "unknown": Code("U", "Unknown"),
}

GENDERS = {
    "male": Code("M", "Male"),
    "female": Code("F", "Female"),
    "other": Code("O", "Other"),
    "refused": Code("U", "Unknown"),
    "unknown": Code("U", "Unknown"),
}

YES_NO = {True: Code("Y", "Yes"), False: Code("N", "No"), None: Code("UNK", "Unknown")}
