"""`JournalWriter` without its thread: the same surface over the same `JournalAppender`, on simulated time.

Owns when a sync of the simulated disk happens. Each takes time; what the disk has is said a moment later, as a thread's
word takes a moment to reach the loop; so a machine can stop before the write, in the middle of it, between write and
sync, and between sync and word. Callbacks come on the scheduler of the process.
"""

from collections import deque
from collections.abc import Callable

from onsale.journal.batch import Position, Sealed
from onsale.journal.disk import Disk
from onsale.journal.errors import JournalBusy, JournalClosed, JournalFailed
from onsale.journal.recovery import Recovered
from onsale.journal.writer import GROUP_BYTES_MAX, QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX, JournalAppender, check_chain
from onsale.tests.simulation.scheduler import NodeScheduler

OnDurable = Callable[[Position], None]
OnFailure = Callable[[JournalFailed], None]


class SimulatedWriter:
    def __init__(
        self,
        scheduler: NodeScheduler,
        disk: Disk,
        recovered: Recovered,
        *,
        on_durable: OnDurable,
        on_failure: OnFailure,
        sync_us: Callable[[], int],
        segment_bytes_max: int,
        on_synced: Callable[[list[Sealed]], None] = lambda _group: None,
    ) -> None:
        """`sync_us()` says how long the next sync takes; `on_synced(group)` is told at once what reached the disk."""
        self._scheduler = scheduler
        self._appender = JournalAppender(disk, recovered, segment_bytes_max=segment_bytes_max)
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._on_synced = on_synced
        self._sync_us = sync_us
        self._queue: deque[tuple[Sealed, bool]] = deque()  # with whether it was received
        self._queued_bytes = 0
        self._busy = False
        self._closed = False
        self._told_at = 0.0  # the last word was, or will be, heard then
        self.wrote_received = False  # the last group was of another node's batches
        self.last = recovered.position
        self.failure: JournalFailed | None = None

    @property
    def pending_batches(self) -> int:
        return len(self._queue)

    def append(self, sealed: Sealed) -> None:
        self._check_open()
        if len(self._queue) >= QUEUE_BATCHES_MAX:
            raise JournalBusy(f"{len(self._queue)} batches wait for the disk, which is the bound.")
        self._hand_over(sealed, received=False)

    def append_received(self, sealed: Sealed) -> None:
        self._check_open()
        if self._queued_bytes >= QUEUE_BYTES_MAX:
            raise JournalBusy(f"{len(self._queue)} received batches wait for the disk, which is the bound.")
        self._hand_over(sealed, received=True)

    def close(self) -> None:
        """Everything at once, however long it would have taken."""
        self._closed = True
        while self._queue and self.failure is None:
            self._write()
        if self.failure is None:
            try:
                self._appender.close()
            except JournalFailed as failure:
                self._fail(failure)

    def _check_open(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise JournalClosed("The journal is closed: nothing more can be appended.")

    def _hand_over(self, sealed: Sealed, *, received: bool) -> None:
        check_chain(self.last, (sealed,))
        self.last = sealed.position
        self._queue.append((sealed, received))
        self._queued_bytes += len(sealed.data)
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        self._busy = True
        self._scheduler.call_later(self._sync_us() / 1_000_000, self._go_on)

    def _go_on(self) -> None:
        self._busy = False
        if not self._queue or self.failure is not None:
            return  # it was closed meanwhile
        self._write()
        if self._queue and self.failure is None:
            self._begin()

    def _write(self) -> None:
        group = self._next_group()
        self.wrote_received = group[0][1]
        try:
            self._make_durable(group)
        except JournalFailed as failure:
            self._fail(failure)
            return
        for _ in group:
            sealed, _received = self._queue.popleft()
            self._queued_bytes -= len(sealed.data)
        self._on_synced([sealed for sealed, _received in group])
        self.tell(group[-1][0].position)

    def _next_group(self) -> list[tuple[Sealed, bool]]:
        group = [self._queue[0]]
        size_bytes = len(group[0][0].data)
        if group[0][1]:
            for handed in list(self._queue)[1:]:
                if not handed[1] or size_bytes >= GROUP_BYTES_MAX:
                    break
                group.append(handed)
                size_bytes += len(handed[0].data)
        return group

    def _make_durable(self, group: list[tuple[Sealed, bool]]) -> None:
        """One sync for all of them. Raises `JournalFailed`."""
        if group[0][1]:
            self._appender.append_received([sealed for sealed, _received in group])
        else:
            self._appender.append(group[0][0])

    def tell(self, position: Position) -> None:
        """The thread's word to the loop."""
        self._told_at = max(self._told_at, self._scheduler.time() + self._sync_us() / 10_000_000)
        self._scheduler.call_later(self._told_at - self._scheduler.time(), self._on_durable, position)

    def _fail(self, failure: JournalFailed) -> None:
        self.failure = failure
        self._appender.abandon()
        self._scheduler.call_soon(self._on_failure, failure)
