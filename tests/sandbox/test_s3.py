"""The manners of the object store, as the vendor's own client meets them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from sandbox.s3 import S3, unchunked

from .conftest import Serve

KEY = "u1/SendTo/InterPartner~ExpandedELR~Simple-Report~AIMSPlatform~Test~Test~20260302~STOP~c 1+ø.hl7"


@pytest.fixture
def store(serve: Serve) -> httpx.Client:
    return serve(S3())


@pytest.fixture
def s3(store: httpx.Client) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=str(store.base_url.join("/s3")),
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1, "mode": "standard"}),
    )
    yield client
    client.close()


def test_an_object_comes_back_as_it_was_put(store: httpx.Client, s3: Any) -> None:
    body = b"MSH|^~\\&|\r" * 10_000
    put = s3.put_object(
        Bucket="elr",
        Key=KEY,
        Body=body,
        ContentType="text/plain",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="key-1",
        Metadata={"AIMSPlatformSender": "SimpleReport"},
    )
    assert put["ETag"] == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    got = s3.get_object(Bucket="elr", Key=KEY)
    assert got["Body"].read() == body
    assert (got["ContentType"], got["ServerSideEncryption"]) == ("text/plain", "aws:kms")
    assert got["Metadata"] == {"aimsplatformsender": "SimpleReport"}
    assert s3.head_object(Bucket="elr", Key=KEY)["ContentLength"] == len(body)
    held = store.get("/_sandbox/s3/records").json()[f"elr/{KEY}"]
    assert (held["sha256"], held["times"]) == (hashlib.sha256(body).hexdigest(), 1)


def test_a_second_put_replaces_and_is_counted(store: httpx.Client, s3: Any) -> None:
    for _ in range(2):
        s3.put_object(Bucket="elr", Key="a", Body=b"x")
    assert store.get("/_sandbox/s3/records").json()["elr/a"]["times"] == 2


def test_keys_are_listed_in_order_by_prefix_and_page(s3: Any) -> None:
    for number in (3, 1, 2):
        s3.put_object(Bucket="elr", Key=f"in/{number}&", Body=b"x")
    s3.put_object(Bucket="elr", Key="out/1", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="elr", Prefix="in/", PaginationConfig={"PageSize": 2}
    )
    assert [one["Key"] for page in pages for one in page["Contents"]] == ["in/1&", "in/2&", "in/3&"]


def test_a_deleted_or_unknown_object_is_not_there(s3: Any) -> None:
    s3.put_object(Bucket="elr", Key="a", Body=b"x")
    s3.delete_object(Bucket="elr", Key="a")
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket="elr", Key="a")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"


def test_buckets_are_there_when_they_are_named(s3: Any) -> None:
    s3.create_bucket(Bucket="elr")
    assert s3.head_bucket(Bucket="elr")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_an_unsigned_request_is_refused(store: httpx.Client) -> None:
    answer = store.put("/s3/elr/a", content=b"x")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert "AccessDenied" in answer.text


def test_a_fault_speaks_in_the_codes_of_the_store(store: httpx.Client, s3: Any) -> None:
    store.post("/_sandbox/s3/faults", json={"status": 503, "times": 2, "match": "^PUT "})
    with pytest.raises(ClientError) as slow:
        s3.put_object(Bucket="elr", Key="a", Body=b"x")
    assert slow.value.response["Error"]["Code"] == "SlowDown"


def test_a_put_may_be_taken_although_the_connection_dropped(store: httpx.Client, s3: Any) -> None:
    store.post("/_sandbox/s3/faults", json={"status": 0, "take": True, "times": -1})
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        s3.put_object(Bucket="elr", Key="a", Body=b"x")
    assert "elr/a" in store.get("/_sandbox/s3/records").json()


def test_a_chunked_signature_is_taken_off_the_body() -> None:
    body = b"4;chunk-signature=aa\r\nWiki\r\n5;chunk-signature=bb\r\npedia\r\n0;chunk-signature=cc\r\n\r\n"
    assert unchunked(body) == b"Wikipedia"
