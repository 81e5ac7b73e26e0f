"""The promise of one node: to whom the highest epoch is given that it knows of.

Owns the promise in memory and on disk. Promises that it only ever rises, that no number is given twice, and that it is
on disk before anything is done about it.
"""

from collections.abc import Callable

from ...journal.disk import Disk
from ...journal.errors import JournalFailed
from ...replicas.promise import Promise, load_promise, save_promise


class PromiseKeeper:
    def __init__(self, disk: Disk, at_least: Promise, failed: Callable[[JournalFailed], None]) -> None:
        """`at_least`: what the journal has seen, should the file have been lost. Raises JournalError."""
        kept = load_promise(disk)
        self.promise = kept if kept.epoch >= at_least.epoch else at_least
        self._disk = disk
        self._failed = failed

    @property
    def epoch(self) -> int:
        return self.promise.epoch

    def keep(self, promise: Promise) -> None:
        """Durable when this returns. Raises JournalError, when the node must end."""
        if promise == self.promise:
            return
        assert promise.epoch >= self.promise.epoch, "a promise is never taken back"
        try:
            save_promise(self._disk, promise)
        except JournalFailed as error:
            self._failed(error)
            raise
        self.promise = promise

    def give(self, epoch: int, node_id: bytes, name: str) -> str:
        """Promise an epoch to a candidate; why not, or empty."""
        if (epoch, node_id) != (self.promise.epoch, self.promise.node_id):
            if epoch <= self.promise.epoch:
                return f"it has promised {self.promise}"
            self.keep(Promise(epoch, node_id, name))
        return ""

    def accept(self, epoch: int, node_id: bytes, name: str, *, voting: bool) -> bool:
        """Whether a leader of this epoch may be followed; it is then the one promised."""
        if epoch < self.promise.epoch:
            return False
        if epoch == self.promise.epoch and voting and self.promise.node_id not in {b"", node_id}:
            return False
        self.keep(Promise(epoch, node_id if voting else b"", name))
        return True
