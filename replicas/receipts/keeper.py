"""Keeps the tree in step with the journal, and proves from it.

Owns a tree file, and a reader of the journal's segments. Promises that only batches up to a committed position are in
the tree; that what is in it is in the journal (a failover that gives up a part of the history cuts the tree as well);
and that no proof leaves that journal/receipt_check.py would not take. Blocks: it runs in a process of its own.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec

from ...journal.batch import BATCH_BYTES_MAX, BadBatch, Batch, decode_batch
from ...journal.disk import Disk
from ...journal.reader import JournalReader, position_at, read_bytes
from ...journal.receipt_check import NotProven, batch_leaf, check_growth, fact_leaf, root_of_path
from ...journal.segments import list_segments, read_header
from .leaves import BatchTree, Salts, leaf_of
from .merkle import growth, path, peaks_of, root
from .tree_file import Base, DamagedTree, Record, TreeFile

KEPT_BATCHES: Final = 4  # trees of batches that receipts were asked for: many ask right after a busy moment


class PastMissing(Exception):
    """The journal begins behind `seq`, and the tree up to there is not known: some other node has it."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"the journal begins behind seq {seq}, and the tree up to there is not known here")
        self.seq = seq


class Gone(Exception):
    """It would take a part of the history that is not kept here; the text says which, to a person."""


class Head(msgspec.Struct, array_like=True):
    """The tree of the first `size` batches, the last of which ends at `seq`."""

    size: int
    root: bytes
    seq: int
    epoch: int
    at_ms: int
    batch_hash: bytes
    peaks: list[bytes]


class Proof(msgspec.Struct, array_like=True):
    """That the fact at `seq` is there, in the tree of the first `size` batches."""

    seq: int
    salt: bytes
    fact: bytes  # as in the journal
    fact_path: list[bytes]  # in its batch
    first_seq: int
    count: int
    epoch: int
    at_ms: int
    batch_hash: bytes
    leaf_index: int
    path: list[bytes]
    size: int
    root: bytes


