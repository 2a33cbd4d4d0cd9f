"""An object store in miniature: the part of Amazon S3 that a sender of files needs.

Buckets are addressed in the path and are there as soon as they are named. A request must look signed; the
signature itself is not verified. Encryption and metadata headers are kept and shown.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from .core import Fault, Reply, Request, System, spoken

XML = "application/xml"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
#: Headers that come back with the object, as they were put.
KEPT = (
    "content-type",
    "content-encoding",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One object."""

    body: bytes
    headers: dict[str, str]
    at: datetime
    times: int

    @property
    def etag(self) -> str:
        """The digest S3 names an object's content by."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class S3(System):
    """All buckets."""

    name = "s3"

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}  # by "bucket/key"

    def answer(self, request: Request) -> Reply:
        if not is_signed(request):
            return refused(403, "AccessDenied", "The request is not signed.")
        name = request.path.lstrip("/")
        bucket, _, key = name.partition("/")
        if not bucket:
            return xml(200, "<ListAllMyBucketsResult/>")
        if not key:
            return self.listing(request, bucket) if request.method == "GET" else Reply(200, effect=False)
        match request.method:
            case "PUT":
                return self.put(request, name)
            case "GET" | "HEAD":
                return self.get(name)
            case "DELETE":
                self._objects.pop(name, None)
                return Reply(204, effect=True)
        return refused(405, "MethodNotAllowed", "The method is not allowed.")

    def put(self, request: Request, name: str) -> Reply:
        """Stores an object over whatever was there."""
        body = (
            unchunked(request.body) if "aws-chunked" in request.header("content-encoding") else request.body
        )
        kept = {header: value for header, value in request.headers.items() if header in KEPT}
        kept |= {
            header: value for header, value in request.headers.items() if header.startswith("x-amz-meta-")
        }
        before = self._objects.get(name)
        stored = Stored(body, kept, datetime.now(UTC), 1 if before is None else before.times + 1)
        self._objects[name] = stored
        return Reply(200, headers={"etag": stored.etag}, effect=True)

    def get(self, name: str) -> Reply:
        """An object with the headers it was put with."""
        stored = self._objects.get(name)
        if stored is None:
            return refused(404, "NoSuchKey", "The specified key does not exist.")
        when = stored.at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        own = {name: value for name, value in stored.headers.items() if name != "content-type"}
        kind = stored.headers.get("content-type", "binary/octet-stream")
        return Reply(200, stored.body, kind, {"etag": stored.etag, "last-modified": when} | own)

    def listing(self, request: Request, bucket: str) -> Reply:
        """The keys of a bucket in order, by prefix (ListObjectsV2)."""
        prefix = request.query.get("prefix", "")
        keys = sorted(
            name.partition("/")[2] for name in self._objects if name.startswith(f"{bucket}/{prefix}")
        )
        most = int(request.query.get("max-keys", "1000"))
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        keys = [key for key in keys if key > after]
        shown = "".join(self._listed(f"{bucket}/{key}", key) for key in keys[:most])
        more = len(keys) > most
        token = f"<NextContinuationToken>{escape(keys[most - 1])}</NextContinuationToken>" if more else ""
        return xml(
            200,
            f'<ListBucketResult xmlns="{NAMESPACE}"><Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>'
            f"<KeyCount>{len(keys[:most])}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{shown}</ListBucketResult>",
        )

    def _listed(self, name: str, key: str) -> str:
        stored = self._objects[name]
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{stored.at.isoformat()}</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag><Size>{len(stored.body)}</Size></Contents>"
        )

    def refusal(self, request: Request, fault: Fault) -> Reply:
        """A fault in S3's own XML, with the codes clients look at."""
        status = fault.status or 200
        if fault.body is not None or status < 400:
            return spoken(fault)
        codes = {403: "AccessDenied", 404: "NoSuchBucket", 500: "InternalError", 503: "SlowDown"}
        reply = refused(status, codes.get(status, "InternalError"), "Please try again.")
        reply.headers = spoken(fault).headers
        return reply

    def records(self) -> object:
        """Each object by bucket and key: size, digest, how often it was put."""
        return {
            name: {
                "bytes": len(stored.body),
                "sha256": hashlib.sha256(stored.body).hexdigest(),
                "times": stored.times,
                "headers": stored.headers,
            }
            for name, stored in self._objects.items()
        }

    def forget(self, everything: bool) -> None:
        self._objects.clear()


def is_signed(request: Request) -> bool:
    """Whether a request carries a signature, in the header or in the query."""
    return (
        request.header("authorization").startswith("AWS4-HMAC-SHA256 ") or "X-Amz-Signature" in request.query
    )


def unchunked(body: bytes) -> bytes:
    """The content of a body in the aws-chunked encoding, its trailer left out."""
    content, place = [], 0
    while (end := body.find(b"\r\n", place)) >= 0:
        size = int(body[place:end].partition(b";")[0] or b"0", 16)
        if size == 0:
            break
        content.append(body[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
    return b"".join(content)


def xml(status: int, text: str) -> Reply:
    """A reply in S3's XML."""
    return Reply(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), XML)


def refused(status: int, code: str, message: str) -> Reply:
    """An error in S3's XML."""
    number = uuid.uuid4().hex[:16].upper()
    return xml(
        status,
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{number}</RequestId></Error>",
    )
