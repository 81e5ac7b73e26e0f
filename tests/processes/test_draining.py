"""A node that is asked to go away: newcomers are sent elsewhere, those who are here are answered, then it stops."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nodes import Client, Node


def ask_to_stop(node: Node) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)


async def until_draining(client: Client) -> None:
    async with asyncio.timeout(5):
        while (await client.call("GET", "/readyz"))[0] != 503:
            pass


async def test_everything_is_answered_but_whether_to_come_here(tmp_path: Path) -> None:
    with Node(tmp_path / "data", "--drain-seconds", "60") as node:
        async with Client(node.url) as client, aiohttp.ClientSession() as session:
            event = await client.create_event()
            async with session.get(f"{node.url}/users/u-1/stream") as stream:
                assert await stream.content.readline() == b": connected\n"
                ask_to_stop(node)
                async with asyncio.timeout(5):
                    await stream.content.read()  # it ends: whoever follows comes back elsewhere
            await until_draining(client)
            for path in ("/readyz", "/replica", "/primary", "/users/u-1/stream", "/events/1/seats/stream"):
                status, problem, headers = await client.call("GET", path)
                assert status == 503, path
                assert "about to stop" in problem["detail"] or "stopping" in problem["detail"]
                assert "Retry-After" in headers
            assert (await client.call("GET", "/healthz"))[0] == 200
            assert (await client.call("GET", "/events?search=rehearsal"))[0] == 200
            body = {"userId": "u-1", "eventId": event["id"], "quantity": 1}
            assert (await client.call("POST", "/booking", body))[0] == 201
            assert node.runs
        began = time.monotonic()  # nobody is connected any more
        assert await asyncio.to_thread(node.wait, 10) == 0
        assert 0.5 < time.monotonic() - began < 5
        assert node.said("nobody is connected any more")


async def test_it_does_not_wait_longer_than_it_was_told(tmp_path: Path) -> None:
    with Node(tmp_path / "data", environment={"ONSALE_DRAIN_SECONDS": "0.5"}) as node:
        async with Client(node.url) as client:
            assert (await client.call("GET", "/healthz"))[0] == 200  # and the connection stays
            ask_to_stop(node)
            assert await asyncio.to_thread(node.wait, 10) == 0
        assert node.said("not everybody has gone elsewhere")


@pytest.mark.parametrize(("first", "code"), [(signal.SIGTERM, 1), (signal.SIGINT, 0)], ids=["again", "ctrl-c"])
async def test_who_is_impatient_does_not_wait(tmp_path: Path, first: signal.Signals, code: int) -> None:
    """A second signal stops it at once; Ctrl-C is a person, who does not wait at all."""
    with Node(tmp_path / "data", "--drain-seconds", "60") as node:
        async with Client(node.url) as client:
            assert (await client.call("GET", "/healthz"))[0] == 200
            assert node.process is not None
            node.process.send_signal(first)
            if first == signal.SIGTERM:
                await until_draining(client)
                await asyncio.sleep(1.1)  # sooner, it is taken for the same keypress
                ask_to_stop(node)
            assert await asyncio.to_thread(node.wait, 5) == code


async def test_a_request_that_is_under_way_is_answered(tmp_path: Path) -> None:
    with Node(tmp_path / "data", "--drain-seconds", "2") as node:
        async with Client(node.url) as client:
            await client.create_event()
            answered: list[Any] = []

            async def ask() -> None:
                while node.runs:
                    said = await client.try_call("GET", "/events/1/availability")
                    if said is None:
                        return  # it is gone: nobody would be sent here by now
                    answered.append((time.monotonic(), said[0]))

            asking = asyncio.create_task(ask())
            began = time.monotonic()
            ask_to_stop(node)
            await asking
            assert {status for _, status in answered} <= {200, 503}
            assert all(status == 200 for at, status in answered if at < began + 2)
