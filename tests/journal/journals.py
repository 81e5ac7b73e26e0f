"""Small journals to test with."""

from onsale.journal.batch import Position, Sealed, decode_batch, seal
from onsale.journal.disk import Disk
from onsale.journal.reader import read_batches
from onsale.journal.recovery import create_journal, recover
from onsale.journal.segments import HEADER_BYTES, SEGMENT_BYTES_MAX, segment_name
from onsale.journal.writer import JournalAppender
from onsale.tests.simulation.disk import SimulatedDisk

JOURNAL_ID = bytes(range(16))
FIRST = segment_name(1)


def payload(number: int) -> bytes:
    """What batch `number` holds: lengths differ, and so do all contents."""
    return f"batch {number} ".encode() * (1 + number % 5)


def begin(disk: Disk, *, segment_bytes_max: int = SEGMENT_BYTES_MAX, journal_id: bytes = JOURNAL_ID) -> JournalAppender:
    return JournalAppender(disk, create_journal(disk, journal_id), segment_bytes_max=segment_bytes_max)


def resume(disk: Disk, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> JournalAppender:
    return JournalAppender(disk, recover(disk), segment_bytes_max=segment_bytes_max)


def add(appender: JournalAppender, payload: bytes, *, at_ms: int, count: int = 1, epoch: int = 1) -> Sealed:
    """One batch of this node's own."""
    sealed = seal(appender.position, epoch=epoch, at_ms=at_ms, count=count, payload=payload)
    appender.append(sealed)
    return sealed


def append(appender: JournalAppender, *numbers: int) -> None:
    """One batch per number; batch n holds n % 3 + 1 facts at n ms."""
    for number in numbers:
        add(appender, payload(number), at_ms=number, count=number % 3 + 1)


def sealed_behind(position: Position, *numbers: int, epoch: int = 1, fill_bytes: int = 0) -> list[Sealed]:
    """The same batches, as they come from another node; with so many more bytes each."""
    found = []
    for number in numbers:
        content = payload(number) + bytes(fill_bytes)
        sealed = seal(position, epoch=epoch, at_ms=number, count=number % 3 + 1, payload=content)
        found.append(sealed)
        position = sealed.position
    return found


def receive(appender: JournalAppender, *numbers: int) -> None:
    """All of them as one group."""
    appender.append_received(sealed_behind(appender.position, *numbers))


def contents(disk: Disk, after_seq: int = 0) -> list[bytes]:
    return [batch.payload for batch in read_batches(disk, after_seq)]


def overwrite(disk: Disk, name: str, data: bytes) -> None:
    """Give a file other content, durably."""
    file = disk.open(name)
    file.truncate(0)
    file.write(0, data)
    file.sync()
    file.close()


def whole(disk: Disk, name: str) -> bytes:
    return disk.read(name, 0, disk.size_bytes(name))


def filled(disk: Disk, *numbers: int, close: bool = True, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> Position:
    """A journal with these batches, stopped cleanly or not; gives where its chain ends."""
    appender = begin(disk, segment_bytes_max=segment_bytes_max)
    append(appender, *numbers)
    if close:
        appender.close()
    return appender.position


def offsets(disk: Disk, name: str = FIRST) -> list[int]:
    """Where the batches of a segment begin, marks too, and where the last one ends."""
    data, found = whole(disk, name), [HEADER_BYTES]
    while found[-1] < len(data):
        found.append(found[-1] + decode_batch(memoryview(data), found[-1]).batch_bytes)
    return found


def copy(disk: Disk) -> SimulatedDisk:
    """A disk with the same files, to be damaged."""
    twin = SimulatedDisk(1)
    for name in disk.names():
        twin.create(name)
        overwrite(twin, name, whole(disk, name))
    twin.sync_folder()
    return twin


def damaged(disk: Disk, offset: int) -> SimulatedDisk:
    """A copy whose first segment has one bit flipped."""
    twin = copy(disk)
    twin.flip_bit(FIRST, offset)
    return twin
