"""The lease against an etcd that answers oddly. What a real one does: tests/contracts/test_lease.py."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from onsale.node.lease.client import EtcdClient, encoded
from onsale.node.lease.etcd import EtcdLease
from onsale.replicas.lease import Claim, Lost, OutOfReach, Refused, Taken
from onsale.tests.node.lease.members import Answer, members

ADA = Claim("ada", b"a" * 16, "ada:7400", b"j" * 16)
EMPTY = {"responses": [{"response_range": {}}] * 3, "header": {"revision": "3"}}
WRITTEN = {"header": {"revision": "4"}, "succeeded": True}


async def ask(answer: Answer, *questions: Callable[[EtcdLease, Callable[[Any], None]], None]) -> list[Any]:
    """What `done` is called with, one question after the other, by one member."""
    async with members(answer) as (member,):
        store = EtcdLease(EtcdClient((member.url,), member_seconds=5.0), "/onsale", 10)
        answers = []
        for question in questions:
            answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            question(store, answered.set_result)
            answers.append(await asyncio.wait_for(answered, 10))
        await store.close()
    return answers


def look(store: EtcdLease, done: Callable[[Any], None]) -> None:
    store.look(done)


def take(store: EtcdLease, done: Callable[[Any], None]) -> None:
    store.take(ADA, by_order=False, done=done)


def renew(store: EtcdLease, done: Callable[[Any], None]) -> None:
    store.renew(done)


SHAPES = [
    {}, {"responses": []}, {"responses": "three"}, {"responses": [None] * 3}, {"responses": [{}] * 3},
    {"responses": [{"response_range": {"kvs": [{}]}}] * 3}, {"responses": [{"response_range": {"kvs": 3}}] * 3},
    {"responses": [{"response_range": {"kvs": [{"mod_revision": "x", "value": "?"}]}}] * 3},
]  # fmt: skip


@pytest.mark.parametrize("answer", SHAPES, ids=str)
async def test_whatever_it_says_whoever_asks_is_told(answer: dict[str, Any]) -> None:
    looked, taken = await ask(lambda *_: answer, look, take)
    assert isinstance(looked, OutOfReach)
    assert isinstance(taken, OutOfReach)


@pytest.mark.parametrize("granted", [{}, {"ID": None}, {"ID": "x", "TTL": "10"}, {"ID": "1"}])
async def test_a_lease_that_is_none(granted: dict[str, Any]) -> None:
    (taken,) = await ask(lambda path, _: granted if path.endswith("grant") else EMPTY, take)
    assert isinstance(taken, OutOfReach)


async def test_whoever_takes_it_again_has_it_for_its_whole_time() -> None:
    """A lease that etcd has given up meanwhile is not gone on with; one that is there is renewed first."""
    asked: list[str] = []
    left = ["10", "0"]

    def etcd(path: str, question: dict[str, Any]) -> Any:
        asked.append(path.rpartition("/")[2])
        if path.endswith("grant"):
            return {"ID": str(asked.count("grant")), "TTL": "10"}
        if path.endswith("keepalive"):
            return {"result": {"TTL": left.pop(0)}}
        return WRITTEN if "compare" in question else EMPTY

    answers = await ask(etcd, take, take, take)
    assert answers == [Taken(4, paused=False)] * 3
    assert asked == ["txn", "grant", "txn", "txn", "keepalive", "txn", "txn", "keepalive", "grant", "txn"]


async def test_somebody_is_faster_again_and_again() -> None:
    def etcd(path: str, question: dict[str, Any]) -> Any:
        if path.endswith("grant"):
            return {"ID": "1", "TTL": "10"}
        if path.endswith("keepalive"):
            return {"result": {"TTL": "10"}}
        return {"header": {"revision": "9"}} if "compare" in question else EMPTY

    (taken,) = await ask(etcd, take)
    assert taken == Refused("Another node was faster to take the lease.")


async def test_without_a_lease_there_is_nothing_to_renew() -> None:
    assert await ask(lambda *_: EMPTY, renew) == [Lost()]


async def test_a_lease_shorter_than_was_asked_for_is_none() -> None:
    """The node would think that it leads when etcd has given the lease up."""
    (taken,) = await ask(lambda path, _: {"ID": "1", "TTL": "9"} if path.endswith("grant") else EMPTY, take)
    assert isinstance(taken, OutOfReach)
    assert "grants 9 s where --lease-seconds asks for 10" in taken.sentence


def one_that_holds(lease_id: str, seconds: str = "10") -> Answer:
    """It grants lease 1 for so long, and says that the key is bound to this one."""
    value = encoded(b'{"name": "ada", "node_id": "%s", "replication": "ada:7400"}' % (b"61" * 16))
    key = {"mod_revision": "4", "lease": lease_id, "value": value}
    found = {"responses": [{"response_range": {"kvs": [key]}}, *EMPTY["responses"][1:]]}

    def etcd(path: str, question: dict[str, Any]) -> Any:
        if path.endswith("grant"):
            return {"ID": "1", "TTL": seconds}
        if path.endswith("keepalive"):
            return {"result": {"TTL": seconds}}
        return WRITTEN if "compare" in question else found

    return etcd


async def test_a_key_that_is_bound_to_an_older_lease_is_not_renewed_by_this_one() -> None:
    """Such as in a store that was brought back from a backup: it would run out with that one."""
    assert await ask(one_that_holds("1"), take, renew) == [Taken(4), Taken(4)]
    assert await ask(one_that_holds("7"), take, renew) == [Taken(4), Lost()]


async def test_a_lease_longer_than_was_asked_for_is_fine() -> None:
    """As etcd has a least time of its own."""
    assert await ask(one_that_holds("1", "15"), take) == [Taken(4)]


@pytest.mark.parametrize("paused", [True, False])
async def test_whether_takeover_was_paused_is_told_when_etcd_is_away(paused: bool) -> None:
    def change(store: EtcdLease, done: Callable[[Any], None]) -> None:
        store.set_paused(done, paused=paused)

    (fault,) = await ask(lambda *_: {"error": "etcdserver: no leader", "code": 14}, change)
    assert isinstance(fault, OutOfReach)
    assert await ask(lambda *_: {"header": {}}, change) == [None]
