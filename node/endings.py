"""How `onsale serve` ends when it can't go on: which exit code, and what a person is told to do.

Owns the expected failures. Promises that a process that must not answer any more ends, whatever else fails, and that
what is expected to fail is told in a sentence rather than a traceback.
"""

import errno
import os
import sys
from typing import NoReturn

from ..journal.errors import (
    CheckpointFailed,
    CorruptCheckpoint,
    CorruptJournal,
    FolderLocked,
    JournalError,
    NewerCheckpoint,
    NewerJournal,
)
from ..replicas.search.index import SearchUnavailable
from .access import NotConfigured
from .exit_codes import ExitCode
from .tickets import DamagedTicketKey


class OpenToTheWorld(Exception):
    """Someone else's machine could reach a node that asks nobody who they are."""


class CannotListen(Exception):
    """The address is taken, or not this machine's."""


class FolderGone(Exception):
    """The data folder is no longer where it was."""


class Impatient(Exception):
    """Asked to stop, and asked again."""


EXPECTED = (
    CannotListen,
    DamagedTicketKey,
    JournalError,
    NotConfigured,
    OSError,
    OpenToTheWorld,
    SearchUnavailable,
)

_DISK_ERRORS = {errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EROFS}


def exit_code(error: Exception) -> ExitCode:
    match error:
        case OpenToTheWorld() | NewerCheckpoint() | NewerJournal():
            return ExitCode.REFUSED
        case CorruptJournal() | CorruptCheckpoint() | DamagedTicketKey():
            return ExitCode.CORRUPT
        case FolderLocked():
            return ExitCode.ERROR
        case JournalError() | FolderGone():
            return ExitCode.DISK
        case OSError() if error.errno in _DISK_ERRORS:
            return ExitCode.DISK
    return ExitCode.ERROR


def sentence(error: Exception) -> str:
    """What happened, where, and what to do next."""
    if not isinstance(error, OSError):
        return str(error)
    place = f" with {error.filename}" if error.filename else ""
    advice = (
        "Check the disk (free space, kernel log), then start again."
        if error.errno in _DISK_ERRORS
        else "Check that it is what it should be and that this user may read and write it, then start again."
    )
    return f"Can't go on{place}: {error.strerror or error}. {advice}"


def end(error: Exception) -> int:
    """Say why, before anything is served."""
    print(f"onsale: {sentence(error)}", file=sys.stderr)
    return int(exit_code(error))


def die(error: Exception) -> NoReturn:
    """Nothing more may be answered: what is in memory may not be on disk, and a clean stop would pretend otherwise."""
    match error:
        case Impatient():
            said = str(error)
        case CheckpointFailed() | CorruptCheckpoint():
            said = f"checkpoint failure, stopping at once: {error}"
        case JournalError() | FolderGone():
            said = f"disk failure, stopping at once: {error}"
        case _:
            said = (
                f"a fault of ours, stopping at once before it is written down: {error!r}. Start again, and report it."
            )
    try:
        print(f"onsale: {said}", file=sys.stderr, flush=True)
    finally:  # the log may be on the same full disk, or its reader gone
        os._exit(int(exit_code(error)))
