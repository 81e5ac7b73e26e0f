"""How far two journals are the same, told by where each epoch began in them.

Owns the comparison of (epoch → first seq) vectors. Within an epoch one leader alone wrote, so two journals that hold
the same first batch of an epoch are equal until one of them ends, or goes on with another epoch. Pure.

The source of the algorithm: Kafka's KIP-101 (leader epochs rather than high watermarks), here with the hash of each
epoch's first batch, so that two epochs of one number can't be taken for one another.
"""

from collections.abc import Sequence

from ..journal.batch import EpochStart, Position

UNKNOWN = b""


def vector(base: Position, epochs: Sequence[EpochStart]) -> list[EpochStart]:
    """What is told of a journal: where each epoch begins in it.

    A journal that was begun from a checkpoint at `base` does not know where the epoch of `base` began, nor by which
    batch; everything before is committed, and so the same everywhere.
    """
    return [EpochStart(base.epoch, base.seq + 1, UNKNOWN), *epochs] if base.seq else list(epochs)


def common_seq(own: Sequence[EpochStart], own_last: int, other: Sequence[EpochStart], other_last: int) -> int:
    """The last seq up to which both journals are the same; 0 when they have nothing in common."""
    for index in range(len(own) - 1, -1, -1):
        for other_index in range(len(other) - 1, -1, -1):
            if _same(own[index], other[other_index]):
                return min(_end(own, index, own_last), _end(other, other_index, other_last))
    return 0


def _same(one: EpochStart, two: EpochStart) -> bool:
    if one.epoch != two.epoch:
        return False
    if UNKNOWN in (one.hash, two.hash):
        return True
    return (one.first_seq, one.hash) == (two.first_seq, two.hash)


def _end(epochs: Sequence[EpochStart], index: int, last: int) -> int:
    return epochs[index + 1].first_seq - 1 if index + 1 < len(epochs) else last
