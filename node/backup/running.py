"""`onsale backup --run` and `--once`: the archiver's rounds, with Litestream beside them.

Owns the order and the patience: a target that does not answer is asked again, ever more seldom, while Litestream goes
on by itself. Whoever starts it hears on standard output how far the archive has come.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import msgspec

from ...journal.batch import SEQ_MAX, Position
from ...journal.errors import CheckpointFailed, CorruptCheckpoint, JournalFailed, NoJournal
from ...journal.reader import JournalReader
from ..commands.data_folder import journal_of
from ..recovery import CHECKPOINT_FILE
from .archiver import Archiver, Progress, Tell
from .copies import make_copy
from .layout import Copy
from .replication import Owner, Replication, claim, this_node
from .source import position_of
from .target import Target, TargetFailed

PATIENCE_SECONDS_MAX = 30.0
ROUNDS_PER_CLAIM = 60


class Archived(msgspec.Struct, frozen=True):
    """How far the archive has come, and what Litestream does: "off", "running" or "waiting"."""

    position: Position
    litestream: str


def epoch_of(data: Path) -> int:
    """The epoch that the journal ends with, by the headers of its last segment. Raises NoJournal, JournalFailed."""
    return max(JournalReader(journal_of(data), SEQ_MAX - 1).position.epoch, 1)


def make_archiver(data: Path, target: Target, tell: Tell, progress: Progress | None = None) -> Archiver:
    """Raises OtherJournal, NoJournal, TargetFailed, JournalFailed, CorruptJournal."""
    return Archiver(journal_of(data), target, since_seq=_checkpoint_seq(data, tell), tell=tell, progress=progress)


def _checkpoint_seq(data: Path, tell: Tell) -> int:
    try:
        position = position_of(data / CHECKPOINT_FILE)
    except (CheckpointFailed, CorruptCheckpoint) as error:
        tell(str(error))
        return 0
    return 0 if position is None else position.seq


def back_up_once(data: Path, target: Target, tell: Tell, progress: Progress) -> tuple[Archived, Copy | None]:
    """The checkpoint, then every segment up to what was durable at the end. Raises as `make_archiver` and copies do."""
    archiver = make_archiver(data, target, tell, progress)
    copy = make_copy(data / CHECKPOINT_FILE, target, progress)
    while not archiver.round():
        pass
    assert archiver.position is not None
    return Archived(archiver.position, "off"), copy


def keep_backing_up(
    data: Path,
    target: Target,
    replication: Replication,
    *,
    interval_seconds: float,
    take_over: bool,
    stopping: Event,
    tell: Tell,
    report: Callable[[Archived], None],
    progress: Progress,
) -> None:
    """Until `stopping` is set. Raises what no patience helps against: JournalError, OtherJournal, OSError."""
    archiver = make_archiver(data, target, tell, progress)
    patience = _Patience(interval_seconds, tell)
    keeper = _Keeper(data, target, replication, take_over, tell)
    said: Archived | None = None
    try:
        while not stopping.is_set():
            with patience:
                archiver.round(stopping.is_set)
                if archiver.position is not None:
                    keeper.keep(max(archiver.position.epoch, 1))
            replication.tend()
            said = _say(archiver, replication, said, report)
            stopping.wait(patience.seconds)
        with patience:
            archiver.round()
    finally:
        replication.stop()
    _say(archiver, replication, said, report)


def _say(
    archiver: Archiver, replication: Replication, said: Archived | None, report: Callable[[Archived], None]
) -> Archived | None:
    if archiver.position is None:
        return said
    now = Archived(archiver.position, replication.state)
    if now != said:
        report(now)
    return now


class _Keeper:
    """Has Litestream replicate the checkpoint of the epoch that goes on, if that is this node's part."""

    def __init__(self, data: Path, target: Target, replication: Replication, take_over: bool, tell: Tell) -> None:  # noqa: FBT001
        self._target = target
        self._replication = replication
        self._take_over = take_over
        self._tell = tell
        self._own = this_node(data)
        self._epoch = 0
        self._owner: Owner | None = None
        self._rounds = 0

    def keep(self, epoch: int) -> None:
        """Raises TargetFailed."""
        self._rounds += 1
        if epoch == self._epoch and self._rounds % ROUNDS_PER_CLAIM != 1:
            return
        owner = claim(self._target, epoch, self._own, take_over=self._take_over)
        self._take_over = False
        ours = owner.id == self._own.id
        if not ours and (epoch, owner) != (self._epoch, self._owner):
            self._tell(
                f"The checkpoint of epoch {epoch} is replicated by {owner}, so only the journal is archived here. If "
                "that one is gone for good, start again with --take-over; for a backup of its own give this node "
                "another folder or prefix."
            )
        self._epoch, self._owner = epoch, owner
        self._replication.follow(epoch if ours else None)


class _Patience:
    """A block that may fail in a way that passes, and how long to wait before it is tried again."""

    def __init__(self, interval_seconds: float, tell: Tell) -> None:
        self._interval_seconds = interval_seconds
        self._tell = tell
        self._failed = False
        self.seconds = interval_seconds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if _passes(error):
            if not self._failed:
                self._tell(f"{error} It is tried again until it works; the node is not affected.")
            self._failed = True
            self.seconds = min(self.seconds * 2, PATIENCE_SECONDS_MAX)
            return True
        if error is None:
            if self._failed:
                self._tell("It works again; the backup goes on where it was.")
            self._failed, self.seconds = False, self._interval_seconds
        return False


def _passes(error: BaseException | None) -> bool:
    """The target is out of reach; or the node is just putting another journal in the place of its own."""
    gone = isinstance(error, JournalFailed) and isinstance(error.cause, FileNotFoundError)
    return gone or isinstance(error, (TargetFailed, NoJournal))
