"""What one follower is sent: in order, bounded, from memory or disk; without a vote only what is committed."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.journal.batch import Position, Sealed
from onsale.journal.errors import CorruptJournal, HistoryGone
from onsale.replicas import sender as module
from onsale.replicas.backlog import Backlog
from onsale.replicas.frames import BatchSent, Committed
from onsale.replicas.sender import Available, Sender
from onsale.tests.replicas.batches import BEGINNING, Outlet, sealed_behind


class Source:
    """A node's journal: what is handed over, what is synced, and reads from disk that are done when the test says."""

    def __init__(self, *, backlog_bytes: int = 10**9) -> None:
        self.batches: list[Sealed] = []
        self.reads: list[Callable[[], None]] = []
        self.opened_after: list[int] = []
        self.fault: Exception | None = None
        self.available = Available(
            last_seq=0, committed_seq=0, epochs=[], open_reader=self.open_reader, background=self.background
        )
        self.available.backlog = Backlog(backlog_bytes)
        self.senders: list[Sender] = []

    @property
    def position(self) -> Position:
        return self.batches[-1].position if self.batches else BEGINNING

    def add(self, *counts: int, fill_bytes: int = 0, epoch: int = 1) -> None:
        for sealed in sealed_behind(self.position, *counts, fill_bytes=fill_bytes, epoch=epoch):
            self.batches.append(sealed)
            self.available.add(sealed)
        self.pump()

    def sync(self) -> None:
        self.available.became_durable(self.position.seq)
        self.pump()

    def commit(self, seq: int | None = None) -> None:
        self.available.committed_seq = self.position.seq if seq is None else seq
        self.pump()

    def pump(self) -> None:
        for sender in self.senders:
            sender.pump()

    def follow(self, *, voting: bool = True, after_seq: int = 0) -> tuple[Sender, Outlet]:
        outlet = Outlet()
        sender = Sender(outlet, self.available, name="s", voting=voting, after_seq=after_seq, at_ms=lambda: 77)
        self.senders.append(sender)
        sender.pump()
        return sender, outlet

    # the disk

    def open_reader(self, after_seq: int) -> "Reader":
        self.opened_after.append(after_seq)
        return Reader(self, after_seq)

    def background(self, work: Callable[[], list[Sealed]], done: Callable[[list[Sealed] | Exception], None]) -> None:
        def read() -> None:
            found: list[Sealed] | Exception
            try:
                found = work()
            except Exception as error:  # noqa: BLE001 - as the real one does
                found = error
            done(found)

        self.reads.append(read)

    def read(self) -> None:
        """Let one read from disk be done."""
        self.reads.pop(0)()

    def read_all(self) -> None:
        while self.reads:
            self.read()


class Reader:
    """What SealedReader promises: the next synced batches, up to some bytes, at least one."""

    def __init__(self, source: Source, after_seq: int) -> None:
        self.source = source
        self.seq = after_seq

    def read(self, through_seq: int, bytes_max: int) -> list[Sealed]:
        if self.source.fault is not None:
            raise self.source.fault
        found: list[Sealed] = []
        for sealed in self.source.batches:
            if sealed.first_seq > self.seq and sealed.position.seq <= min(
                through_seq, self.source.available.durable_seq
            ):
                if sum(len(each.data) for each in found) >= bytes_max:
                    break
                found.append(sealed)
        if found:
            self.seq = found[-1].position.seq
        return found


def sent(outlet: Outlet) -> list[bytes]:
    return [frame.data for frame in outlet.sent if isinstance(frame, BatchSent)]


def told(outlet: Outlet) -> list[int]:
    return [frame.seq for frame in outlet.sent if isinstance(frame, Committed)]


def data_of(batches: Iterable[Sealed]) -> list[bytes]:
    return [batch.data for batch in batches]


# --- who is sent what


def test_a_voter_is_sent_what_is_not_synced_yet() -> None:
    source = Source()
    _, outlet = source.follow()
    source.add(2, 1)
    assert sent(outlet) == data_of(source.batches)


