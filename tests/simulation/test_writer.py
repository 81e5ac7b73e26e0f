"""The simulated writer is to be the real one but for its thread; what it says is durable must be so."""

from random import Random

import pytest

from onsale.journal.batch import Position, Sealed, seal
from onsale.journal.errors import JournalClosed, JournalFailed
from onsale.journal.reader import read_batches
from onsale.journal.recovery import create_journal, recover
from onsale.tests.simulation.disk import PowerLost, SimulatedDisk
from onsale.tests.simulation.scheduler import NodeScheduler, SimulatedTime
from onsale.tests.simulation.writer import SimulatedWriter

SECOND = 1_000_000


class Bench:
    def __init__(self, seed: int = 1) -> None:
        self.time = SimulatedTime()
        self.scheduler = NodeScheduler(self.time)
        self.disk = SimulatedDisk(seed)
        self.recovered = create_journal(self.disk, b"j" * 16)
        self.durable: list[int] = []
        self.synced: list[int] = []
        self.failures: list[JournalFailed] = []
        random = Random(seed)
        self.writer = SimulatedWriter(
            self.scheduler,
            self.disk,
            self.recovered,
            on_durable=lambda position: self.durable.append(position.seq),
            on_failure=self.failures.append,
            sync_us=lambda: random.randrange(100, 900),
            segment_bytes_max=600,
            on_synced=lambda group: self.synced.append(group[-1].position.seq),
        )

    def batches(self, count: int) -> list[Sealed]:
        position: Position = self.writer.last
        made = []
        for number in range(count):
            sealed = seal(position, epoch=1, at_ms=position.at_ms + 1, count=2, payload=b"facts %d" % number)
            position = sealed.position
            made.append(sealed)
        return made

    def kept(self) -> int:
        return sum(batch.count for batch in read_batches(self.disk, 0))


def test_own_batches_become_durable_one_by_one_and_take_time():
    bench = Bench()
    for sealed in bench.batches(5):
        bench.writer.append(sealed)
    assert bench.writer.pending_batches == 5
    bench.time.run(0)
    assert not bench.durable
    bench.time.run(SECOND)
    assert bench.durable == [2, 4, 6, 8, 10]
    assert bench.kept() == 10
    assert bench.writer.pending_batches == 0


def test_received_batches_share_a_sync():
    bench = Bench()
    first, *rest = bench.batches(6)
    bench.writer.append_received(first)
    for sealed in rest:
        bench.writer.append_received(sealed)
    bench.time.run(SECOND)
    assert bench.durable == [12], "all that was queued when the disk was free goes in one group"
    assert bench.kept() == 12


def test_what_does_not_follow_is_refused_at_once():
    bench = Bench()
    _, second = bench.batches(2)
    with pytest.raises(ValueError, match="can't follow"):
        bench.writer.append(second)


def test_a_failing_sync_is_told_once_and_ends_it():
    bench = Bench()
    bench.disk.fail("sync")
    first, second, third = bench.batches(3)
    bench.writer.append(first)
    bench.writer.append(second)
    bench.time.run(SECOND)
    assert [failure.operation for failure in bench.failures] == ["writing 00000000000000000001.segment"]
    assert not bench.durable
    with pytest.raises(JournalFailed):
        bench.writer.append(third)


def test_what_was_said_to_be_durable_survives_a_crash_anywhere():
    interrupted = 0
    for seed in range(60):
        bench = Bench(seed)
        bench.disk.lose_power(after=seed % 20)
        for sealed in bench.batches(4):
            bench.writer.append(sealed)
        try:
            bench.time.run(SECOND)
        except PowerLost:
            interrupted += 1
        bench.disk.crash()
        kept = recover(bench.disk).last_seq
        assert kept >= max(bench.synced, default=0) >= max(bench.durable, default=0)
    assert interrupted > 20


def test_a_closed_writer_has_written_everything_and_takes_nothing():
    bench = Bench()
    *some, last = bench.batches(4)
    for sealed in some:
        bench.writer.append(sealed)
    bench.writer.close()
    assert bench.kept() == 6
    assert recover(bench.disk).marked
    bench.time.run(SECOND)
    assert bench.durable == [2, 4, 6]
    with pytest.raises(JournalClosed):
        bench.writer.append(last)


def test_a_killed_process_hears_of_nothing():
    bench = Bench()
    for sealed in bench.batches(4):
        bench.writer.append(sealed)
    bench.time.run(500)
    bench.scheduler.kill()
    heard = list(bench.durable)
    bench.time.run(SECOND)
    assert bench.durable == heard
