"""GraphQL in the real service: the same rules as the pages, and every change told to who may see it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from resources.store.staff import Role
from tests.conftest import Database
from tests.pridok.room import NOTE, PUBLIC, referral
from tests.web.browser import Browser, account, accounts, as_
from tests.web.conftest import Deployed

TOKEN = "pridoks-secret"
LIST = """
query($state: ConsultationState, $first: Int! = 10, $after: String) {
  consultations(state: $state, first: $first, after: $after) {
    nodes { id state patients { lastName } } pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture
def client(deployed: Deployed, database: Database) -> httpx.Client:
    accounts(database)
    account(database, "other", Role.PROVIDER)
    return deployed(**PUBLIC, HANDOFF_TOKENS_PRIDOK=TOKEN)


def refer(client: httpx.Client, guid: int = 1, **changed: object) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = client.post("/intake/pridok/referrals", content=referral(guid, **changed), headers=headers)
    assert answer.status_code == 202


def cookie(browser: Browser) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)


def ask(browser: Browser, query: str, **variables: object) -> dict[str, Any]:
    content = {"query": query, "variables": variables}
    answer = browser.http.post("/graphql", json=content, headers={"cookie": cookie(browser)})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def act(browser: Browser, call: str) -> dict[str, Any]:
    return ask(browser, f"mutation {{ {call} {{ id state providers version }} }}")


def test_the_whole_life_by_graphql(client: httpx.Client, database: Database) -> None:
    refer(client)
    secretary, provider, other = (as_(client, name) for name in ("secretary", "provider", "other"))
    (node,) = ask(secretary, LIST)["data"]["consultations"]["nodes"]
    assert node["patients"] == [{"lastName": "Danser"}]
    one = node["id"]
    assert ask(provider, LIST)["data"]["consultations"]["nodes"] == []
    assert act(secretary, f'createConsultation(input: {{flow: REFERRAL, id: "{one}"}})')["data"]
    assert len(ask(provider, LIST, state="READY_FOR_PICKUP")["data"]["consultations"]["nodes"]) == 1
    assert act(provider, f'pickConsultation(id: "{one}")')["data"]["pickConsultation"]["providers"] == [
        "provider"
    ]
    late = act(other, f'pickConsultation(id: "{one}")')
    assert late["data"] is None
    assert late["errors"][0]["message"].startswith("state: ")
    change = "{primaryChannel: PHONE, enabledChannels: [PHONE]}"
    assert act(provider, f'updateConsultation(id: "{one}", input: {change})')["data"]
    assert act(provider, f'startConsultation(id: "{one}")')["data"]
    refused = act(provider, f'finishConsultation(id: "{one}", result: {{icpc2: "?", outcome: "helped"}})')
    assert refused["errors"][0]["message"].startswith("icpc2: ")
    result = f'{{icpc2: "R74", outcome: "helped", notes: "{NOTE}"}}'
    done = act(provider, f'finishConsultation(id: "{one}", result: {result})')
    assert done["data"]["finishConsultation"]["state"] == "COMPLETED"
    assert database.one("SELECT count(*) FROM pridok_result") == 1


def test_pages_follow_each_other_without_a_gap(client: httpx.Client) -> None:
    for number in range(1, 6):
        refer(client, number)
    secretary, seen, after = as_(client, "secretary"), [], None
    for _ in range(3):
        page = ask(secretary, LIST, first=2, after=after)["data"]["consultations"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert len(set(seen)) == len(seen) == 5
    assert page["pageInfo"]["hasNextPage"] is False


def test_without_a_session_nothing_is_answered_not_even_the_schema(client: httpx.Client) -> None:
    answer = client.post("/graphql", json={"query": "{ __schema { types { name } } }"})
    assert answer.status_code == 401


def test_a_page_of_another_origin_changes_nothing(client: httpx.Client) -> None:
    secretary = as_(client, "secretary")
    headers = {"cookie": cookie(secretary), "origin": "https://evil.example"}
    assert client.post("/graphql", json={"query": "{ __typename }"}, headers=headers).status_code == 403
    form = {"query": "{ __typename }"}
    assert client.post("/graphql", data=form, headers={"cookie": cookie(secretary)}).status_code == 415


@pytest.mark.parametrize("name", ["operator", "administrator", "clinician"])
def test_other_roles_see_nothing(client: httpx.Client, name: str) -> None:
    refer(client)
    told = ask(as_(client, name), LIST)
    assert told["data"] is None
    assert "role: " in told["errors"][0]["message"]


def test_a_query_is_bounded(client: httpx.Client) -> None:
    secretary = as_(client, "secretary")
    many = "{ " + " ".join(f"a{n}: consultations {{ nodes {{ id }} }}" for n in range(20)) + " }"
    assert "errors" in ask(secretary, many)
    assert "errors" in ask(secretary, "{ consultations { nodes { " + "id " * 2_000 + "} } }")


@asynccontextmanager
async def subscribed(browser: Browser) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """Somebody who hears of changes; the next one, or what ended it."""
    url = str(browser.http.base_url).replace("http", "ws").rstrip("/") + "/graphql"
    headers = {"cookie": cookie(browser)}
    async with websockets.connect(
        url, subprotocols=["graphql-transport-ws"], additional_headers=headers
    ) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        query = "subscription { consultations { id state version } }"
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        await asyncio.sleep(0.5)

        async def following() -> dict[str, Any]:
            while True:
                message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
                if message["type"] == "next" and message["payload"].get("data"):
                    told: dict[str, Any] = message["payload"]["data"]["consultations"]
                    return told
                if message["type"] != "ping":
                    return message

        yield following


def test_a_subscription_hears_of_every_change_it_may_see_one_by_one(client: httpx.Client) -> None:
    refer(client)
    secretary, provider, other = (as_(client, name) for name in ("secretary", "provider", "other"))
    (node,) = ask(secretary, LIST)["data"]["consultations"]["nodes"]
    one = node["id"]
    calls = [
        (secretary, f'createConsultation(input: {{flow: REFERRAL, id: "{one}"}})'),
        (provider, f'pickConsultation(id: "{one}")'),
        *[
            (provider, f'updateConsultation(id: "{one}", input: {{primaryChannel: {channel}}})')
            for channel in ("CHAT", "VIDEO") * 5
        ],
        (secretary, f'cancelConsultation(id: "{one}", reason: NOT_NEEDED)'),
    ]

    async def listen() -> tuple[list[tuple[str, int]], str]:
        async with subscribed(secretary) as following, subscribed(other) as elsewhere:
            for who, call in calls:
                await asyncio.to_thread(act, who, call)
            told = [await following() for _ in calls]
            return [(one["state"], one["version"]) for one in told], (await elsewhere())["state"]

    heard, elsewhere = asyncio.run(asyncio.wait_for(listen(), 60))
    states = ["READY_FOR_PICKUP", *["PENDING_SP"] * 11, "CANCELLED"]
    assert heard == [(state, version) for version, state in enumerate(states, start=2)]
    assert elsewhere == "READY_FOR_PICKUP"


def test_a_subscription_is_ended_and_not_told_half_when_changes_could_not_be_heard(
    client: httpx.Client, database: Database
) -> None:
    secretary = as_(client, "secretary")

    async def listen() -> dict[str, Any]:
        async with subscribed(secretary) as following:
            await asyncio.to_thread(cut, database)
            return await following()

    said = asyncio.run(asyncio.wait_for(listen(), 60))
    assert "subscribe again" in json.dumps(said)

    async def again() -> dict[str, Any]:
        async with subscribed(secretary) as following:
            await asyncio.sleep(4)
            await asyncio.to_thread(refer, client)
            return await following()

    assert asyncio.run(asyncio.wait_for(again(), 60))["version"] == 1


def cut(database: Database) -> None:
    """The store ends the connection that listens, as a fail-over does."""
    with database.connect() as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'handoff listening'"
        )


def test_a_websocket_without_a_session_is_closed(client: httpx.Client) -> None:
    url = str(client.base_url).replace("http", "ws") + "/graphql"

    async def knock() -> None:
        async with websockets.connect(url, subprotocols=["graphql-transport-ws"]):  # type: ignore[list-item]
            pass

    with pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(asyncio.wait_for(knock(), 20))
