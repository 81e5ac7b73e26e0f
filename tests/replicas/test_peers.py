"""Questions to other nodes: one answer each, or None, once, and in time."""

import pytest

from onsale.replicas.frames import (
    Announce,
    AskLead,
    AskPromise,
    AskStatus,
    NodeStatus,
    Outcome,
    Ping,
    Promise,
    Refused,
    Status,
)
from onsale.replicas.peers import Peers
from onsale.tests.replicas.linking import Node, World

STATUS = NodeStatus("far", b"id", True, "standby", b"", 1, 1, "", 5, b"", 5, 5, "near", 1, 1, [])


class Asking:
    """A node that asks, one that is asked, and what came back."""

    def __init__(self) -> None:
        self.world = World()
        self.near, self.far = Node(self.world, "near"), Node(self.world, "far")

        def make_link(on_open, on_frame, on_drained, on_closed):
            return self.near.link(
                dialed=True, on_open=on_open, on_frame=on_frame, on_drained=on_drained, on_closed=on_closed
            )

        self.peers = Peers(self.near.scheduler, self.near.network, make_link)
        self.replies: list[object] = []

    def ask(self, question, *, address: str = "far:7400", timeout_seconds: float = 1.0) -> None:
        self.peers.ask(address, question, timeout_seconds, self.replies.append)
        assert not self.replies, "no callback comes from inside ask"

    def answer(self, *frames) -> None:
        def on_frame(link, frame):
            self.far.frames.append(frame)
            for reply in frames:
                link.send(reply(frame) if callable(reply) else reply)

        self.far.on_frame = on_frame


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (AskStatus(), lambda asked: Status(asked.id, STATUS)),
        (AskPromise(0, 2, "near", "near:7400"), lambda asked: Promise(asked.id, True, "", STATUS)),
        (AskLead(0, 2, False, True), lambda asked: Outcome(asked.id, True, ["Done."], 2)),
    ],
)
def test_a_question_gets_its_answer_and_the_link_is_closed(asking: Asking, question, reply):
    asking.answer(reply)
    asking.ask(question)
    asking.world.run(100)
    [asked] = asking.far.frames
    assert type(asked) is type(question)
    assert asking.replies == [reply(asked)]
    assert len(asking.far.reasons) == 1
    asking.world.run(5000)
    assert len(asking.replies) == 1


def test_each_question_has_an_id_of_its_own(asking: Asking):
    asking.answer(lambda asked: Status(asked.id, STATUS))
    for _ in range(3):
        asking.ask(AskStatus())
        asking.replies.clear()
    asking.world.run(100)
    assert sorted(frame.id for frame in asking.far.frames) == [1, 2, 3]
    assert len(asking.replies) == 3


def test_what_is_no_answer_to_it_is_passed_over(asking: Asking):
    asking.answer(
        Announce(3, "far", "far:7400", ""),
        Ping(),
        lambda asked: Status(asked.id + 1, STATUS),
        lambda asked: Outcome(asked.id, True, [], 3),
        lambda asked: Status(asked.id, STATUS),
    )
    asking.ask(AskStatus())
    asking.world.run(100)
    assert asking.replies == [Status(1, STATUS)]


def test_no_answer_in_time_is_none(asking: Asking):
    asking.ask(AskStatus(), timeout_seconds=0.3)
    asking.world.run(299)
    assert not asking.replies
    asking.world.run(2)
    assert asking.replies == [None]
    asking.world.run(50)
    assert len(asking.far.reasons) == 1, "the link is closed"
    asking.world.run(5000)
    assert asking.replies == [None]


def test_an_answer_too_late_is_not_told(asking: Asking):
    asking.world.network.slow_us["far", "near"] = 400_000
    asking.answer(lambda asked: Status(asked.id, STATUS))
    asking.ask(AskStatus(), timeout_seconds=0.5)
    asking.world.run(5000)
    assert asking.replies == [None]


def test_nobody_there_is_none_at_once(asking: Asking):
    asking.ask(AskStatus(), address="far:7499", timeout_seconds=60)
    asking.world.run(100)
    assert asking.replies == [None]


@pytest.mark.parametrize("address", ["", "far", "far:", ":7400", "far:port", "::1:7400"])
def test_an_address_that_is_none_is_none(asking: Asking, address: str):
    asking.ask(AskStatus(), address=address)
    asking.world.run(1)
    assert asking.replies == [None]


def test_a_refusal_is_none(asking: Asking):
    asking.answer(Refused("not_leading", "Ask near."))
    asking.ask(AskStatus())
    asking.world.run(100)
    assert asking.replies == [None]


def test_another_secret_is_none(asking: Asking):
    asking.near.secret = b"another"
    asking.ask(AskStatus())
    asking.world.run(100)
    assert asking.replies == [None]


def test_a_node_that_ends_meanwhile_is_none(asking: Asking):
    asking.ask(AskStatus(), timeout_seconds=60)
    asking.world.run(50)
    asking.world.network.process_ended("far")
    asking.world.run(100)
    assert asking.replies == [None]


def test_news_are_told_and_the_link_is_closed(asking: Asking):
    news = Announce(3, "near", "near:7400", "")
    asking.peers.tell("far:7400", news)
    asking.world.run(100)
    assert asking.far.frames == [news]
    assert len(asking.far.reasons) == 1


@pytest.mark.parametrize("address", ["far:7499", "no address"])
def test_news_for_nobody_are_lost_quietly(asking: Asking, address: str):
    asking.peers.tell(address, Announce(3, "near", "near:7400", ""))
    asking.world.run(5000)
    assert not asking.far.frames
