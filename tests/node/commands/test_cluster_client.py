"""Failures of the traffic, by a server that misbehaves."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from onsale.node.commands import cluster_client as module
from onsale.node.commands.cluster_client import ClusterClient, parse_addresses
from onsale.node.commands.output import CommandFailed
from onsale.node.exit_codes import ExitCode


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def client_of(server: socket.socket) -> ClusterClient:
    return ClusterClient(parse_addresses(f"127.0.0.1:{server.getsockname()[1]}"), None)


def answering(server: socket.socket, answer: bytes) -> threading.Thread:
    def answer_one() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    thread = threading.Thread(target=answer_one)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"", ExitCode.UNREACHABLE, "did not answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ExitCode.UNREACHABLE, "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nx", ExitCode.UNREACHABLE, "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ExitCode.ERROR, "is it an onsale node?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", ExitCode.ERROR, "is it an onsale node?"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ExitCode.ERROR, "status 404"),
    ],
)
def test_what_is_no_node(server: socket.socket, answer: bytes, code: ExitCode, said: str) -> None:
    thread = answering(server, answer)
    with pytest.raises(CommandFailed, match=said) as failure:
        client_of(server).status()
    thread.join(5)
    assert failure.value.exit_code == code
    assert "may have been done" not in failure.value.message


def test_a_node_that_takes_an_order_and_says_nothing(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes the connection of a process that is stopped."""
    monkeypatch.setattr(module, "ORDER_SECONDS", 0.05)
    with pytest.raises(CommandFailed, match=r"no answer in time\. What was asked may have been done") as failure:
        client_of(server).order("POST", "/cluster/failover", {})
    assert failure.value.exit_code == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ["http://127.0.0.1:8080"]),
        ("http://a.example", ["http://a.example:80"]),
        ("https://a.example/onsale/", ["https://a.example:443/onsale"]),
        ("[::1]:9000, http://b:1,", ["http://[::1]:9000", "http://b:1"]),
    ],
)
def test_addresses_as_people_write_them(text: str, expected: list[Any]) -> None:
    assert [str(each) for each in parse_addresses(text)] == expected


def test_the_first_that_is_there_is_named(server: socket.socket) -> None:
    port = server.getsockname()[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()[1]
        client = ClusterClient(parse_addresses(f"127.0.0.1:{nobody},127.0.0.1:{port}"), None)
        assert client.address_there() == f"http://127.0.0.1:{port}"
