"""A network in memory that behaves as TCP does between machines that fail, driven by one seed.

Owns the simulated `Network` (replicas/ports.py), who is reached how, and what can happen on the way. What is sent
arrives in order or the connection breaks; a blocked way looks like silence; what is under way when a machine or a
connection goes down may be lost from its end. Equal seeds and equal calls give equal networks.
"""

from collections.abc import Callable, Iterator
from random import Random

from onsale.replicas.ports import DIAL_SECONDS_MAX, Receiver, format_address
from onsale.tests.simulation.connection import ENDED, RESET, SimulatedWire
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

SYN_AGAIN_US = 900_000  # the system tries a dial that found silence once more

Accept = Callable[[], Receiver]


class NodeNetwork:
    """The `Network` of one process."""

    def __init__(self, network: "SimulatedNetwork", host: str, scheduler: NodeScheduler) -> None:
        self._network = network
        self._host = host
        self._scheduler = scheduler

    def dial(self, host: str, port: int, receiver: Receiver) -> None:
        _Dial(self._network, self._host, self._scheduler, format_address(host, port), host, receiver).begin()


class _Dial:
    """One dial: three messages, any of which may meet silence."""

    def __init__(
        self,
        network: "SimulatedNetwork",
        host: str,
        scheduler: NodeScheduler,
        address: str,
        there: str,
        receiver: Receiver,
    ) -> None:
        self._network = network
        self._host = host
        self._scheduler = scheduler
        self._address = address
        self._there = there
        self._receiver: Receiver | None = receiver

    def begin(self) -> None:
        self._scheduler.call_later(DIAL_SECONDS_MAX, self._fail, f"{self._address} did not answer")
        for wait_us in (0, SYN_AGAIN_US):
            delay_us = self._network.delay_us(self._host, self._there)
            self._network.time.call_in(wait_us + delay_us, self._knock)

    def _knock(self) -> None:
        network = self._network
        if self._receiver is None or self._scheduler.dead or not network.passes(self._host, self._there):
            return
        listening = self._address in network.listeners
        back_us = network.delay_us(self._there, self._host)
        network.time.call_in(back_us, self._answered if listening else self._refused)

    def _refused(self) -> None:
        if self._network.passes(self._there, self._host):
            self._scheduler.call_soon(self._fail, f"{self._address} refused the connection")

    def _answered(self) -> None:
        network = self._network
        if self._receiver is None or self._scheduler.dead or not network.passes(self._there, self._host):
            return
        found = network.listeners.get(self._address)
        if found is None:
            return
        receiver, self._receiver = self._receiver, None
        accept, scheduler = found
        near = SimulatedWire(network, self._host, network.next_port(), self._scheduler)
        far = SimulatedWire(network, self._there, int(self._address.rpartition(":")[2]), scheduler)
        near.other, far.other = far, near
        network.ends += (near, far)
        near.open = True
        self._scheduler.call_soon(near.stand, receiver)
        there_us = network.time.now_us + network.delay_us(self._host, self._there)
        near.arrives_not_before(there_us)
        network.time.call_at(there_us, self._accept, far, accept)

    def _accept(self, far: SimulatedWire, accept: Accept) -> None:
        network = self._network
        found = network.listeners.get(self._address)
        if found is None or found[0] is not accept:
            far.vanish(reason=RESET)
            return
        far.open = True
        far.scheduler.call_soon(self._stand, far, accept)

    @staticmethod
    def _stand(far: SimulatedWire, accept: Accept) -> None:
        far.stand(accept())

    def _fail(self, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.closed(reason)


class SimulatedNetwork:
    """All machines' network. `delay_us` is drawn for each message; `slow` adds to one way."""

    def __init__(
        self,
        time: SimulatedTime,
        random: Random,
        *,
        delays_us: tuple[int, int] = (100, 600),
        hiccup_probability: float = 0.0,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        """With `hiccup_probability` a message was lost once, and arrives when it was sent again (200 ms later)."""
        self.time = time
        self.random = random
        self.delays_us = delays_us
        self.hiccup_probability = hiccup_probability
        self.slow_us: dict[tuple[str, str], int] = {}
        self.listeners: dict[str, tuple[Accept, NodeScheduler]] = {}
        self.ends: list[SimulatedWire] = []
        self.on_error = on_error or _raise
        self._blocked: set[tuple[str, str]] = set()
        self._without_power: set[str] = set()
        self._port = 40_000

    def of(self, host: str, scheduler: NodeScheduler) -> NodeNetwork:
        return NodeNetwork(self, host, scheduler)

    def listen(self, host: str, port: int, scheduler: NodeScheduler, accept: Accept) -> None:
        """`accept()` gives the receiver of each connection that comes in."""
        self.listeners[format_address(host, port)] = (accept, scheduler)

    # Faults

    def block(self, from_host: str, to_host: str) -> None:
        """Nothing passes this way any more: silence, not an error."""
        self._blocked.add((from_host, to_host))

    def unblock(self, from_host: str, to_host: str) -> None:
        """What waited on this way arrives, if both ends still want it."""
        self._blocked.discard((from_host, to_host))
        self._move_on(lambda end: end.host == from_host and end.other.host == to_host)

    def unblock_all(self) -> None:
        self._blocked.clear()
        self._move_on(lambda _end: True)

    def break_connections(self, one: str, two: str) -> None:
        """A reset of every connection between two hosts; what is under way is lost. Told to each end by itself."""
        for end in self._ends():
            if {end.host, end.other.host} == {one, two}:
                self.time.call_in(self.random.randrange(2_000), end.broken, RESET)

    def process_ended(self, host: str) -> None:
        """The process at `host` is gone, and its system says so to whoever it was connected with."""
        self._forget_listeners(host)
        for end in self._ends():
            if end.host == host:
                end.vanish(reason=self.random.choice((ENDED, RESET)))

    def power_off(self, host: str) -> None:
        """The machine is gone: silence."""
        self._forget_listeners(host)
        self._without_power.add(host)
        for end in self._ends():
            if end.host == host:
                end.vanish(reason=None)

    def power_on(self, host: str) -> None:
        """The machine is there again and knows nothing of connections it had."""
        self._without_power.discard(host)
        self._move_on(lambda end: end.other.host == host)

    def resumed(self, host: str) -> None:
        """The process at `host` reads again."""
        self._move_on(lambda end: end.other.host == host)

    # For its parts

    def passes(self, from_host: str, to_host: str) -> bool:
        return (from_host, to_host) not in self._blocked and not (
            self._without_power and (to_host in self._without_power or from_host in self._without_power)
        )

    def delay_us(self, from_host: str, to_host: str) -> int:
        low, high = self.delays_us
        delay_us = self.random.randrange(low, high) + self.slow_us.get((from_host, to_host), 0)
        if self.hiccup_probability and self.random.random() < self.hiccup_probability:
            delay_us += 200_000
        return delay_us

    def next_port(self) -> int:
        self._port += 1
        return self._port

    def _ends(self) -> Iterator[SimulatedWire]:
        self.ends = [end for end in self.ends if end.open or end.other.open or not end.ended or not end.other.ended]
        return iter(list(self.ends))

    def _move_on(self, wanted: Callable[[SimulatedWire], bool]) -> None:
        for end in self._ends():
            if wanted(end):
                end.move()

    def _forget_listeners(self, host: str) -> None:
        for address in [address for address in self.listeners if address.rpartition(":")[0] == host]:
            del self.listeners[address]


def _raise(_host: str, error: Exception) -> None:
    raise error
