"""CONTRACT §4: who may do what, and what a token must be."""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onsale.tests.contract.asking import Caller
from onsale.tests.processes.nodes import Node, onsale

KEY = "a-key-of-the-contract-tests-that-is-long-enough"
ROLES = ("nobody", "user", "service", "organiser", "operator")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict[str, Any], key: str = KEY, algorithm: str = "HS256") -> str:
    text = f"{base64url(json.dumps({'alg': algorithm}).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{text}.{base64url(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ann", "role": "user", "exp": int(time.time()) + 3_600} | changes


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Caller]]:
    """By role; the user is ann."""
    with Node(tmp_path_factory.mktemp("secured") / "data", environment={"ONSALE_JWT_KEY": KEY}) as node:
        yield {
            role: Caller(node.url, None if role == "nobody" else signed(claims(sub="ann", role=role))) for role in ROLES
        }


@pytest.fixture(scope="module")
def event_id(callers: dict[str, Caller]) -> int:
    types = [{"name": "A", "price": "1.00", "capacity": 1_000}]
    return callers["organiser"].event(ticketTypes=types, maxPerUser=100)


@pytest.mark.parametrize(
    ("method", "path", "body", "may"),
    [
        ("GET", "/events", None, ROLES),
        ("GET", "/events/999/progress", None, {"organiser", "operator"}),
        ("GET", "/tickets/key", None, ROLES),
        ("GET", "/tickets/X/qr.svg", None, ROLES),
        ("GET", "/tickets/X", None, {"organiser", "operator"}),
        ("POST", "/tickets/X/check-in", None, {"organiser", "operator"}),
        ("GET", "/outbox", None, {"operator"}),
        ("POST", "/outbox/retry", {"all": True}, {"operator"}),
        ("POST", "/outbox/concerns/close", {"id": "x"}, {"operator"}),
        ("POST", "/reconcile", {"since": "x"}, {"operator"}),
        ("GET", "/events/{event}", None, ROLES),
        ("GET", "/events/{event}/availability", None, ROLES),
        ("POST", "/events", {}, {"organiser", "operator"}),
        ("PATCH", "/events/{event}", {}, {"organiser", "operator"}),
        ("POST", "/events/999/cancel", None, {"organiser", "operator"}),
        ("POST", "/booking", {"userId": "ann", "eventId": 999}, {"user", "service", "operator"}),
        ("POST", "/booking", {"userId": "bob", "eventId": 999}, {"service", "operator"}),
        ("GET", "/booking/{ann}", None, {"user", "service", "operator"}),
        ("GET", "/booking/{bob}", None, {"service", "operator"}),
        ("DELETE", "/booking/{ann}", None, {"user", "service", "operator"}),
        ("DELETE", "/booking/{bob}", None, {"service", "operator"}),
        ("POST", "/pay", {"userId": "ann", "eventId": 999, "amount": "1"}, {"user", "service", "operator"}),
        ("POST", "/pay", {"userId": "bob", "eventId": 999, "amount": "1"}, {"service", "operator"}),
        ("POST", "/booking/{ann}/refund", None, {"user", "service", "organiser", "operator"}),
        ("POST", "/booking/{bob}/refund", None, {"service", "organiser", "operator"}),
        ("PUT", "/users/ann", {}, {"user", "service", "operator"}),
        ("PUT", "/users/bob", {}, {"service", "operator"}),
        ("GET", "/users/ann", None, {"user", "service", "operator"}),
        ("GET", "/users/bob", None, {"service", "operator"}),
        ("GET", "/users/ann/bookings", None, {"user", "service", "operator"}),
        ("GET", "/users/bob/bookings", None, {"service", "operator"}),
        ("GET", "/users/ann/notifications", None, {"user", "service", "operator"}),
        ("GET", "/users/bob/notifications", None, {"service", "operator"}),
        ("GET", "/journal", None, {"operator"}),
        ("GET", "/healthz", None, ROLES),
        ("GET", "/readyz", None, ROLES),
        ("GET", "/metrics", None, ROLES),
        ("GET", "/openapi.json", None, ROLES),
    ],
)
def test_roles(
    callers: dict[str, Caller], event_id: int, method: str, path: str, body: Any, may: set[str] | tuple[str, ...]
) -> None:
    for role in ROLES:
        ids = {"event": event_id}
        for user_id in ("ann", "bob"):
            if f"{{{user_id}}}" in path:
                ids[user_id] = callers["service"].held(event_id, user_id)
        answer = callers[role](method, path.format(**ids), body)
        if role in may:
            assert answer.status not in (401, 403), (role, answer)
        elif role == "nobody":
            assert (answer.status, answer.code) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            assert (answer.status, answer.code) == (403, "forbidden"), role


@pytest.mark.parametrize(
    "token",
    [
        signed(claims(exp=int(time.time()) - 1)),
        signed(claims(exp=int(time.time()) - 3_600)),
        signed(claims(role="operator"), key="another-key-that-is-just-as-long-as-the-other"),
        signed(claims(), algorithm="none"),
        signed(claims(), algorithm="none").rpartition(".")[0] + ".",
        signed(claims(), algorithm="HS512"),
        signed({"role": "user", "exp": int(time.time()) + 60}),
        signed({"sub": "ann", "exp": int(time.time()) + 60}),
        signed(claims(role="god")),
        signed(claims(nbf=int(time.time()) + 3_600)),
        signed(claims())[:-2],
        "abc",
        "a.b.c",
    ],
    ids=[
        "just expired", "expired", "another key", "no algorithm", "no algorithm, empty signature", "another algorithm",
        "nobody", "no role", "unknown role", "not yet", "cut", "no token", "three letters",
    ],
)  # fmt: skip
def test_tokens_that_prove_nothing(callers: dict[str, Caller], token: str) -> None:
    caller = callers["nobody"]
    answer = caller("GET", "/users/ann/bookings", Authorization=f"Bearer {token}")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert caller("GET", "/users/ann/bookings", Authorization="Basic YTpi").status == 401


def test_keys_of_different_callers_are_apart(callers: dict[str, Caller], event_id: int) -> None:
    body = {"userId": "ann", "eventId": event_id}
    first, other = (callers[role]("POST", "/booking", body, key="mine") for role in ("user", "service"))
    assert not other.replayed
    assert first.json["bookingId"] != other.json["bookingId"]


def test_a_printed_token_turns_authentication_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Node(data) as node:
        assert Caller(node.url)("GET", "/journal").status == 200, "loopback, nothing configured"
        node.stop()
    printed = onsale("token", "--role", "operator", "--sub", "me", "--data", str(data))
    assert printed.returncode == 0
    with Node(data) as node:
        assert Caller(node.url)("GET", "/journal").status == 401
        assert Caller(node.url, printed.stdout.strip())("GET", "/journal").status == 200


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_a_node_without_authentication_stays_on_loopback(tmp_path: Path, address: str) -> None:
    refused = onsale("serve", "--data", str(tmp_path / "data"), "--listen", address)
    assert refused.returncode == 4
    assert "onsale token" in refused.stderr
    assert "ONSALE_JWT_KEY" in refused.stderr


def test_with_a_key_a_node_serves_every_address(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "onsale", "serve", "--data", str(tmp_path / "data"), "--listen", "0.0.0.0:0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"ONSALE_JWT_KEY": KEY},
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split("http://")[1].split()[0].rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), 5).close()
    finally:
        process.kill()
        process.communicate()
