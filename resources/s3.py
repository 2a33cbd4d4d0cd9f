"""Amazon S3 and what speaks like it: put an object, ask whether one is there. In threads, for boto3 blocks.

The one place where botocore's errors become ours. What an object is called and holds belongs to the lane; how
often to try again to the store, so botocore tries once. Errors name the bucket, never the key.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from resources.errors import DeliveryError, PartnerAway, Refused, TryLater, Unsure

#: About our account, the bucket or the key of encryption: no object would fare better.
_OURS: Final = {
    "AccessDenied": "the account may not do this; check REPORTSTREAM_S3_ACCESS_KEY and the bucket's policy",
    "InvalidAccessKeyId": "the access key is not known; check REPORTSTREAM_S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "the secret key is not accepted; check REPORTSTREAM_S3_SECRET_KEY",
    "ExpiredToken": "the account's token has ended",
    "NoSuchBucket": "there is no such bucket; check REPORTSTREAM_S3_BUCKET",
    "PermanentRedirect": "the bucket is elsewhere; check REPORTSTREAM_S3_REGION",
    "KMS.DisabledException": "the key of encryption is disabled; check REPORTSTREAM_S3_KMS_KEY",
    "KMS.NotFoundException": "there is no such key of encryption; check REPORTSTREAM_S3_KMS_KEY",
}
_LATER: Final = frozenset((408, 409, 425, 429))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Which bucket and who we are there. Without an access key the machine's own role counts.

    ``kms_key`` encrypts what is stored; blank means the account's own key for S3.
    """

    name: str
    region: str = "us-east-1"
    endpoint: str = ""
    kms_key: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    timeout_seconds: float = 90.0


class S3:
    """One bucket."""

    def __init__(self, client: Any, bucket: Bucket) -> None:
        self._client, self._bucket = client, bucket

    async def put(self, key: str, body: bytes, *, kind: str, metadata: dict[str, str]) -> None:
        """Store an object, over whatever was there; doing it again does no harm."""
        bucket = self._bucket
        named = {"SSEKMSKeyId": bucket.kms_key} if bucket.kms_key else {}
        await self._call(
            "PutObject",
            self._client.put_object,
            Bucket=bucket.name,
            Key=key,
            Body=body,
            ContentType=kind,
            Metadata=metadata,
            ServerSideEncryption="aws:kms",
            **named,
        )

    async def has(self, key: str) -> bool:
        """Whether there is an object of this key."""
        try:
            await self._call("HeadObject", self._client.head_object, Bucket=self._bucket.name, Key=key)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._client.close)

    async def _call(self, name: str, call: Any, **words: Any) -> None:
        from botocore import exceptions

        where = f"{name} {self._bucket.name}"
        try:
            await asyncio.to_thread(call, **words)
        except exceptions.ClientError as error:
            raise _said(where, error.response) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
            raise PartnerAway(f"{where}: no credentials; set REPORTSTREAM_S3_ACCESS_KEY or a role") from None
        except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError):
            raise TryLater(f"{where}: no connection") from None
        except exceptions.HTTPClientError:
            # ReadTimeoutError, ConnectionClosedError and others: the object may be there.
            raise Unsure(f"{where}: the connection was lost before an answer came") from None
        except exceptions.BotoCoreError as error:
            raise Refused(f"{where}: {type(error).__name__}") from None


def connect(bucket: Bucket) -> S3:
    """A client of its own; opens no connection before the first request."""
    import boto3  # takes a third of a second: only a lane that needs it pays
    from botocore.config import Config

    how = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(10.0, bucket.timeout_seconds),
        read_timeout=bucket.timeout_seconds,
        s3={"addressing_style": "path" if bucket.endpoint else "auto"},
    )
    client = boto3.session.Session().client(
        "s3",
        region_name=bucket.region,
        endpoint_url=bucket.endpoint or None,
        aws_access_key_id=bucket.access_key or None,
        aws_secret_access_key=bucket.secret_key or None,
        config=how,
    )
    return S3(client, bucket)


def _said(where: str, response: Any) -> DeliveryError:
    """What S3 answered, as one of our errors."""
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    text = f"{where}: {status}"
    # An answer to HEAD has no body: the code is then the bare status.
    if code in _OURS or status in (401, 403) or 300 <= status < 400:
        return PartnerAway(f"{text}; {_OURS.get(code, 'check the account and the bucket')}", status=status)
    if status >= 500:
        # Stored or not: the key is stable, so storing it once more makes one object all the same.
        return TryLater(text, status=status)
    return TryLater(text, status=status) if status in _LATER else Refused(text, status=status)
