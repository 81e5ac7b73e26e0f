"""Where a backup is kept: named objects that appear whole or not at all.

Owns the `Target` port, the folder behind it, and how an address is read. Names are relative paths with `/`. Promises
that what `put` returned from is durable. Never interprets a byte, never retries by itself.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from ...journal.disk import RealDisk, write_fully

TEMPORARY_SUFFIX = ".temporary"
LEFTOVER_SECONDS = 24 * 3600.0
_S3_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")


class TargetFailed(Exception):
    """The place where backups are kept could not be read or written; the message says what to do.

    `unreachable`: nothing answered there, so the same may work later. `local`: it is a disk of this machine.
    """

    def __init__(self, message: str, *, unreachable: bool = False, local: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable
        self.local = local


class NotThereError(TargetFailed):
    """There is no object of that name."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(f"There is no {name} in {address}.")


class Stored(msgspec.Struct, frozen=True):
    """One object."""

    name: str
    size_bytes: int


class Target(Protocol):
    """Every method may raise TargetFailed."""

    @property
    def address(self) -> str:
        """What a person calls it: a path, or s3://bucket/prefix."""

    def put(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`, in place of what was there."""

    def get(self, name: str) -> bytes:
        """Raises NotThereError."""

    def list(self, prefix: str) -> list[Stored]:
        """All objects whose names begin with `prefix`, sorted by name. Every `put` that has returned is among them."""

    def remove(self, name: str) -> None:
        """It is no error when it is not there."""


def open_target(address: str, endpoint: str | None = None) -> Target:
    """What `address` says: a folder's path or s3://bucket/prefix. ValueError when it is neither; TargetFailed."""
    if not address.startswith("s3:"):
        if "://" in address:
            raise ValueError(f"{address} is neither a folder nor s3://bucket/prefix.")
        if endpoint is not None:
            raise ValueError("an endpoint goes with s3://bucket/prefix; a folder has none.")
        return FolderTarget(Path(address).absolute())
    bucket, prefix = split_s3(address)
    from .s3 import S3Target

    return S3Target(bucket, prefix, endpoint)


def split_s3(address: str) -> tuple[str, str]:
    """Bucket and prefix. ValueError when it is no s3://bucket/prefix."""
    found = _S3_ADDRESS.fullmatch(address)
    prefix = found[2].strip("/") if found and found[2] else ""
    if found is None or (prefix and not _NAME.fullmatch(prefix)):
        raise ValueError(f"{address} is no address of the form s3://bucket/prefix (letters, digits, . _ - and /).")
    return found[1], prefix


def checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an object")
    return name


class FolderTarget:
    """A folder, which is made with the first object. It may be on a disk of another machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: set[Path] = set()

    @property
    def address(self) -> str:
        return str(self.root)

    def put(self, name: str, data: bytes) -> None:
        path = self.root / checked(name)
        try:
            self._publish(path, data)
        except OSError as error:
            raise self._failed("writing", path, error) from error

    def get(self, name: str) -> bytes:
        path = self.root / checked(name)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotThereError(name, self.address) from None
        except OSError as error:
            raise self._failed("reading", path, error) from error

    def list(self, prefix: str) -> list[Stored]:
        folder, slash, _ = prefix.rpartition("/")
        try:
            found = [each for each in self._walk(folder + slash) if each.name.startswith(prefix)]
        except OSError as error:
            raise self._failed("listing", self.root / folder, error) from error
        return sorted(found, key=lambda each: each.name)

    def remove(self, name: str) -> None:
        path = self.root / checked(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed("removing", path, error) from error

    def _publish(self, path: Path, data: bytes) -> None:
        """The temporary name is this process's own: two that write at once do not meet in one file."""
        folder = path.parent
        disk = RealDisk(folder)  # makes it, durably
        if folder not in self._known:
            _sweep(folder)
            self._known.add(folder)
        temporary = f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}"
        with suppress(FileNotFoundError):
            disk.remove(temporary)
        file = disk.create(temporary)
        try:
            write_fully(file, 0, data)
            file.sync()
        finally:
            file.close()
        disk.rename(temporary, path.name)
        disk.sync_folder()

    def _walk(self, folder: str) -> Iterator[Stored]:
        """Objects below `folder`, which is empty or ends with a slash. What goes meanwhile is left out."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    yield from self._walk(f"{folder}{entry.name}/")
                else:
                    with suppress(FileNotFoundError):
                        yield Stored(folder + entry.name, entry.stat().st_size)

    def _failed(self, doing: str, path: Path, error: OSError) -> TargetFailed:
        return TargetFailed(
            f"The backup failed while {doing} {path}: {error.strerror or error}. Check that the folder is there, that "
            "this user may use it, and that its disk has space.",
            local=True,
        )


def _sweep(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote, once it is a day old."""
    oldest = time.time() - LEFTOVER_SECONDS
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
