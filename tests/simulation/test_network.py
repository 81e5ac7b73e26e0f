"""What only a simulated network can be asked for: silence, cuts, machines that stop. The rest is in tests/contracts."""

from random import Random

from onsale.replicas.ports import UNSENT_BYTES_HIGH, Wire
from onsale.tests.simulation.network import SimulatedNetwork
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

SECOND = 1_000_000
CUT = "connection reset by peer"
ENDED = "the other side closed the connection"


class Ear:
    """A `Receiver` that writes down what it is told."""

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self.data = b""
        self.drains = 0
        self.reasons: list[str] = []

    def opened(self, wire: Wire) -> None:
        assert self.wire is None
        self.wire = wire

    def received(self, data: bytes) -> None:
        assert self.wire is not None
        assert data
        assert not self.reasons
        self.data += data

    def drained(self) -> None:
        assert not self.reasons
        self.drains += 1

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)

    def send(self, data: bytes) -> None:
        assert self.wire is not None
        self.wire.send(data)


class Pair:
    """Machines "a" and "b"; `near` is a's end of a connection to b, `far` b's end."""

    def __init__(self, seed: int = 1, *, connect: bool = True) -> None:
        self.time = SimulatedTime()
        self.network = SimulatedNetwork(self.time, Random(seed), hiccup_probability=0.1)
        self.a, self.b = NodeScheduler(self.time), NodeScheduler(self.time)
        self.near, self.far = Ear(), Ear()
        self.network.listen("b", 7400, self.b, lambda: self.far)
        if connect:
            self.dial()
            self.run(SECOND)
            assert self.near.wire is not None
            assert self.far.wire is not None

    def dial(self) -> None:
        self.network.of("a", self.a).dial("b", 7400, self.near)

    def run(self, duration_us: int) -> None:
        self.time.run(self.time.now_us + duration_us)


def test_bytes_arrive_whole_and_in_order_both_ways():
    pair = Pair()
    sent = [b"%d," % number for number in range(300)]
    for piece in sent:
        pair.near.send(piece)
        pair.far.send(piece)
        pair.run(50)
    pair.run(SECOND)
    assert pair.near.data == pair.far.data == b"".join(sent)
    assert pair.near.wire.peer == "b:7400"
    assert pair.far.wire.local_host == "b"


def test_a_blocked_way_is_silent_one_way_only_and_then_goes_on():
    pair = Pair()
    pair.network.block("a", "b")
    pair.near.send(b"held up")
    pair.far.send(b"passes")
    pair.run(5 * SECOND)
    assert (pair.far.data, pair.near.data) == (b"", b"passes")
    assert pair.near.wire.unsent_bytes == len(b"held up")
    assert not pair.near.reasons
    pair.network.unblock("a", "b")
    pair.run(SECOND)
    assert pair.far.data == b"held up"
    assert pair.near.wire.unsent_bytes == 0


def test_what_a_closing_side_sent_is_received_first():
    pair = Pair()
    pair.near.send(b"goodbye")
    pair.near.wire.close()
    pair.near.send(b"too late")
    assert not pair.near.reasons, "never from inside the call"
    pair.far.send(b"never read")
    pair.run(SECOND)
    assert pair.far.data == b"goodbye"
    assert pair.near.data == b""
    assert (pair.near.reasons, pair.far.reasons) == ([""], [ENDED])


def test_a_close_behind_a_blocked_way_is_heard_once_it_is_open_again():
    pair = Pair()
    pair.network.block("a", "b")
    pair.near.send(b"lost")
    pair.near.wire.close()
    pair.run(5 * SECOND)
    assert (pair.near.reasons, pair.far.reasons) == ([""], [])
    pair.network.unblock_all()
    pair.run(SECOND)
    assert pair.far.data == b"", "the close waited too long for what was sent before it"
    assert pair.far.reasons == [ENDED]


def test_a_broken_connection_loses_from_its_end_and_both_hear_of_it():
    losses = set()
    for seed in range(40):
        pair = Pair(seed)
        sent = b"".join(b"%d," % number for number in range(20))
        for number in range(20):
            pair.near.send(b"%d," % number)
        pair.run(300)
        pair.network.break_connections("b", "a")
        pair.run(SECOND)
        assert sent.startswith(pair.far.data)
        losses.add(len(pair.far.data) < len(sent))
        assert (pair.near.reasons, pair.far.reasons) == ([CUT], [CUT])
    assert True in losses


def test_a_process_that_ends_is_told_of_and_refuses():
    pair = Pair()
    pair.b.kill()
    pair.network.process_ended("b")
    pair.run(SECOND)
    assert len(pair.near.reasons) == 1
    assert pair.near.reasons[0] in {CUT, ENDED}
    pair.near = Ear()
    pair.dial()
    pair.run(SECOND)
    assert pair.near.reasons == ["b:7400 refused the connection"]


def test_a_machine_without_power_is_silent_until_it_is_back():
    pair = Pair()
    pair.b.kill()
    pair.network.power_off("b")
    pair.near.send(b"is anybody there?")
    other = Ear()
    pair.network.of("a", pair.a).dial("b", 7400, other)
    pair.run(10 * SECOND)
    assert not pair.near.reasons
    assert other.reasons == ["b:7400 did not answer"]
    pair.network.power_on("b")
    pair.run(SECOND)
    assert pair.near.reasons == [CUT]


def test_a_paused_process_accepts_and_says_nothing():
    pair = Pair(connect=False)
    pair.b.pause()
    pair.dial()
    pair.run(SECOND)
    assert pair.near.wire is not None, "the system accepts for it"
    pair.near.send(b"x" * (UNSENT_BYTES_HIGH + 1))
    pair.run(SECOND)
    assert pair.near.wire.unsent_bytes == UNSENT_BYTES_HIGH + 1
    assert pair.near.drains == 0
    pair.b.resume()
    pair.network.resumed("b")
    pair.run(SECOND)
    assert len(pair.far.data) == UNSENT_BYTES_HIGH + 1
    assert pair.near.drains == 1


def test_a_dial_into_silence_fails_in_time_or_succeeds_when_it_ends():
    for heal_after_us, succeeds in ((SECOND // 2, True), (5 * SECOND, False)):
        pair = Pair(connect=False)
        pair.network.block("b", "a")
        pair.dial()
        pair.run(heal_after_us)
        pair.network.unblock_all()
        pair.run(10 * SECOND)
        assert (pair.near.wire is not None) == succeeds
        assert pair.near.reasons == ([] if succeeds else ["b:7400 did not answer"])


def test_nothing_is_told_to_a_killed_process():
    pair = Pair()
    pair.far.send(b"x")
    pair.a.kill()
    pair.network.process_ended("a")
    pair.run(SECOND)
    assert (pair.near.data, pair.near.reasons) == (b"", [])
    assert len(pair.far.reasons) == 1


def test_equal_seeds_give_equal_networks():
    def arrivals(seed: int) -> list[tuple[int, int]]:
        pair, seen = Pair(seed), []
        for _ in range(50):
            pair.near.send(b"0123456789")
        while pair.time.step(5 * SECOND) is not None:
            seen.append((pair.time.now_us, len(pair.far.data)))
        return seen

    assert arrivals(3) == arrivals(3)
    assert arrivals(3) != arrivals(4)
