"""A disk in memory that fails the way disks do, driven by one seed.

Owns the `Disk` port's simulated implementation. What is synced survives everything but a flipped bit; of what is not
synced any part may be lost, torn or reordered by `crash`. Equal seeds and equal calls give equal disks.

- A file's writes are durable after its `sync`, its name after `sync_folder`. Before that a crash keeps, drops or tears
  each sector of each write for itself, and keeps or drops each creation, renaming and removal.
- A failing `sync` behaves as Linux does: the bytes stay readable but count as written, so that the next `sync` says
  yes without writing them. They are gone after a crash, and may be gone as soon as the process is restarted (`kill`).
"""

import errno
import os
from collections import Counter
from random import Random
from typing import Literal

SECTOR_BYTES = 512

Operation = Literal["read", "write", "truncate", "sync", "create", "open", "rename", "remove", "sync_folder"]


class PowerLost(BaseException):
    """The simulated machine stopped in the middle of an operation. It runs again after `crash`.

    It is no `Exception`: nothing in the product may catch it.
    """


class _Content:
    """What one file holds: as a reader sees it, as the platter holds it, and the changes in between."""

    def __init__(self) -> None:
        self.cached = bytearray()
        self.stored = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, data), or (size, None) for a truncation

    def change(self, offset: int, data: bytes | None) -> None:
        _apply(self.cached, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.pending:
            _apply(self.stored, offset, data)
        self.pending.clear()

    def tear(self, random: Random) -> None:
        """Let some of what is pending reach the platter, and forget the rest."""
        shares = random.choice(((0.0,), (1.0,), (0.0, 0.5, 0.9, 1.0)))  # nothing, all, or each write as it comes
        filled = random.choice((0.0, 0.3))
        for offset, data in self.pending:
            kept = random.choice(shares)
            if data is not None:
                self._tear_write(offset, data, kept, filled, random)
            elif random.random() < kept:
                _apply(self.stored, offset, None)
        self.pending.clear()

    def _tear_write(self, offset: int, data: bytes, kept: float, filled: float, random: Random) -> None:
        start = 0
        while start < len(data):
            end = min(len(data), start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES)
            sector = data[start:end]
            if random.random() < kept:
                torn_at = random.randrange(len(sector)) if kept < 1 and random.random() < 0.1 else len(sector)
                _apply(self.stored, offset + start, sector[:torn_at])
            elif offset + start >= len(self.stored) and random.random() < filled:
                # never written before: the file may have grown over zeros or over what was on the platter
                filler = bytes(len(sector)) if random.random() < 0.5 else random.randbytes(len(sector))
                _apply(self.stored, offset + start, filler)
            start = end


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
    elif data:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data


class SimulatedFile:
    """A `DiskFile`; it dies with the process that opened it."""

    def __init__(self, disk: "SimulatedDisk", content: _Content) -> None:
        self._disk = disk
        self._content = content
        self._life = disk.life
        self._open = True

    def write(self, offset: int, data: bytes | memoryview) -> int:
        self._check()
        disk, content = self._disk, self._content
        taken = disk.limit_write(offset, len(data), len(content.cached))
        with disk.operation("write") as fails:
            if fails:
                taken = disk.random.randrange(taken + 1)
            content.change(offset, bytes(data[:taken]))
        return taken

    def truncate(self, size_bytes: int) -> None:
        self._check()
        with self._disk.operation("truncate") as fails:
            if not fails:
                self._content.change(size_bytes, None)

    def sync(self) -> None:
        self._check()
        with self._disk.operation("sync") as fails:
            if fails:
                self._content.tear(self._disk.random)
            elif not self._disk.is_losing_power:
                self._content.sync()

    def close(self) -> None:
        self._open = False

    def _check(self) -> None:
        if not self._open or self._life != self._disk.life:
            raise OSError(errno.EBADF, "this file was closed, or opened before the process stopped")


class _Frame:
    """Stands around one operation and raises what was planned for it when its block is done."""

    def __init__(self, disk: "SimulatedDisk", name: Operation, *, fails: bool) -> None:
        self._disk = disk
        self._name = name
        self._fails = fails

    def __enter__(self) -> bool:
        return self._fails

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            return
        if self._disk.is_losing_power:
            raise PowerLost
        if self._fails:
            raise OSError(errno.EIO, f"{os.strerror(errno.EIO)} (simulated, on {self._name})")


class SimulatedDisk:
    """The `Disk` port in memory. `capacity_bytes` bounds all files together, as a full disk does.

    With `short_write_probability` a write takes only a part of what it was given.
    """

    def __init__(self, seed: int, *, capacity_bytes: int | None = None, short_write_probability: float = 0.0) -> None:
        self.random = Random(seed)
        self.capacity_bytes = capacity_bytes
        self.short_write_probability = short_write_probability
        self.life = 0
        self.operations = 0  # that change something; `lose_power` counts by them
        self._files: dict[str, _Content] = {}
        self._stored_files: dict[str, _Content] = {}
        self._pending_names: list[tuple[str | None, str | None, _Content]] = []  # (name gone, name come, file)
        self._calls: Counter[Operation] = Counter()
        self._planned_failures: set[tuple[Operation, int]] = set()
        self._power_ends_at: int | None = None

    # The port

    def names(self) -> list[str]:
        self._check_power()
        return sorted(self._files)

    def size_bytes(self, name: str) -> int:
        self._check_power()
        return len(self._find(name).cached)

    def read(self, name: str, offset: int, count_bytes: int) -> bytes:
        with self.operation("read", changes=False):
            return bytes(memoryview(self._find(name).cached)[offset : offset + count_bytes])

    def create(self, name: str) -> SimulatedFile:
        with self.operation("create") as fails:
            if name in self._files:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
            content = _Content()
            if not fails:
                self._change_names(None, name, content)
        return SimulatedFile(self, content)

    def open(self, name: str) -> SimulatedFile:
        with self.operation("open", changes=False):
            return SimulatedFile(self, self._find(name))

    def rename(self, old_name: str, new_name: str) -> None:
        with self.operation("rename") as fails:
            content = self._find(old_name)
            if not fails:
                self._change_names(old_name, new_name, content)

    def remove(self, name: str) -> None:
        with self.operation("remove") as fails:
            content = self._find(name)
            if not fails:
                self._change_names(name, None, content)

    def sync_folder(self) -> None:
        with self.operation("sync_folder") as fails:
            if not fails and not self.is_losing_power:
                self._stored_files = dict(self._files)
                self._pending_names.clear()

    # Faults

    def fail(self, operation: Operation, *, after: int = 0) -> None:
        """Let one call of `operation` fail with EIO: the next one, or the one `after` so many that succeed."""
        self._planned_failures.add((operation, self._calls[operation] + after))

    def forget_failures(self) -> None:
        """What was planned with `fail` does not come."""
        self._planned_failures.clear()

    @property
    def used_bytes(self) -> int:
        return sum(len(content.cached) for content in self._files.values())

    def lose_power(self, *, after: int) -> None:
        """Raise `PowerLost` in the middle of a changing operation: the next one, or the one after `after` more."""
        self._power_ends_at = self.operations + after

    def keep_power(self) -> None:
        self._power_ends_at = None

    def crash(self) -> None:
        """End the power: what is synced stays, of the rest whatever the seed says. Then the machine runs again."""
        for gone, come, content in self._pending_names:
            if self.random.random() < 0.5:
                _rename(self._stored_files, gone, come, content)
        self._pending_names.clear()
        self._files = dict(self._stored_files)
        for _, content in sorted(self._files.items()):
            content.tear(self.random)
            content.cached = bytearray(content.stored)
        self._restart()

    def kill(self) -> None:
        """End the process alone: the kernel still holds what it wrote, but may drop what it takes for written."""
        for _, content in sorted(self._files.items()):
            if not content.pending and self.random.random() < 0.5:
                lost = len(content.cached) - len(content.stored)
                content.cached = content.stored + bytes(max(0, lost))
        self._restart()

    def flip_bit(self, name: str, offset: int, bit: int = 0) -> None:
        """Change one bit of a file behind everybody's back."""
        content = self._find(name)
        content.cached[offset] ^= 1 << bit
        if offset < len(content.stored):
            content.stored[offset] ^= 1 << bit

    # For `SimulatedFile`

    @property
    def is_losing_power(self) -> bool:
        return self._power_ends_at is not None and self.operations > self._power_ends_at

    def operation(self, name: Operation, *, changes: bool = True) -> _Frame:
        """Frame one operation: the block is told whether it is to fail, and the failure is raised behind it."""
        self._check_power()
        call = (name, self._calls[name])
        fails = call in self._planned_failures
        self._planned_failures.discard(call)
        self._calls[name] += 1
        self.operations += changes
        return _Frame(self, name, fails=fails)

    def limit_write(self, offset: int, count_bytes: int, size_bytes: int) -> int:
        """How many of the bytes a write takes; raises ENOSPC when not one fits."""
        taken = count_bytes
        if self.capacity_bytes is not None:
            free = max(0, self.capacity_bytes - self.used_bytes)
            taken = min(taken, max(0, size_bytes - offset) + free)
            if count_bytes and not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if taken > 1 and self.random.random() < self.short_write_probability:
            taken = self.random.randrange(1, taken)
        return taken

    def _check_power(self) -> None:
        if self.is_losing_power:
            raise PowerLost

    def _restart(self) -> None:
        self.life += 1
        self._power_ends_at = None
        self._planned_failures.clear()

    def _find(self, name: str) -> _Content:
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._files[name]

    def _change_names(self, gone: str | None, come: str | None, content: _Content) -> None:
        _rename(self._files, gone, come, content)
        self._pending_names.append((gone, come, content))


def _rename(files: dict[str, _Content], gone: str | None, come: str | None, content: _Content) -> None:
    if gone is not None:
        files.pop(gone, None)
    if come is not None:
        files[come] = content
