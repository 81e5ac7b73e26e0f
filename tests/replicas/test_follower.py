"""A node that follows: what it takes, what it acknowledges, what it applies, and where it stops."""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.journal.batch import Batch, Position, Sealed, encode_batch, unseal
from onsale.replicas import follower as module
from onsale.replicas.follower import Follower
from onsale.replicas.frames import (
    Accepted,
    Acked,
    BatchSent,
    CheckpointTaken,
    Committed,
    Follow,
    Frame,
    Ping,
    Reports,
    StateHashed,
)
from onsale.replicas.history import vector
from onsale.replicas.sender import Available
from onsale.tests.replicas.batches import BEGINNING, Outlet, sealed_behind


class Node:
    """A follower with a disk that syncs, and a loop that turns, when the test says. It is its own `Host`."""

    def __init__(
        self, *held: Sealed, base: Position = BEGINNING, applied_seq: int | None = None, voting: bool = True
    ) -> None:
        self.outlet = Outlet()
        self.last = held[-1].position if held else base
        self.synced_seq = self.last.seq
        self.journal = [base, *(sealed.position for sealed in held)]
        self.turns: deque[Callable[[], None]] = deque()
        self.applied: list[Batch] = []
        self.told: list[tuple[str, object]] = []
        self.refuses_seq = 0
        self.now = 10.0
        applied_seq = self.last.seq if applied_seq is None else applied_seq
        self.available = Available(
            last_seq=self.last.seq,
            committed_seq=applied_seq,
            epochs=vector(base, []),
            open_reader=lambda _seq: pytest.fail("nobody reads"),
            background=lambda _work, _done: pytest.fail("nobody reads"),
        )
        for sealed in held:
            self.available.add(sealed)
        self.available.became_durable(self.last.seq)
        self.unapplied = deque(unseal(sealed.data)[1] for sealed in held if sealed.first_seq > applied_seq)
        self.follower = Follower(
            self.outlet,
            self,
            self.available,
            self,
            voting=voting,
            applied_seq=applied_seq,
            unapplied=self.unapplied,
            call_soon=self.turns.append,
            seconds=lambda: self.now,
        )

    # its writer

    pending_batches = 0

    def append(self, sealed: Sealed) -> None:
        pytest.fail("it seals nothing itself")

    def append_received(self, sealed: Sealed) -> None:
        assert sealed.first_seq == self.last.seq + 1
        self.last = sealed.position
        self.journal.append(sealed.position)

    def close(self) -> None: ...

    def sync(self) -> None:
        self.synced_seq = self.last.seq
        self.available.became_durable(self.last.seq)
        self.follower.became_durable()

    # its host

    def apply(self, batch: Batch) -> bool:
        if self.refuses_seq in range(batch.first_seq, batch.last_seq + 1):
            self.told.append(("refused", batch.first_seq))
            return False
        self.applied.append(batch)
        return True

    def accepted(self, accepted: Accepted) -> None:
        assert not self.outlet.of(Acked), "the promise comes before anything else"
        self.told.append(("accepted", accepted.epoch))

    def hash_at(self, seq: int) -> bytes | None:
        return next((position.hash for position in self.journal if position.seq == seq), None)

    def diverged(self, seq: int) -> None:
        self.told.append(("diverged", seq))

    def damaged(self, sentence: str) -> None:
        self.told.append(("damaged", sentence))

    def checkpoint_taken(self, seq: int) -> None:
        self.told.append(("checkpoint", seq))

    def state_hashed(self, seq: int, state_hash: str) -> None:
        self.told.append(("hashed", (seq, state_hash)))

    # what the test looks at

    def accept(self, *, epoch: int = 1, committed_seq: int = 0) -> None:
        self.hear(Accepted(epoch, "leader", b"j", self.last.seq, self.last.hash, committed_seq))

    def hear(self, *frames: Frame) -> list[bool]:
        return [self.follower.received(frame) for frame in frames]

    def take(self, *batches: Sealed) -> None:
        self.hear(*(BatchSent(sealed.data) for sealed in batches))

    @property
    def acks(self) -> list[tuple[int, int]]:
        return [(frame.received_seq, frame.applied_seq) for frame in self.outlet.sent if isinstance(frame, Acked)]

    @property
    def applied_seq(self) -> int:
        assert self.follower.applied_seq == (self.applied[-1].last_seq if self.applied else self.follower.applied_seq)
        return self.follower.applied_seq


# --- the beginning


