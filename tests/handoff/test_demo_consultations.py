"""The demo's question to the insurer: is each message there, and did it come once?"""

import httpx

from handoff.demo_consultations import wrong
from sandbox.insurer import Insurer
from sandbox.running import sandbox_thread


def test_a_message_that_is_missing_or_came_twice_is_named() -> None:
    with sandbox_thread([Insurer()]) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for message, times in (("1", 1), ("2", 2)):
            for _ in range(times):
                http.post("/insurer/messages", content=b"sealed", headers={"idempotency-key": message})
        assert list(wrong(url, [1])) == []
        assert list(wrong(url, [1, 2, 3])) == [
            "pridok: the insurer has the message 2 2 times",
            "pridok: the insurer has the message 3 0 times",
        ]
