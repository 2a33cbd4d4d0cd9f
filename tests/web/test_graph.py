"""GraphQL in the real service: the same rules as the pages, and every change told to who may see it."""

import asyncio
import json
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


def test_a_subscription_hears_of_every_change_it_may_see(client: httpx.Client) -> None:
    refer(client)
    secretary, provider = as_(client, "secretary"), as_(client, "provider")
    (node,) = ask(secretary, LIST)["data"]["consultations"]["nodes"]
    url = str(client.base_url).replace("http", "ws") + "/graphql"

    async def listen() -> list[str]:
        headers = {"cookie": cookie(secretary)}
        async with websockets.connect(
            url, subprotocols=["graphql-transport-ws"], additional_headers=headers
        ) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            query = "subscription { consultations { id state version } }"
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
            await asyncio.sleep(0.5)
            one = node["id"]
            await asyncio.to_thread(
                act, secretary, f'createConsultation(input: {{flow: REFERRAL, id: "{one}"}})'
            )
            await asyncio.to_thread(act, provider, f'pickConsultation(id: "{one}")')
            await asyncio.to_thread(act, secretary, f'cancelConsultation(id: "{one}", reason: NOT_NEEDED)')
            heard = []
            while len(heard) < 3:
                message = json.loads(await asyncio.wait_for(socket.recv(), 10))
                if message["type"] == "next":
                    told = message["payload"]["data"]["consultations"]
                    heard.append(told["state"])
            return heard

    heard = asyncio.run(asyncio.wait_for(listen(), 40))
    assert heard[-1] == "CANCELLED"


def test_a_websocket_without_a_session_is_closed(client: httpx.Client) -> None:
    url = str(client.base_url).replace("http", "ws") + "/graphql"

    async def knock() -> None:
        async with websockets.connect(url, subprotocols=["graphql-transport-ws"]):  # type: ignore[list-item]
            pass

    with pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(asyncio.wait_for(knock(), 20))