def test_it_says_where_it_stands() -> None:
    held = sealed_behind(BEGINNING, 2, 3, epoch=4)
    node = Node(*held, applied_seq=2, voting=True)
    node.follower.begin(6, b"id")
    (follow,) = node.outlet.sent
    assert follow == Follow(5, held[-1].position.hash, 4, node.available.epochs, 6, True, False, b"id")
    assert [(start.epoch, start.first_seq) for start in node.available.epochs] == [(4, 1)]


def test_nothing_counts_before_it_is_accepted() -> None:
    node = Node()
    (batch,) = sealed_behind(BEGINNING, 1)
    taken = node.hear(BatchSent(batch.data), Committed(0, 1, 0), CheckpointTaken(1), StateHashed(1, "h"))
    assert taken == [False] * 4
    assert (node.last, node.told, node.outlet.sent) == (BEGINNING, [], [])


def test_what_is_no_part_of_a_stream_is_for_others() -> None:
    node = Node()
    node.accept()
    assert node.hear(Reports([]), Ping(), Acked(1, 0, 0)) == [False] * 3


def test_accepted_it_says_at_once_what_is_on_its_disk() -> None:
    held = sealed_behind(BEGINNING, 2, 3)
    node = Node(*held, applied_seq=2)
    node.available.durable_seq = 2  # the rest is being synced
    node.accept(epoch=4)
    assert node.told == [("accepted", 4)]
    assert node.outlet.of(Acked) == [Acked(4, 2, 2)]
    assert (node.follower.epoch, node.follower.leader, node.available.epoch) == (4, "leader", 4)


def test_it_is_accepted_once() -> None:
    node = Node()
    node.accept()
    node.accept(epoch=2)
    assert node.outlet.reasons == ["it accepted twice"]
    assert node.follower.epoch == 1


def test_what_is_behind_the_common_end_is_to_be_cut_off() -> None:
    held = sealed_behind(BEGINNING, 2, 3, 1)
    node = Node(*held, applied_seq=2)
    node.hear(Accepted(5, "leader", b"j", 2, held[0].position.hash, 2))
    assert node.told == [("diverged", 2)]
    node.take(*sealed_behind(held[0].position, 1, epoch=5))
    node.sync()
    assert node.last == held[-1].position, "it takes nothing before that"
    assert not node.acks
    assert not node.applied
    assert not node.follower.accepted


@pytest.mark.parametrize(
    ("common", "digest"),
    [(5, b"x" * 16), (2, b"x" * 16), (4, b"h" * 16), (9, b"h" * 16)],
    ids=["its end differs", "an earlier one differs", "no batch ends there", "it has not so much"],
)
def test_journals_that_should_be_the_same_and_are_not(common: int, digest: bytes) -> None:
    node = Node(*sealed_behind(BEGINNING, 2, 3))
    node.hear(Accepted(5, "eu-1", b"j", common, digest, 2))
    ((kind, sentence),) = node.told
    assert kind == "damaged"
    assert f"that of eu-1 should be the same up to seq {common}, and are not" in str(sentence)
    node.sync()
    assert not node.acks


# --- what is taken


def test_a_batch_goes_to_the_disk_and_is_acknowledged_when_it_is_there() -> None:
    node = Node()
    node.accept()
    batches = sealed_behind(BEGINNING, 2, 1)
    node.take(*batches)
    assert node.last == batches[-1].position
    assert node.acks == [(0, 0)], "it is in memory alone"
    node.sync()
    assert node.acks[-1][0] == 3


def marks(position: Position) -> bytes:
    return encode_batch(
        epoch=1, first_seq=position.seq + 1, count=0, at_ms=9, durable_seq=position.seq,
        previous_hash=position.hash, payload=b"",
    )[0]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda end: sealed_behind(Position(end.seq + 1, end.hash, 3, 9), 1, epoch=3)[0].data, "should come next"),
        (lambda end: sealed_behind(BEGINNING, 1, epoch=3)[0].data, "should come next"),
        (lambda end: sealed_behind(Position(end.seq, b"x" * 16, 3, 9), 1, epoch=3)[0].data, "hash chain is broken"),
        (lambda end: sealed_behind(Position(end.seq, end.hash, 1, 9), 1, epoch=2)[0].data, "the epoch falls from 3"),
        (lambda end: sealed_behind(end, 1, epoch=5)[0].data, "an epoch that its sender does not know"),
        (lambda end: sealed_behind(Position(end.seq, end.hash, 3, 0), 1, epoch=3)[0].data, "time runs back"),
        (lambda end: sealed_behind(end, 1, epoch=3)[0].data + b"\0", "follow on the batch"),
        (lambda end: sealed_behind(end, 1, epoch=3)[0].data[:-1], "middle of a batch"),
        (lambda end: b"", "middle of a batch"),
        (marks, "no facts"),
    ],
    ids=["gap", "repeated", "chain", "lower epoch", "unknown epoch", "time", "longer", "shorter", "empty", "mark"],
)
def test_what_does_not_follow_is_not_taken(make: Callable[[Position], bytes], reason: str) -> None:
    held = sealed_behind(BEGINNING, 2, 2, 2, epoch=3)
    node = Node(*held)
    node.accept(epoch=4)
    node.hear(BatchSent(make(node.last)))
    (said,) = node.outlet.reasons
    assert said.startswith("a batch that can't be taken: ")
    assert reason in said
    assert node.last == held[-1].position
    assert node.available.last_seq == 6


