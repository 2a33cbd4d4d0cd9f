"""What may stand in the fields of the HL7 v2.5.1 segments we send and read: types, lengths, tables, order.

The field lists are those of HL7 v2.5.1 (chapters 2, 2A, 3, 4, 7 and 9), reduced to what ``hl7_checks`` asks.
Lengths are ours: the standard's 20 characters for a facility or a control id refuse real laboratories and
UUIDs, so a text component may have 199 characters, as in the ELR Release 1 guide; where a component has a
length of its own, receivers really refuse more. CE is read as CWE throughout, as that guide does.
Table values are HL7's own (https://terminology.hl7.org, HL7 v2 tables; HL7 terms of use).
"""

from functools import cache
from typing import NamedTuple


class Rule(NamedTuple):
    """What one field or component may be: ``PID-3`` is a CX, required, may repeat."""

    kind: str
    length: int = 0
    required: bool = False
    repeats: bool = False
    table: str = ""


#: Number : type, then ``=`` length, ``!`` required, ``*`` repeats, ``@`` table.
SEGMENTS = {
    "MSH": "1:ST! 2:ST! 3:HD 4:HD 5:HD 6:HD 7:TS! 8:ST 9:MSG! 10:ST=199! 11:PT! 12:VID! 13:NM 14:ST 15:ID@0155"
    " 16:ID@0155 17:ID=3 18:ID*@0211 19:CWE 20:ID 21:EI*",
    "SFT": "1:XON! 2:ST! 3:ST! 4:ST! 5:TX 6:TS",
    "MSA": "1:ID!@0008 2:ST=199! 3:ST=80 4:NM 5:ANY 6:CWE",
    "ERR": "1:ANY* 2:ERL* 3:CWE!@0357 4:ID!@0516 5:CWE 6:ST* 7:TX 8:TX 9:IS* 10:CWE 11:CWE* 12:XTN*",
    "EVN": "1:ID=3 2:TS! 3:TS 4:IS 5:XCN* 6:TS 7:HD",
    "PID": "1:SI 2:CX 3:CX!* 4:CX* 5:XPN!* 6:XPN* 7:TS 8:IS@0001 9:XPN* 10:CWE*@0005 11:XAD* 12:IS 13:XTN*"
    " 14:XTN* 15:CWE 16:CWE 17:CWE 18:CX 19:ST=16 20:ANY 21:CX* 22:CWE*@0189 23:ST 24:ID@0136 25:NM=2 26:CWE*"
    " 27:CWE 28:CWE 29:TS 30:ID@0136 31:ID@0136 32:IS* 33:TS 34:HD 35:CWE 36:CWE 37:ST 38:CWE 39:CWE*",
    "PD1": "1:IS* 2:IS 3:XON* 4:XCN* 5:IS 6:IS 7:IS 8:IS 9:ID@0136 10:CX* 11:CWE 12:ID@0136 13:DT 14:XON*"
    " 15:CWE* 16:IS 17:DT 18:DT 19:IS 20:IS 21:IS",
    "NK1": "1:SI! 2:XPN* 3:CWE 4:XAD* 5:XTN* 6:XTN* 7:CWE 8:DT 9:DT 10:ST 11:ANY 12:CX 13:XON* 14:CWE 15:IS@0001"
    " 16:TS 17:IS* 18:IS* 19:CWE* 20:CWE 21:IS 22:CWE 23:ID@0136 24:IS 25:CWE 26:XPN* 27:CWE 28:CWE*@0189"
    " 29:CWE* 30:XPN* 31:XTN* 32:XAD* 33:CX* 34:IS 35:CWE*@0005 36:IS 37:ST 38:ST 39:IS",
    "PV1": "1:SI 2:IS!@0004 3:ANY 4:IS 5:CX 6:ANY 7:XCN* 8:XCN* 9:XCN* 10:IS 11:ANY 12:IS 13:IS 14:IS 15:IS* 16:IS"
    " 17:XCN* 18:IS 19:CX 20:ANY* 21:IS 22:IS 23:IS 24:IS* 25:DT* 26:NM* 27:NM* 28:IS 29:IS 30:DT 31:IS 32:NM"
    " 33:NM 34:IS 35:DT 36:IS 37:ANY 38:CWE 39:IS 40:IS 41:IS 42:ANY 43:ANY 44:TS 45:TS* 46:NM 47:NM 48:NM"
    " 49:NM 50:CX 51:IS 52:XCN*",
    "ORC": "1:ID!@0119 2:EI 3:EI 4:EI 5:ID@0038 6:ID 7:ANY* 8:EIP 9:TS 10:XCN* 11:XCN* 12:XCN* 13:ANY 14:XTN*"
    " 15:TS 16:CWE 17:CWE 18:CWE 19:XCN* 20:CWE 21:XON* 22:XAD* 23:XTN* 24:XAD* 25:CWE 26:CWE 27:TS 28:CWE"
    " 29:CWE 30:CWE 31:CWE",
    "OBR": "1:SI 2:EI 3:EI 4:CWE! 5:ID 6:TS 7:TS 8:TS 9:ANY 10:XCN* 11:ID 12:CWE 13:ST=300 14:TS 15:ANY 16:XCN*"
    " 17:XTN* 18:ST 19:ST 20:ST 21:ST 22:TS 23:ANY 24:ID 25:ID@0123 26:ANY 27:ANY* 28:XCN* 29:EIP 30:ID 31:CWE*"
    " 32:ANY 33:ANY* 34:ANY* 35:ANY* 36:TS 37:NM 38:CWE* 39:CWE* 40:CWE 41:ID 42:ID 43:CWE* 44:CWE 45:CWE*"
    " 46:CWE* 47:CWE* 48:CWE 49:IS 50:CWE",
    "TQ1": "1:SI 2:ANY 3:ANY* 4:TM* 5:ANY 6:ANY 7:TS 8:TS 9:CWE* 10:TX 11:TX 12:ID 13:ANY 14:NM",
    # OBX-26 to 29 come from later versions; ReportStream's messages carry 29 in 2.5.1.
    "OBX": "1:SI 2:ID@0125 3:CWE! 4:ST 5:OBX5* 6:CWE 7:ST=60 8:CWE*@0078 9:NM=5 10:ID* 11:ID!@0085 12:TS 13:ST 14:TS"
    " 15:CWE 16:XCN* 17:CWE* 18:EI* 19:TS 20:ANY* 21:ANY 22:ANY 23:XON 24:XAD 25:XCN 26:ANY 27:ANY 28:ANY 29:ID",
    "NTE": "1:SI 2:ID 3:FT* 4:CWE",
    "SPM": "1:SI 2:EIP 3:EIP* 4:CWE! 5:CWE* 6:CWE* 7:CWE 8:CWE 9:CWE* 10:CWE 11:CWE* 12:ANY 13:NM 14:ST* 15:CWE*"
    " 16:CWE* 17:DR 18:TS 19:TS 20:ID@0136 21:CWE* 22:CWE 23:CWE 24:CWE* 25:ANY 26:NM 27:CWE 28:CWE 29:CWE",
    "TXA": "1:SI! 2:IS! 3:ID=30 4:TS 5:XCN* 6:TS 7:TS 8:TS* 9:XCN* 10:XCN* 11:XCN* 12:EI! 13:EI 14:EI* 15:EI"
    " 16:ST=199 17:ID!@0271 18:ID@0272 19:ID@0273 20:ID 21:ST 22:ANY* 23:XCN*",
}