class Keeper:
    def __init__(self, disk: Disk, tree: Path, journal_id: bytes, key: bytes, key_name: bytes) -> None:
        """Waits for the file while another process has it. Raises OSError."""
        self._disk = disk
        self._journal_id = journal_id
        self._salts = Salts(key)
        self._file = TreeFile(tree, journal_id, key_name)
        self._reader: JournalReader | None = None
        self._batches: OrderedDict[int, tuple[Batch, BatchTree]] = OrderedDict()

    def close(self) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def seq(self) -> int:
        """Behind the last batch in the tree."""
        return self._file.seq

    def open(self) -> None:
        """Go on with what was kept, as far as it is in the journal. Raises PastMissing, DamagedTree, JournalError."""
        file, begins = self._file, read_header(self._disk, list_segments(self._disk)[0]).before
        file.load()
        if file.seq < begins.seq:
            raise PastMissing(begins.seq)
        low, high = file.base.size, file.size
        anchor = Record(file.base.seq, 0, file.base.chain_hash)
        if anchor.last_seq < begins.seq:
            low = file.find(begins.seq) + 1
            anchor = file.record(low - 1)
        if not self._is_in_journal(anchor.last_seq, anchor.chain_hash):
            raise DamagedTree("it is of another history than the journal")
        if low < high and self._is_in_place(high - 1):
            low = high
        while low < high:  # how many batches are in the journal: of those after the first that is not, none is
            middle = (low + high) // 2
            if self._is_in_place(middle):
                low = middle + 1
            else:
                high = middle
        if low < file.size:
            file.cut(low)
        self._reader = JournalReader(self._disk, file.seq)

    def _is_in_journal(self, seq: int, chain_hash: bytes) -> bool:
        position = position_at(self._disk, seq)
        return position is not None and position.hash == chain_hash

    def _is_in_place(self, place: int) -> bool:
        try:
            self._read(place)
        except (DamagedTree, Gone):
            return False
        return True

    def begin(self) -> None:
        """Build all of it anew. Raises PastMissing, JournalError."""
        begins = read_header(self._disk, list_segments(self._disk)[0]).before
        self._begin(Base(0, 0, self._journal_id, ()))
        if begins.seq:
            raise PastMissing(begins.seq)

    def begin_behind(self, size: int, seq: int, batch_hash: bytes, peaks: tuple[bytes, ...]) -> None:
        """Go on from the tree that another node has of what is before this journal.

        Raises ValueError when it is of another history, JournalError.
        """
        begins = read_header(self._disk, list_segments(self._disk)[0]).before
        if (
            seq != begins.seq
            or batch_hash != self._salts.batch_hash(seq, begins.hash)
            or len(peaks) != size.bit_count()
        ):
            raise ValueError(f"this is not the tree of what is before seq {begins.seq + 1} here")
        self._begin(Base(size, seq, begins.hash, peaks))

    def _begin(self, base: Base) -> None:
        self._batches.clear()
        self._file.begin(base)
        self._reader = None

    def extend(self, through_seq: int, facts_max: int) -> bool:
        """Take in batches up to the one that holds `through_seq`, which is committed; whether there are more.

        Raises HistoryGone, CorruptJournal, JournalFailed.
        """
        facts = 0
        if self._reader is None:
            self._reader = JournalReader(self._disk, self._file.seq)
        try:
            for batch in self._reader.read(through_seq):
                record = Record(batch.last_seq, self._reader.offset - batch.batch_bytes, batch.hash)
                self._file.add(record, leaf_of(self._journal_id, batch, self._salts))
                facts += batch.count
                if facts >= facts_max:
                    break
        finally:
            self._file.flush()
        return self._file.seq < through_seq and facts > 0

    # --- proofs

    def head(self, seq: int | None = None) -> Head:
        """Of the whole tree, or of the one that ends with the batch that holds `seq`, which must be in it.

        Raises Gone, DamagedTree, JournalError.
        """
        file = self._file
        size = file.size if seq is None else self._size_behind(seq)
        if size == file.base.size:
            position = position_at(self._disk, file.base.seq)
            if position is None:
                raise Gone(f"The journal here begins behind seq {file.base.seq}.")
            last_seq, chain_hash, epoch, at_ms = position.seq, position.hash, position.epoch, position.at_ms
        else:
            batch, _ = self._batch(size - 1)
            last_seq, chain_hash, epoch, at_ms = batch.last_seq, batch.hash, batch.epoch, batch.at_ms
        return Head(
            size, root(file.node, size), last_seq, epoch, at_ms, self._salts.batch_hash(last_seq, chain_hash),
            [file.node(level, index) for level, index in peaks_of(size)],
        )  # fmt: skip

    def _size_behind(self, seq: int) -> int:
        file = self._file
        if seq > file.base.seq:
            return file.find(seq) + 1
        if seq < file.base.seq:
            raise Gone(f"What is known here of the history begins behind seq {file.base.seq}.")
        return file.base.size

    def growth(self, old_size: int, head: Head) -> list[bytes]:
        """That the tree of `head` begins with the one of `old_size`. Raises Gone, DamagedTree."""
        file = self._file
        try:
            found = growth(file.node, old_size, head.size)
            check_growth(old_size, root(file.node, old_size), head.size, head.root, found)
        except KeyError:
            raise Gone(f"What is known here of the history begins behind {file.base.size} batches.") from None
        except NotProven as fault:
            raise DamagedTree(str(fault)) from fault
        return found

    def prove(self, seq: int, size: int | None = None) -> Proof:
        """That the fact at `seq` is there, in the tree of the first `size` batches; both must be in the tree.

        Raises Gone, ValueError when `size` batches end before `seq`, DamagedTree, JournalError.
        """
        file = self._file
        if seq <= file.base.seq:
            raise Gone(f"What is known here of the history begins behind seq {file.base.seq}.")
        place, size = file.find(seq), file.size if size is None else size
        if place >= size:
            raise ValueError(f"the first {size} batches end before seq {seq}")
        batch, tree = self._batch(place)
        proof = Proof(
            seq, *tree.prove(seq), batch.first_seq, batch.count, batch.epoch, batch.at_ms,
            self._salts.batch_hash(batch.last_seq, batch.hash), place, path(file.node, place, size), size,
            root(file.node, size),
        )  # fmt: skip
        self._check(proof)
        return proof

    def _check(self, proof: Proof) -> None:
        """As whoever gets it will. What was read can't be right otherwise."""
        fact = fact_leaf(proof.salt, proof.seq, proof.fact)
        try:
            facts_root = root_of_path(proof.seq - proof.first_seq, proof.count, fact, proof.fact_path)
            leaf = batch_leaf(
                self._journal_id, proof.first_seq, proof.count, proof.epoch, proof.at_ms, proof.batch_hash, facts_root
            )
            found = root_of_path(proof.leaf_index, proof.size, leaf, proof.path)
        except NotProven as fault:
            raise DamagedTree(str(fault)) from fault
        if found != proof.root:
            raise DamagedTree(f"its hashes do not fit to the batch that holds seq {proof.seq}")

    def _batch(self, place: int) -> tuple[Batch, BatchTree]:
        """The batch at `place`, as it is in the journal."""
        known = self._batches.get(place)
        if known is None:
            batch = self._read(place)
            known = self._batches[place] = batch, BatchTree(batch, self._salts)
            if len(self._batches) > KEPT_BATCHES:
                self._batches.popitem(last=False)
        self._batches.move_to_end(place)
        return known

    def _read(self, place: int) -> Batch:
        record, first_seq = self._file.record(place), self._file.first_seq(place)
        segments = [segment for segment in list_segments(self._disk) if segment.first_seq <= first_seq]
        if not segments:
            raise Gone(f"The journal here begins behind seq {first_seq}.")
        name = segments[-1].name
        size_bytes = 64 * 1024
        while True:
            data = read_bytes(self._disk, name, record.offset, size_bytes)
            try:
                batch = decode_batch(memoryview(data))
            except BadBatch as bad:
                needed = getattr(bad, "bytes_needed", 0)
                if not size_bytes < needed <= BATCH_BYTES_MAX:
                    raise DamagedTree(f"there is no batch where record {place} says: {bad}") from bad
                size_bytes = needed
                continue
            if (batch.first_seq, batch.last_seq, batch.hash) != (first_seq, record.last_seq, record.chain_hash):
                raise DamagedTree(f"there is another batch where record {place} says")
            return batch