def test_every_flipped_bit_is_refused() -> None:
    (batch,) = sealed_behind(BEGINNING, 2)
    for offset in range(len(batch.data)):
        flipped = bytearray(batch.data)
        flipped[offset] ^= 1 << offset % 8
        node = Node()
        node.accept()
        node.hear(BatchSent(bytes(flipped)))
        assert node.outlet.reasons
        assert node.last == BEGINNING


def test_batches_of_earlier_epochs_come_while_it_catches_up() -> None:
    node = Node()
    node.accept(epoch=7)
    first = sealed_behind(BEGINNING, 2, 1, epoch=2)
    second = sealed_behind(first[-1].position, 1, 1, epoch=7)
    node.take(*first, *second)
    assert not node.outlet.reasons
    assert [(start.epoch, start.first_seq) for start in node.available.epochs] == [(2, 1), (7, 4)]


# --- what is applied


def test_only_what_is_committed_and_synced_is_applied() -> None:
    node = Node()
    node.accept()
    batches = sealed_behind(BEGINNING, 2, 3)
    node.take(batches[0])
    node.hear(Committed(1, 2, 0))
    assert node.applied_seq == 0, "it is committed, and not on this disk"
    node.sync()
    assert node.applied_seq == 2
    node.take(batches[1])
    node.sync()
    assert node.applied_seq == 2, "it is on this disk, and not committed"
    node.hear(Committed(1, 5, 0))
    assert node.applied_seq == 5


def test_the_next_batch_says_that_the_one_before_is_committed() -> None:
    node = Node()
    node.accept()
    batches = sealed_behind(BEGINNING, 2, 3)
    node.take(*batches)
    node.sync()
    assert node.applied_seq == 2


def test_the_first_batch_of_an_epoch_says_nothing_of_those_before() -> None:
    """Its leader took them over, and may be the only one that has them."""
    held = sealed_behind(BEGINNING, 2, 1)
    node = Node(*held, applied_seq=2)
    node.accept(epoch=5, committed_seq=2)
    taken_over = sealed_behind(held[-1].position, 1, 1, epoch=5)
    node.take(taken_over[0])
    node.sync()
    assert node.applied_seq == 2
    node.take(taken_over[1])
    node.sync()
    assert node.applied_seq == 4, "the second one of the epoch says it of all before"


def test_the_first_batch_behind_a_snapshot_says_nothing_new() -> None:
    base = Position(40, b"h" * 16, 3, 9)
    node = Node(base=base)
    node.accept(epoch=3)
    batches = sealed_behind(base, 1, 1, epoch=3)
    node.take(*batches)
    node.sync()
    assert node.applied_seq == 41


def test_the_word_of_another_epoch_does_not_count() -> None:
    node = Node()
    node.accept(epoch=3)
    node.take(*sealed_behind(BEGINNING, 2, epoch=3))
    node.sync()
    node.hear(Committed(2, 2, 0), Committed(4, 2, 0))
    assert node.applied_seq == 0


def test_what_was_committed_beyond_its_end_at_an_earlier_source_is_not_so_at_this_one() -> None:
    """That one was lost with what it alone had."""
    node = Node()
    node.available.committed_seq = 1_000
    node.accept(epoch=5, committed_seq=0)
    node.take(*sealed_behind(BEGINNING, 2, epoch=5))
    node.sync()
    assert node.applied_seq == 0


def test_a_source_that_is_ahead_says_how_far() -> None:
    node = Node()
    node.accept(committed_seq=5)
    assert not node.follower.in_step
    batches = sealed_behind(BEGINNING, 2, 3)
    node.take(*batches)
    node.sync()
    assert node.applied_seq == 5
    assert node.follower.in_step


def test_the_end_of_its_journal_is_applied_once_it_is_known_to_be_committed() -> None:
    held = sealed_behind(BEGINNING, 2, 3)
    node = Node(*held, applied_seq=2)
    node.accept(committed_seq=5)
    assert [batch.first_seq for batch in node.applied] == [3]


