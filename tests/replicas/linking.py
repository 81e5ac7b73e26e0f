"""Nodes that talk over the simulated network, and strangers that talk to them in plain bytes."""

from collections.abc import Callable
from itertools import count
from random import Random

from onsale.replicas.entrance import Entrance
from onsale.replicas.frames import Frame, Introduction
from onsale.replicas.framing import FRAME_BYTES_MAX, FrameReader, encode
from onsale.replicas.handshake import Handshake
from onsale.replicas.link import Link
from onsale.replicas.ports import Receiver, Wire
from onsale.replicas.refusals import RefusalLog
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

SECRET = b"correct horse"
PORT = 7400
MS = 1000


def introduction(name: str, **fields: object) -> Introduction:
    known = {
        "protocol": 1,
        "node_id": name.encode() * 2,
        "journal_id": b"",
        "name": name,
        "voting": True,
        "replication": f"{name}:{PORT}",
        "http": "",
    }
    return Introduction(**(known | fields))


class World:
    """A simulated network; time passes in `run`."""

    def __init__(self, seed: int = 1) -> None:
        self.time = SimulatedTime()
        self.random = Random(seed)
        self.network = SimulatedNetwork(self.time, self.random)

    def run(self, duration_ms: float) -> None:
        self.time.run(self.time.now_us + int(duration_ms * MS))


class Node:
    """A node that listens, dials and writes down what its links do. Its port is PORT, its host is its name."""

    def __init__(self, world: World, name: str, *, secret: bytes = SECRET, **fields: object) -> None:
        self.world = world
        self.name = name
        self.secret = secret
        self.scheduler = NodeScheduler(world.time)
        self.network = world.network.of(name, self.scheduler)
        self.refusals = RefusalLog(self.scheduler.time)
        self.introduction = introduction(name, **fields)
        self.entrance = Entrance(lambda: self.link(dialed=False), self.refusals)
        self.links: list[Link] = []
        self.frames: list[Frame] = []
        self.drains = 0
        self.reasons: list[str] = []
        self.on_frame: Callable[[Link, Frame], None] = lambda _link, frame: self.frames.append(frame)
        world.network.listen(name, PORT, self.scheduler, self.entrance.accept)

    def link(self, *, dialed: bool, **callbacks: object) -> Link:
        known = {
            "on_open": self.links.append,
            "on_frame": lambda link, frame: self.on_frame(link, frame),  # noqa: PLW0108 - it may be set later
            "on_drained": self._drained,
            "on_closed": lambda _link, reason: self.reasons.append(reason),
        }
        return Link(
            self.scheduler,
            self.secret,
            lambda: self.introduction,
            dialed=dialed,
            nonce=lambda: self.world.random.randbytes(32),
            refusals=self.refusals,
            **(known | callbacks),
        )

    def dial(self, host: str) -> Link:
        link = self.link(dialed=True)
        self.network.dial(host, PORT, link)
        return link

    def _drained(self, _link: Link) -> None:
        self.drains += 1


class Stranger:
    """Dials or is dialed and says what the test says; hears frames, or bytes that are none."""

    def __init__(self, world: World, name: str = "stranger", *, first: bytes = b"") -> None:
        self.world = world
        self.name = name
        self.scheduler = NodeScheduler(world.time)
        self.network = world.network.of(name, self.scheduler)
        self.first = first
        self.wire: Wire | None = None
        self.reader = FrameReader(FRAME_BYTES_MAX)
        self.frames: list[Frame] = []
        self.reasons: list[str] = []
        self.numbers = count(1)

    def listen(self) -> None:
        def accept() -> Receiver:
            return self

        self.world.network.listen(self.name, PORT, self.scheduler, accept)

    def dial(self, host: str) -> "Stranger":
        self.network.dial(host, PORT, self)
        self.world.run(5)
        return self

    def say(self, *frames: Frame) -> None:
        for frame in frames:
            self.wire.send(encode(frame, next(self.numbers)))
        self.world.run(5)

    def say_bytes(self, data: bytes) -> None:
        self.wire.send(data)
        self.world.run(5)

    def prove(self, name: str = "stranger", secret: bytes = SECRET) -> None:
        """What an honest node would say to the challenge."""
        shake = Handshake(secret, lambda: introduction(name), self.world.random.randbytes(32), dialed=True)
        self.say(shake.received(self.frames[0]))

    def opened(self, wire: Wire) -> None:
        self.wire = wire
        wire.send(self.first)

    def received(self, data: bytes) -> None:
        self.frames += self.reader.feed(data)

    def drained(self) -> None: ...

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)


def connected(*, seed: int = 1) -> tuple[World, Node, Node, Link, Link]:
    """Two nodes with a link: the world, the one that dialed, the one that accepted, and their ends of it."""
    world = World(seed)
    near, far = Node(world, "near"), Node(world, "far")
    near.dial("far")
    world.run(20)
    return world, near, far, near.links[0], far.links[0]
