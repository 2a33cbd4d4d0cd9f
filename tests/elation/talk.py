"""One conversation of the client with a far end, in one call."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from assets.elation.calls import owed
from assets.elation.events import decode
from assets.elation.mapping import Practice
from resources.elation_api import POLICY_NAMES
from resources.errors import DeliveryError
from resources.store.values import Message, Receipt
from tests.elation.charts import event_bytes
from tests.elation.far_end import FarEnd, Remembered, client, message

PRACTICE = Practice(primary_physician=131074, caregiver_practice=65540)
ANA = {"first_name": "Ana", "last_name": "Rivera", "dob": "1961-07-04"}
ADDRESS = {"address_line1": "12 Elm St", "zip": "10451"}
T = TypeVar("T")


def patient_call(event_type: str = "chart_created", **changes: object) -> Message:
    call = owed(decode(event_bytes(event_type, **changes)), PRACTICE, POLICY_NAMES)[0]
    return message(call.kind, call.body, dict(call.address))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def send(far_end: FarEnd, sent: Message, known: Remembered | None = None) -> Receipt:
    return run(client(far_end, known).send(sent))


def ask(far_end: FarEnd, asked: Message) -> Receipt | None:
    return run(client(far_end).ask(asked))


def failure(far_end: FarEnd, sent: Message, known: Remembered | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(far_end, sent, known)
    return caught.value
