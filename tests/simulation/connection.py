"""One simulated TCP connection: two ends, and for each the bytes that are on their way from it.

Owns what becomes of bytes between two machines. They arrive in order and at their time, or, when the connection breaks,
not at all from some point on. Which ways are blocked and which machines stand still is the network's to say.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from onsale.replicas.ports import CLOSE_SECONDS_MAX, UNSENT_BYTES_HIGH, UNSENT_BYTES_LOW, Receiver, format_address
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

SECOND_US = 1_000_000
ENDED = "the other side closed the connection"
RESET = "connection reset by peer"
SPLIT_PROBABILITY = 0.05


class Ways(Protocol):
    """What a connection asks of the network it is in."""

    time: SimulatedTime
    random: Random
    on_error: Callable[[str, Exception], None]

    def passes(self, from_host: str, to_host: str) -> bool: ...

    def delay_us(self, from_host: str, to_host: str) -> int: ...


class SimulatedWire:
    """One end of a connection: the `Wire` it gives its receiver, and the bytes that are on their way from it."""

    def __init__(self, network: Ways, host: str, port: int, scheduler: NodeScheduler) -> None:
        self.host = host
        self.address = format_address(host, port)
        self.scheduler = scheduler
        self.receiver: Receiver | None = None
        self.other: SimulatedWire = self  # until `join`
        self.open = False  # its receiver may be called
        self.ended = False  # nothing more goes out
        self._network = network
        self._under_way: deque[tuple[int, bytes | str]] = deque()  # (arrives at, bytes, or why the connection ends)
        self._arrives_last_us = 0
        self._moving = False
        self._was_full = False
        self._unsent_bytes = 0

    # The port

    @property
    def peer(self) -> str:
        return self.other.address

    @property
    def local_host(self) -> str:
        return self.host

    @property
    def unsent_bytes(self) -> int:
        return 0 if self.ended else self._unsent_bytes

    def send(self, data: bytes) -> None:
        if self.ended or not data:
            return
        self._unsent_bytes += len(data)
        self._was_full = self._was_full or self._unsent_bytes > UNSENT_BYTES_HIGH
        self._put(bytes(data))

    def close(self) -> None:
        if self.ended:
            return
        self._end(ENDED)
        self._network.time.call_in(int(CLOSE_SECONDS_MAX * SECOND_US), self._cut_what_is_left)
        if self.open:
            self.open = False
            self.scheduler.call_soon(self._tell_closed, "")

    # What happens to it

    def stand(self, receiver: Receiver) -> None:
        """The connection stands for this end. Called on its own scheduler, before anything else is."""
        self.receiver = receiver
        self._guarded(receiver.opened, self)

    def broken(self, reason: str) -> None:
        """It is over, and this end learns of it: nothing goes out any more, and its receiver is told."""
        self.ended = True
        self._under_way.clear()
        if self.open:
            self.open = False
            self.scheduler.call_soon(self._tell_closed, reason)

    def vanish(self, *, reason: str | None) -> None:
        """The process behind it is gone: of what is under way a part is lost, and `reason` follows, or nothing."""
        self.open = False
        if not self.ended:
            kept = self._network.random.randrange(len(self._under_way) + 1)
            while len(self._under_way) > kept:
                self._under_way.pop()
            if reason is not None:
                self._end(reason)
            self.ended = True

    def move(self) -> None:
        """See to it that what is under way arrives when its time has come."""
        if not self._moving and self._under_way:
            self._moving = True
            self._network.time.call_at(self._under_way[0][0], self._arrive)

    # Its inside

    def _put(self, what: bytes | str) -> None:
        network = self._network
        arrives_us = max(self._arrives_last_us, network.time.now_us + network.delay_us(self.host, self.other.host))
        self._arrives_last_us = arrives_us
        self._under_way.append((arrives_us, what))
        self.move()

    def arrives_not_before(self, at_us: int) -> None:
        self._arrives_last_us = max(self._arrives_last_us, at_us)

    def _end(self, reason: str) -> None:
        self._put(reason)
        self.ended = True

    def _cut_what_is_left(self) -> None:
        if self._under_way:
            reason = self._under_way[-1]
            self._under_way.clear()
            self._under_way.append(reason)

    def _arrive(self) -> None:
        self._moving = False
        network, other = self._network, self.other
        if not self._under_way or not network.passes(self.host, other.host):
            return  # `unblock` or `power_on` goes on
        if other.open and other.scheduler.paused:
            return  # nobody reads there; `resumed` goes on
        _, what = self._under_way.popleft()
        if isinstance(what, str):
            other.broken(what)
        else:
            self._unsent_bytes -= len(what)
            if other.open:
                other.scheduler.call_soon(other.take, what)
            elif not self.ended and not other._under_way:
                network.time.call_in(network.delay_us(other.host, self.host), self.broken, RESET)
        if self._was_full and self._unsent_bytes <= UNSENT_BYTES_LOW:
            self._was_full = False
            self.scheduler.call_soon(self._tell_drained)
        self.move()

    def take(self, data: bytes) -> None:
        """Bytes for this end's receiver, cut anywhere."""
        network = self._network
        if len(data) > 1 and network.random.random() < SPLIT_PROBABILITY:
            at = network.random.randrange(1, len(data))
            self._received(data[:at])
            self._received(data[at:])
        else:
            self._received(data)

    def _received(self, data: bytes) -> None:
        if self.open and self.receiver is not None:
            self._guarded(self.receiver.received, data)

    def _tell_drained(self) -> None:
        if self.open and self.receiver is not None:
            self._guarded(self.receiver.drained)

    def _tell_closed(self, reason: str) -> None:
        assert self.receiver is not None
        receiver, self.receiver = self.receiver, None
        self._guarded(receiver.closed, reason)

    def _guarded(self, callback: Callable[..., object], *arguments: object) -> None:
        """What a receiver raises ends its connection, and is told to whoever runs the simulation."""
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._network.on_error(self.host, error)
            self.close()
