"""States, territories and provinces an address may name.

Origin: ReportStream's table state (CC0 1.0): USPS codes with military and freely associated ones, and Canada's
provinces. ``NA`` is SimpleReport's word for an address outside of them. Sites of care are the nineteen values of
``SiteOfCare`` in ``events``: they are their own codes.
"""

#: Also the two codes ReportStream's table spells in an old way (NF) and lacks (NL, UM).
_CODES = (
    "AA AE AK AL AP AR AS AZ CA CO CT DC DE FL FM GA GU HI IA ID IL IN KS KY LA MA MD ME MH MI MN MO MP MS MT "
    "NA NC ND NE NH NJ NM NV NY OH OK OR PA PR PW RI SC SD TN TX UM UT VA VI VT WA WI WV WY "
    "AB BC MB NB NF NL NS NT NU ON PE QC SK YT"
)

STATES = frozenset(_CODES.split())
