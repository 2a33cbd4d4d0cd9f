"""The soft check of a phone number: keep what came, say how far it can be used, refuse nothing.

A referral is never turned away for its phone: the secretary calls, and sees the flag. Not here: sending SMS.
"""

from dataclasses import dataclass, field

import phonenumbers

#: Numbers without a country code are Norwegian.
REGION = "NO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A number as it came and, where it could be parsed, in international form. Neither shows in a repr."""

    raw: str = field(repr=False)
    e164: str | None = field(default=None, repr=False)
    parsed: bool = False
    possible: bool = False
    valid: bool = False
    kind: str = ""

    @property
    def kept(self) -> str:
        """What is kept to call: the international form of a possible number, else what came."""
        return self.e164 if self.possible and self.e164 is not None else self.raw

    @property
    def takes_sms(self) -> bool:
        """Only mobile numbers get an SMS: a fixed line would read it aloud to whoever answers."""
        return self.valid and self.kind == "MOBILE"


def read(text: str) -> Phone:
    """What ``phonenumbers`` makes of ``text``; a text it cannot parse is kept as it came.

    >>> read("91234567").e164
    '+4791234567'
    """
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        return Phone(raw=text)
    return Phone(
        raw=text,
        e164=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        parsed=True,
        possible=phonenumbers.is_possible_number(number),
        valid=phonenumbers.is_valid_number(number),
        kind=phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(number)),
    )
