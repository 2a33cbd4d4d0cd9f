"""One token for all, one refresh at a time, and no message pays for a sign-in that fails."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from resources import partner_http
from resources.errors import PartnerAway, Refused
from resources.sign_in import (
    ASSERTION_TYPE,
    AssertionKey,
    SignIn,
    client_assertion,
    client_credentials,
    read_grant,
    send_signed,
)

TOKEN_URL = "https://ehr.test/oauth2/token/"
ASK = client_credentials(TOKEN_URL, "us", "secret-7", scope="system/patients.read")


class Partner:
    """Hands out numbered tokens and takes those it has not ended."""

    def __init__(self, expires_in: float = 3600) -> None:
        self.asked: list[httpx.Request] = []
        self.ended: set[str] = set()
        self.expires_in = expires_in
        self.answer: httpx.Response | None = None
        self.seconds = 0.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth2/token/":
            await asyncio.sleep(0)
            self.asked.append(request)
            given = {
                "access_token": f"t{len(self.asked)}",
                "token_type": "Bearer",
                "expires_in": self.expires_in,
            }
            return self.answer or httpx.Response(200, json=given)
        token = request.headers["authorization"].removeprefix("Bearer ")
        return httpx.Response(401 if token in self.ended else 200, json={"token": token})

    def sign_in(self, ask: Callable[[], httpx.Request] = ASK) -> SignIn:
        return SignIn(httpx.MockTransport(self), ask, clock=lambda: self.seconds)


async def call(partner: Partner, sign_in: SignIn) -> str:
    request = partner_http.request("GET", "https://ehr.test", "/patients/")
    over = httpx.MockTransport(partner)
    response = await send_signed(over, request, sign_in, idempotent=True, timeout=5)
    return str(response.json()["token"])


def test_sixty_four_senders_share_one_sign_in() -> None:
    partner = Partner()

    async def many() -> list[str]:
        sign_in = partner.sign_in()
        return await asyncio.gather(*(call(partner, sign_in) for _ in range(64)))

    assert asyncio.run(many()) == ["t1"] * 64
    assert len(partner.asked) == 1


def test_the_client_asks_by_id_and_secret_in_the_form() -> None:
    form = parse_qs(ASK().content.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["us"],
        "client_secret": ["secret-7"],
        "scope": ["system/patients.read"],
    }


def test_a_token_is_renewed_before_its_end() -> None:
    partner = Partner(expires_in=3600)

    async def hours() -> list[str]:
        sign_in = partner.sign_in()
        tokens = []
        for partner.seconds in (0, 3539, 3540, 3600):
            tokens.append(await sign_in.token())
        return tokens

    assert asyncio.run(hours()) == ["t1", "t1", "t2", "t2"]


def test_a_token_the_partner_no_longer_takes_is_renewed_once_for_all() -> None:
    partner = Partner()

    async def many() -> list[str]:
        sign_in = partner.sign_in()
        await sign_in.token()
        partner.ended = {"t1"}
        return await asyncio.gather(*(call(partner, sign_in) for _ in range(16)))

    assert asyncio.run(many()) == ["t2"] * 16
    assert len(partner.asked) == 2


def test_a_second_401_pauses_the_lane() -> None:
    partner = Partner()
    partner.ended = {f"t{n}" for n in range(9)}
    with pytest.raises(PartnerAway, match="check the account"):
        asyncio.run(call(partner, partner.sign_in()))
    assert len(partner.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_sign_in_that_fails_pauses_the_lane_and_keeps_the_secret(status: int) -> None:
    partner = Partner()
    partner.answer = httpx.Response(status, headers={"Retry-After": "9"})
    with pytest.raises(PartnerAway) as caught:
        asyncio.run(call(partner, partner.sign_in()))
    assert caught.value.status == status
    assert caught.value.after_seconds == (9.0 if status in (429, 500, 503) else None)
    assert "secret-7" not in str(caught.value)
    assert str(caught.value).startswith(f"POST ehr.test (sign-in): {status}")


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "{}",
        '{"access_token": "", "token_type": "Bearer"}',
        '{"access_token":"t","token_type":"mac"}',
    ],
)
def test_a_token_answer_that_cannot_be_read_pauses_the_lane_and_is_not_kept(body: str) -> None:
    partner = Partner()
    partner.answer = httpx.Response(200, text=body)
    with pytest.raises(PartnerAway, match="cannot be read") as caught:
        asyncio.run(call(partner, partner.sign_in()))
    assert caught.value.answer == b""


def test_those_who_wait_hear_of_a_failed_sign_in_without_asking_again() -> None:
    partner = Partner()
    partner.answer = httpx.Response(401)

    async def many() -> list[object]:
        sign_in = partner.sign_in()
        first = await asyncio.gather(*(call(partner, sign_in) for _ in range(64)), return_exceptions=True)
        partner.seconds, partner.answer = 2.0, None
        return [*first, await call(partner, sign_in)]

    *first, last = asyncio.run(many())
    assert {type(error) for error in first} == {PartnerAway}
    assert last == "t2"
    assert len(partner.asked) == 2


def test_a_refusal_that_is_not_about_the_token_is_passed_on() -> None:
    def partner(request: httpx.Request) -> httpx.Response:
        given = {"access_token": "t", "token_type": "bearer", "expires_in": "300"}
        return httpx.Response(200, json=given) if request.method == "POST" else httpx.Response(404)

    over = httpx.MockTransport(partner)
    request = partner_http.request("GET", "https://ehr.test", "/patients/")
    with pytest.raises(Refused):
        asyncio.run(send_signed(over, request, SignIn(over, ASK), idempotent=True, timeout=5))


def test_a_grant_without_a_life_is_good_for_five_minutes() -> None:
    assert read_grant(b'{"access_token": "t"}').seconds == 300


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "ES384"])
def test_an_assertion_is_signed_and_never_the_same_twice(algorithm: str) -> None:
    private = (
        ec.generate_private_key(ec.SECP384R1())
        if algorithm == "ES384"
        else rsa.generate_private_key(65537, 2048)
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    key = AssertionKey(client_id="us", key=pem, key_id="k1", algorithm=algorithm, audience=TOKEN_URL)
    ask = client_assertion(TOKEN_URL, key, scope="reports")
    forms = [parse_qs(ask().content.decode()) for _ in range(2)]
    tokens = [form["client_assertion"][0] for form in forms]
    claims = [jwt.decode(t, private.public_key(), [algorithm], audience=TOKEN_URL) for t in tokens]
    assert forms[0]["client_assertion_type"] == [ASSERTION_TYPE]
    assert forms[0]["scope"] == ["reports"]
    assert jwt.get_unverified_header(tokens[0])["kid"] == "k1"
    assert claims[0]["iss"] == claims[0]["sub"] == "us"
    assert claims[0]["exp"] - claims[0]["iat"] == 300
    assert claims[0]["jti"] != claims[1]["jti"]


def test_neither_a_key_nor_a_token_shows_in_a_repr() -> None:
    key = AssertionKey(client_id="us", key="PEM-secret", key_id="k", algorithm="RS384", audience="a")
    assert "PEM-secret" not in repr(key)
    assert "t-secret" not in repr(read_grant(b'{"access_token": "t-secret"}'))
