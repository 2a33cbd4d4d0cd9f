"""Ordinary national numbers that belong to nobody.

Origin: the public test patients of Norsk helsenett (NHN), published for use in test environments; numbers are
facts and carry no licence. Any other ordinary number in a test environment may be a real person's.
"""

PUBLISHED = frozenset(
    {
        "13116900216",  # Line Danser
        "05073500186",
        "70019950032",  # Testpasient 6, a D-number
    }
)
