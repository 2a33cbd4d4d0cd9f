"""What must hold of a FHIR document before it is sent.

fhir.resources judges its shape; required codes, dates and ids are checked besides, because the models let
them pass. A page or two a second is sent here, so the millisecond this takes does not matter.
"""

from collections.abc import Iterable

from assets.formats import fhir_checks, fhir_oracle
from assets.openmrs.mapping import Call
from assets.openmrs.tree import Tree, text

#: What another hospital typed with a blank at its end is carried as it is.
_CARRIED_AS_IT_IS = "has blanks around it"


def problems(document: Tree) -> list[str]:
    """Everything wrong with a FHIR document, each with its place and without its values."""
    found = [each for each in fhir_checks.problems(document) if not each.endswith(_CARRIED_AS_IT_IS)]
    return found + fhir_oracle.fhir_resources_says(document)


def before_sending(made: Iterable[Call]) -> list[str]:
    """Problems of the FHIR documents among some calls; REST bodies are not FHIR."""
    return [
        each for call in made if call.body and text(call.body, "resourceType") for each in problems(call.body)
    ]