#: The components of each composite type, in the same notation.
TYPES = {
    "CWE": "ST ST ID=20 ST ST ID=20 ST ST ST",
    "CX": "ST ST ID HD ID HD DT DT CWE CWE",
    "DR": "TS TS",
    "ED": "HD ID@0191 ID=32 ID@0299 TX",
    "EI": "ST IS ST ID",
    "EIP": "EI EI",
    "ERL": "ST NM ST NM NM NM",
    "FN": "ST ST ST ST ST",
    "HD": "IS ST ID",
    "MSG": "ID=3 ID=3 ID",
    "PT": "ID@0103 ID",
    "RP": "ST HD ID ID",
    "SAD": "ST ST ST",
    "SN": "ST=2 NM ST=1 NM",
    "TS": "DTM ID",
    "VID": "ID@0104 CWE CWE",
    "XAD": "SAD ST ST=50 ST=50 ST=12 ID=3 ID@0190 ST IS IS ID DR TS TS",
    "XCN": "ST FN ST ST ST ST IS IS HD ID@0200 ST ID ID HD ID CWE DR ID TS TS ST CWE CWE",
    "XON": "ST IS NM NM ID HD ID HD ID ST",
    "XPN": "FN ST ST ST ST IS ID@0200 ID CWE DR ID TS TS ST",
    "XTN": "ST ID@0201 ID@0202 ST NM NM NM NM ST ST ST ST",
}

#: Longest text of a primitive type without a length of its own.
LENGTHS = {
    "SI": 4,
    "NM": 16,
    "DT": 8,
    "TM": 16,
    "DTM": 24,
    "ID": 60,
    "IS": 199,
    "ST": 199,
    "TX": 65536,
    "FT": 65536,
}