def test_one_without_a_vote_is_sent_what_is_committed_and_synced() -> None:
    source = Source()
    _, outlet = source.follow(voting=False)
    source.add(2)
    source.add(3)
    assert not sent(outlet)
    source.commit(2)
    assert not sent(outlet), "it is committed elsewhere, and not on this disk yet"
    source.sync()
    assert sent(outlet) == data_of(source.batches[:1])
    source.commit(5)
    assert sent(outlet) == data_of(source.batches)
    assert told(outlet) == [0, 2, 5]


def test_it_goes_on_where_the_journals_part() -> None:
    source = Source()
    source.add(2, 1, 4)
    sender, outlet = source.follow(after_seq=3)
    assert sent(outlet) == data_of(source.batches[2:])
    assert sender.sent_seq == 7


# --- acknowledgements


def test_what_is_in_a_followers_memory_does_not_count() -> None:
    """It says itself what is on its disk, once it follows."""
    source = Source()
    source.add(5)
    sender, _ = source.follow(after_seq=5)
    assert sender.received_seq == 0
    sender.acked(5, 0)
    assert (sender.received_seq, sender.applied_seq) == (5, 0)


@pytest.mark.parametrize(("received", "applied"), [(6, 0), (4, 5), (2**62, 0)])
def test_what_was_never_sent_can_not_be_acknowledged(received: int, applied: int) -> None:
    source = Source()
    sender, _ = source.follow()
    source.add(5)
    with pytest.raises(ValueError, match="seq 5 was the last one sent"):
        sender.acked(received, applied)
    assert (sender.received_seq, sender.applied_seq) == (0, 0)


def test_an_acknowledgement_is_never_taken_back() -> None:
    source = Source()
    sender, _ = source.follow()
    source.add(5, 5)
    sender.acked(10, 5)
    sender.acked(5, 5)
    assert (sender.received_seq, sender.applied_seq) == (10, 5)


# --- what it says of the commit


def test_each_committed_position_is_told_once_when_nothing_flows() -> None:
    source = Source()
    sender, outlet = source.follow()
    source.add(2)
    source.sync()
    source.commit()
    sender.pump()
    sender.tell_committed()
    assert told(outlet) == [0, 2]
    sender.heartbeat()
    assert told(outlet) == [0, 2, 2]


def test_nothing_is_told_that_was_not_sent() -> None:
    source = Source(backlog_bytes=0)
    source.add(5, 5)
    source.sync()
    source.commit()
    sender, outlet = source.follow()
    sender.heartbeat()
    assert told(outlet) == [0]
    source.read_all()
    assert told(outlet) == [0, 10]


def test_the_frame_says_the_leaders_epoch_and_time() -> None:
    source = Source()
    source.available.epoch = 9
    sender, outlet = source.follow()
    sender.heartbeat()
    assert outlet.of(Committed)[-1] == Committed(9, 0, 77)


# --- bounds


@pytest.mark.parametrize("voting", [True, False])
def test_one_that_does_not_read_is_sent_a_bounded_amount(voting: bool) -> None:
    source = Source()
    _, outlet = source.follow(voting=voting)
    outlet.reads = False
    for _ in range(30):
        source.add(1, fill_bytes=1024 * 1024)
        source.sync()
        source.commit()
    assert module.UNSENT_BYTES_MAX <= outlet.unsent_bytes <= module.UNSENT_BYTES_MAX + 2 * 1024 * 1024
    before = len(sent(outlet))
    outlet.unsent_bytes, outlet.reads = 0, True
    source.pump()
    assert sent(outlet) == data_of(source.batches)
    assert before < 10


def test_one_whose_disk_is_slow_is_sent_a_bounded_amount() -> None:
    """Its writer holds twice as much before it refuses more."""
    source = Source()
    sender, outlet = source.follow()
    source.add(*[1] * 50, fill_bytes=1024 * 1024)
    size_bytes = sum(len(data) for data in sent(outlet))
    assert module.WINDOW_BYTES <= size_bytes <= module.WINDOW_BYTES + 2 * 1024 * 1024
    for _ in range(50):
        sender.acked(min(sender.received_seq + 1, sender.sent_seq), 0)
    assert sent(outlet) == data_of(source.batches)


