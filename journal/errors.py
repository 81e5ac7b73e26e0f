"""Every way in which the journal refuses, with what a person should do next.

Owns the exception types of this package. An `OSError` never leaves the journal as such: it becomes a
`JournalFailed`, so that "the disk failed" and "the bytes are wrong" can't be mixed up.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class JournalError(Exception):
    """The root of everything the journal raises."""


class NoJournal(JournalError):
    """The folder holds no segment at all: a node that starts for the first time creates a journal."""


class CorruptJournal(JournalError):
    """Bytes that were durable are missing or changed. Nothing is skipped or mended: the process must not start.

    `segment` is the file, `offset` the byte in it, `seq` the first fact that can't be trusted.
    """

    ADVICE = (
        "Nothing was changed on disk. Keep this data folder aside, then either start this node with an empty one as "
        "`onsale standby --data DIR --primary HOST:PORT --rebuild`, which fetches the journal from a healthy node, "
        "or bring back a backup with `onsale restore`."
    )

    def __init__(self, segment: str, offset: int, seq: int, reason: str, advice: str = ADVICE) -> None:
        super().__init__(f"The journal is corrupt in {segment} at byte {offset} (seq {seq}): {reason}. {advice}")
        self.segment = segment
        self.offset = offset
        self.seq = seq
        self.reason = reason
        self.advice = advice


class NewerJournal(CorruptJournal):
    """Nothing is damaged: a newer version of this program wrote it, and this one would read it wrong."""

    def __init__(self, segment: str, offset: int, seq: int, reason: str) -> None:
        super().__init__(segment, offset, seq, reason, "Start this folder with that version of Onsale, or a later one.")
        said = f"A newer version of Onsale wrote {segment} from byte {offset} (seq {seq}) on: {reason}"
        self.args = (f"{said}. Nothing was changed on disk. {self.advice}",)


class JournalFailed(JournalError):
    """A read, write or sync failed. The process must stop answering and exit.

    It is never retried: after a failed fsync the kernel may have forgotten the bytes already, and the next one would
    say that all is well. `operation` says what was tried, `cause` is what the system answered.
    """

    def __init__(self, operation: str, cause: BaseException) -> None:
        super().__init__(
            f"The journal failed while {operation}: {cause}. Everything answered so far is safe, and nothing more is "
            "answered. Check the disk (free space, kernel log), then start again."
        )
        self.operation = operation
        self.cause = cause


@contextmanager
def failing_while(operation: str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `JournalFailed` that names `operation` ("writing 0007.segment")."""
    try:
        yield
    except OSError as error:
        raise JournalFailed(operation, error) from error


class JournalBusy(JournalError):
    """More batches wait for the disk than the writer's bound allows: stage, and append when one is durable."""


class JournalClosed(JournalError):
    """An append after `close()`."""


class HistoryGone(JournalError):
    """A reader asks for facts older than the journal still keeps; `first_seq` is the oldest one it has."""

    def __init__(self, after_seq: int, first_seq: int) -> None:
        super().__init__(
            f"The journal begins with seq {first_seq}; seq {after_seq + 1} is no longer in it. "
            "Start from a checkpoint that is newer."
        )
        self.after_seq = after_seq
        self.first_seq = first_seq


class FolderLocked(JournalError):
    """Another process serves this data folder; `pid` is None when it could not be read."""

    def __init__(self, path: str, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"The data folder {path} is in use by {holder}. Stop it first, or choose another folder with --data."
        )
        self.path = path
        self.pid = pid


class CheckpointFailed(JournalError):
    """The database could not be read or written: full disk, I/O error, locked for too long. Nothing of the
    transaction under way is in it.
    """


class CorruptCheckpoint(JournalError):
    """The database is malformed, or does not hold what was stored in it."""


class BadSnapshot(JournalError):
    """A checkpoint that came from another node is not what that node sent. Nothing of it is kept: fetch it again."""


class NewerCheckpoint(JournalError):
    """A newer version of this program made the database."""


class ArchiveBusy(JournalError):
    """More reads wait for the database than the bound allows: answer `overloaded`."""
