"""Old segments are removed when nobody needs their facts any more.

Owns the order of removal: oldest first, each durably before the next, so that whatever happens the journal that is left
has no gap. Which facts are needed is the caller's to know: the checkpoint, and every standby, must be past them.
"""

from itertools import pairwise

from .disk import Disk
from .errors import failing_while
from .segments import list_segments


def remove_through(disk: Disk, seq: int) -> list[str]:
    """Remove the segments all of whose facts are at `seq` or before, but never the last one; gives their names.

    It may run beside the writer and readers: a reader that is in one of them hears `HistoryGone`.
    Raises `JournalFailed`.
    """
    removed = []
    for segment, following in pairwise(list_segments(disk)):
        if following.first_seq - 1 > seq:
            break
        with failing_while(f"removing {segment.name}"):
            disk.remove(segment.name)
            disk.sync_folder()
        removed.append(segment.name)
    return removed
