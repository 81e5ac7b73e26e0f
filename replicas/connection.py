"""One TCP connection of asyncio as the `Wire` of ports.py.

Owns how a connection is written to, read from and ended. Promises what ports.py says of wires and receivers, and that
the socket is gone CLOSE_SECONDS_MAX after the end, whatever the other side does. Never looks at a byte.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from typing import cast

from .ports import CLOSE_SECONDS_MAX, UNSENT_BYTES_HIGH, UNSENT_BYTES_LOW, Receiver, format_address

log = logging.getLogger("onsale.replication")


class Connection(asyncio.Protocol):
    """One TCP connection: asyncio's protocol on one side, the `Wire` of its receiver on the other."""

    __slots__ = (
        "_closing",
        "_cut_timer",
        "_full",
        "_loop",
        "_make_receiver",
        "_on_end",
        "_reason",
        "_receiver",
        "_transport",
        "local_host",
        "peer",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        make_receiver: Callable[[], Receiver],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`make_receiver` is called when the connection stands, `on_end` when one that stood has ended."""
        self.peer = ""
        self.local_host = ""
        self._loop = loop
        self._make_receiver = make_receiver
        self._on_end = on_end
        self._receiver: Receiver | None = None
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._reason = ""  # why it is closing
        self._full = False
        self._cut_timer: asyncio.TimerHandle | None = None

    @property
    def unsent_bytes(self) -> int:
        return 0 if self._closing or self._transport is None else self._unsent_bytes(self._transport)

    def send(self, data: bytes) -> None:
        if not self._closing and self._transport is not None and not self._transport.is_closing():
            self._write(self._transport, data)

    def close(self) -> None:
        if self._closing:
            return
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._loop.call_soon(_tell, receiver.closed, "")
        self._shut("")

    def give_up(self, receiver: Receiver, reason: str) -> None:
        """The dial failed; if the connection stands all the same, it is cut."""
        if self._transport is None:
            _tell(receiver.closed, reason)
        else:
            self._cut(reason)

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast("asyncio.Transport", transport)
        self._begin(made)
        made.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = address_of(made.get_extra_info("peername"))
        self.local_host = (made.get_extra_info("sockname") or ("",))[0]
        try:
            self._receiver = self._make_receiver()
        except Exception:
            log.exception("A replication connection is not taken, by a mistake of this program.")
            self._cut("")
            return
        self._call(self._receiver.opened, self)

    def data_received(self, data: bytes) -> None:
        if not self._closing and self._receiver is not None:
            self._call(self._receiver.received, data)

    def eof_received(self) -> None:
        self._shut("the other side closed the connection")

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._loop.call_soon(self._drained)  # asyncio may say so from inside `write`

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._reason = f"the connection broke: {why(error)}" if error else "the other side closed the connection"
            self._closing = True
        if self._cut_timer:
            self._cut_timer.cancel()
        if self._receiver is not None:
            _tell(self._receiver.closed, self._reason)
        self._receiver = None
        self._on_end()

    # --- what is different with TLS

    def _begin(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=UNSENT_BYTES_HIGH, low=UNSENT_BYTES_LOW)

    def _unsent_bytes(self, transport: asyncio.Transport) -> int:
        return transport.get_write_buffer_size()

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        transport.write(data)

    def _finish(self, transport: asyncio.Transport) -> None:
        """Close it when all is sent.

        The socket is closed once the other side has closed, too. Closed before, with bytes in it that nobody read, it
        would make the system drop what is still on its way out.
        """
        transport.write_eof()

    # --- inside

    def _drained(self) -> None:
        if not self._closing and not self._full and self._receiver is not None:
            self._call(self._receiver.drained)

    def _call(self, method: Callable[..., None], *arguments: object) -> None:
        if not _tell(method, *arguments):
            self._cut("this program made a mistake, which its log tells")

    def _shut(self, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        self._reason = reason
        transport = self._transport
        if transport is None:
            return
        self._cut_timer = self._loop.call_later(CLOSE_SECONDS_MAX, transport.abort)
        if reason:
            transport.close()
        else:
            self._finish(transport)

    def _cut(self, reason: str) -> None:
        if not self._closing:
            self._closing = True
            self._reason = reason
        if self._transport is not None:
            self._transport.abort()


def why(error: BaseException) -> str:
    """What went wrong with a connection, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno).lower()
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _tell(method: Callable[..., None], *arguments: object) -> bool:
    """Whether it went well; no mistake in one connection's receiver ends another's."""
    try:
        method(*arguments)
    except Exception:
        log.exception("A replication connection is cut by a mistake of this program.")
        return False
    return True


def address_of(name: object) -> str:
    """The name of a socket's end, as "host:port"."""
    return format_address(str(name[0]), int(name[1])) if isinstance(name, tuple) else "an unknown address:0"
