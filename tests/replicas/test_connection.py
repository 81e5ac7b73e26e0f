"""A connection on a transport that does what the test says: what real sockets do too seldom to be waited for."""

import asyncio
import socket

import pytest

from onsale.replicas.connection import Connection, why
from onsale.replicas.ports import Wire


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.7", 40_001), "sockname": ("10.0.0.8", 7400), "socket": socket.socket()})
        self.done: list[str] = []

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.done.append("write")

    def write_eof(self) -> None:
        self.done.append("write_eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


class Ear:
    def __init__(self) -> None:
        self.heard: list[object] = []
        self.fails = False

    def opened(self, wire: Wire) -> None:
        self.heard.append("opened")

    def received(self, data: bytes) -> None:
        self.heard.append(data)
        if self.fails:
            raise LookupError("a mistake")

    def drained(self) -> None:
        self.heard.append("drained")

    def closed(self, reason: str) -> None:
        self.heard.append(("closed", reason))


class Made:
    def __init__(self) -> None:
        self.ear = Ear()
        self.transport = FakeTransport()
        self.connection = Connection(asyncio.get_running_loop(), lambda: self.ear)
        self.connection.connection_made(self.transport)
        self.ear.heard.clear()


@pytest.fixture
async def made():
    made = Made()
    yield made
    made.connection.connection_lost(None)
    made.transport.get_extra_info("socket").close()


async def turn() -> None:
    await asyncio.sleep(0)


async def test_its_ends_are_known(made: Made):
    assert made.connection.peer == "10.0.0.7:40001"
    assert made.connection.local_host == "10.0.0.8"


async def test_room_that_is_gone_again_is_not_told(made: Made):
    made.connection.pause_writing()
    made.connection.resume_writing()
    made.connection.pause_writing()
    await turn()
    assert made.ear.heard == []
    made.connection.resume_writing()
    assert made.ear.heard == [], "not from inside what may be a send"
    await turn()
    assert made.ear.heard == ["drained"]


async def test_room_is_not_told_after_close(made: Made):
    made.connection.pause_writing()
    made.connection.resume_writing()
    made.connection.close()
    await turn()
    assert made.ear.heard == [("closed", "")]


async def test_nothing_is_received_after_a_receivers_mistake(made: Made):
    made.ear.fails = True
    made.connection.data_received(b"one")
    made.connection.data_received(b"two")
    assert made.ear.heard == [b"one"]
    assert made.transport.done == ["abort"]


async def test_nothing_is_received_after_close(made: Made):
    made.connection.close()
    made.connection.data_received(b"late")
    await turn()
    assert made.ear.heard == [("closed", "")]
    assert made.transport.done == ["write_eof"]


async def test_an_end_by_an_error_is_told_with_it(made: Made):
    made.connection.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
    assert made.ear.heard == [("closed", "the connection broke: connection reset by peer")]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions: one, two"), "Multiple exceptions: one, two"),
        (OSError(), "OSError"),
    ],
)
def test_errors_in_words(error: OSError, words: str):
    assert why(error) == words