def test_when_it_was_last_in_step() -> None:
    node = Node()
    node.accept()
    assert node.follower.in_step_at == 10.0
    node.now = 11.0
    node.take(*sealed_behind(BEGINNING, 2))
    node.sync()
    node.hear(Committed(1, 2, 0))
    node.now = 12.0
    node.hear(Committed(1, 2, 0))
    assert node.follower.in_step_at == 12.0, "it is heard, and lacks nothing"
    node.now = 13.0
    node.hear(Committed(1, 9, 0))
    assert node.follower.in_step_at == 12.0


def test_a_long_way_is_gone_a_turn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APPLIED_FACTS_PER_TURN", 5)
    monkeypatch.setattr(module, "APPLIED_FACTS_PER_ACK", 12)
    node = Node()
    node.accept()
    node.take(*sealed_behind(BEGINNING, *[3] * 10))
    node.hear(Committed(1, 30, 0))
    node.sync()
    seen = [node.applied_seq]
    while node.turns:
        assert len(node.turns) == 1
        node.sync()  # more may come meanwhile
        node.turns.popleft()()
        seen.append(node.applied_seq)
    assert seen == [6, 12, 18, 24, 30], "whole batches"
    assert (30, 12) in node.acks or (30, 18) in node.acks, "the source is told, so that it goes on sending"


def test_nothing_is_applied_behind_what_can_not_be() -> None:
    node = Node()
    node.accept()
    node.take(*sealed_behind(BEGINNING, 1, 1, 1))
    node.refuses_seq = 2
    node.hear(Committed(1, 3, 0))
    node.sync()
    assert node.told[1:] == [("refused", 2)]
    assert node.applied_seq == 1


# --- the end


def test_what_is_not_applied_is_left_for_the_next_one() -> None:
    node = Node()
    node.accept()
    node.take(*sealed_behind(BEGINNING, 2, 3))
    node.sync()
    node.follower.end()
    assert [batch.first_seq for batch in node.unapplied] == [3]
    acks = len(node.acks)
    node.hear(Committed(1, 5, 0))
    node.sync()
    assert node.applied_seq == 2
    assert len(node.acks) == acks, "what is synced from here on is acknowledged to nobody"


def test_a_turn_that_was_due_applies_nothing_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APPLIED_FACTS_PER_TURN", 1)
    node = Node()
    node.accept()
    node.take(*sealed_behind(BEGINNING, 1, 1, 1))
    node.hear(Committed(1, 3, 0))
    node.sync()
    node.follower.end()
    node.turns.popleft()()
    assert node.applied_seq + len(node.unapplied) == 3
    assert node.applied_seq < 3


def test_word_of_checkpoints_and_hashes_is_passed_on() -> None:
    node = Node()
    node.accept()
    node.hear(CheckpointTaken(4), StateHashed(4, "abc"))
    assert node.told[1:] == [("checkpoint", 4), ("hashed", (4, "abc"))]


# --- whatever happens


@settings(max_examples=150)
@given(st.data())
def test_it_applies_in_order_and_only_what_is_committed_and_synced(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "APPLIED_FACTS_PER_TURN", 4)
        node = Node()
        node.accept(epoch=9)
        epoch, position, committed = 1, BEGINNING, 0  # what the leader has, and has committed
        sent: list[Sealed] = []
        for _ in range(data.draw(st.integers(0, 30))):
            match data.draw(st.sampled_from(["batch", "batch", "epoch", "sync", "commit", "turn"])):
                case "batch":
                    (batch,) = sealed_behind(position, data.draw(st.integers(1, 5)), epoch=epoch)
                    if position.epoch == epoch:
                        committed = position.seq  # a leader hands over the next when this one is committed
                    node.take(batch)
                    sent.append(batch)
                    position = batch.position
                case "epoch":
                    epoch = min(epoch + 1, 9)
                case "sync":
                    node.sync()
                case "commit":
                    ends = [each.position.seq for each in sent if each.position.seq >= committed]
                    committed = data.draw(st.sampled_from(ends)) if ends else committed
                    node.hear(Committed(9, committed, 0))
                case "turn" if node.turns:
                    node.turns.popleft()()
            assert node.applied_seq <= min(committed, node.synced_seq)
            assert all(received <= node.synced_seq for received, _ in node.acks)
            assert [batch.first_seq for batch in node.applied] == [
                sealed.first_seq for sealed in sent[: len(node.applied)]
            ]
        node.sync()
        node.hear(Committed(9, position.seq, 0))
        while node.turns:
            node.turns.popleft()()
        assert node.applied_seq == position.seq
        assert node.acks[-1][0] == position.seq
        assert not node.outlet.reasons
