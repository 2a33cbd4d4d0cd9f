"""Sex in Redox's words and in HL7 table 0001.

Origin: docs.redoxengine.com, value set "Sex" (Redox terms of service); terminology.hl7.org, table 0001
(HL7 terms of use). Ambiguous and not applicable have no word of their own in Redox.
"""

HL7_SEX = {"Male": "M", "Female": "F", "Other": "O", "Nonbinary": "O", "Unknown": "U"}
REDOX_SEX = {"M": "Male", "F": "Female", "O": "Other", "A": "Other", "N": "Other", "U": "Unknown"}
