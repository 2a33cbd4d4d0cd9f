"""Redox: sends Results documents, uploading the file first where the message asks for it.

What a Results document says belongs in ``assets/hcoint``. Redox cannot be asked whether it has a message:
after ``Unsure`` the same bytes, with the same ids in them, are sent once more. Sources:
docs.redoxengine.com, "Authenticate", "Sending files", "Errors"; the legacy sign-in: developer.redoxengine.com.
"""

import secrets
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import msgspec

from resources import partner_http
from resources.errors import Refused
from resources.partner_http import utc_now
from resources.sign_in import AssertionKey, Grant, SignIn, client_assertion, send_signed
from resources.store.values import Message, Receipt

#: Redox answers within seconds; its own gateway gives up after two minutes.
SEND_SECONDS = 150.0
#: A file of 30 MB over a slow line.
UPLOAD_SECONDS = 300.0
#: The longest that one message can take: upload, sending, and both again after 401 or 413.
LONGEST_SECONDS = 2 * (UPLOAD_SECONDS + SEND_SECONDS)


class _Id(msgspec.Struct):
    id: str | int | None = msgspec.field(name="ID", default=None)


class _Meta(msgspec.Struct, rename="pascal"):
    errors: list[msgspec.Raw] | None = None
    message: _Id | None = None
    logs: list[_Id] | None = None


class _Answer(msgspec.Struct):
    meta: _Meta = msgspec.field(name="Meta")


class _Uploaded(msgspec.Struct):
    uri: str = msgspec.field(name="URI")


_answer = msgspec.json.Decoder(_Answer).decode
_uploaded = msgspec.json.Decoder(_Uploaded).decode
_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Redox:
    """One account at Redox; uploads and messages share its token.

    ``says_more``: somebody tells us later that the result was filed, so that a 200, which means no more than
    that Redox has stored it, is not the end. ``upload_path`` has been ``/upload`` and ``/uploads``.
    """

    def __init__(
        self,
        over: httpx.AsyncBaseTransport,
        origin: str,
        sign_in: SignIn,
        *,
        says_more: bool = False,
        endpoint_path: str = "/endpoint",
        upload_path: str = "/uploads",
    ) -> None:
        self._over, self._origin, self._sign_in = over, origin, sign_in
        self._says_more = says_more
        self._endpoint_path, self._upload_path = endpoint_path, upload_path

    async def send(self, message: Message) -> Receipt:
        """Send one Results document. A 200 with ``Meta.Errors`` is a refusal.

        With ``upload`` in the address, the media type, the body is the document on one line and then the
        file. A document that proves too large (413) is sent once more with its file uploaded.
        """
        name = message.address.get("file", "document")
        if media_type := message.address.get("upload"):
            line, _, file = message.body.partition(b"\n")
            return await self._post(await self._with_upload(line, file, name, media_type))
        try:
            return await self._post(message.body)
        except Refused as error:
            if error.status != 413 or not (file := _embedded(message.body)):
                raise
        return await self._post(await self._with_upload(message.body, file, name, "application/octet-stream"))

    async def _post(self, document: bytes) -> Receipt:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = partner_http.request(
            "POST", self._origin, self._endpoint_path, headers=headers, content=document
        )
        response = await send_signed(
            self._over, request, self._sign_in, idempotent=False, timeout=SEND_SECONDS
        )
        meta = partner_http.decoded(response, _answer).meta
        if meta.errors:
            text = f"{partner_http.where(request)}: {response.status_code} with errors ({len(meta.errors)})"
            raise Refused(text, status=response.status_code, answer=response.content)
        ids = [meta.message, *(meta.logs or ())]
        external_id = next((str(found.id) for found in ids if found and found.id is not None), "")
        return Receipt(
            status=response.status_code,
            external_id=external_id,
            answer=response.content,
            accepted=self._says_more,
        )

    async def _with_upload(self, document: bytes, file: bytes, name: str, media_type: str) -> bytes:
        """The document with the file's address for a value. An upload that is repeated does no harm."""
        boundary = f"handoff{secrets.token_hex(16)}"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        request = partner_http.request(
            "POST",
            self._origin,
            self._upload_path,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            content=b"".join([head.encode(), file, f"\r\n--{boundary}--\r\n".encode()]),
        )
        response = await send_signed(
            self._over, request, self._sign_in, idempotent=True, timeout=UPLOAD_SECONDS
        )
        return _with_value(document, partner_http.decoded(response, _uploaded).uri)


def _with_value(document: bytes, value: str) -> bytes:
    """The document with ``value`` in the place of its one result's value."""
    whole = _document(document)
    (order,) = msgspec.json.decode(whole["Orders"])
    (result,) = order["Results"]
    result["Value"] = value
    whole["Orders"] = msgspec.Raw(msgspec.json.encode([order]))
    return msgspec.json.encode(whole)


def _embedded(document: bytes) -> bytes:
    """The file in a document; empty where there is none."""
    try:
        value = msgspec.json.decode(_document(document)["Orders"])[0]["Results"][0]["Value"]
        return b64decode(value, validate=True)
    except (ValueError, LookupError, TypeError, msgspec.MsgspecError):
        return b""


def signed_in_by_key(
    over: httpx.AsyncBaseTransport,
    origin: str,
    *,
    client_id: str,
    key: str,
    key_id: str,
    algorithm: str = "RS384",
) -> SignIn:
    """Signs in by a signed assertion (RS384 or ES384); the token lives five minutes."""
    address = f"{origin.rstrip('/')}/v2/auth/token"
    assertion = AssertionKey(
        client_id=client_id, key=key, key_id=key_id, algorithm=algorithm, audience=address
    )
    return SignIn(over, client_assertion(address, assertion))


class _Legacy(msgspec.Struct, rename="camel"):
    access_token: str
    expires: str


_legacy = msgspec.json.Decoder(_Legacy).decode


def signed_in_by_legacy_key(
    over: httpx.AsyncBaseTransport,
    origin: str,
    *,
    api_key: str,
    secret: str,
    now: Callable[[], datetime] = utc_now,
) -> SignIn:
    """Signs in by a legacy key and secret; the token lives a day. Redox gives out no new such keys."""

    def ask() -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{origin.rstrip('/')}/auth/authenticate",
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            content=msgspec.json.encode({"apiKey": api_key, "secret": secret}),
            extensions={"template": "(sign-in)"},
        )

    def read(answer: bytes) -> Grant:
        found = _legacy(answer)
        expires = datetime.fromisoformat(found.expires)
        expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        return Grant(found.access_token, (expires - now()).total_seconds())

    return SignIn(over, ask, read)
