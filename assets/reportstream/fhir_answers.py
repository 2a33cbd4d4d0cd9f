"""The questions asked at order entry and their answers, as Observations of a message bundle.

One Observation an answer: genders of several partners are several answers to one question.
"""

from assets.formats import fhir
from assets.formats.fhir import CodeableConcept, Coding, Identifier, Reference
from assets.reportstream.fhir_parties import concept
from assets.reportstream.identity import derived_id
from assets.reportstream.report import Answer, Coded, Report
from assets.reportstream.tables import questions

_PANEL = Identifier(
    use="official",
    type=CodeableConcept(
        coding=(
            Coding(system=questions.PANEL.system, code=questions.PANEL.code, display=questions.PANEL.text),
        )
    ),
)


def observations(report: Report, patient: Reference) -> list[fhir.Observation]:
    """The answers of a report, in its order; their ids follow from the order and the question."""
    return [
        observation
        for answer in report.answers
        for observation in _observations(report.order_id, report.specimen.id, answer, patient)
    ]


def _observations(
    order_id: str, specimen_id: str, answer: Answer, patient: Reference
) -> list[fhir.Observation]:
    key = (order_id, specimen_id, "answer", answer.question.code)
    if answer.day:
        return [_observation(derived_id(*key), answer.question, patient, day=answer.day)]
    return [
        _observation(
            derived_id(*key, *([value.code] if place else [])), answer.question, patient, value=value
        )
        for place, value in enumerate(answer.values)
    ]


def _observation(
    identity: str, question: Coded, patient: Reference, *, value: Coded | None = None, day: str | None = None
) -> fhir.Observation:
    return fhir.Observation(
        id=identity,
        identifier=(_PANEL,),
        status="final",
        code=concept(question, text=question.text),
        subject=patient,
        value_codeable_concept=concept(value) if value else None,
        value_date_time=day,
    )
