"""Whatever happens to process and machine: what was reported durable is there, and nothing is ever half there."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.journal.batch import position_behind, seal
from onsale.journal.errors import CorruptJournal, JournalFailed, NoJournal
from onsale.journal.reader import read_batches
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import list_segments
from onsale.journal.writer import JournalAppender
from onsale.tests.journal.journals import (
    FIRST,
    JOURNAL_ID,
    add,
    append,
    begin,
    contents,
    payload,
    receive,
    resume,
    sealed_behind,
)
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk

SEGMENT_BYTES_MAX = 1500


class Machine:
    """One node's journal through many lives, and what its clients were told."""

    def __init__(self, seed: int) -> None:
        self.disk = SimulatedDisk(seed, short_write_probability=0.1)
        self.answered: list[bytes] = []
        self.unanswered: list[bytes] = []  # handed over, and not told to be durable when the process stopped
        self.number = 0
        self.start()

    def start(self) -> None:
        """Start until it succeeds, then check that nothing is lost, invented or half there."""
        while True:
            try:
                try:
                    recovered = recover(self.disk, known_durable_seq=len(self.answered))
                except NoJournal:
                    recovered = create_journal(self.disk, JOURNAL_ID)
                break
            except PowerLost:
                self.disk.crash()
            except JournalFailed:
                self.disk.kill()
        found = contents(self.disk)
        there = len(found) - len(self.answered)
        assert found == self.answered + self.unanswered[:there], "nothing is lost, and of the rest a prefix is there"
        assert 0 <= there <= len(self.unanswered)
        assert recovered.last_seq == len(found)
        self.answered, self.unanswered = found, []
        self.appender = JournalAppender(self.disk, recovered, segment_bytes_max=SEGMENT_BYTES_MAX)

    def append(self, size_bytes: int) -> None:
        self.unanswered = [self._payload(size_bytes)]
        add(self.appender, self.unanswered[0], at_ms=self.number)
        self._answer()

    def receive(self, sizes_bytes: list[int]) -> None:
        """Batches of another node, as one group."""
        self.unanswered = [self._payload(size_bytes) for size_bytes in sizes_bytes]
        group, position = [], self.appender.position
        for content in self.unanswered:
            group.append(seal(position, epoch=1, at_ms=self.number, count=1, payload=content))
            position = group[-1].position
        self.appender.append_received(group)
        self._answer()

    def _payload(self, size_bytes: int) -> bytes:
        self.number += 1
        return f"{self.number}:".encode() + self.disk.random.randbytes(size_bytes)

    def _answer(self) -> None:
        self.answered += self.unanswered
        self.unanswered = []

    def stop(self) -> None:
        self.appender.close()
        self.disk.kill()
        self.start()

    def crash(self) -> None:
        self.disk.crash()
        self.start()

    def kill(self) -> None:
        self.disk.kill()
        self.start()

    def guarded(self, act, *arguments) -> None:
        try:
            act(*arguments)
        except PowerLost:
            self.crash()
        except JournalFailed:
            self.kill()


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 40)),
    st.tuples(st.just("append"), st.integers(0, 4000)),
    st.tuples(st.just("receive"), st.lists(st.integers(0, 40), min_size=1, max_size=5)),
    st.tuples(st.just("receive"), st.lists(st.integers(0, 1500), min_size=1, max_size=9)),
    st.tuples(st.just("lose_power"), st.integers(0, 12)),
    st.tuples(st.just("fail"), st.sampled_from(["write", "sync", "create", "rename", "sync_folder"])),
    st.tuples(st.sampled_from(["crash", "kill", "stop"])),
)


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), plan=st.lists(steps, max_size=40))
def test_what_was_durable_survives_and_nothing_is_half_there(seed, plan):
    machine = Machine(seed)
    for name, *arguments in plan:
        if name == "lose_power":
            machine.disk.lose_power(after=arguments[0])
        elif name == "fail":
            machine.disk.fail(arguments[0])
        elif name == "crash":
            machine.crash()
        else:
            machine.guarded(getattr(machine, name), *arguments)
    machine.crash()
    before = recover(machine.disk)
    assert before.dropped is None
    machine.disk.crash()
    assert recover(machine.disk) == before
    assert contents(machine.disk) == machine.answered


