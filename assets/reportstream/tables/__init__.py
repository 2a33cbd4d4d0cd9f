"""ReportStream's code tables, one noun a file. Each names its origin and the terms it comes under.

SNOMED CT codes and names are used under the terms of SNOMED International and the National Library of
Medicine; LOINC codes under Regenstrief's licence. The choice of codes is ReportStream's and SimpleReport's,
whose own texts are in the public domain (CC0 1.0).
"""

from typing import NamedTuple


class Code(NamedTuple):
    """A code and how its system names it."""

    code: str
    name: str