def test_a_window_of_facts_that_are_not_on_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_FACTS", 10)
    source = Source()
    sender, outlet = source.follow()
    source.add(*[3] * 10)
    assert sender.sent_seq == 12, "the batch that reached the bound was the last"
    sender.acked(3, 0)
    assert sender.sent_seq == 15
    assert sent(outlet) == data_of(source.batches[:5])


def test_a_window_of_facts_that_are_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_FACTS", 10)
    source = Source()
    sender, _ = source.follow()
    source.add(*[3] * 10)
    source.sync()
    source.commit()
    sender.acked(12, 0)
    assert sender.sent_seq == 12, "it has applied none of what is committed"
    sender.acked(12, 9)
    assert sender.sent_seq > 12


def test_what_can_not_be_applied_yet_does_not_fill_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a standby could never get what makes the rest committed."""
    monkeypatch.setattr(module, "WINDOW_FACTS", 10)
    source = Source()
    sender, _ = source.follow()
    source.add(*[3] * 10)
    sender.acked(12, 0)
    assert sender.sent_seq == 24


# --- from the disk


def test_what_is_no_longer_in_memory_comes_from_the_disk_and_then_from_memory_again() -> None:
    source = Source(backlog_bytes=1_000)
    source.add(*[1] * 20, fill_bytes=200)
    source.sync()
    sender, outlet = source.follow()
    assert not sent(outlet)
    source.add(1, fill_bytes=200)
    assert len(source.reads) == 1, "one read at a time"
    source.read_all()
    assert sent(outlet) == data_of(source.batches)
    assert source.opened_after == [0]
    source.add(1)
    assert not source.reads
    assert sender.sent_seq == source.position.seq


def test_a_follower_that_lags_again_is_read_from_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_BYTES", 700)
    source = Source(backlog_bytes=1_000)
    source.add(*[1] * 20, fill_bytes=200)
    source.sync()
    _, outlet = source.follow()
    source.read_all()
    outlet.reads = False
    outlet.unsent_bytes = module.UNSENT_BYTES_MAX
    source.add(*[1] * 20, fill_bytes=200)
    source.sync()
    outlet.reads, outlet.unsent_bytes = True, 0
    source.pump()
    source.read_all()
    assert sent(outlet) == data_of(source.batches)
    assert source.opened_after == [0, 20]


def test_a_read_stops_at_what_is_synced_and_goes_on_with_the_memory() -> None:
    source = Source(backlog_bytes=300)
    source.add(*[1] * 5, fill_bytes=200)
    source.sync()
    source.add(1, fill_bytes=200)
    _, outlet = source.follow()
    source.read()
    assert sent(outlet) == data_of(source.batches)


def test_history_that_is_gone_ends_it_with_a_sentence() -> None:
    source = Source(backlog_bytes=0)
    source.add(3)
    source.sync()
    source.fault = HistoryGone(0, 90)
    _, outlet = source.follow()
    source.read()
    (reason,) = outlet.reasons
    assert reason.startswith("it is at seq 0, and the journal here begins later")


def test_a_disk_that_can_not_be_read_ends_it_with_a_sentence() -> None:
    source = Source(backlog_bytes=0)
    source.add(3)
    source.sync()
    source.fault = CorruptJournal("1.segment", 7, 2, "it is damaged")
    _, outlet = source.follow()
    source.read()
    assert "reading the journal for it failed" in outlet.reasons[0]


def test_any_other_error_is_not_swallowed() -> None:
    source = Source(backlog_bytes=0)
    source.add(3)
    source.sync()
    source.fault = ZeroDivisionError()
    source.follow()
    with pytest.raises(ZeroDivisionError):
        source.read()


def test_what_should_be_there_and_is_not_ends_it() -> None:
    source = Source(backlog_bytes=0)
    source.add(3)
    source.sync()
    _, outlet = source.follow()
    source.batches.clear()
    source.read()
    assert outlet.reasons == ["seq 1 could not be found in the journal here"]


def test_a_read_that_is_done_after_the_end_sends_nothing() -> None:
    source = Source(backlog_bytes=0)
    source.add(3)
    source.sync()
    sender, outlet = source.follow()
    sender.close("the test is over")
    source.read()
    sender.pump()
    assert outlet.reasons == ["the test is over"]
    assert not sent(outlet)


# --- whatever happens


@settings(max_examples=150)
@given(voting=st.booleans(), backlog_bytes=st.sampled_from([0, 500, 2_000, 10**9]), data=st.data())
def test_every_batch_once_in_order_and_never_more_than_the_window(
    voting: bool, backlog_bytes: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW_FACTS", 12)
        patch.setattr(module, "WINDOW_BYTES", 3_000)
        patch.setattr(module, "READ_BYTES", 800)
        patch.setattr(module, "UNSENT_BYTES_MAX", 1_500)
        source = Source(backlog_bytes=backlog_bytes)
        sender, outlet = source.follow(voting=voting)
        for _ in range(data.draw(st.integers(0, 40))):
            match data.draw(st.sampled_from(["add", "sync", "commit", "ack", "read", "stall", "drain"])):
                case "add":
                    source.add(data.draw(st.integers(1, 4)), fill_bytes=data.draw(st.integers(0, 500)))
                case "sync":
                    source.sync()
                case "commit":
                    committed = [each.position.seq for each in source.batches]
                    committed = [seq for seq in committed if seq >= source.available.committed_seq]
                    if committed:
                        source.commit(data.draw(st.sampled_from(committed)))
                case "ack":
                    received = data.draw(st.integers(sender.received_seq, max(sender.sent_seq, sender.received_seq)))
                    most = max(min(received, source.available.committed_seq), sender.applied_seq)
                    sender.acked(received, data.draw(st.integers(sender.applied_seq, max(most, sender.applied_seq))))
                case "read":
                    source.read_all()
                case "stall":
                    outlet.reads = False
                case "drain":
                    outlet.reads, outlet.unsent_bytes = True, 0
                    sender.pump()
            found = sent(outlet)
            assert found == data_of(source.batches[: len(found)])
            assert sender.sent_seq == (source.batches[len(found) - 1].position.seq if found else 0)
            if not voting:
                assert sender.sent_seq <= min(source.available.committed_seq, source.available.durable_seq)
            # one batch beyond at most; what one read found is sent whole
            assert sender.sent_seq - sender.received_seq < 12 + 4 * 12
            assert outlet.unsent_bytes <= 1_500 + 3_000
            assert all(seq <= sender.sent_seq for seq in told(outlet))
        source.sync()
        source.commit()
        outlet.reads, outlet.unsent_bytes = True, 0
        for _ in range(200):
            sender.acked(sender.sent_seq, sender.sent_seq)
            sender.pump()
            source.read_all()
        assert not outlet.reasons
        assert sent(outlet) == data_of(source.batches)
        assert told(outlet)[-1:] == [source.position.seq] or not source.batches


def test_what_is_caught_up_on_is_sent_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCHES_PER_TURN", 4)
    source = Source()
    source.add(*[1] * 10)
    source.sync()
    source.commit()
    sender, outlet = source.follow(voting=False)
    assert sent(outlet) == [sealed.data for sealed in source.batches[:4]]
    source.pump()
    assert len(sent(outlet)) == 4, "others have their turn first"
    source.read_all()
    assert sent(outlet) == [sealed.data for sealed in source.batches]
    assert sender.sent_seq == 10
    assert not source.opened_after, "all of it was in memory"


def test_what_was_read_is_sent_in_turns_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCHES_PER_TURN", 4)
    source = Source(backlog_bytes=1)
    source.add(*[1] * 10)
    source.sync()
    source.commit()
    _, outlet = source.follow(voting=False)
    source.read()
    assert len(sent(outlet)) == 4
    source.add(1)  # meanwhile
    source.sync()
    source.commit()
    source.read_all()
    assert sent(outlet) == [sealed.data for sealed in source.batches]


def test_one_that_is_closed_between_two_turns_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCHES_PER_TURN", 4)
    source = Source()
    source.add(*[1] * 10)
    source.sync()
    source.commit()
    sender, outlet = source.follow()
    sender.close("enough")
    source.read_all()
    assert len(sent(outlet)) == 4
