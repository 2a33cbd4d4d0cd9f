"""One OpenMRS parent and two children, with the manners of FHIR2, REST and the ICT4H feed.

``systems()`` is what the registry asks for. With ``OPENMRS_SCENARIO`` the parent serves that folder, and the
children have its locations and practitioners from the start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandbox.core import System

from .dictionary import Dictionary
from .server import OpenMrs

NAMES = ("openmrs-parent", "openmrs-child", "openmrs-child-2")


def servers(environment: Mapping[str, str] | None = None) -> tuple[OpenMrs, OpenMrs, OpenMrs]:
    """The parent and its two children, sharing one dictionary of concepts."""
    dictionary = Dictionary()
    parent, child, second = (OpenMrs(name, dictionary, seed) for seed, name in enumerate(NAMES, 5))
    folder = (environment or {}).get("OPENMRS_SCENARIO")
    if folder:
        parent.load(Path(folder))
        for each in (child, second):
            each.scenario_metadata(parent)
    return parent, child, second


def systems() -> list[System]:
    """The three servers as this process's environment wants them."""
    return list(servers(os.environ))