TABLES = {
    "0001": "A F M N O U",
    "0004": "B C E I N O P R U",
    "0005": "1002-5 2028-9 2054-5 2076-8 2106-3 2131-1",
    "0008": "AA AE AR CA CE CR",
    "0038": "A CA CM DC ER HD IP RP SC",
    "0078": "< > A AA B D H HH I L LL MS N R S U VS W",
    "0085": "C D F I N O P R S U W X",
    "0103": "D P T",
    "0104": "2.0 2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9",
    "0119": "AF CA CH CN CR DC DE DF DR FU HD HR LI NA NW OC OD OE OF OH OK OP OR PA PR PY RE RF RL RO RP RQ RR RU"
    " SC SN SR SS UA UC UD UF UH UM UN UR UX XO XR XX",
    "0123": "A C F I O P R S X Y Z",
    "0125": "AD CE CF CK CN CNE CP CWE CX DR DT DTM ED FT ID IS MO NM PN RP SN ST TM TN TS TX XAD XCN XON XPN XTN",
    "0136": "Y N",
    "0155": "AL ER NE SU",
    "0189": "H N U 2135-2 2186-5",
    "0190": "B BA BDL BI BR C F H L M N O P RH",
    # application and the others in lower case are MIME's top levels, which partners send in practice
    "0191": "AP AU FT IM multipart NS SD SI TEXT TX application audio image text video",
    "0200": "A B C D I L M N P R S T U",
    "0201": "ASN BPN EMR NET ORN PRN PRS VHN WPN",  # PRS is of 2.6; ReportStream sends it
    "0202": "BP CP FX Internet MD PH SAT TDD TTY X.400",
    "0211": "ASCII 8859/1 8859/2 8859/3 8859/4 8859/5 8859/6 8859/7 8859/8 8859/9 8859/15 UNICODE"
    " UNICODE_UTF-8 UNICODE_UTF-16 UNICODE_UTF-32",
    "0271": "AU DI DO IN IP LA PA",
    "0272": "R U V",
    "0273": "AV CA OB UN",
    "0299": "A Base64 Hex",
    "0357": "0 100 101 102 103 200 201 202 203 204 205 206 207",
    "0516": "E F I W",
}

#: Other code systems whose codes stand where a table's would; NULLFL says why there is no code.
BESIDE = {
    ("0005", "CDCREC"): "1002-5 2028-9 2054-5 2076-8 2106-3 2131-1",
    ("0005", "NULLFL"): "ASKU NASK NAV NI OTH UNK",
    ("0189", "CDCREC"): "2135-2 2186-5",
    ("0189", "NULLFL"): "ASKU NASK NAV NI OTH UNK",
}

_ORDER = "(ORC )?OBR (NTE )*(TQ1 (TQ2 )*)*(CTD )?(OBX (NTE )*)*(FT1 )*(CTI )*(SPM (OBX )*)*"
#: The order of segments, a regular expression over their names.
STRUCTURES = {
    "ACK": "MSH (SFT )*MSA (ERR )*",
    "MDM_T02": "MSH (SFT )*EVN PID PV1 (ORC (TQ1 (TQ2 )*)*OBR (NTE )*)*TXA (OBX (NTE )*)+",
    "ORM_O01": "MSH (NTE )*(PID (PD1 )?(NTE )*(PV1 (PV2 )?)?(IN1 (IN2 )?(IN3 )?)*(GT1 )?(AL1 )*)?"
    "(ORC (OBR (NTE )*(CTD )?(DG1 )*(OBX (NTE )*)*)?(FT1 )*(CTI )*(BLG )?)+",
    "ORU_R01": "MSH (SFT )*((PID (PD1 )?(NTE )*(NK1 )*(PV1 (PV2 )?)?)?(" + _ORDER + ")+)+(DSC )?",
}


@cache
def fields(segment: str) -> dict[int, Rule]:
    """The rules of a segment by field number; none for a segment that is not in our table."""
    parts = [token.partition(":") for token in SEGMENTS.get(segment, "").split()]
    return {int(number): rule(text) for number, _, text in parts}


@cache
def components(kind: str) -> tuple[Rule, ...]:
    """The rules of a composite type's components; none for a primitive type."""
    return tuple([rule(text) for text in TYPES.get(kind, "").split()])


@cache
def values(table: str, system: str = "") -> frozenset[str]:
    """The codes of a table, or of another system that may stand there; none where we do not judge."""
    own = system in ("", f"HL7{table}")
    codes = TABLES.get(table, "") if own else BESIDE.get((table, system), "")
    return frozenset(code.replace("_", " ") for code in codes.split())


def rule(text: str) -> Rule:
    """One rule from its notation.

    >>> rule("CX!*")
    Rule(kind='CX', length=0, required=True, repeats=True, table='')
    """
    text, _, table = text.partition("@")
    kind, _, length = text.rstrip("!*").partition("=")
    return Rule(kind, int(length or LENGTHS.get(kind, 0)), "!" in text, "*" in text, table)
