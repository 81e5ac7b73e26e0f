"""Whatever happens to process and machine: what was reported durable is there, and nothing is ever half there."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.journal.errors import JournalFailed, NoJournal
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import list_segments
from onsale.journal.writer import JournalAppender
from onsale.tests.journal.journals import JOURNAL_ID, append, begin, contents, resume
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk

SEGMENT_BYTES_MAX = 1500


class Machine:
    """One node's journal through many lives, and what its clients were told."""

    def __init__(self, seed: int) -> None:
        self.disk = SimulatedDisk(seed, short_write_probability=0.1)
        self.answered: list[bytes] = []
        self.unanswered: bytes | None = None  # handed over when the process stopped
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
        if self.unanswered is not None and len(found) == len(self.answered) + 1:
            self.answered.append(self.unanswered)
        assert found == self.answered
        assert recovered.last_seq == len(found)
        self.unanswered = None
        self.appender = JournalAppender(self.disk, recovered, epoch=1, segment_bytes_max=SEGMENT_BYTES_MAX)

    def append(self, size_bytes: int) -> None:
        self.number += 1
        self.unanswered = f"{self.number}:".encode() + self.disk.random.randbytes(size_bytes)
        self.appender.append(self.number, 1, self.unanswered)
        self.answered.append(self.unanswered)
        self.unanswered = None

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
