"""An S3 server in this process, on a free port."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BUCKET = "onsale-backups"


@contextmanager
def running_s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address; the environment has credentials for it, and BUCKET is there."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield endpoint
    finally:
        server.stop()
