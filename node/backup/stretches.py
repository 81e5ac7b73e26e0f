"""Bytes of a segment, verified batch by batch, and where they may be divided.

Owns the walk over bytes in memory that backup and restore share: what is uploaded or put in place is the very bytes
that were verified. Never reads a file.
"""

from collections.abc import Iterator

import msgspec

from ...journal.batch import BadBatch, Batch, MisplacedBatch, Position, decode_batch, position_behind, why_not_next


class Stretch(msgspec.Struct):
    """Whole batches from `offset` to `end` of a segment's file, all of one epoch."""

    epoch: int
    offset: int
    end: int
    last_seq: int


class Walked(msgspec.Struct):
    """How far the bytes are sound: up to `end` of the file, where the chain stands at `position`.

    `bad` is what is wrong with the bytes there, None where they just end.
    """

    stretches: list[Stretch]
    position: Position
    end: int
    bad: BadBatch | None


def batches_in(view: memoryview, position: Position) -> Iterator[tuple[int, Batch]]:
    """Each batch, marks too, with the number of bytes before it. Raises BadBatch where they do not go on."""
    at = 0
    while at < len(view):
        batch = decode_batch(view, at)
        if wrong := why_not_next(batch, position):
            raise MisplacedBatch(wrong)
        yield at, batch
        at += batch.batch_bytes
        if batch.count:
            position = position_behind(batch)


def walk(data: bytes, offset: int, position: Position, *, header_bytes: int = 0) -> Walked:
    """Verify `data`, which begins at `offset` of the file, with the segment's header when `header_bytes` is not 0.

    A mark goes with the facts before it; at the very beginning, with those behind it.
    """
    walked = Walked([], position, offset + header_bytes, None)
    current: Stretch | None = None
    begin = offset
    try:
        for at, batch in batches_in(memoryview(data)[header_bytes:], position):
            end = offset + header_bytes + at + batch.batch_bytes
            if batch.count:
                walked.position = position_behind(batch)
            elif current is None and header_bytes:
                walked.end = end
                continue
            epoch = walked.position.epoch
            if current is None or current.epoch != epoch:
                current = Stretch(epoch, begin, end, walked.position.seq)
                walked.stretches.append(current)
            current.end = walked.end = begin = end
            current.last_seq = walked.position.seq
    except BadBatch as bad:
        walked.bad = bad
    return walked
