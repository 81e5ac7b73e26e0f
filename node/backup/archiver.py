"""The journal's segments copied to a target while a node appends to them.

Owns which bytes go there and when: whole verified batches alone, durable here before they are there, the growing last
segment in small parts that one large part replaces when the segment is full. Promises that it can be stopped at any
moment and begun again, that what is archived once is never archived as something else, and that it changes nothing in
the data folder: it reads, takes no lock, and copes with segments that are removed or cut meanwhile.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import msgspec

from ...journal.batch import HASH_BYTES, IncompleteBatch, Position
from ...journal.disk import RealDisk
from ...journal.errors import CorruptJournal, JournalFailed, NoJournal, failing_while
from ...journal.reader import BadPlace, read_bytes
from ...journal.segments import HEADER_BYTES, Segment, list_segments, read_header
from ...journal.torn_tail import judge
from .layout import JOURNAL_ID, Key, Part, digest_of, part_of
from .stretches import Walked, walk
from .target import NotThereError, Target, TargetFailed

MERGED_PARTS = 64

Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class OtherJournal(Exception):
    """The target holds the backup of another journal."""


class _Tail(msgspec.Struct):
    """The last segment, archived up to `offset`, where the chain stands at `position`. `parts` are the small ones."""

    name: str
    key: Key
    offset: int
    position: Position
    parts: list[Part]


class Archiver:
    """`position` is up to where the journal is archived, from the checkpoint at `since_seq` on; older segments follow.

    Every method may raise TargetFailed, after which it may be called again, and CorruptJournal, JournalFailed.
    """

    def __init__(
        self, disk: RealDisk, target: Target, *, since_seq: int, tell: Tell, progress: Progress | None = None
    ) -> None:
        """Raises OtherJournal, NoJournal."""
        self.position: Position | None = None
        self.parts_written = 0
        self._disk = disk
        self._target = target
        self._since_seq = since_seq
        self._tell = tell
        self._progress = progress or (lambda _what, _done, _total: None)
        self._tail: _Tail | None = None
        self._whole: set[Segment] = set()
        self._in_parts: set[Segment] = set()  # all there, but not yet as one part
        self._suspected: tuple[str, int, int] | None = None
        self._may_remove = True
        self._check_journal()
        self._stored: defaultdict[Key, set[Part]] = defaultdict(set)
        for stored in target.list("epoch-"):
            if (part := part_of(stored.name)) is not None and part.size_bytes == stored.size_bytes:
                self._stored[part.key].add(part)

    def _check_journal(self) -> None:
        segments = list_segments(self._disk)
        if not segments:
            raise NoJournal("There is no journal in this folder yet: start the node first.")
        own = read_header(self._disk, segments[0]).journal_id.hex()
        try:
            there = self._target.get(JOURNAL_ID).decode(errors="replace").strip()
        except NotThereError:
            self._target.put(JOURNAL_ID, f"{own}\n".encode())
            return
        if there != own:
            raise OtherJournal(
                f"{self._target.address} holds the backup of another journal ({there}; this one is {own}). Choose "
                "another folder or prefix for this node."
            )

    def round(self, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Archive what is new, then one older segment as a whole. Whether all is archived that was there."""
        segments = list_segments(self._disk)
        if not segments:
            raise NoJournal("The journal's folder has no segment any more.")
        try:
            done = self._round(segments, stopping)
        except JournalFailed as failure:
            if not isinstance(failure.cause, FileNotFoundError):
                raise
            return False  # a segment was removed meanwhile: the next round sees what there is
        except CorruptJournal as corrupt:
            place = (corrupt.segment, corrupt.offset, corrupt.seq)
            if place == self._suspected:
                raise
            self._suspected, self._tail = place, None  # looked at once more: it may have been cut at this moment
            return False
        self._suspected = None
        return done

    def _round(self, segments: list[Segment], stopping: Callable[[], bool]) -> bool:
        last = segments[-1]
        needed = [each for each, after in pairwise(segments) if after.first_seq > self._since_seq]
        for index, segment in enumerate(needed):
            if segment not in self._whole and segment not in self._in_parts:
                if stopping():
                    return False
                if self.position is None:
                    self._progress("archiving the journal", index, len(needed) + 1)
                if not self._archive_last_part(segment):
                    self._archive_whole(segment, _following(segments, segment))
        self._archive_tail(last)
        older = [each for each in segments[:-1] if each not in self._whole]
        if older and not stopping():
            self._archive_whole(older[-1], _following(segments, older[-1]))
            self._progress("archiving older segments", len(self._whole), len(segments) - 1)
        return len(older) <= 1

    # --- segments that grow no more

    def _archive_last_part(self, segment: Segment) -> bool:
        """Of one that was followed while it grew: what is new since then goes before the large part is made of it."""
        if self._tail is None or self._tail.name != segment.name:
            return False
        self._archive_tail(segment)
        if self._tail.offset != segment.size_bytes:
            return False
        self._in_parts.add(segment)
        return True

    def _archive_whole(self, segment: Segment, following: Segment) -> None:
        header = read_header(self._disk, segment)
        data = read_bytes(self._disk, segment.name, 0, segment.size_bytes)
        walked = walk(data, 0, header.before, header_bytes=HEADER_BYTES)
        if walked.end != segment.size_bytes or walked.position.seq + 1 != following.first_seq:
            reason = str(walked.bad or f"it ends with seq {walked.position.seq}, and {following.name} follows")
            raise CorruptJournal(segment.name, walked.end, walked.position.seq + 1, reason)
        key = _key(header.before)
        for part in self._parts(key, walked, data, 0):
            self._put(part, data[part.offset : part.end])
        self._remove_small(key, data, {stretch.offset: stretch.end for stretch in walked.stretches})
        self._whole.add(segment)
        self._in_parts.discard(segment)

    def _remove_small(self, key: Key, data: bytes, large: dict[int, int]) -> None:
        """Remove the parts that lie in larger ones with the same bytes."""
        view = memoryview(data)
        for part in sorted(self._stored[key], key=lambda each: each.offset):
            if large.get(part.offset) == part.end or digest_of(view[part.offset : part.end]) != part.digest:
                continue
            if any(begin <= part.offset and part.end <= end for begin, end in large.items()):
                self._remove(part)

    # --- the one that grows

    def _archive_tail(self, segment: Segment) -> None:
        tail = self._tail
        if tail is None or tail.name != segment.name or not HEADER_BYTES < tail.offset <= segment.size_bytes:
            tail = self._tail = self._begin(segment)
        self._make_durable(segment)
        walked, data = self._walk_on(tail, segment)
        if walked.bad is not None and not isinstance(walked.bad, IncompleteBatch):
            if tail.offset:  # other bytes than those that were followed: it was cut, and goes on differently
                tail = self._tail = self._begin(segment)
                walked, data = self._walk_on(tail, segment)
            if walked.bad is not None:
                grouped = read_header(self._disk, segment).grouped
                bad = BadPlace(walked.end, walked.position.seq + 1, walked.bad)
                judge(self._disk, segment, bad, is_last=True, known_durable_seq=self._since_seq, grouped=grouped)
        for part in self._parts(tail.key, walked, data, tail.offset):
            self._put(part, data[part.offset - tail.offset : part.end - tail.offset])
            tail.parts.append(part)
        if walked.stretches:
            tail.offset, tail.position = walked.end, walked.position
        self.position = tail.position
        if len(tail.parts) >= MERGED_PARTS:
            self._merge(tail)

    def _begin(self, segment: Segment) -> _Tail:
        """Where its archived parts end, as far as they are what is in the file now."""
        before = read_header(self._disk, segment).before
        key = _key(before)
        data = read_bytes(self._disk, segment.name, 0, segment.size_bytes)
        sound = walk(data, 0, before, header_bytes=HEADER_BYTES).end
        offset = 0
        while found := [part for part in self._stored[key] if part.offset == offset < part.end <= sound]:
            same = [part.end for part in found if digest_of(memoryview(data)[offset : part.end]) == part.digest]
            if not same:
                break
            offset = max(same)
        if not offset:
            return _Tail(segment.name, key, 0, before, [])
        reached = walk(data[:offset], 0, before, header_bytes=HEADER_BYTES)
        return _Tail(segment.name, key, offset, reached.position, [])

    def _walk_on(self, tail: _Tail, segment: Segment) -> tuple[Walked, bytes]:
        header_bytes = 0 if tail.offset else HEADER_BYTES
        data = read_bytes(self._disk, segment.name, tail.offset, segment.size_bytes - tail.offset)
        return walk(data, tail.offset, tail.position, header_bytes=header_bytes), data

    def _make_durable(self, segment: Segment) -> None:
        """What is archived must not be undone here by a power cut, or another history would follow on it."""
        with failing_while(f"syncing {segment.name}"):
            descriptor = os.open(self._disk.root / segment.name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _merge(self, tail: _Tail) -> None:
        """One part in place of many, so that a restore has few to fetch."""
        begin, end = tail.parts[0].offset, tail.parts[-1].end
        data = read_bytes(self._disk, tail.name, begin, end - begin)
        for epoch in sorted({part.epoch for part in tail.parts}):
            small = [part for part in tail.parts if part.epoch == epoch]
            whole = memoryview(data)[small[0].offset - begin : small[-1].end - begin]
            same = all(
                digest_of(whole[p.offset - small[0].offset : p.end - small[0].offset]) == p.digest for p in small
            )
            if len(small) > 1 and same:
                first, last = small[0], small[-1]
                self._put(Part(tail.key, epoch, first.offset, last.end, last.last_seq, digest_of(whole)), bytes(whole))
                for part in small:
                    self._remove(part)
        tail.parts = []

    # --- the target

    def _parts(self, key: Key, walked: Walked, data: bytes, offset: int) -> list[Part]:
        view = memoryview(data)
        return [
            Part(
                key,
                each.epoch,
                each.offset,
                each.end,
                each.last_seq,
                digest_of(view[each.offset - offset : each.end - offset]),
            )
            for each in walked.stretches
        ]

    def _put(self, part: Part, data: bytes) -> None:
        if part not in self._stored[part.key]:
            self._target.put(part.name, data)
            self._stored[part.key].add(part)
            self.parts_written += 1

    def _remove(self, part: Part) -> None:
        if not self._may_remove:
            return
        try:
            self._target.remove(part.name)
        except TargetFailed as failure:
            self._may_remove = False
            self._tell(f"Small parts are kept beside the large ones that replace them: {failure}")
            return
        self._stored[part.key].discard(part)


def _key(before: Position) -> Key:
    assert len(before.hash) == HASH_BYTES
    return Key(before.seq + 1, before.hash.hex())


def _following(segments: list[Segment], segment: Segment) -> Segment:
    return segments[segments.index(segment) + 1]
