"""ICPC-2 codes, Norwegian edition, without titles.

Origin: the codes of the Norwegian Directorate of Health's list (fat.kote.helsedirektoratet.no), as public copies
held them in 2026: 708 codes, no process codes, three-digit extensions included. ICPC-2 is WONCA's and is used
in Norway under the Directorate's licence; codes are named here, titles are not. The list changes every
1 January: an installation loads the official file (``icpc.code_list``), and the newest list in force counts.
"""

YEAR = 2026

#: By chapter: two-digit codes as runs, then the three-digit extensions.
CHAPTERS = {
    "A": "01-11 13 16 18 20-21 23 25-29 70-82 84-99 191 981",
    "B": "02 04 25-29 70-84 87 90 99",
    "D": "01-21 23-29 70-99 991 992 993 994 995 996 997 998 999",
    "F": "01-05 13-18 27-29 70-76 79-86 91-95 99",
    "H": "01-05 13 15 27-29 70-86 99",
    "K": "01-07 22 24-25 27-29 70-96 99",
    "L": "01-05 07-20 26-29 70-99",
    "N": "01 03-08 16-19 26-29 70-76 79-81 85-95 99",
    "P": "01-13 15-20 22-25 27-29 70-82 85-86 98-99",
    "R": "01-09 21 23-29 71-90 92 95-99 991 992 993 994 995 996 997 998 999",
    "S": "01-24 26-29 70-99",
    "T": "01-05 07-08 10-11 26-29 70-73 78 80-83 85-87 89-93 99",
    "U": "01-02 04-08 13-14 26-29 70-72 75-80 85 88 90 95 98-99 891",
    "W": "01-03 05 10-15 17-19 21 27-29 70-73 75-76 78-85 90-96 99 781",
    "X": "01-29 70-92 99",
    "Y": "01-08 10 13-14 16 24-29 70-86 99",
    "Z": "01-16 18-25 27-29",
}
