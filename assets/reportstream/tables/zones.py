"""The time zone of an address: by its state or province, and by postal area where a state has two.

Origin: the US postal codes, Canada Post's province codes and the IANA time zone database (all public). States
that two zones share are told apart by the first three digits of the postal code; where a boundary runs inside
such an area the zone of most of its people is taken.
"""

from typing import Final

EASTERN: Final = "America/New_York"
_CENTRAL = "America/Chicago"
_MOUNTAIN = "America/Denver"
_PACIFIC = "America/Los_Angeles"

_BY_ZONE: Final = {
    EASTERN: "CT DC DE FL GA KY MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Detroit": "MI",
    "America/Indiana/Indianapolis": "IN",
    _CENTRAL: "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    _MOUNTAIN: "CO MT NM UT WY",
    "America/Boise": "ID",
    "America/Phoenix": "AZ",
    _PACIFIC: "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Guam": "GU MP",
    "Pacific/Pago_Pago": "AS",
    "Pacific/Palau": "PW",
    "Pacific/Majuro": "MH",
    "Pacific/Pohnpei": "FM",
    "America/Edmonton": "AB NT",
    "America/Vancouver": "BC",
    "America/Winnipeg": "MB",
    "America/Moncton": "NB",
    "America/St_Johns": "NL",
    "America/Halifax": "NS PE",
    "America/Iqaluit": "NU",
    "America/Toronto": "ON QC",
    "America/Regina": "SK",
    "America/Whitehorse": "YT",
}

STATE_ZONES: Final[dict[str, str]] = {
    state: zone for zone, states in _BY_ZONE.items() for state in states.split()
}

#: Postal areas whose clock is not that of their state.
AREA_ZONES: Final[dict[tuple[str, str], str]] = {
    **dict.fromkeys((("FL", "324"), ("FL", "325")), _CENTRAL),
    **dict.fromkeys((("IN", "463"), ("IN", "464"), ("IN", "476"), ("IN", "477")), _CENTRAL),
    **dict.fromkeys((("KY", area) for area in ("420", "421", "422", "423", "424")), _CENTRAL),
    **dict.fromkeys((("TN", area) for area in ("373", "374", "376", "377", "378", "379")), EASTERN),
    **dict.fromkeys((("TX", area) for area in ("798", "799", "885")), _MOUNTAIN),
    **dict.fromkeys((("ND", "586"), ("NE", "693"), ("SD", "577")), _MOUNTAIN),
    **dict.fromkeys((("ID", "835"), ("ID", "838")), _PACIFIC),
    ("OR", "979"): "America/Boise",
}

#: Zone abbreviations stand for the clock on the wall of a region, in summer as in winter: who writes PDT in
#: December means the time on the wall in California (SimpleReport's bulk upload guide).
ABBREVIATED_ZONES: Final[dict[str, str]] = {
    **dict.fromkeys(("UTC", "UT", "GMT", "Z"), "UTC"),
    **dict.fromkeys(("ET", "EST", "EDT"), EASTERN),
    **dict.fromkeys(("CT", "CST", "CDT"), _CENTRAL),
    **dict.fromkeys(("MT", "MST", "MDT"), _MOUNTAIN),
    **dict.fromkeys(("PT", "PST", "PDT"), _PACIFIC),
    **dict.fromkeys(("AK", "AKDT", "AKST"), "America/Anchorage"),
    **dict.fromkeys(("HI", "HST", "HDT"), "Pacific/Honolulu"),
    **dict.fromkeys(("AS", "ASM", "SST"), "Pacific/Pago_Pago"),
    **dict.fromkeys(("AST", "ADT"), "America/Puerto_Rico"),
}


def zone_of(state: str, postal_code: str) -> str:
    """The time zone of an address; US Eastern where the address does not say (SimpleReport's default).

    >>> zone_of("TX", "79901"), zone_of("TX", "75001"), zone_of("", "")
    ('America/Denver', 'America/Chicago', 'America/New_York')
    """
    code = state.strip().upper()
    return AREA_ZONES.get((code, postal_code.strip()[:3])) or STATE_ZONES.get(code, EASTERN)
