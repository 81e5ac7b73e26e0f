"""The latest batches in memory, for those who follow live.

Owns a bounded run of encoded batches without a gap. Who is behind its beginning reads from the segments. It always
holds what is not on disk yet, for that can be had nowhere else.
"""

from collections import deque

from ..journal.batch import Sealed

BACKLOG_BYTES_MAX = 32 * 1024 * 1024


class Backlog:
    def __init__(self, bytes_max: int = BACKLOG_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._batches: deque[Sealed] = deque()
        self._by_first_seq: dict[int, Sealed] = {}  # who catches up goes through all of them
        self._size_bytes = 0
        self._durable_seq = 0

    def add(self, sealed: Sealed) -> None:
        """The next batch."""
        last = self._batches[-1] if self._batches else None
        if last is not None and sealed.first_seq != last.position.seq + 1:
            raise ValueError(f"seq {sealed.first_seq} does not follow on seq {last.position.seq}")
        self._batches.append(sealed)
        self._by_first_seq[sealed.first_seq] = sealed
        self._size_bytes += len(sealed.data)
        self._trim()

    def durable(self, seq: int) -> None:
        """Everything up to `seq` can be read from disk from now on."""
        self._durable_seq = seq
        self._trim()

    def after(self, seq: int) -> Sealed | None:
        """The batch that begins behind `seq`; None when it is not in memory."""
        return self._by_first_seq.get(seq + 1)

    def _trim(self) -> None:
        batches = self._batches
        while self._size_bytes > self._bytes_max and batches[0].position.seq <= self._durable_seq:
            oldest = batches.popleft()
            del self._by_first_seq[oldest.first_seq]
            self._size_bytes -= len(oldest.data)
