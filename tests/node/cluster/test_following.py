"""Whom a node follows: where it looks, in which order, how often, and what it makes of being refused."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from onsale.engine import facts as f
from onsale.journal.batch import Batch, seal
from onsale.node.cluster import following as module
from onsale.node.cluster.followers import BEHIND, DIFFERS, HISTORY_GONE, NOT_LEADING
from onsale.node.cluster.following import Following
from onsale.node.cluster.own_copy import OwnCopy
from onsale.replicas.frames import Accepted, Acked, BatchSent, Committed, Follow, Frame, Refused, Reports
from onsale.tests.node.cluster.copies import copy_of, user
from onsale.tests.replicas.batches import Outlet
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime


class FakeLink(Outlet):
    def __init__(self, desk: "Desk", callbacks: tuple[Any, ...]) -> None:
        super().__init__()
        self._desk = desk
        self.on_open, self.on_frame, _, self.on_closed = callbacks
        self.address = ""

    def close(self, reason: str = "") -> None:
        if not self.reasons:
            self.reasons.append(reason)
            self._desk.scheduler.call_soon(self.on_closed, self, reason)

    def lost(self, reason: str = "it is gone") -> None:
        """Closed by the other side."""
        self.close(reason)
        self._desk.run(0)


class Desk:
    """A node that looks for somebody to follow among those whom the test lets answer. It is its own host."""

    def __init__(self, *sources: str, copy: OwnCopy | None = None) -> None:
        self.time = SimulatedTime()
        self.scheduler = NodeScheduler(self.time)
        self.known = list(sources)
        self.dials: list[tuple[float, str]] = []
        self.links: list[FakeLink] = []
        self.told: list[tuple[str, Any]] = []
        self.promised_epoch = 0
        self.copy = copy or copy_of((1, [user("ada")]), (1, [user("bob")]), time=self.time)
        self.following = Following(
            self.copy,
            self,
            self.make_link,
            self,
            self.scheduler,
            voting=True,  # type: ignore[arg-type]
        )

    def make_link(self, *callbacks: Any) -> Any:
        self.links.append(FakeLink(self, callbacks))
        return self.links[-1]

    def dial(self, host: str, port: int, link: Any) -> None:
        link.address = f"{host}:{port}"
        self.dials.append((self.time.now_us / 1e6, link.address))

    def run(self, duration_ms: float) -> None:
        self.time.run(self.time.now_us + int(duration_ms * 1000))

    @property
    def link(self) -> FakeLink:
        return self.links[-1]

    @property
    def asked(self) -> list[str]:
        return [address for _, address in self.dials]

    def start(self) -> None:
        self.following.start()
        self.run(0)

    def open(self) -> FakeLink:
        self.link.on_open(self.link)
        return self.link

    def hear(self, *frames: Frame) -> None:
        for frame in frames:
            self.link.on_frame(self.link, frame)
        self.run(0)

    def accept(self, epoch: int = 3, committed_seq: int = 0) -> None:
        end = self.copy.position
        self.hear(Accepted(epoch, "leader", b"j" * 16, end.seq, end.hash, committed_seq))

    # its host

    def sources(self) -> Iterable[str]:
        return self.known

    def own_address(self) -> str:
        return "me:1"

    def promised(self) -> tuple[int, bytes]:
        return self.promised_epoch, b"whom"

    def may_follow(self, accepted: Accepted, _link: Any) -> bool:
        return accepted.epoch >= self.promised_epoch

    def history_gone(self, sentence: str) -> None:
        self.told.append(("gone", sentence))

    def other_frame(self, _link: Any, frame: Frame) -> None:
        self.told.append(("other", frame))

    def apply(self, batch: Batch) -> bool:
        self.copy.apply(batch)
        return True

    def accepted(self, accepted: Accepted) -> None: ...

    def hash_at(self, seq: int) -> bytes | None:
        return self.copy.hash_at(seq)

    def diverged(self, seq: int) -> None:
        self.told.append(("diverged", seq))

    def damaged(self, sentence: str) -> None:
        self.told.append(("damaged", sentence))

    def checkpoint_taken(self, seq: int) -> None: ...

    def state_hashed(self, seq: int, state_hash: str) -> None: ...


# --- looking


def test_all_are_tried_in_order_then_again_a_little_later_each_time() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    for _ in range(3_000):
        if not desk.link.reasons:
            desk.link.lost("nobody listens")
        desk.run(1)
    assert desk.asked[:6] == ["a:1", "b:2"] * 3
    rounds = [at for at, address in desk.dials if address == "a:1"]
    waits = [later - earlier for earlier, later in pairwise(rounds)]
    assert waits[0] == pytest.approx(module.RETRY_SECONDS, abs=0.01)
    assert waits[1] == pytest.approx(module.RETRY_SECONDS * 2, abs=0.01)
    assert waits[-1] == pytest.approx(module.RETRY_SECONDS_MAX, abs=0.01)
    assert desk.following.trouble == "b:2: nobody listens"


def test_with_nobody_to_ask_it_looks_again_and_finds_who_is_known_by_then() -> None:
    desk = Desk()
    desk.start()
    desk.run(200)
    desk.known = ["c:3"]
    desk.run(module.RETRY_SECONDS_MAX * 1000)
    assert desk.asked == ["c:3"]


def test_it_says_where_it_stands_and_what_it_promised() -> None:
    desk = Desk("a:1")
    desk.promised_epoch = 7
    desk.start()
    (follow,) = desk.open().sent
    assert isinstance(follow, Follow)
    assert (follow.seq, follow.promised_epoch, follow.promised_to, follow.voting) == (2, 7, b"whom", True)


def test_one_that_does_not_say_whether_it_may_be_followed_is_left() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.open()
    desk.run(module.ACCEPTED_WITHIN_SECONDS * 1000 + 10)
    assert desk.links[0].reasons == ["it did not say whether it can be followed"]
    assert desk.asked == ["a:1", "b:2"]


def test_one_that_leads_in_an_earlier_epoch_than_was_promised_is_left() -> None:
    desk = Desk("a:1", "b:2")
    desk.promised_epoch = 7
    desk.start()
    desk.open()
    desk.accept(epoch=6)
    assert desk.links[0].reasons == ["this node has promised a later epoch"]
    assert not desk.links[0].of(Acked), "nothing of it is acknowledged"
    assert not desk.following.streaming


# --- being refused


def test_who_does_not_lead_says_who_does() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.open()
    desk.hear(Refused(NOT_LEADING, "a does not lead.", 3, "c:3"))
    assert desk.asked == ["a:1", "c:3"]
    assert desk.following.trouble == "a:1: a does not lead."


def test_two_that_point_at_each_other_are_not_asked_for_ever() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    for _ in range(20):
        desk.open()
        other = "b:2" if desk.link.address == "a:1" else "a:1"
        desk.hear(Refused(NOT_LEADING, "not me", 3, other))
        desk.run(20)
    assert len(desk.dials) < 12


@pytest.mark.parametrize(("code", "kind"), [(HISTORY_GONE, "gone"), (DIFFERS, "damaged")])
def test_what_it_can_not_mend_is_told(code: str, kind: str) -> None:
    desk = Desk("a:1")
    desk.start()
    desk.open()
    desk.hear(Refused(code, "a sentence"))
    assert desk.told == [(kind, "a sentence")]


def test_a_source_that_is_behind_is_not_the_right_one() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.open()
    desk.hear(Refused(BEHIND, "it has less"))
    assert (desk.asked, desk.told) == (["a:1", "b:2"], [])


# --- following


def test_it_follows_and_what_is_no_part_of_the_stream_is_passed_on() -> None:
    desk = Desk("a:1")
    desk.start()
    desk.open()
    desk.accept()
    assert desk.following.streaming
    assert desk.following.trouble == ""
    desk.hear(Reports([]))
    assert desk.told == [("other", Reports([]))]
    assert desk.copy.available.epoch == 3


def test_it_is_fresh_while_the_source_is_heard_and_nothing_is_lacking() -> None:
    desk = Desk("a:1")
    desk.start()
    desk.open()
    assert not desk.following.is_fresh
    desk.accept(committed_seq=2)
    assert desk.following.is_fresh
    desk.run(module.FRESH_SECONDS * 1000 + 1)
    assert not desk.following.is_fresh
    desk.hear(Committed(3, 2, 0))
    assert desk.following.is_fresh
    desk.hear(Committed(3, 9, 0))
    assert not desk.following.is_fresh


def test_when_it_is_lost_the_search_begins_anew_at_once() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.link.lost()
    desk.open()
    desk.accept()
    desk.run(module.LASTED_SECONDS * 1000 + 1)
    desk.link.lost("the connection broke")
    assert desk.asked == ["a:1", "b:2", "a:1"]
    assert desk.following.trouble == "b:2: the connection broke"


def test_one_that_is_lost_as_soon_as_it_accepted_is_not_asked_again_at_once() -> None:
    desk = Desk("a:1")
    desk.start()
    for _ in range(3):
        asked = len(desk.asked)
        desk.open()
        desk.accept()
        desk.link.lost("it is gone")
        assert len(desk.asked) == asked
        desk.run(module.RETRY_SECONDS_MAX * 1000 + 1)
        assert len(desk.asked) == asked + 1


def test_what_was_not_applied_goes_back_and_is_applied_by_the_next_one() -> None:
    desk = Desk("a:1", "b:2")
    assert (desk.copy.state.seq, len(desk.copy.unapplied)) == (1, 1)
    desk.start()
    desk.open()
    desk.accept()
    end = desk.copy.position
    batch = seal(end, epoch=3, at_ms=end.at_ms, count=1, payload=f.encode([user("eve")]))
    desk.hear(BatchSent(batch.data))
    desk.run(10)
    desk.following.became_durable()
    desk.link.lost()
    assert [each.first_seq for each in desk.copy.unapplied] == [2, 3]
    desk.run(module.RETRY_SECONDS * 1000 + 1)
    desk.open()
    desk.accept(committed_seq=3)
    assert desk.copy.state.seq == 3
    assert set(desk.copy.state.users.rows) == {"ada", "bob", "eve"}


def test_let_go_it_takes_nothing_more_and_looks_for_another() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.open()
    desk.accept()
    link, end = desk.link, desk.copy.position
    desk.following.let_go("epoch 9 is promised to another")
    batch = seal(end, epoch=3, at_ms=end.at_ms, count=1, payload=f.encode([user("eve")]))
    link.on_frame(link, BatchSent(batch.data))
    assert desk.copy.position == end
    assert link.reasons == ["epoch 9 is promised to another"]
    desk.run(0)
    assert len(desk.dials) == 2


def test_word_of_a_leader_is_where_it_looks_next() -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    desk.link.lost()
    desk.following.look_at("c:3")
    desk.link.lost()
    assert desk.asked == ["a:1", "b:2", "c:3"]


def test_it_is_never_its_own_source() -> None:
    desk = Desk("a:1")
    desk.start()
    desk.following.look_at("me:1")
    desk.link.lost()
    desk.open()
    desk.hear(Refused(NOT_LEADING, "not me", 3, "me:1"))
    desk.run(2_000)
    assert "me:1" not in desk.asked


def test_a_healthy_source_is_not_left_for_word_of_another() -> None:
    desk = Desk("a:1")
    desk.start()
    desk.open()
    desk.accept(committed_seq=2)
    desk.following.look_at("c:3")
    desk.run(0)
    assert desk.following.streaming
    desk.run(module.FRESH_SECONDS * 1000 + 1)
    desk.following.look_at("c:3")
    desk.run(0)
    assert desk.asked == ["a:1", "c:3"]


@pytest.mark.parametrize("when", ["looking", "asking", "following"])
def test_at_its_end_it_looks_no_more_and_gives_everything_back(when: str) -> None:
    desk = Desk("a:1", "b:2")
    desk.start()
    if when != "looking":
        desk.open()
    if when == "following":
        desk.accept()
    desk.following.end()
    desk.run(5_000)
    assert desk.asked == ["a:1"]
    assert desk.link.reasons == ["this node does not follow any more"]
    assert [each.first_seq for each in desk.copy.unapplied] == [2]
    desk.following.look_at("c:3")
    desk.run(1_000)
    assert desk.asked == ["a:1"]
