"""The examples in the docstrings of uploads, bundles and messages do what they say."""

import doctest
from types import ModuleType

import pytest

from assets.formats import fhir
from assets.reportstream import bulk_dates, bulk_findings, devices, fhir_parties, identity, oru_fields, report
from assets.reportstream.tables import snomed, zones

MODULES = (
    bulk_dates,
    bulk_findings,
    devices,
    fhir,
    fhir_parties,
    identity,
    oru_fields,
    report,
    snomed,
    zones,
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_examples_are_right(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
