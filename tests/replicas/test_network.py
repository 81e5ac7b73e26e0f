"""Links over real sockets: nodes among themselves, with TLS and without, and bad peers of every kind."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from onsale.replicas import connection as connection_module
from onsale.replicas import link as link_module
from onsale.replicas import network as network_module
from onsale.replicas.entrance import Entrance
from onsale.replicas.frames import Acked, BatchSent, Challenge, Frame
from onsale.replicas.framing import FRAME_BYTES_MAX, FrameReader, encode
from onsale.replicas.link import Link
from onsale.replicas.network import AsyncNetwork, listen, tls_contexts
from onsale.replicas.ports import Wire, parse_address
from onsale.replicas.refusals import RefusalLog
from onsale.tests.replicas.certificates import Authority
from onsale.tests.replicas.linking import SECRET, introduction

Contexts = tuple[ssl.SSLContext, ssl.SSLContext] | tuple[None, None]
PLAIN: Contexts = (None, None)


class Node:
    """A node on a real port of 127.0.0.1, which says when anything about it changed."""

    def __init__(self, name: str, tls: Contexts = PLAIN, *, host: str = "127.0.0.1") -> None:
        self.loop = asyncio.get_running_loop()
        self.name = name
        self.host = host
        self.server_tls, client_tls = tls
        self.network = AsyncNetwork(self.loop, client_tls)
        self.refusals = RefusalLog(self.loop.time)
        self.entrance = Entrance(lambda: self.link(dialed=False), self.refusals)
        self.links: list[Link] = []
        self.all_links: list[Link] = []
        self.frames: list[Frame] = []
        self.reasons: list[str] = []
        self.changed = asyncio.Event()

    async def start(self) -> None:
        self.listener = await listen(self.host, 0, self.entrance.accept, self.refusals, self.server_tls)
        self.address = parse_address(self.listener.address)

    async def end(self) -> None:
        self.listener.close()
        self.network.close()
        for link in self.all_links:
            link.close()
        await self.until(lambda: self.listener.connections == 0)

    def link(self, *, dialed: bool) -> Link:
        link = Link(
            self.loop,
            SECRET,
            lambda: introduction(self.name),
            dialed=dialed,
            nonce=lambda: os.urandom(32),
            refusals=self.refusals,
            on_open=lambda link: self._note(self.links, link),
            on_frame=lambda _link, frame: self._note(self.frames, frame),
            on_drained=lambda _link: self.changed.set(),
            on_closed=lambda _link, reason: self._note(self.reasons, reason),
        )
        self.all_links.append(link)
        return link

    def dial(self, node: "Node") -> Link:
        link = self.link(dialed=True)
        self.network.dial(*node.address, link)
        return link

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.02)

    def _note(self, what: list, item: object) -> None:
        what.append(item)
        self.changed.set()


HANDSHAKE_SECONDS = 0.5
CLOSE_SECONDS = 0.2
DIAL_SECONDS = 0.3


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "HANDSHAKE_SECONDS_MAX", HANDSHAKE_SECONDS)
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS_MAX", CLOSE_SECONDS)
    monkeypatch.setattr(network_module, "DIAL_SECONDS_MAX", DIAL_SECONDS)


Start = Callable[..., "asyncio.Future[Node]"]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    nodes: list[Node] = []

    async def begin(name: str, tls: Contexts = PLAIN, **options: str) -> Node:
        node = Node(name, tls, **options)
        nodes.append(node)
        await node.start()
        return node

    yield begin
    for node in nodes:
        await node.end()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def stranger() -> Iterator[Callable[[Node], socket.socket]]:
    """Opens a plain TCP connection, whose bytes are the test's."""
    opened: list[socket.socket] = []

    def connect(node: Node) -> socket.socket:
        opened.append(socket.create_connection(node.address))
        opened[-1].setblocking(False)
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


