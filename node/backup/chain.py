"""Which archived parts make up one history, and the segment files they were.

Owns the search. A target may hold what several nodes archived: segments of different boundaries, ends that a failover
cut off, small parts beside the large one that replaced them. Every batch is verified as the walk comes to it, so what
it finds is one unbroken chain; where it parts, the later epoch goes before. Never changes the target.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import msgspec

from ...journal.batch import BadBatch, MisplacedBatch, Position, position_behind
from ...journal.disk import RealDisk
from ...journal.errors import CorruptJournal
from ...journal.segments import HEADER_BYTES, Segment, read_header
from .fetcher import DamagedPart
from .layout import Key, Part
from .stretches import batches_in


class Taken(msgspec.Struct, frozen=True):
    """Bytes of a segment's file, from `begin` to `end` of it, and what came before them."""

    before: "Taken | None"
    part: Part
    begin: int
    end: int

    def all(self) -> list["Taken"]:
        found, each = [], self
        while True:
            found.append(each)
            if each.before is None:
                return found[::-1]
            each = each.before


class Place(msgspec.Struct, frozen=True):
    """Where the walk stands: at `offset` of the segment `key`, the chain at `position` (None: nothing taken yet)."""

    key: Key
    offset: int
    position: Position | None
    taken: Taken | None

    @property
    def first_seq(self) -> int:
        """The seq that the chain begins with, which leads here."""
        assert self.taken is not None
        return self.taken.all()[0].part.key.first_seq

    @property
    def rank(self) -> tuple[int, int]:
        return (self.position.epoch, self.position.seq) if self.position else (-1, -1)


_Identity = tuple[Key, Part | None, int, bytes]


class _Step(msgspec.Struct, frozen=True):
    """From `place` on into `part`, or, where that is None, into the segment `key`."""

    place: Place
    key: Key
    part: Part | None

    @property
    def identity(self) -> _Identity:
        at = self.place.position
        return self.key, self.part, self.place.offset if self.part else 0, b"" if at is None else at.hash


