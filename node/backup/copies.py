"""Whole copies of the checkpoint, for a restore without Litestream.

Owns how one is divided into pieces and put together again. Promises that a copy is taken for complete only when all of
it is there, whatever interrupted its making, and that what comes back is what was copied. The newest few are kept.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from .layout import COMPLETE, DIGEST_BYTES, Copy, contents_of, digest_of
from .source import copy_out
from .target import Target

PIECE_BYTES = 16 * 1024 * 1024
KEPT = 3

Progress = Callable[[str, int, int], None]
"""Called now and then with (what is being done, how much is done, how much there is)."""


class DamagedCopy(Exception):
    """What comes back is not what was copied."""


class _Complete(msgspec.Struct, rename="camel"):
    """The last object of a copy."""

    size_bytes: int
    pieces: list[str]


def make_copy(checkpoint: Path, target: Target, progress: Progress) -> Copy | None:
    """Copy the checkpoint as it is at one moment, beside whoever writes to it. None when there is nothing in it yet.

    The space for it is taken in the folder for temporary files (TMPDIR) meanwhile. Raises TargetFailed,
    CheckpointFailed, CorruptCheckpoint, NewerCheckpoint.
    """
    with TemporaryDirectory(prefix="onsale-backup-") as folder:
        path = Path(folder) / "checkpoint.sqlite"
        position = copy_out(checkpoint, path, lambda done, total: progress("copying the checkpoint", done, total))
        if position is None:
            return None
        copy = Copy(position.epoch, position.seq, _digest_of_file(path))
        _upload(path, copy, target, progress)
    _forget_old(target)
    return copy


def _upload(path: Path, copy: Copy, target: Target, progress: Progress) -> None:
    there = {stored.name for stored in target.list(copy.folder + "/")}
    total = path.stat().st_size
    pieces: list[str] = []
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            name = copy.piece(len(pieces), digest_of(data))
            if name not in there:
                target.put(name, data)
            pieces.append(name)
            progress("archiving the checkpoint", file.tell(), total)
    target.put(f"{copy.folder}/{COMPLETE}", msgspec.json.encode(_Complete(total, pieces)))


def fetch_copy(copy: Copy, target: Target, path: Path, progress: Progress) -> None:
    """Write the copy to the new file `path`. Raises DamagedCopy, TargetFailed."""
    name = f"{copy.folder}/{COMPLETE}"
    try:
        complete = msgspec.json.decode(target.get(name), type=_Complete)
    except msgspec.MsgspecError as error:
        raise DamagedCopy(f"{name} is damaged: {error}") from error
    with path.open("xb") as file:
        for index, piece in enumerate(complete.pieces):
            data = target.get(piece)
            if piece != copy.piece(index, digest_of(data)):
                raise DamagedCopy(f"{piece} is damaged: its bytes do not match its name")
            file.write(data)
            progress("fetching the checkpoint", file.tell(), complete.size_bytes)
    if _digest_of_file(path) != copy.digest:
        raise DamagedCopy(f"{copy.folder} is damaged: its pieces do not make up what was copied")


def _forget_old(target: Target) -> None:
    """Remove what is older than the newest few; `complete` goes first, so that no half copy is ever taken for one."""
    for copy in contents_of(target.list("epoch-")).copies[KEPT:]:
        target.remove(f"{copy.folder}/{COMPLETE}")
        for stored in target.list(copy.folder + "/"):
            target.remove(stored.name)


def _digest_of_file(path: Path) -> str:
    digest = blake2b(digest_size=DIGEST_BYTES)
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            digest.update(data)
    return digest.hexdigest()
