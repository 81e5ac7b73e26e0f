"""The right to lead: until when it is there, by this machine's own clock, and what is said when it is not."""

from random import Random
from typing import Any

from onsale.engine.codes import Code
from onsale.engine.commands import SaveUser
from onsale.engine.replies import Refusal
from onsale.node.cluster.right import MARGIN, RightToLead
from onsale.replicas.lease import Claim, OutOfReach, Refused, Taken
from onsale.tests.simulation.lease import SimulatedLeases
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime

TTL_SECONDS = 3.0


class Node:
    def __init__(self, leases: SimulatedLeases, name: str, rate: float = 1.0) -> None:
        self.scheduler = NodeScheduler(leases.time, rate=rate)
        claim = Claim(name, name.encode(), f"{name}:7400", b"journal")
        self.right = RightToLead(leases.of(name, self.scheduler), self.scheduler, lambda: claim)
        self.lost = 0
        self.right.on_lost = self._lost
        self._tick()

    def _lost(self) -> None:
        self.lost += 1

    def _tick(self) -> None:
        self.right.tick()
        self.scheduler.call_later(0.1, self._tick)


class World:
    def __init__(self) -> None:
        self.time = SimulatedTime()
        self.leases = SimulatedLeases(self.time, Random(1), TTL_SECONDS)

    def node(self, name: str, rate: float = 1.0) -> Node:
        return Node(self.leases, name, rate)

    def run(self, seconds: float) -> None:
        self.time.run(self.time.now_us + int(seconds * 1_000_000))

    def obtain(self, node: Node, **how: Any) -> Any:
        answers: list[Any] = []
        node.right.obtain(answers.append, **how)
        self.run(1)
        return answers[0]


def test_without_a_store_there_is_nothing_to_wait_for() -> None:
    right = RightToLead(None, NodeScheduler(SimulatedTime()), lambda: Claim("a", b"a", "", b""))
    answers: list[Any] = []
    right.obtain(answers.append)
    assert answers == [Taken(0)]
    assert right.may_answer()
    assert right.standing == ""

    def submit(*_arguments: Any) -> None: ...

    assert right.guarded(submit, lambda *_arguments: None) is submit, "the hot path has no call in between"


def test_it_is_renewed_and_so_lasts() -> None:
    world = World()
    node = world.node("a")
    assert not node.right.may_answer()
    assert isinstance(world.obtain(node), Taken)
    for _ in range(100):
        world.run(0.3)
        assert node.right.may_answer()
    assert node.right.standing == "reached"


def test_it_ends_here_before_it_ends_there() -> None:
    """Be the clock here slower or faster by 3 %."""
    for rate in (0.97, 1.0, 1.03):
        world = World()
        node = world.node("a", rate)
        world.obtain(node)
        world.leases.cut_off.add("a")
        while node.right.may_answer():
            assert world.leases.may_answer("a")
            world.run(0.01)
        world.run(TTL_SECONDS * MARGIN * 0.5)
        assert world.leases.may_answer("a"), "with time to spare"
        assert node.right.standing == "unreached"
        assert node.right.silent_seconds > 0


def test_whoever_sleeps_wakes_up_silent() -> None:
    world = World()
    node, other = world.node("a"), world.node("b")
    world.obtain(node)
    answers: list[Any] = []
    refusal = Refusal(0, Code.NO_PRIMARY, "not now", {})
    submit = node.right.guarded(
        lambda _command, _key, done: done(None, False),  # type: ignore[arg-type]
        lambda _command, _key, done: done(refusal, False),
    )

    def ask() -> None:
        submit(SaveUser("ada", "Ada"), None, lambda reply, _replayed: answers.append(reply))

    ask()
    node.scheduler.pause()
    node.scheduler.call_soon(ask)  # it is read from the socket when the process goes on, before anything else
    world.run(TTL_SECONDS * 2)
    assert isinstance(world.obtain(other), Taken)
    node.scheduler.resume()
    world.run(1)
    assert answers == [None, refusal]
    assert not node.right.may_answer()
    assert node.lost == 1


def test_what_another_one_has_is_refused_but_not_to_an_order() -> None:
    world = World()
    node, other = world.node("a"), world.node("b")
    world.obtain(node)
    assert isinstance(world.obtain(other), Refused)
    assert isinstance(world.obtain(other, by_order=True), Taken)
    world.run(TTL_SECONDS)
    assert (node.lost, other.lost) == (1, 0)


def test_given_back_it_is_free() -> None:
    world = World()
    node, other = world.node("a"), world.node("b")
    world.obtain(node)
    node.right.release()
    assert not node.right.may_answer()
    world.run(0.1)
    assert isinstance(world.obtain(other), Taken)
    assert node.lost == 0


def test_an_answer_that_comes_after_it_was_given_back_counts_for_nothing() -> None:
    world = World()
    node = world.node("a")
    answers: list[Any] = []
    node.right.obtain(answers.append)
    node.right.release()
    world.run(1)
    (answer,) = answers
    assert isinstance(answer, OutOfReach), "and who asked is told so"
    assert not node.right.may_answer()
    assert world.leases.holder is None, "what was granted meanwhile is given back"


def test_while_nobody_can_ask_who_leads_goes_on_if_those_who_would_agree_say_so() -> None:
    world = World()
    node = world.node("a")
    world.obtain(node)
    world.leases.lose_majority()
    world.run(TTL_SECONDS * 2)
    assert not node.right.may_answer()
    node.right.is_confirmed = lambda: True
    assert node.right.may_answer()
    node.right.is_confirmed = lambda: False
    assert not node.right.may_answer()
    world.leases.regain_majority()
    world.run(1)
    assert node.right.may_answer()


def test_out_of_reach_is_told_to_who_asks() -> None:
    world = World()
    node = world.node("a")
    world.leases.cut_off.add("a")
    assert isinstance(world.obtain(node), OutOfReach)
