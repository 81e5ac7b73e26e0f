"""What the journal needs of a folder, and the real one.

Owns the `Disk` port, `RealDisk`, and the lock that keeps two processes out of one data folder. Promises that a name
published with `publish` is there whole or not at all. Never interprets a byte, never retries.
"""

import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .errors import FolderLocked

TEMPORARY_SUFFIX = ".temporary"
LOCK_NAME = "lock"


class DiskFile(Protocol):
    """A file open for writing. Nothing is durable before `sync` returned."""

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Write at `offset` and say how many bytes went in: fewer than given is legal, see `write_fully`."""

    def truncate(self, size_bytes: int) -> None: ...

    def sync(self) -> None:
        """Make the content durable (fdatasync). The name is durable only after `Disk.sync_folder`."""

    def close(self) -> None: ...


class Disk(Protocol):
    """One flat folder. Every method may raise `OSError`, as the system calls do."""

    def names(self) -> list[str]:
        """All files, sorted."""

    def size_bytes(self, name: str) -> int: ...

    def read(self, name: str, offset: int, count_bytes: int) -> bytes:
        """At most `count_bytes` from `offset`; fewer only at the end of the file."""

    def create(self, name: str) -> DiskFile:
        """A new file; `FileExistsError` when the name is taken."""

    def open(self, name: str) -> DiskFile:
        """A file that exists, for writing; `FileNotFoundError` when it does not."""

    def rename(self, old_name: str, new_name: str) -> None:
        """Atomic; replaces `new_name`."""

    def remove(self, name: str) -> None: ...

    def sync_folder(self) -> None:
        """Make creations, renames and removals durable."""


def write_fully(file: DiskFile, offset: int, data: bytes) -> None:
    """Write all of `data`, however often the system takes only a part of it."""
    written = file.write(offset, data)
    while written < len(data):
        added = file.write(offset + written, memoryview(data)[written:])
        if added <= 0:
            raise OSError(errno.EIO, "the disk took no more bytes and gave no reason")
        written += added


def publish(disk: Disk, name: str, data: bytes) -> None:
    """Make `name` appear with exactly these bytes, durably: after a crash it is there whole or not at all."""
    publish_parts(disk, name, (data,))


def publish_parts(disk: Disk, name: str, parts: Iterable[bytes]) -> None:
    """As `publish`, of more than need be in memory at once."""
    temporary = name + TEMPORARY_SUFFIX
    file = disk.create(temporary)
    try:
        offset = 0
        for part in parts:
            write_fully(file, offset, part)
            offset += len(part)
        file.sync()
    finally:
        file.close()
    disk.rename(temporary, name)
    disk.sync_folder()


class RealFile:
    """A `DiskFile` over one descriptor."""

    def __init__(self, path: Path, flags: int) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o640)

    def write(self, offset: int, data: bytes | memoryview) -> int:
        return os.pwrite(self._descriptor, data, offset)

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)

    def sync(self) -> None:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class RealDisk:
    """A folder of the file system, made durably when it is missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        _make_folder(root)

    def names(self) -> list[str]:
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))

    def size_bytes(self, name: str) -> int:
        return os.stat(self.root / name).st_size  # noqa: PTH116

    def read(self, name: str, offset: int, count_bytes: int) -> bytes:
        descriptor = os.open(self.root / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, count_bytes, offset)
            while len(data) < count_bytes:
                more = os.pread(descriptor, count_bytes - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        finally:
            os.close(descriptor)

    def create(self, name: str) -> RealFile:
        return RealFile(self.root / name, os.O_CREAT | os.O_EXCL)

    def open(self, name: str) -> RealFile:
        return RealFile(self.root / name, 0)

    def rename(self, old_name: str, new_name: str) -> None:
        (self.root / old_name).rename(self.root / new_name)

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def sync_folder(self) -> None:
        sync_folder(self.root)


class FolderLock:
    """Held from `lock_folder` until `release`, the end of a `with`, or the end of the process, however it comes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def is_in_place(self) -> bool:
        """Whether the folder's name still leads to the file that was locked.

        Not so once the folder was removed, renamed or unmounted: what is written then can't be found any more, and
        another process could take a folder of that name.
        """
        try:
            return os.path.samestat(os.stat(self.path / LOCK_NAME), os.fstat(self._descriptor))  # noqa: PTH116
        except OSError:
            return False

    def release(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_folder(path: Path) -> FolderLock:
    """Take the data folder `path` for this process alone (flock on a file in it), or raise `FolderLocked`.

    The file stays when the lock is released: removing it would let two processes lock two files of the same name.
    """
    _make_folder(path)
    descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).strip()
        os.close(descriptor)
        raise FolderLocked(str(path), int(holder) if holder.isdigit() else None) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return FolderLock(path, descriptor)


def _make_folder(path: Path) -> None:
    """Make a folder and its missing parents, each synced into the one above it."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make creations, renames and removals in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
