"""A checkpoint fetched from another node, and how it takes the place of what this node had.

Owns the folder `incoming/` of a data folder, and `aside-<n>/`, where the old journal and checkpoint go. Promises that
only a checkpoint that came whole is ever put in place, at a start, and that the old files are set aside and never
removed. Whatever interrupts that, the next start finishes it.

    incoming/checkpoint.sqlite    the bytes as they came
    incoming/journal/             an empty journal that goes on from there
    incoming/complete             made last of all: without it everything here is removed at the next start
    incoming/aside                the name of the folder for the old files, once that was chosen
"""

import hmac
import os
import shutil
from collections.abc import Collection
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from .batch import Position as JournalPosition
from .checkpoint import load
from .checkpoint_database import Position
from .disk import RealDisk, publish, sync_folder
from .errors import BadSnapshot, CorruptCheckpoint, failing_while
from .recovery import create_journal
from .segments import remove_leftovers

FOLDER = "incoming"
CHECKPOINT = "checkpoint.sqlite"
JOURNAL = "journal"
COMPLETE = "complete"
ASIDE = "aside"
DIGEST_BYTES = 32


class Incoming:
    """The receiving side: `begin`, `add` each part, `finish`. All calls block on the disk; `finish` for longest.

    Every method may raise `JournalFailed`.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._folder = data / FOLDER
        self._file: BinaryIO | None = None
        self._hashing = blake2b(digest_size=DIGEST_BYTES)
        self._size_bytes = 0
        self._seq = 0
        self.received_bytes = 0

    def begin(self, size_bytes: int, seq: int) -> None:
        """A checkpoint of so many bytes, that stands at `seq`, is coming; what came before it is dropped."""
        self.abandon()
        with failing_while("making room for a checkpoint from another node"):
            self._folder.mkdir(parents=True)
            self._file = (self._folder / CHECKPOINT).open("xb")
        self._hashing = blake2b(digest_size=DIGEST_BYTES)
        self._size_bytes, self._seq, self.received_bytes = size_bytes, seq, 0

    def add(self, data: bytes) -> None:
        """The next part. Raises `BadSnapshot` when it is more than was announced, or nothing was."""
        if self._file is None:
            raise BadSnapshot("A part of a checkpoint came, and none was announced.")
        if self.received_bytes + len(data) > self._size_bytes:
            self.abandon()
            raise BadSnapshot(f"More came than the {self._size_bytes} bytes that were announced.")
        self._hashing.update(data)
        self.received_bytes += len(data)
        with failing_while("writing a checkpoint from another node"):
            self._file.write(data)

    def finish(self, digest: bytes) -> Position:
        """All of it has come, and the sender's BLAKE2b of it (32 bytes) is `digest`: where it stands in the journal.

        It is put in place by `install_incoming`, at the next start. Raises `BadSnapshot`, `NewerCheckpoint`.
        """
        if self._file is None:
            raise BadSnapshot("The end of a checkpoint came, and none was announced.")
        file, self._file = self._file, None
        with failing_while("writing a checkpoint from another node"), file:
            file.flush()
            os.fsync(file.fileno())
        try:
            position = self._check(digest)
        except Exception:
            self.abandon()
            raise
        before = JournalPosition(position.seq, position.chain_hash, position.epoch, position.at_ms)
        with failing_while("keeping a checkpoint from another node"):
            create_journal(RealDisk(self._folder / JOURNAL), position.journal_id, before=before)
            sync_folder(self._data)
            publish(RealDisk(self._folder), COMPLETE, b"")
        return position

    def abandon(self) -> None:
        """Drop what has come, whole or not."""
        if self._file is not None:
            file, self._file = self._file, None
            with failing_while("dropping a checkpoint from another node"):
                file.close()
        _remove(self._data)

    def _check(self, digest: bytes) -> Position:
        if self.received_bytes != self._size_bytes:
            raise BadSnapshot(f"{self.received_bytes} bytes came, and {self._size_bytes} were announced.")
        if not hmac.compare_digest(self._hashing.digest(), digest):
            raise BadSnapshot("The checkpoint that came is not the one that was sent: its digest is another.")
        try:
            loaded = load(self._folder / CHECKPOINT)
        except CorruptCheckpoint as error:
            raise BadSnapshot(f"The checkpoint that came is corrupt, and was when it was sent: {error}") from error
        if loaded is None or loaded.position.seq != self._seq:
            stands = "holds nothing" if loaded is None else f"stands at seq {loaded.position.seq}"
            raise BadSnapshot(f"The checkpoint that came {stands}, and one of seq {self._seq} was announced.")
        return loaded.position


def install_incoming(data: Path, journal_folder_name: str, checkpoint_name: str, *, keep: Collection[str] = ()) -> bool:
    """Put a checkpoint that came whole in place; whether there was one. To be called at a start, with the lock.

    What was there is set aside as `aside-<n>/`, but for the files `keep` of the journal's folder, which are there
    before and after. What came only in part is removed. Raises `JournalFailed`.
    """
    incoming = data / FOLDER
    if not incoming.exists():
        return False
    with failing_while(f"putting in place the checkpoint that came from another node, in {incoming}"):
        is_complete = (incoming / COMPLETE).exists()
        if is_complete:
            aside = _choose_aside(data)
            if (incoming / JOURNAL).exists():
                _carry_over(data / journal_folder_name, incoming / JOURNAL, keep)
                _set_aside(data / journal_folder_name, aside)
                _move(incoming / JOURNAL, data / journal_folder_name)
            if (incoming / CHECKPOINT).exists():
                # a log beside it belongs to the old one: left there it would be taken for the new one's
                for name in (f"{checkpoint_name}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")):
                    _set_aside(data / name, aside)
                _set_aside(data / f".{checkpoint_name}-litestream", aside)
                _move(incoming / CHECKPOINT, data / checkpoint_name)
        _remove(data)
    return is_complete


def _choose_aside(data: Path) -> Path:
    """The folder for the old files: the same one however often this is interrupted."""
    disk = RealDisk(data / FOLDER)
    remove_leftovers(disk)
    if ASIDE not in disk.names():
        number = 1
        while (data / f"aside-{number}").exists():
            number += 1
        publish(disk, ASIDE, f"aside-{number}".encode())
    return data / disk.read(ASIDE, 0, disk.size_bytes(ASIDE)).decode()


def _carry_over(old: Path, new: Path, keep: Collection[str]) -> None:
    if not old.exists():
        return  # it is aside already, and was copied before that
    source, target = RealDisk(old), RealDisk(new)
    remove_leftovers(target)
    for name in set(keep).intersection(source.names()):
        publish(target, name, source.read(name, 0, source.size_bytes(name)))


def _set_aside(path: Path, aside: Path) -> None:
    if path.exists():
        aside.mkdir(exist_ok=True)
        sync_folder(aside.parent)
        _move(path, aside / path.name)


def _move(path: Path, target: Path) -> None:
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)


def _remove(data: Path) -> None:
    """Drop `incoming/`; the marker first, so that half of it is never taken for the whole."""
    incoming = data / FOLDER
    if incoming.exists():
        with failing_while(f"removing {incoming}"):
            (incoming / COMPLETE).unlink(missing_ok=True)
            sync_folder(incoming)
            shutil.rmtree(incoming)
            sync_folder(data)