async def read_to_end(plain: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    with suppress(ConnectionResetError):
        while piece := await loop.sock_recv(plain, 65536):
            data += piece
    return data


async def joined(near: Node, far: Node) -> Link:
    link = near.dial(far)
    await near.until(lambda: link.is_open and bool(far.links))
    return link


# --- nodes among themselves


async def test_nodes_find_each_other_and_frames_of_any_size_arrive(start: Start):
    near, far = await start("near"), await start("far")
    link = await joined(near, far)
    frames = [Acked(1, 2, 3), BatchSent(os.urandom(200)), BatchSent(os.urandom(16 * 1024 * 1024)), Acked(4, 5, 6)]
    for frame in frames:
        link.send(frame)
        far.links[0].send(frame)
    await far.until(lambda: len(far.frames) == len(near.frames) == len(frames))
    assert far.frames == near.frames == frames
    assert link.wire.peer == far.listener.address
    assert far.links[0].wire.local_host == "127.0.0.1"
    link.close()
    await far.until(lambda: bool(far.reasons))
    assert far.reasons == ["the other side closed the connection"]


async def test_what_was_told_to_wait_does_not_wait_for_more(start: Start):
    """Small frames leave at once (TCP_NODELAY)."""
    near, far = await start("near"), await start("far")
    link = await joined(near, far)
    for end in (link, far.links[0]):
        assert end.wire._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_port_in_use_is_refused_in_words(start: Start):
    near = await start("near")
    host, port = near.address
    with pytest.raises(OSError, match=f"can't listen on {host}:{port}: address already in use"):
        await listen(host, port, near.entrance.accept, near.refusals)


async def test_the_address_is_free_when_a_listener_is_closed(start: Start):
    near, far = await start("near"), await start("far")
    await joined(near, far)
    far.listener.close()
    again = await listen(*far.address, far.entrance.accept, far.refusals)
    assert parse_address(again.address) == far.address
    again.close()


async def test_a_dial_where_nobody_listens_says_so(start: Start):
    near, far = await start("near"), await start("far")
    far.listener.close()
    near.dial(far)
    await near.until(lambda: bool(near.reasons))
    assert near.reasons == [f"{far.listener.address} can't be reached: connection refused"]


@pytest.mark.parametrize("host", ["x" * 300, "..", "no host\0"])
async def test_a_host_that_is_none_is_a_reason_not_an_error(start: Start, host: str):
    near = await start("near")
    near.network.dial(host, 7400, near.link(dialed=True))
    await near.until(lambda: bool(near.reasons))
    assert "can't be reached" in near.reasons[0]


async def test_a_dial_that_meets_silence_ends_in_time(start: Start):
    """A listener whose queue is full lets further ones wait."""
    near = await start("near")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        started = near.loop.time()
        near.network.dial(*deaf.getsockname(), near.link(dialed=True))
        await near.until(lambda: bool(near.reasons))
        for one in fill:
            one.close()
    assert near.loop.time() - started < DIAL_SECONDS + 0.5
    assert "does not answer within 0.3 s" in near.reasons[0]


async def test_dials_under_way_end_with_the_network(start: Start):
    near = await start("near")
    near.network.dial("127.0.0.1", 1, near.link(dialed=True))
    near.network.close()
    await near.until(lambda: bool(near.reasons))


async def test_all_addresses_of_a_name_are_listened_on(start: Start):
    near = await start("near", host="")
    for host in ("127.0.0.1", "::1") if socket.has_ipv6 else ("127.0.0.1",):
        try:
            socket.create_connection((host, near.address[1])).close()
        except OSError as error:
            if host == "127.0.0.1" or error.errno is None:
                raise


# --- bad peers

BAD = {
    "garbage": (os.urandom(5000).replace(b"\0", b"x"), "a frame"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: far\r\n\r\n", "it speaks HTTP, and this is the port for replication"),
    "a frame of 4 GiB": (struct.pack("<IIB", 2**32 - 1, 1, 15) + bytes(100_000), "a frame of 4294967295 bytes"),
    "a frame too big before the handshake": (encode(BatchSent(bytes(10_000)), 1), "and 4096 are the most"),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_peer_is_closed_with_a_line_and_harms_nothing(
    start: Start, stranger: Callable[[Node], socket.socket], caplog: pytest.LogCaptureFixture, what: str
):
    data, sentence = BAD[what]
    near, far = await start("near"), await start("far")
    link = await joined(near, far)
    plain = stranger(far)
    with suppress(ConnectionError):
        await far.loop.sock_sendall(plain, data)
    answer = await read_to_end(plain)
    assert [type(frame) for frame in FrameReader(FRAME_BYTES_MAX).feed(answer)] == [Challenge]
    [line] = [record.getMessage() for record in caplog.records]
    assert sentence in line
    assert f"{plain.getsockname()[0]}:{plain.getsockname()[1]}" in line
    link.send(Acked(1, 2, 3))
    await far.until(lambda: far.frames == [Acked(1, 2, 3)])
    await far.until(lambda: far.listener.connections == 1)


async def test_who_only_holds_the_connection_is_let_go(start: Start, stranger: Callable[[Node], socket.socket]):
    far = await start("far")
    started = far.loop.time()
    silent, slow = stranger(far), stranger(far)
    reading = asyncio.gather(read_to_end(silent), read_to_end(slow))
    for byte in encode(Acked(1, 2, 3), 1)[:9]:
        with suppress(ConnectionError):
            await far.loop.sock_sendall(slow, bytes([byte]))
        await asyncio.sleep(HANDSHAKE_SECONDS / 15)
    await reading
    assert HANDSHAKE_SECONDS - 0.1 < far.loop.time() - started < HANDSHAKE_SECONDS + CLOSE_SECONDS + 0.5
    assert all("did not prove within 0.5 s" in reason for reason in far.reasons)
    await far.until(lambda: far.listener.connections == 0)


async def test_who_reads_nothing_and_never_closes_is_cut_off(start: Start, stranger: Callable[[Node], socket.socket]):
    """Half-open: it closes neither way, and what was sent to it is never taken."""
    far = await start("far")

    class Talker:
        def opened(self, wire: Wire) -> None:
            wire.send(bytes(30_000_000))
            wire.close()

        def received(self, data: bytes) -> None: ...

        def drained(self) -> None: ...

        def closed(self, reason: str) -> None:
            far.reasons.append(reason)

    listener = await listen("127.0.0.1", 0, Talker, far.refusals)
    deaf = socket.create_connection(parse_address(listener.address))
    await far.until(lambda: far.reasons == [""])
    started = far.loop.time()
    await far.until(lambda: listener.connections == 0)
    assert far.loop.time() - started < CLOSE_SECONDS + 0.5
    deaf.close()
    listener.close()


async def test_connections_are_bounded(
    start: Start,
    stranger: Callable[[Node], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(network_module, "CONNECTIONS_MAX", 3)
    near, far = await start("near"), await start("far")
    await joined(near, far)
    plain = [stranger(far) for _ in range(10)]
    await far.until(lambda: "3 connections are open already" in caplog.text)
    assert far.listener.connections == 3
    plain[0].close()
    plain[1].close()
    await far.until(lambda: far.listener.connections == 1)
    another = await start("another")
    await joined(another, far)


async def test_a_mistake_in_one_receiver_leaves_the_listener_alive(start: Start, caplog: pytest.LogCaptureFixture):
    far = await start("far")

    def fail() -> None:
        raise LookupError("no receiver")

    listener = await listen("127.0.0.1", 0, fail, far.refusals)
    plain = socket.create_connection(parse_address(listener.address))
    plain.setblocking(False)
    await read_to_end(plain)
    await far.until(lambda: listener.connections == 0)
    assert "no receiver" in caplog.text
    plain.close()
    listener.close()


async def test_a_connection_accepted_as_the_listener_closes_is_closed(
    start: Start, stranger: Callable[[Node], socket.socket]
):
    far = await start("far")
    plain = stranger(far)
    far.listener._readable(far.listener._sockets[0])
    assert far.listener.connections == 1
    far.listener.close()
    assert await read_to_end(plain) == b""
    await far.until(lambda: far.listener.connections == 0)
    assert not far.all_links


# --- TLS


async def test_with_certificates_of_one_authority_all_goes_as_without(start: Start, authority: Authority):
    near = await start("near", tls_contexts(*authority.files("near")))
    far = await start("far", tls_contexts(*authority.files("far")))
    link = await joined(near, far)
    frames = [Acked(1, 2, 3), BatchSent(os.urandom(16 * 1024 * 1024))]
    for frame in frames:
        link.send(frame)
        far.links[0].send(frame)
    await far.until(lambda: len(far.frames) == len(near.frames) == 2)
    assert far.frames == near.frames == frames
    assert link.wire._transport.get_extra_info("cipher")


async def test_a_dialer_of_another_authority_does_not_come_in(
    start: Start, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    near = await start("near", tls_contexts(*Authority(tmp_path, "another").files("near")))
    far = await start("far", tls_contexts(*authority.files("far")))
    near.dial(far)
    await near.until(lambda: bool(near.reasons))
    assert "certificate is not accepted" in near.reasons[0]
    await far.until(lambda: "no connection comes about" in caplog.text)
    await far.until(lambda: far.listener.connections == 0)
    assert not near.links + far.links
    assert not far.reasons, "it never became a link"


async def test_a_dialer_without_a_certificate_does_not_come_in(
    start: Start, authority: Authority, caplog: pytest.LogCaptureFixture
):
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(authority.path)
    near = await start("near", (None, bare))
    far = await start("far", tls_contexts(*authority.files("far")))
    near.dial(far)
    await near.until(lambda: bool(near.reasons))
    await far.until(lambda: "no connection comes about" in caplog.text and far.listener.connections == 0)
    assert not near.links + far.links


@pytest.mark.parametrize("dialer", ["plain", "TLS"])
async def test_tls_on_one_side_alone_is_refused_with_a_line(
    start: Start, authority: Authority, caplog: pytest.LogCaptureFixture, dialer: str
):
    tls = tls_contexts(*authority.files("a"))
    near = await start("near", tls if dialer == "TLS" else PLAIN)
    far = await start("far", PLAIN if dialer == "TLS" else tls)
    near.dial(far)
    await near.until(lambda: bool(near.reasons))
    if dialer == "TLS":
        await far.until(lambda: "it speaks TLS, and this node was started without a certificate" in caplog.text)
    await far.until(lambda: far.listener.connections == 0)
    assert not near.links + far.links


async def test_bytes_that_are_no_tls_are_one_line(
    start: Start, authority: Authority, stranger: Callable[[Node], socket.socket], caplog: pytest.LogCaptureFixture
):
    far = await start("far", tls_contexts(*authority.files("far")))
    plain = stranger(far)
    await far.loop.sock_sendall(plain, b"GET / HTTP/1.1\r\n\r\n")
    await read_to_end(plain)
    await far.until(lambda: bool(caplog.records) and far.listener.connections == 0)
    [line] = [record.getMessage() for record in caplog.records]
    assert "no connection comes about: TLS failed" in line


async def test_who_begins_no_tls_is_let_go(
    start: Start, authority: Authority, stranger: Callable[[Node], socket.socket], caplog: pytest.LogCaptureFixture
):
    far = await start("far", tls_contexts(*authority.files("far")))
    plain = stranger(far)
    await far.until(lambda: far.listener.connections == 1)
    await read_to_end(plain)
    await far.until(lambda: far.listener.connections == 0)
    await far.until(lambda: "no connection comes about" in caplog.text)


async def test_a_listener_closed_while_tls_begins_leaves_nothing_open(
    start: Start, authority: Authority, stranger: Callable[[Node], socket.socket]
):
    far = await start("far", tls_contexts(*authority.files("far")))
    plain = stranger(far)
    await far.until(lambda: far.listener.connections == 1)
    far.listener.close()
    await read_to_end(plain)
    await far.until(lambda: far.listener.connections == 0)
