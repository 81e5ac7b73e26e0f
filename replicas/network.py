"""The real network: TCP between nodes, with TLS if the node was given a certificate. The ports of ports.py, on asyncio.

Owns dialing and accepting; connection.py has what comes after. Promises that accepted connections are bounded, and that
one which does not come about (no TLS, wrong certificate, too slow) is a line in the log and nothing more.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from .connection import Connection, address_of, why
from .ports import CLOSE_SECONDS_MAX, DIAL_SECONDS_MAX, Receiver, format_address
from .refusals import RefusalLog
from .tls import BadCertificate, tls_contexts
from .tls_connection import TlsConnection

__all__ = ["AsyncNetwork", "BadCertificate", "Listener", "listen", "tls_contexts"]

CONNECTIONS_MAX: Final = 512  # accepted and open, whatever state they are in; links are bounded by entrance.py before
ACCEPTED_PER_TURN: Final = 64
BACKLOG: Final = 128
ACCEPT_PAUSE_SECONDS: Final = 1.0  # when no more files can be opened

log = logging.getLogger("onsale.replication")


class AsyncNetwork:
    """Dials. One for a node."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls_client: ssl.SSLContext | None = None) -> None:
        self._loop = loop
        self._tls = tls_client
        self._dials: set[asyncio.Task[None]] = set()

    def dial(self, host: str, port: int, receiver: Receiver) -> None:
        connection = (TlsConnection if self._tls else Connection)(self._loop, lambda: receiver)
        task = self._loop.create_task(self._dial(host, port, connection, receiver))
        self._dials.add(task)
        task.add_done_callback(partial(self._dialed, connection, receiver))

    def close(self) -> None:
        """Give up the dials under way. Connections that stand are their receivers' to close."""
        for dial in self._dials:
            dial.cancel()

    async def _dial(self, host: str, port: int, connection: Connection, receiver: Receiver) -> None:
        address = format_address(host, port)
        try:
            async with asyncio.timeout(DIAL_SECONDS_MAX):
                await self._loop.create_connection(
                    lambda: connection,
                    host,
                    port,
                    ssl=self._tls,
                    ssl_shutdown_timeout=CLOSE_SECONDS_MAX if self._tls else None,
                )
        except TimeoutError:
            connection.give_up(receiver, f"{address} does not answer within {DIAL_SECONDS_MAX:g} s")
        except (OSError, ValueError) as error:  # ValueError: a host that can be no name
            connection.give_up(receiver, f"{address} can't be reached: {why(error)}")

    def _dialed(self, connection: Connection, receiver: Receiver, task: asyncio.Task[None]) -> None:
        self._dials.discard(task)
        if task.cancelled():
            connection.give_up(receiver, "this node ends")


class Listener:
    """Accepts connections, until it is closed; those that were accepted go on."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[socket.socket],
        accept: Callable[[], Receiver],
        refusals: RefusalLog,
        tls_server: ssl.SSLContext | None,
    ) -> None:
        self.connections = 0  # accepted and open
        self._loop = loop
        self._sockets = sockets
        self._accept = accept
        self._refusals = refusals
        self._tls = tls_server
        self._admitting: set[asyncio.Task[None]] = set()
        self._closed = False
        self.address = address_of(sockets[0].getsockname())
        self._listen()

    def close(self) -> None:
        """Accept no more. The address is free when this returns."""
        if self._closed:
            return
        self._closed = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for task in self._admitting:
            task.cancel()

    def _listen(self) -> None:
        if not self._closed:
            for listening in self._sockets:
                self._loop.add_reader(listening, self._readable, listening)

    def _readable(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_PER_TURN):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("No replication connection can be accepted for a moment: %s.", why(error))
                for each in self._sockets:
                    self._loop.remove_reader(each)
                self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._listen)
                return
            peer = address_of(address)
            if self.connections >= CONNECTIONS_MAX:
                self._refusals.note(peer, f"{CONNECTIONS_MAX} connections are open already")
                accepted.close()
                continue
            accepted.setblocking(False)  # noqa: FBT003
            self.connections += 1
            arrival = _Arrival(accepted, peer)
            task = self._loop.create_task(self._admit(arrival))
            self._admitting.add(task)
            task.add_done_callback(partial(self._admitted, arrival))

    async def _admit(self, arrival: "_Arrival") -> None:
        def make_receiver() -> Receiver:
            arrival.stands = True
            return self._accept()

        arrival.handed_over = True
        try:
            await self._loop.connect_accepted_socket(
                lambda: (TlsConnection if self._tls else Connection)(self._loop, make_receiver, self._ended),
                arrival.accepted,
                ssl=self._tls,
                ssl_handshake_timeout=DIAL_SECONDS_MAX if self._tls else None,
                ssl_shutdown_timeout=CLOSE_SECONDS_MAX if self._tls else None,
            )
        except OSError as error:  # of TLS and time limits, too
            self._refusals.note(arrival.peer, f"no connection comes about: {why(error)}")

    def _admitted(self, arrival: "_Arrival", task: asyncio.Task[None]) -> None:
        self._admitting.discard(task)
        if not arrival.handed_over:  # closed before its task began
            arrival.accepted.close()
        if not arrival.stands:
            self._ended()

    def _ended(self) -> None:
        self.connections -= 1


class _Arrival:
    """An accepted socket on its way to a connection."""

    def __init__(self, accepted: socket.socket, peer: str) -> None:
        self.accepted = accepted
        self.peer = peer
        self.handed_over = False  # asyncio closes it
        self.stands = False


async def listen(
    host: str,
    port: int,
    accept: Callable[[], Receiver],
    refusals: RefusalLog,
    tls_server: ssl.SSLContext | None = None,
) -> Listener:
    """Accept connections at `host` (empty: every address) and `port` (0: a free one), each with a receiver of its own.

    Raises OSError, its text saying what could not be listened on and why.
    """
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in await loop.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setblocking(False)  # noqa: FBT003
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = port or sockets[0].getsockname()[1]  # the same free one on all addresses
            listening.bind((address[0], taken, *address[2:]))
            listening.listen(BACKLOG)
    except OSError as error:
        for listening in sockets:
            listening.close()
        raise OSError(error.errno, f"can't listen on {format_address(host, port)}: {why(error)}") from error
    return Listener(loop, sockets, accept, refusals, tls_server)
