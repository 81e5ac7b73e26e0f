"""The checkpoints of a backup, one after the other, each as the file that a node would have.

Owns where they come from: Litestream's replicas, and whole copies. One that can't be used is said so and passed over;
whether one fits the journal is for others to judge.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ...journal.checkpoint import Loaded, load
from ...journal.checkpoint_copy import copy_checkpoint
from ...journal.errors import CheckpointFailed, CorruptCheckpoint, NewerCheckpoint
from ..recovery import CHECKPOINT_FILE
from .copies import DamagedCopy, fetch_copy
from .layout import Contents, Copy
from .litestream import INSTALL, Binary, LitestreamFailed, restore
from .target import NotThereError, Target

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""

UNUSABLE = (LitestreamFailed, DamagedCopy, NotThereError, CorruptCheckpoint, CheckpointFailed, NewerCheckpoint)


class Checkpoints:
    """Those of `contents`, brought to the folder `staging` one at a time. `notes` say what was passed over, and why."""

    def __init__(
        self,
        target: Target,
        contents: Contents,
        staging: Path,
        binary: Binary | None,
        epoch_max: int,
        progress: Progress,
    ) -> None:
        self.notes: list[str] = []
        self._target = target
        self._contents = contents
        self._staging = staging
        self._binary = binary
        self._epoch_max = epoch_max
        self._progress = progress

    def newest_first(self) -> Iterator[tuple[str, Loaded]]:
        """Checkpoints, newest epoch first, each as the file that a node would have."""
        copies = list(self._contents.copies)
        epochs = {*self._contents.checkpoints, *(copy.epoch for copy in copies)}
        for epoch in sorted(epochs, reverse=True):
            ways: list[tuple[str, Callable[[Path], None]]] = []
            if epoch in self._contents.checkpoints:
                ways.append((f"Litestream, epoch {epoch}", partial(self._litestream, epoch)))
            ways += [
                (f"the copy at seq {each.seq}", partial(self._copy, each)) for each in copies if each.epoch == epoch
            ]
            for origin, bring in ways:
                loaded = self._try(origin, bring)
                if loaded is not None:
                    yield origin, loaded

    def _copy(self, copy: Copy, path: Path) -> None:
        fetch_copy(copy, self._target, path, self._progress)

    def _litestream(self, epoch: int, path: Path) -> None:
        written_by = self._contents.litestream_format[epoch]
        if self._binary is None:
            raise LitestreamFailed(f"there is no litestream on this machine. {INSTALL}")
        if written_by == "0.5" and self._binary.format == "0.3":
            raise LitestreamFailed(f"it was written by Litestream 0.5, and the one here is {self._binary.version}")
        self._progress("fetching the checkpoint with Litestream", 0, 1)
        restore(self._binary, self._target, epoch, path)
        self._progress("fetching the checkpoint with Litestream", 1, 1)

    def _try(self, origin: str, bring: Callable[[Path], None]) -> Loaded | None:
        raw, path = self._staging / "fetched.sqlite", self._staging / CHECKPOINT_FILE
        try:
            bring(raw)
            if load(raw) is None:
                raise CheckpointFailed("the node had not written one yet when it was copied")
            copy_checkpoint(raw, path)  # without Litestream's own tables: here it does not replicate
            loaded = load(path)
        except UNUSABLE as error:
            self.not_used(origin, str(error).rstrip("."))
            loaded = None
        finally:
            remove_database(raw)
        if loaded is None:
            return None
        if loaded.position.epoch > self._epoch_max:
            self.not_used(origin, f"it is of epoch {loaded.position.epoch} already")
            return None
        return loaded

    def not_used(self, origin: str, why: str) -> None:
        note = f"The checkpoint of {origin} was not used: {why}."
        if note not in self.notes:
            self.notes.append(note)


def remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
