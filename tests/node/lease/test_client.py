"""The client of etcd against members that are down, hang, forget logins, or are no etcd at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from onsale.node.lease import client as client_module
from onsale.node.lease.client import EtcdClient, EtcdError, parse_members
from onsale.tests.node.lease.members import members

FOUND = {"header": {"revision": "7"}, "responses": []}
NO_LEASE = {"error": "etcdserver: requested lease not found", "code": 5}
NO_LOGIN = {"error": "etcdserver: invalid auth token", "code": 16, "message": "etcdserver: invalid auth token"}


@asynccontextmanager
async def client(*urls: str, **settings: Any) -> AsyncIterator[EtcdClient]:
    made = EtcdClient(urls, **({"member_seconds": 5.0} | settings))
    try:
        yield made
    finally:
        await made.close()


def well(_path: str, _question: dict[str, Any]) -> Any:
    return FOUND


def hang(*_: Any) -> None:
    return None


async def refusal(etcd: EtcdClient, path: str = "/v3/kv/txn") -> EtcdError:
    with pytest.raises(EtcdError) as caught:
        await etcd.call(path, {})
    return caught.value


async def test_a_member_that_is_away_is_passed_over_and_the_next_time_comes_last() -> None:
    async with members(well) as (good,), client("http://127.0.0.1:1", good.url) as etcd:
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert etcd._members == [good.url, "http://127.0.0.1:1"]
        assert good.asked == ["/v3/kv/txn"] * 2


async def test_a_member_that_hangs_is_left_for_the_next() -> None:
    async with members(hang, well) as (bad, good), client(bad.url, good.url, member_seconds=0.2) as etcd:
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert len(bad.asked) == 1
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert len(bad.asked) == 1, "it is not waited for again"


async def test_an_answer_that_breaks_off_is_none() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, members(well) as (good,):
        async with client(url, good.url) as etcd:
            assert await etcd.call("/v3/kv/txn", {}) == FOUND
        async with client(url) as etcd:
            assert (await refusal(etcd)).code == "out_of_reach"


async def test_nobody_answers() -> None:
    async with members(hang) as (bad,), client("http://127.0.0.1:1", bad.url, member_seconds=0.1) as etcd:
        error = await refusal(etcd)
    assert error.code == "out_of_reach"
    assert "no member of etcd can answer" in str(error)
    assert "http://127.0.0.1:1: " in str(error)
    assert f"{bad.url}: no answer in time; it may have lost its majority" in str(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"3", b'"text"', b"null", b"\xff", b"[" * 100_000],
    ids=["nothing", "a page", "a list", "a number", "a text", "null", "no text", "depth"],
)
async def test_what_is_no_etcd(body: bytes) -> None:
    async with members(lambda *_: web.Response(body=body)) as (bad,), client(bad.url) as etcd:
        error = await refusal(etcd)
    assert error.code == "out_of_reach"
    assert "what answers there is no etcd (status 200)" in str(error)


async def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_BYTES_MAX", 1_000)
    async with members(lambda *_: web.Response(body=b" " * 5_000)) as (bad,), client(bad.url) as etcd:
        assert "more than 1000 bytes" in str(await refusal(etcd))


async def test_a_redirect_is_not_followed() -> None:
    async with members(well) as (other,):
        moved = web.Response(status=302, headers={"Location": other.url})
        async with members(lambda *_: moved) as (bad,), client(bad.url) as etcd:
            assert "what answers there is no etcd (status 302)" in str(await refusal(etcd))
        assert other.asked == []


async def test_what_is_not_there_is_not_asked_of_the_next() -> None:
    async with members(lambda *_: NO_LEASE, well) as (first, second), client(first.url, second.url) as etcd:
        error = await refusal(etcd, "/v3/lease/revoke")
        assert error.code == "not_found"
        assert second.asked == []


@pytest.mark.parametrize("fault", [{"grpc_code": 14, "message": "etcdserver: no leader"}, "etcdserver: no leader"])
async def test_a_member_that_has_no_leader_is_passed_over(fault: Any) -> None:
    async with members(lambda *_: {"error": fault}, well) as (bad, good), client(bad.url, good.url) as etcd:
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert (len(bad.asked), len(good.asked)) == (1, 1)
    async with members(lambda *_: {"error": fault}) as (bad,), client(bad.url) as etcd:
        assert "etcdserver: no leader" in str(await refusal(etcd))


class Guarded:
    """Asks for a login, and forgets it when told to."""

    def __init__(self) -> None:
        self.given = 0
        self.good = ""

    def __call__(self, path: str, question: dict[str, Any]) -> Any:
        if path != "/v3/auth/authenticate":
            return FOUND
        assert question == {"name": "onsale", "password": "secret"}
        self.given += 1
        self.good = f"token-{self.given}"
        return {"token": self.good}


async def test_a_login_is_had_once_and_anew_when_it_is_over() -> None:
    guard = Guarded()
    async with members(guard) as (member,), client(member.url, login=("onsale", "secret")) as etcd:
        member.answer = lambda path, question: (
            guard(path, question) if path.endswith("authenticate") or member.tokens[-1] == guard.good else NO_LOGIN
        )
        for _ in range(3):
            assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert guard.given == 1
        guard.good = "it was restarted"
        assert await etcd.call("/v3/kv/txn", {}) == FOUND
        assert guard.given == 2


async def test_a_password_that_is_wrong_is_said() -> None:
    wrong = {"error": "etcdserver: authentication failed, invalid user ID or password", "code": 16}
    async with members(lambda *_: wrong) as (member,), client(member.url, login=("onsale", "guess")) as etcd:
        said = str(await refusal(etcd))
    assert "etcd does not accept the login" in said
    assert "guess" not in said


@pytest.mark.parametrize("token", [None, 3, "a\r\nX-Forged: 1"])
async def test_a_token_of_no_use(token: Any) -> None:
    async with members(lambda *_: {"token": token}) as (member,), client(member.url, login=("a", "b")) as etcd:
        assert "what answers there is no etcd" in str(await refusal(etcd))


@pytest.mark.parametrize(
    "text",
    ["", ",", "10.0.0.1:2379", "ftp://10.0.0.1:2379", "http://", "http://a:b@10.0.0.1:1", "http://10.0.0.1/v3",
     "http://10.0.0.1:99999", "http://10.0.0.1:1?x=1", "http://10.0.0.1:0"],
)  # fmt: skip
def test_what_is_no_member(text: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        parse_members(text)


def test_members_with_and_without_a_slash() -> None:
    assert parse_members(" http://10.0.0.1:2379/, https://etcd.example ") == (
        "http://10.0.0.1:2379", "https://etcd.example",
    )  # fmt: skip