class Search:
    """`chains` are where the unbroken chains end that were found, the one that reaches farthest first.

    There are several where something is missing. `goal` is where the archive ends, going by the names of its parts:
    (epoch, seq).
    """

    def __init__(self, parts: Iterable[Part], fetch: Callable[[Part], bytes], journal_id: bytes | None) -> None:
        self.chains: list[Place] = []
        self.damaged: list[DamagedPart] = []
        self.journal_id = journal_id
        self._fetch = fetch
        self._at: defaultdict[tuple[Key, int], list[Part]] = defaultdict(list)
        for part in parts:
            self._at[part.key, part.offset].append(part)
        for found in self._at.values():
            found.sort(key=lambda part: (part.epoch, part.end), reverse=True)
        self._keys = sorted({key for key, offset in self._at if not offset})
        self._epoch_at_start = {key: self._at[key, 0][0].epoch for key in self._keys}
        self.goal = max((part.epoch, part.last_seq) for found in self._at.values() for part in found)
        self._seen: set[_Identity] = set()
        self._longest: Place | None = None  # of those from one start

    @property
    def is_complete(self) -> bool:
        """Whether the first one of `chains` reaches all that was archived."""
        return bool(self.chains) and self.chains[0].rank >= self.goal

    def run(self) -> Self:
        """Begin with the oldest segment; where its chain ends too early, with the next one that is not in it."""
        entered: set[Key] = set()
        for key in self._keys:
            if key in entered:
                continue
            chain = self._explore(key)
            if chain is not None:
                self.chains.append(chain)
                self.chains.sort(key=lambda place: place.rank, reverse=True)
            entered |= {each for each, part, _, _ in self._seen if part is None}
            if self.is_complete:
                break
        return self

    def _explore(self, start: Key) -> Place | None:
        """Where the longest chain ends that begins with this segment."""
        self._longest = None
        steps = [_Step(Place(start, 0, None, None), start, None)]
        while steps and not self._is_goal(self._longest):
            step: _Step | None = steps.pop()
            while step is not None and step.identity not in self._seen:
                self._seen.add(step.identity)
                step = self._go(step, steps)
        return self._longest

    def _is_goal(self, place: Place | None) -> bool:
        return place is not None and place.rank >= self.goal

    def _go(self, step: _Step, others: list[_Step]) -> _Step | None:
        """Take a step, and say which one is next; those that would also be possible are added to `others`."""
        place = step.place
        if step.part is None:
            place = Place(step.key, 0, place.position, place.taken)
            return self._choose([_Step(place, step.key, part) for part in self._at[step.key, 0]], others)
        try:
            data = self._fetch(step.part)
        except DamagedPart as damaged:
            self.damaged.append(damaged)
            return None
        return self._walk(place, step.part, data, others)

    def _choose(self, steps: list[_Step], others: list[_Step]) -> _Step | None:
        others += reversed(steps[1:])
        return steps[0] if steps else None

    def _walk(self, place: Place, part: Part, data: bytes, others: list[_Step]) -> _Step | None:
        begin = skipped = place.offset - part.offset
        position = place.position
        if not place.offset:
            position = self._enter(part, data, position)
            skipped = HEADER_BYTES
        if position is None:
            return None
        taken = Taken(place.taken, part, place.offset, part.offset + max(begin, skipped))
        place = Place(part.key, taken.end, position, taken)
        try:
            for at, batch in batches_in(memoryview(data)[skipped:], position):
                other = self._other_segment(place)
                if other is not None and self._epoch_at_start[other] > batch.epoch:
                    others.append(_Step(place, part.key, part))
                    return _Step(place, other, None)
                if other is not None:
                    others.append(_Step(place, other, None))
                end = part.offset + skipped + at + batch.batch_bytes
                if batch.count:
                    position = position_behind(batch)
                place = Place(part.key, end, position, Taken(taken.before, part, taken.begin, end))
                self._note(place)
        except MisplacedBatch:
            return None  # it is of another history
        except BadBatch as bad:
            self.damaged.append(DamagedPart(part, str(bad)))
            return None
        steps = [_Step(place, part.key, each) for each in self._at[part.key, place.offset]]
        other = self._other_segment(place)
        if other is not None:
            steps.append(_Step(place, other, None))
            steps.sort(key=lambda step: step.part.epoch if step.part else self._epoch_at_start[step.key], reverse=True)
        return self._choose(steps, others)

    def _enter(self, part: Part, data: bytes, position: Position | None) -> Position | None:
        """Where the segment says that the chain stands before it; None when it does not go on there."""
        name = part.key.segment
        try:
            header = read_header(_Memory(name, data), Segment(name, part.key.first_seq, len(data)))
        except CorruptJournal as corrupt:
            self.damaged.append(DamagedPart(part, corrupt.reason))
            return None
        if self.journal_id is None:
            self.journal_id = header.journal_id
        follows = position is None or position == header.before
        if not follows or header.journal_id != self.journal_id or header.before.hash.hex() != part.key.before_hash:
            return None
        return header.before

    def _other_segment(self, place: Place) -> Key | None:
        """A segment that begins here and was not tried yet."""
        assert place.position is not None
        key = Key(place.position.seq + 1, place.position.hash.hex())
        if key == place.key or key not in self._epoch_at_start:
            return None
        return None if _Step(place, key, None).identity in self._seen else key

    def _note(self, place: Place) -> None:
        longest = self._longest
        goes_on = longest is not None and place.rank == longest.rank and place.key == longest.key  # with a mark
        if longest is None or place.rank > longest.rank or goes_on:
            self._longest = place


class _Memory(RealDisk):
    """One file's beginning that is not on a disk."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data

    def read(self, name: str, offset: int, count_bytes: int) -> bytes:
        assert name == self._name
        return self._data[offset : offset + count_bytes]


def write_segments(place: Place, fetch: Callable[[Part], bytes], folder: Path) -> int:
    """Put the segment files together as they were, up to `place`, and say how many there are. Not yet durable."""
    assert place.taken is not None
    names = set()
    for taken in place.taken.all():
        name = taken.part.key.segment
        data = fetch(taken.part)
        with (folder / name).open("ab" if name in names else "xb") as file:
            assert file.tell() == taken.begin, f"{name} has {file.tell()} bytes, not {taken.begin}"
            file.write(memoryview(data)[taken.begin - taken.part.offset : taken.end - taken.part.offset])
        names.add(name)
    return len(names)
