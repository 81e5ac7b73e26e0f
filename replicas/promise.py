"""The highest epoch a node has seen, and who leads in it: kept on disk before anything is done about it.

Owns the file `promise` beside the journal's segments. A node that has promised an epoch to one leader takes nothing
from an earlier one, and promises no number twice; that is what fences a leader that can't be reached. The content has
a checksum, for a promise that can't be read must not look like none.
"""

from zlib import crc32

import msgspec

from ..journal.disk import Disk, publish
from ..journal.errors import CorruptJournal, failing_while

NAME = "promise"


class Promise(msgspec.Struct, frozen=True):
    """`epoch` is given to the node `node_id`, of the name `name`; epoch 0 to nobody."""

    epoch: int
    node_id: bytes
    name: str

    def __str__(self) -> str:
        return f"epoch {self.epoch}, led by {self.name}" if self.epoch else "no epoch yet"


NOBODY = Promise(0, b"", "")


class _Kept(msgspec.Struct):
    epoch: int
    node_id: str
    name: str
    checksum: int

    @staticmethod
    def sum_of(epoch: int, node_id: str, name: str) -> int:
        return crc32(f"{epoch};{node_id};{name}".encode())


def load_promise(disk: Disk) -> Promise:
    """Raises `CorruptJournal` when the file is damaged, `JournalFailed` when it can't be read."""
    with failing_while(f"reading {NAME}"):
        if NAME not in disk.names():
            return NOBODY
        data = disk.read(NAME, 0, disk.size_bytes(NAME))
    try:
        kept = msgspec.json.decode(data, type=_Kept)
        if kept.checksum != _Kept.sum_of(kept.epoch, kept.node_id, kept.name):
            raise ValueError("the checksum is of other content")
        return Promise(kept.epoch, bytes.fromhex(kept.node_id), kept.name)
    except (msgspec.MsgspecError, ValueError) as error:
        reason = f"the file that keeps the highest epoch this node has promised is damaged ({error})"
        raise CorruptJournal(NAME, 0, 0, reason) from error


def save_promise(disk: Disk, promise: Promise) -> None:
    """Durable when this returns. Raises `JournalFailed`."""
    node_id = promise.node_id.hex()
    checksum = _Kept.sum_of(promise.epoch, node_id, promise.name)
    data = msgspec.json.encode(_Kept(promise.epoch, node_id, promise.name, checksum))
    with failing_while(f"writing {NAME}"):
        publish(disk, NAME, data + b"\n")
