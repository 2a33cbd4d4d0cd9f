"""The tables of ReportStream that an installation may renew, by the name under which they are loaded.

Files are those ReportStream publishes (prime-router, ``metadata/tables``): CSV with the columns code and display.
"""

from collections.abc import Mapping
from typing import Final

from assets.code_tables import CodeTable
from assets.reportstream.tables.languages import LANGUAGES
from assets.reportstream.tables.specimens import SOURCE_SITES, SPECIMENS

TABLES: Final[Mapping[str, CodeTable]] = {
    "languages": LANGUAGES,
    "specimens": SPECIMENS,
    "source_sites": SOURCE_SITES,
}
