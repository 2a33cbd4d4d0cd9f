"""What was tested and where it was taken: SNOMED CT codes ReportStream knows.

Origin: ReportStream's tables specimen_type and specimen_source_site_code and the specimens of CDC's LIVD table
(CC0 1.0). A code outside these tables is taken, but its cell may be emptied and receivers may filter the result.
"""

from typing import Final

from assets.code_tables import CodeTable

#: The form of a SNOMED CT identifier (SNOMED International, Release File Specification, 2.1.1).
_SNOMED: Final = "[1-9][0-9]{5,17}"

_SPECIMENS = {
    "119297000": "Blood specimen",
    "119334006": "Sputum specimen",
    "119335007": "Coughed sputum specimen",
    "119336008": "Exhaled air specimen",
    "119342007": "Saliva specimen",
    "119361006": "Plasma specimen",
    "119364003": "Serum specimen",
    "122554006": "Capillary blood specimen",
    "122555007": "Venous blood specimen",
    "258411007": "Nasopharyngeal aspirate",
    "258467004": "Nasopharyngeal washings",
    "258500001": "Nasopharyngeal swab",
    "258529004": "Throat swab",
    "258560004": "Saliva specimen",
    "258580003": "Whole blood sample",
    "258607008": "Bronchoalveolar lavage fluid sample",
    "258610001": "Sputum specimen obtained by sputum induction",
    "309171007": "Lower respiratory fluid sample",
    "418932006": "Oral swab",
    "429931000124105": "Nasal aspirate",
    "433801000124107": "Nasopharyngeal and oropharyngeal swab",
    "433871000124101": "Nasal washings",
    "440500007": "Dried blood spot specimen",
    "441620008": "Oral fluid specimen",
    "441903006": "Specimen obtained by bronchial aspiration",
    "445297001": "Swab of internal nose",
    "445447003": "Specimen from trachea obtained by aspiration",
    "697989009": "Anterior nares swab",
    "871810001": "Mid-turbinate nasal swab",
    "1293160008": "Mid-turbinate nasal swab",
}

_SOURCE_SITES = {
    "955009": "Bronchial structure",
    "1797002": "Structure of anterior nares",
    "29092000": "Venous structure",
    "31389004": "Oropharyngeal structure",
    "39607008": "Lung structure",
    "45206002": "Nasal structure",
    "53342003": "Internal nose structure",
    "71836000": "Nasopharyngeal structure",
    "87100004": "Topography unknown",
    "119297000": "Blood specimen",
    "123851003": "Mouth region structure",
    "442083009": "Anatomical or acquired body structure",
}

#: By code.
SPECIMENS = CodeTable(_SPECIMENS, key="code", value="display", codes=_SNOMED)
SOURCE_SITES = CodeTable(_SOURCE_SITES, key="code", value="display", codes=_SNOMED)

#: Where the sender says nothing about the site (body structure).
TOPOGRAPHY_UNKNOWN = "87100004"


def specimen_named(name: str) -> str | None:
    """The code of the specimen that the table in force names so, in whatever case.

    >>> specimen_named("saliva specimen")
    '119342007'
    """
    wanted = name.strip().lower()
    return next((code for code, display in SPECIMENS.items() if display.lower() == wanted), None)
