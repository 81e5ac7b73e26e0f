"""What the replication needs of the world: time, and connections that carry bytes. Shapes only, no behaviour.

Two networks stand behind these ports: network.py (TCP, with or without TLS) and the simulated one of the tests;
tests/contracts/test_network.py holds both to what is promised here. Everything else in this folder works on these
ports alone: callbacks, without asyncio, threads, a clock or chance of its own.

One rule for all callbacks: they come from the scheduler, one after another, and never from inside a call that this node
makes (`dial`, `send`, `close`), so that no caller finds its own state changed under it.
"""

from collections.abc import Callable
from typing import Protocol

DIAL_SECONDS_MAX = 2.0  # a dial, TLS included, has succeeded or failed by then
CLOSE_SECONDS_MAX = 1.0  # what was sent before `close` may take this long to leave; then the connection is cut
UNSENT_BYTES_HIGH = 1024 * 1024  # above it a wire counts as full …
UNSENT_BYTES_LOW = 256 * 1024  # … until no more than this is unsent: then `drained` is called


class Timer(Protocol):
    """One call that is due later."""

    def cancel(self) -> None:
        """The call no longer comes; nothing happens if it came already."""


class Scheduler(Protocol):
    """Time and later calls. An asyncio loop is one."""

    def time(self) -> float:
        """Seconds, monotonic, from an arbitrary start."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> object:
        """Call `callback(*args)` once what runs now has returned, after all that was asked for before."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: object) -> Timer:
        """Call `callback(*args)` in `delay` seconds (0 or more)."""


class Wire(Protocol):
    """The sending side of one open connection."""

    @property
    def peer(self) -> str:
        """The other end as "host:port", for logs; says nothing about who is there."""

    @property
    def local_host(self) -> str:
        """The address, without port, at which the other end reaches (or sees) this one."""

    @property
    def unsent_bytes(self) -> int:
        """What was handed to `send` and still waits on this machine; 0 once closed."""

    def send(self, data: bytes) -> None:
        """Put `data` on its way behind all that was sent before.

        Never blocks, never raises, takes any amount: the sender looks at `unsent_bytes`, and waits for
        `Receiver.drained` where it can wait. Dropped when the connection is closed, by either side.
        """

    def close(self) -> None:
        """Close it both ways. Nothing happens if it is closed already.

        What was sent before still reaches the other side if that takes it within CLOSE_SECONDS_MAX. From here on this
        side's receiver gets neither `received` nor `drained`; `closed("")` follows, not from inside this call.
        """


class Receiver(Protocol):
    """The receiving side of one connection: called `opened`, then the others, then `closed`.

    A dial that fails is `closed` alone. If one of these raises, that is logged with its traceback and the connection is
    cut (`closed` still follows); other connections don't notice.
    """

    def opened(self, wire: Wire) -> None:
        """The connection stands. Called at most once, before anything but `closed` of a dial that failed."""

    def received(self, data: bytes) -> None:
        """The next bytes of the stream: never empty, in order, none lost or repeated, cut anywhere."""

    def drained(self) -> None:
        """`unsent_bytes` was above UNSENT_BYTES_HIGH and has come down to UNSENT_BYTES_LOW or below it.

        Once for each time it was above; not called when it never was.
        """

    def closed(self, reason: str) -> None:
        """It is over; nothing follows. Called exactly once, whatever happened.

        `reason` is empty if this side closed it, else a sentence for people. When the other side closes or ends, all
        that it sent before is received first; when the connection breaks, what was under way may be lost, from its end.
        There are no half-closed connections: the other side's end is the end of both ways.
        """


class Network(Protocol):
    """Opens connections to other nodes. Accepting them is no part of the port: only the node's start knows of it."""

    def dial(self, host: str, port: int, receiver: Receiver) -> None:
        """Connect to `host` (a name or an address) and tell `receiver` the outcome within DIAL_SECONDS_MAX.

        Returns at once and never raises. Exactly one of: `receiver.opened(wire)`, and later `closed`; or `closed` alone
        with the reason why nobody was reached.
        """


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6 address]:port". `ValueError`, with a sentence, if it is neither."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError(f"{address!r} is no address: write HOST:PORT, such as 10.0.0.7:7400 or [::1]:7400")
    if not (port.isascii() and port.isdigit() and 0 <= int(port) < 65536):
        raise ValueError(f"the port of {address!r} is no number between 0 and 65535")
    return host, int(port)


def format_address(host: str, port: int) -> str:
    """One address out of its parts, as `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