def test_a_torn_group_recovers_to_a_prefix_of_its_batches():
    """And to each prefix, in some crash."""
    lengths = Counter()
    numbers = range(2, 12)
    for seed in range(300):
        disk = SimulatedDisk(seed)
        appender = begin(disk)
        receive(appender, 0, 1)
        appended = sealed_behind(appender.position, *numbers, fill_bytes=300)
        disk.lose_power(after=seed % 2)
        with pytest.raises(PowerLost):
            appender.append_received(appended)
        disk.crash()
        recovered = recover(disk)
        found = list(read_batches(disk, 0))
        assert [batch.hash for batch in found[2:]] == [sealed.position.hash for sealed in appended[: len(found) - 2]]
        assert recovered.position == position_behind(found[-1])
        lengths[len(found) - 2] += 1
        disk.crash()
        assert recover(disk).position == recovered.position
        receive(resume(disk), 20, 21)
        assert recover(disk, repair=False).dropped is None
    assert set(lengths) > {0, 1, 2, 3, 10}, "the crashes are of many kinds"


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), groups=st.lists(st.integers(1, 5), min_size=2, max_size=5), data=st.data())
def test_a_flipped_bit_in_what_a_mark_proves_is_corruption(seed, groups, data):
    """Whatever a crash has made of the group being written."""
    disk = SimulatedDisk(seed)
    appender = begin(disk)
    number, ends = 0, []
    for size in groups:
        ends.append(disk.size_bytes(FIRST))
        receive(appender, *range(number, number + size))
        number += size
    disk.lose_power(after=data.draw(st.integers(0, 1)))
    with pytest.raises(PowerLost):
        receive(appender, *range(number, number + 5))
    disk.crash()
    proved = ends[-1]  # here begins the mark of the last group that is durable as a whole
    disk.flip_bit(FIRST, data.draw(st.integers(0, proved - 1)), data.draw(st.integers(0, 7)))
    with pytest.raises(CorruptJournal):
        recover(disk)


@pytest.mark.parametrize("step", range(9))
def test_the_power_may_go_in_every_step_of_a_change_of_kind(step):
    for seed in range(40):
        disk = SimulatedDisk(seed)
        appender = begin(disk)
        written = [0]
        disk.lose_power(after=2 + step)
        with suppress(PowerLost):
            append(appender, 0)
            receive(appender, 1)
            written.append(1)
            append(appender, 2)
            written.append(2)
        disk.crash()
        recover(disk)
        found = contents(disk)
        assert len(written) <= len(found) <= 3
        assert found == [payload(number) for number in range(len(found))]
        receive(resume(disk), 7)
        append(resume(disk), 8)
        disk.crash()
        recover(disk)
        assert contents(disk) == [*found, payload(7), payload(8)]


@pytest.mark.parametrize("step", range(9))
def test_the_power_may_go_in_every_step_of_a_rotation(step):
    """A rotation creates, writes, syncs, renames and syncs the folder; then the batch is written and synced."""
    for seed in range(40):
        disk = SimulatedDisk(seed)
        appender = begin(disk, segment_bytes_max=100)
        append(appender, 0, 1)
        assert len(list_segments(disk)) == 2
        disk.lose_power(after=step)
        with suppress(PowerLost):
            append(appender, 2, 3)
        disk.crash()
        recovered = recover(disk)
        assert len(contents(disk)) in (2, 3, 4)
        assert not any(name.endswith(".temporary") for name in disk.names())
        append(resume(disk, segment_bytes_max=100), 4, 5)
        disk.crash()
        assert recover(disk).last_seq == recovered.last_seq + 2 + 3


def test_what_a_failed_fsync_forgot_of_a_group_is_written_again_at_the_next_start():
    adopted = 0
    for seed in range(100):
        disk = SimulatedDisk(seed)
        appender = begin(disk)
        receive(appender, 0)
        disk.fail("sync")
        with pytest.raises(JournalFailed):
            receive(appender, 1, 2, 3)
        disk.kill()
        appender = resume(disk)
        adopted += appender.position.seq > 1
        receive(appender, 4, 5)
        expected = contents(disk)
        disk.crash()
        recover(disk, known_durable_seq=appender.position.seq)
        assert contents(disk) == expected
    assert 0 < adopted < 100


def test_what_a_failed_fsync_forgot_is_written_again_at_the_next_start():
    """The batch is read from the cache, and would be gone with the power although later ones are durable."""
    adopted = 0
    for seed in range(100):
        disk = SimulatedDisk(seed)
        appender = begin(disk)
        append(appender, 0)
        disk.fail("sync")
        with pytest.raises(JournalFailed):
            append(appender, 1)
        disk.kill()
        appender = resume(disk)
        adopted += appender.position.seq == 3
        append(appender, 2)
        expected = contents(disk)
        disk.crash()
        recover(disk, known_durable_seq=appender.position.seq)
        assert contents(disk) == expected
    assert 0 < adopted < 100


def test_a_torn_tail_is_cut_off_for_good_wherever_the_power_goes_meanwhile():
    for seed in range(30):
        for step in range(9):
            disk = SimulatedDisk(seed)
            appender = begin(disk)
            append(appender, 0, 1)
            segment = list_segments(disk)[0]
            file = disk.open(segment.name)
            file.write(segment.size_bytes, b"torn" * 50)
            file.sync()
            disk.lose_power(after=step)
            with suppress(PowerLost):
                recover(disk)
            disk.crash()
            recover(disk)
            append(resume(disk), 2)
            assert recover(disk).dropped is None
            backups = [disk.read(name, 0, 999) for name in disk.names() if ".torn-" in name]
            assert backups
            assert set(backups) == {b"torn" * 50}
