"""A published head against the journal: what `onsale verify --head FILE` adds.

Owns that comparison. Makes the tree anew from the journal's own batches; neither the tree's file nor a node is needed.
"""

from pathlib import Path
from typing import Any

import msgspec

from ...engine import facts as f
from ...http.render.receipts import head_document
from ...journal.batch import position_behind
from ...journal.disk import Disk
from ...journal.reader import read_batches
from ...journal.receipt_check import NotProven, node_hash, read_document
from ...replicas.receipts.keeper import Head
from ...replicas.receipts.leaves import Salts, leaf_of, receipt_key
from ..receipts import head_of

FIELDS = ("journalId", "seq", "epoch", "at", "batchHash", "root")


_KEY_BEGINS = f.encode_one(f.TicketKeySaved(b""))[:2]  # an array of the tag and the key


class BadHead(Exception):
    """The file is not a head; the text says why, to a person."""


def read_head(path: Path) -> dict[str, Any]:
    """A head as `GET /journal/head` gives it. Raises BadHead."""
    try:
        head = read_document(str(path))
    except NotProven as fault:
        raise BadHead(f"{fault}.") from fault
    size = head.get("treeSize")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1 or "proof" in head:
        raise BadHead(f"{path} is not a head as GET /journal/head gives it.")
    return head


def differences(head: dict[str, Any], disk: Disk, journal_id: bytes, last_seq: int) -> list[str]:
    """What the head says that the journal, which begins with seq 1, does not; in sentences. Raises JournalError."""
    cluster_key = _cluster_key(disk, last_seq)
    if not cluster_key:
        return ["the head was published with a key that is not in this journal"]
    salts, size, batch = Salts(receipt_key(cluster_key)), 0, None
    peaks: list[bytes] = []
    for batch in read_batches(disk, 0, through_seq=last_seq):
        leaf, place = leaf_of(journal_id, batch, salts), size
        while place & 1:
            leaf, place = node_hash(peaks.pop(), leaf), place >> 1
        peaks.append(leaf)
        size += 1
        if size == head["treeSize"]:
            break
    if batch is None or size < head["treeSize"]:
        sentence = f"the head was published for {head['treeSize']} batches, and here are {size}: the rest is missing"
        return [sentence]
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = node_hash(peak, root)
    end = position_behind(batch)
    batch_hash = salts.batch_hash(end.seq, end.hash)
    own = head_document(
        head_of(journal_id.hex(), Head(size, root, end.seq, end.epoch, end.at_ms, batch_hash, peaks), None, None)
    )
    shown = {
        "journalId": own.journal_id, "seq": own.seq, "epoch": own.epoch, "at": own.at, "batchHash": own.batch_hash,
        "root": own.root,
    }  # fmt: skip
    return [
        f"the head says {name} {head.get(name)!r}, and after {size} batches it is {shown[name]!r} here: what was "
        "published is not this history"
        for name in FIELDS
        if repr(head.get(name)) != repr(shown[name])
    ]


def _cluster_key(disk: Disk, last_seq: int) -> bytes:
    """The key that a journal has in one of its first facts; b"" where there is none."""
    parts = msgspec.msgpack.Decoder(list[msgspec.Raw])
    for batch in read_batches(disk, 0, through_seq=last_seq):
        if _KEY_BEGINS not in batch.payload:
            continue
        for part in parts.decode(batch.payload):
            if bytes(part).startswith(_KEY_BEGINS):
                (fact,) = f.decode(f.join([bytes(part)]))
                assert isinstance(fact, f.TicketKeySaved)
                return fact.key
    return b""
