"""What independent judges say of a FHIR R4 document: fhir.resources (R4B) and the official JSON schema.

They are slow (a millisecond and more a document) and belong in tests, in ``handoff try --check`` and before
documents of small lanes; neither is imported until asked. Their own words repeat values of the document: only
the place and the kind of fault are passed on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: What HL7's schema leaves to others: one entry at a time gives a place worth reading.
_SCHEMA_DEPTH = 6


def fhir_resources_says(document: Mapping[str, Any]) -> list[str]:
    """What fhir.resources objects to, entry by entry of a bundle; empty if nothing."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    found = []
    for place, resource in _parts(document):
        try:
            get_fhir_model_class(str(resource.get("resourceType"))).model_validate(resource)
        except ValidationError as error:
            found += [
                f"{place}.{'.'.join(map(str, fault['loc']))}: {fault['type']}"
                for fault in error.errors(include_input=False, include_url=False, include_context=False)
            ]
        except ValueError:
            found.append(f"{place}: is no resource of R4B")
    return found


def schema_says(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """What the official schema (``fhir.schema.json``) objects to, entry by entry of a bundle."""
    from jsonschema import Draft6Validator  # type: ignore[import-untyped]

    found = []
    for place, resource in _parts(document):
        kind = str(resource.get("resourceType"))
        if kind not in schema["definitions"]:
            found.append(f"{place}: is no resource of R4")
            continue
        validator = Draft6Validator({"$ref": f"#/definitions/{kind}", "definitions": schema["definitions"]})
        for fault in validator.iter_errors(resource):
            path: Sequence[Any] = list(fault.absolute_path)[:_SCHEMA_DEPTH]
            found.append(f"{'.'.join([place, *map(str, path)])}: {fault.validator}")
    return found


def _parts(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The document, a bundle first without its entries and then each of them: else both are vague."""
    kind = str(document.get("resourceType"))
    if kind != "Bundle":
        yield kind, document
        return
    yield kind, {name: value for name, value in document.items() if name != "entry"}
    for index, entry in enumerate(document.get("entry", [])):
        yield f"Bundle.entry[{index}].resource", entry.get("resource", {})
