"""A data folder seen by offline tools, which look at it and leave it as it is.

Owns how they open the journal for reading, and how they find out that a node is using the folder. Never creates, locks
or changes anything.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from ...journal.disk import LOCK_NAME, RealDisk
from ...journal.errors import NoJournal
from ...journal.segments import list_segments
from ..recovery import JOURNAL_FOLDER


def journal_of(data: Path) -> RealDisk:
    """The journal's folder. Raises NoJournal, and makes nothing, when there is none."""
    folder = data / JOURNAL_FOLDER
    if not folder.is_dir() or not list_segments(RealDisk(folder)):
        raise NoJournal(
            f"There is no journal in {data}. Give the folder that `onsale serve --data DIR` was started with."
        )
    return RealDisk(folder)


def used_by(data: Path) -> str:
    """Who is using the folder, such as "process 4711"; empty when nobody is."""
    with suppress(FileNotFoundError):
        descriptor = os.open(data / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        try:
            holder = os.pread(descriptor, 32, 0).strip()
            if not holder:  # let go of in good order; not tried, for a node may be starting at this moment
                return ""
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"process {int(holder)}" if holder.isdigit() else "another process"
        finally:
            os.close(descriptor)
    return ""
