"""Places in HAProxy: a real one where it is installed; and what is made of a socket that says something else."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from onsale.node.scaler.haproxy import Haproxy
from onsale.node.scaler.ports import CannotDo, Place, Replica
from onsale.node.scaler.rules import HaproxyBalancer
from onsale.tests.node.scaler.answering import Answering

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")

CONFIGURATION = """
global
    stats socket {folder}/haproxy.sock mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend reading
    bind unix@{folder}/http.sock
    default_backend reads
backend reads
    option httpchk GET /replica
    default-server inter 50ms rise 1 fall 1
    server always {always} check
    server-template replica 1-2 192.0.2.1:80 check disabled
backend others
    server replica1 192.0.2.1:80
"""


def place(number: int, address: str) -> Place:
    return Place(Replica(f"r{number}", address), number)


def rules(
    folder: Path, *, drain_seconds: float = 10.0, seconds: float = 5.0, backend: str = "reads"
) -> HaproxyBalancer:
    return HaproxyBalancer(folder / "haproxy.sock", backend, "replica", drain_seconds, seconds)


class Front:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.balancer = Haproxy(rules(folder))

    async def who(self) -> set[str]:
        """Who answers."""
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.folder / "http.sock"))) as session:
            found = set()
            for _ in range(12):
                async with session.get("http://h/who") as response:
                    found.add(await response.text())
            return found

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(10):
            while await self.who() != set(names):  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.02)

    async def state(self, name: str) -> str:
        text = await self.balancer._order("show stat")
        rows = [line.split(",") for line in text.splitlines()]
        return next(row[rows[0].index("status")] for row in rows if row[:2] == ["reads", name])


@asynccontextmanager
async def running(folder: Path, always: str) -> AsyncIterator[Front]:
    (folder / "haproxy.cfg").write_text(CONFIGURATION.format(folder=folder, always=always))
    process = await asyncio.create_subprocess_exec(
        "haproxy", "-db", "-f", str(folder / "haproxy.cfg"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while not (folder / "http.sock").exists():  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.01)
        yield Front(folder)
    finally:
        process.terminate()
        await process.wait()


@needs_haproxy
async def test_a_replica_has_a_place_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        Answering(who="always", replica="") as always,
        Answering(who="one", replica="") as one,
        Answering(who="two", replica="") as two,
        running(tmp_path, always.address) as front,
    ):
        balancer = front.balancer
        first, second = place(1, one.address), place(2, two.address)
        await balancer.keep([first, second])
        await front.until("always", "one", "two")
        orders: list[str] = []
        order = balancer._order

        async def note(line: str) -> str:
            orders.append(line)
            return await order(line)

        with monkeypatch.context() as patch:
            patch.setattr(balancer, "_order", note)
            await balancer.keep([first, second])
        assert orders == ["show servers state reads"], "what is so already is left alone"

        one.answers["/slow"] = None
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "http.sock"))) as session:
            always.answers["/slow"] = two.answers["/slow"] = "quick"
            while not any(each.path == "/slow" for each in one.asked):
                slow = asyncio.create_task(session.get("http://h/slow"))
                await asyncio.wait([slow], timeout=0.2)
            await balancer.keep([second])
            await front.until("always", "two")
            leaving = asyncio.create_task(balancer.leave(first))
            await asyncio.sleep(0.3)
            assert not leaving.done(), "a request is under way"
            one.release()
            assert (await slow).status == 200
            await leaving
        assert await front.state("replica1") == "MAINT"
        await balancer.release(first)

        await balancer.keep([place(1, two.address)])  # the place is another's
        await front.until("always", "two")


@needs_haproxy
async def test_what_it_refuses_is_told(tmp_path: Path) -> None:
    async with Answering(who="always", replica="") as always, running(tmp_path, always.address) as front:
        with pytest.raises(CannotDo, match="HAProxy has no place replica3 in reads: raise the number"):
            await front.balancer.keep([place(3, "127.0.0.1:1")])
        with pytest.raises(CannotDo, match="r1 has no address to send requests to; have `list` print it"):
            await front.balancer.keep([place(1, "")])
        with pytest.raises(CannotDo, match="HAProxy says of the backend no-such: Can't find backend"):
            await Haproxy(rules(tmp_path, backend="no-such")).keep([])
        with pytest.raises(CannotDo, match="HAProxy refuses `set server reads/replica9 state maint`: No such server"):
            await front.balancer.release(place(9, "127.0.0.1:1"))
        await front.balancer.keep([])
        assert await front.state("always") == "UP", "what is not the scaler's is left alone"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "HAProxy says of the backend reads: nothing"),
        ("Permission denied\n", "HAProxy says of the backend reads: Permission denied"),
        ("1\n# be_id srv_name\n1 a\n", "HAProxy says of the backend reads"),
        ("# be_name srv_name srv_addr srv_port srv_admin_state\n3 replica1 h 80 ?\n", "says of the backend reads"),
        ("\xff" * 2000, "HAProxy says of the backend reads"),
    ],
)
async def test_a_socket_that_says_something_else(tmp_path: Path, said: str, words: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said.encode("latin-1"))
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "haproxy.sock"):
        with pytest.raises(CannotDo) as raised:
            await Haproxy(rules(tmp_path)).keep([place(1, "127.0.0.1:1")])
    assert words in str(raised.value)
    assert len(str(raised.value)) < 500


async def test_a_socket_that_is_not_there_or_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match=r"HAProxy can't be asked at .*haproxy\.sock: No such file or directory"):
        await Haproxy(rules(tmp_path)).keep([])
    hangs = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hangs.wait()
        writer.close()

    async with await asyncio.start_unix_server(hang, tmp_path / "haproxy.sock"):
        with pytest.raises(CannotDo, match=r"HAProxy did not answer at .*haproxy\.sock in time"):
            await Haproxy(rules(tmp_path, seconds=0.1)).keep([])
        hangs.set()
