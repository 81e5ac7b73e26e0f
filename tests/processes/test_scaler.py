"""The scaler with real replicas behind a real nginx: they join, they go, and nobody notices."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from cluster import SECRET, Cluster
from nodes import free_port
from scaling import Nginx, Prometheus, Readers, Scaler, needs_nginx

pytestmark = [needs_nginx, pytest.mark.asyncio(loop_scope="session")]

RULES = """
every_seconds = 0.2
stale_seconds = 2
remind_seconds = 1
state = "state"
[limits]
least = 0
most = {most}
[cool_down]
after_up_seconds = 0.5
after_down_seconds = 0.5
[prometheus]
url = "http://127.0.0.1:{prometheus}"
timeout_seconds = 1
[nodes]
addresses = ["{node}"]
[[rule]]
name = "load"
source = "prometheus"
query = "load"
up_above = 10
down_below = 2
for_up_seconds = 0.2
for_down_seconds = 0.4
step_up = {most}
[driver]
kind = "processes"
first_port = {port}
primary_feeds_most = 0
drain_seconds = 5
[balancer]
kind = "nginx"
file = "{include}"
always = ["{always}"]
reload = {reload}
"""


class World(NamedTuple):
    cluster: Cluster
    standby: str
    prometheus: Prometheus
    nginx: Nginx
    scaler: Scaler
    first: str  # where the first replica serves


@pytest_asyncio.fixture(loop_scope="session")
async def world(trio: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """With so many replicas at most."""
    standby = trio.other_than(await trio.primary())
    always = f"127.0.0.1:{trio.nodes[standby].port}"
    port = free_port()
    async with Prometheus() as prometheus, Nginx(tmp_path / "nginx", always) as nginx:
        rules = tmp_path / "rules.toml"
        rules.write_text(
            RULES.format(
                prometheus=prometheus.port, node=trio.url(standby), port=port, include=nginx.include, always=always,
                most=request.param, reload=str(nginx.reload).replace("'", '"'),
            )
        )  # fmt: skip
        with Scaler(rules, tmp_path / "state", SECRET) as scaler:
            yield World(trio, standby, prometheus, nginx, scaler, f"127.0.0.1:{port}")


@pytest.mark.parametrize("world", [1], indirect=True)
async def test_replicas_join_and_leave_and_no_request_fails(world: World) -> None:
    cluster, standby, prometheus, nginx, scaler, first = world
    await cluster.clients[standby].create_event()
    async with Readers(f"http://127.0.0.1:{nginx.port}/events?limit=1") as readers:
        prometheus.answer = 50.0
        assert "0 → 1: load is 50, above 10" in await scaler.says("step:")
        started = await scaler.says("scaled-1 starts", "following")
        assert cluster.replication[await cluster.primary()] not in started, "the primary feeds none"
        await scaler.says("scaled-1 serves")
        await readers.reach(first)
        await scaler.says("hold: Stays at 1: most is 1 (load is 50")

        explained = await scaler.explained()
        assert explained["wanted"] == 1
        assert explained["blockedBy"] == "most is 1"
        assert [each["state"] for each in explained["replicas"]] == ["serving"]

        await prometheus.stop()  # nobody knows what there is to do: nothing is done, and it is said again
        gone = await scaler.says("WARNING", "holding still", "can't be asked", times=2)
        assert "load is not known" in gone
        assert len(scaler.processes()) == 1
        prometheus.answer = 1.0
        await prometheus.start()
        await scaler.says("load is known again")

        await scaler.says("step:", "1 → 0: load is 1, below 2 for")
        await scaler.says("scaled-1 stopped")
        await readers.reach(f"127.0.0.1:{cluster.nodes[standby].port}")
        assert not readers.failures
    assert not scaler.processes()
    assert "server 127.0.0.1" in nginx.include.read_text()
    assert first not in nginx.include.read_text()
    log = (scaler.state / "replicas" / "scaled-1.log").read_text()
    assert "nobody is connected any more" in log, "it was drained"
    assert "everything answered is in" in log


@pytest.mark.parametrize("world", [2], indirect=True)
async def test_what_it_started_outlives_it_and_is_found_again(world: World) -> None:
    prometheus, scaler = world.prometheus, world.scaler
    prometheus.answer = 50.0
    await scaler.says("scaled-1 serves")
    await scaler.says("scaled-2 serves")
    prometheus.answer = 5.0
    before = scaler.processes()
    scaler.kill()
    assert scaler.processes() == before
    os.kill(before["scaled-1"], signal.SIGKILL)
    scaler.start()
    await scaler.says("scaled-2 still runs", str(before["scaled-2"]))
    await scaler.says("scaled-1 ended; it is started again in 1 s")
    await scaler.says("scaled-1 serves", times=2)
    assert scaler.processes()["scaled-2"] == before["scaled-2"]

    before = scaler.processes()
    assert scaler.stop() == 0
    assert scaler.processes() == before, "a scaler that stops leaves them as well"
