"""Backups on S3, or on a server that speaks its language.

Owns the use of boto3, which comes with `onsale[backup]`. Credentials, region and endpoint come from where every AWS
tool takes them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3, ~/.aws, the machine's role).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .target import NotThereError, Stored, TargetFailed, checked

CONNECTIONS_MAX = 16
ATTEMPTS_MAX = 4
_MISSING = {"404", "NoSuchKey", "NotFound"}


def endpoint_from_environment() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def region_from_environment() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


class S3Target:
    """The objects of `bucket` whose keys begin with `prefix`. The bucket must be there."""

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        """Raises TargetFailed when boto3 is missing or can't be used as configured."""
        self.bucket = bucket
        self.prefix = prefix
        self.endpoint = endpoint or endpoint_from_environment()
        self._client = self._connect()

    def _connect(self) -> Any:
        try:
            import boto3  # type: ignore[import-untyped]
            from botocore.config import Config  # type: ignore[import-untyped]
        except ImportError as error:
            raise TargetFailed(
                "Backups on S3 need the package boto3: install it with `pip install 'onsale[backup]'`, or keep the "
                "backup in a folder."
            ) from error
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=CONNECTIONS_MAX,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
            s3={"addressing_style": "path" if self.endpoint else "auto"},
        )
        region = region_from_environment() or ("us-east-1" if self.endpoint else None)
        with self._failures_told("opened"):
            session = boto3.session.Session()  # the shared one would remember credentials
            return session.client("s3", endpoint_url=self.endpoint, region_name=region, config=config)

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def put(self, name: str, data: bytes) -> None:
        key = self._key(name)
        with self._failures_told("written", name):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, name: str) -> bytes:
        key = self._key(name)
        with self._failures_told("read", name):
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            try:
                content: bytes = body.read()
            finally:
                body.close()
            return content

    def list(self, prefix: str) -> list[Stored]:
        found = []
        own = f"{self.prefix}/" if self.prefix else ""
        cut = len(own)
        with self._failures_told("listed", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=own + prefix)
            for page in pages:
                found += [Stored(each["Key"][cut:], each["Size"]) for each in page.get("Contents", ())]
        return sorted(found, key=lambda each: each.name)

    def remove(self, name: str) -> None:
        key = self._key(name)
        with self._failures_told("removed", name):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def _key(self, name: str) -> str:
        checked(name)
        return f"{self.prefix}/{name}" if self.prefix else name

    @contextmanager
    def _failures_told(self, done: str, name: str = "") -> Iterator[None]:
        from botocore import exceptions  # type: ignore[import-untyped]

        what = f"{self.address}/{name}".rstrip("/")
        where = f" at {self.endpoint}" if self.endpoint else ""
        try:
            yield
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                raise NotThereError(name, self.address) from error
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise TargetFailed(
                f"{what}{where} could not be {done}: {error}. Check the bucket's name, and what these credentials "
                "may do.",
                unreachable=status >= 500 or code in {"SlowDown", "RequestTimeout"},
            ) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise TargetFailed(
                f"{what} could not be {done}: there are no credentials. Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine a role."
            ) from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise TargetFailed(
                f"{what}{where} could not be {done}: {error}. Check the network and the endpoint.", unreachable=True
            ) from error
        except (exceptions.BotoCoreError, ValueError) as error:
            raise TargetFailed(f"{what}{where} could not be {done}: {error}.") from error
