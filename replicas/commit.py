"""When a batch is committed: on the leader's own disk, and on as many standbys as answers must wait for.

Owns that arithmetic. Pure: positions in, position out.
"""

from collections.abc import Iterable


def committed_seq(own_seq: int, acked: Iterable[int], needed: int) -> int:
    """The last seq that is on the leader's disk and on `needed` standbys; `acked` has one seq for each that counts.

    0 when there are too few of them.
    """
    if not needed:
        return own_seq
    highest = sorted(acked, reverse=True)[:needed]
    return min(own_seq, highest[-1]) if len(highest) == needed else 0
