"""What servers of one programme share without synchronising it: concepts, types, locations.

REST names a concept, a type or a location by uuid only; the texts, units and categories that FHIR2 shows
come from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]


class Dictionary:
    """Metadata by uuid, learnt from the resources that were there from the start."""

    def __init__(self) -> None:
        self.concepts: dict[str, Resource] = {}
        self.codings: dict[str, Resource] = {}
        self.texts: dict[str, str] = {}
        self.displays: dict[str, str] = {}

    def learn(self, resource: Resource) -> None:
        """Takes over what a resource says of its codes and of the records it points to."""
        if resource.get("resourceType") == "Observation":
            for code in codes_of(resource.get("code")):
                quantity = resource.get("valueQuantity") or {}
                told = {name: resource[name] for name in ("code", "category") if name in resource}
                units = {name: quantity[name] for name in ("unit", "system", "code") if name in quantity}
                self.concepts.setdefault(code, told | {"units": units})
        for part in objects(resource):
            if "code" in part and "display" in part:
                self.codings.setdefault(str(part["code"]), part)
            if "coding" in part and "text" in part:
                self.texts |= dict.fromkeys(codes_of(part), str(part["text"]))
            if "reference" in part and "display" in part:
                self.displays.setdefault(str(part["reference"]), str(part["display"]))

    def dressed(self, resource: Resource) -> Resource:
        """The resource with the texts, units and categories the dictionary has."""
        for code in codes_of(resource.get("code")):
            told = self.concepts.get(code, {})
            resource |= {name: value for name, value in told.items() if name != "units"}
            if told.get("units") and "valueQuantity" in resource:
                resource["valueQuantity"] = {**resource["valueQuantity"], **told["units"]}
        for part in objects(resource):
            if str(part.get("code")) in self.codings and "display" not in part:
                part["display"] = self.codings[str(part["code"])]["display"]
            if "coding" in part and "text" not in part:
                for code in codes_of(part):
                    if code in self.texts:
                        part["text"] = self.texts[code]
            if part.get("reference") in self.displays and "display" not in part:
                part["display"] = self.displays[str(part["reference"])]
        return resource


def codes_of(concept: Any) -> list[str]:
    """The codes of a CodeableConcept."""
    codings = (concept or {}).get("coding") or [] if isinstance(concept, dict) else []
    return [str(each["code"]) for each in codings if each.get("code")]


def objects(value: Any) -> Iterator[Resource]:
    """Every object within a resource."""
    if isinstance(value, dict):
        yield value
        for member in list(value.values()):
            yield from objects(member)
    elif isinstance(value, list):
        for member in value:
            yield from objects(member)
