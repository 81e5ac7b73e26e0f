"""Small journals of bookings, on a real disk, and what their keepers publish."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from onsale.engine import facts as f
from onsale.http.render.receipts import head_document, receipt_document
from onsale.journal.batch import SEQ_MAX, Position, seal
from onsale.journal.disk import RealDisk
from onsale.journal.recovery import create_journal, recover
from onsale.journal.writer import JournalAppender
from onsale.node.receipts import head_of, proof_of
from onsale.replicas.receipts.keeper import Keeper
from onsale.replicas.receipts.leaves import receipt_key

JOURNAL_ID = bytes(range(16))
CLUSTER_KEY = b"the cluster's key, of 32 bytes.."
KEY = receipt_key(CLUSTER_KEY)
NAME = b"names the key ok"
START_MS = 1_795_341_600_000
Batches = Sequence[Sequence[f.Fact]]


def held(number: int, user_id: str = "", quantity: int = 2) -> f.Held:
    return f.Held(number, user_id or f"u-{number}", 1, 1, quantity, 4990 * quantity, START_MS + 300_000 + number)


def waited(number: int) -> f.Waited:
    return f.Waited(number, f"u-{number}", 1, 1, 1, 4990)


def bookings(*counts: int) -> list[list[f.Fact]]:
    """Batches of so many bookings; every third one waits in line."""
    numbers = iter(range(1, sum(counts) + 1))
    return [[waited(n) if n % 3 == 0 else held(n) for n in islice(numbers, count)] for count in counts]


def write(folder: Path, batches: Batches, *, epoch: int = 1, segment_bytes_max: int = 1_000) -> None:
    """Add batches to the journal in `folder`, which begins with the first ones."""
    disk = RealDisk(folder)
    found = recover(disk) if disk.names() else create_journal(disk, JOURNAL_ID)
    appender = JournalAppender(disk, found, segment_bytes_max=segment_bytes_max)
    add(appender, batches, epoch=epoch)
    appender.close()


def add(appender: JournalAppender, batches: Batches, *, epoch: int = 1) -> None:
    for facts in batches:
        position = appender.position
        at_ms = START_MS + position.seq * 10
        appender.append(seal(position, epoch=epoch, at_ms=at_ms, count=len(facts), payload=f.encode(list(facts))))


def begin_behind(folder: Path, position: Position) -> JournalAppender:
    """A journal that goes on from `position`, as on a node that fetched a checkpoint."""
    disk = RealDisk(folder)
    return JournalAppender(disk, create_journal(disk, JOURNAL_ID, before=position), segment_bytes_max=1_000)


def keeper_of(folder: Path, tree: Path | None = None) -> Keeper:
    return Keeper(RealDisk(folder), tree or folder.parent / f"{folder.name}.tree", JOURNAL_ID, KEY, NAME)


def opened(folder: Path, through_seq: int = SEQ_MAX) -> Keeper:
    """A keeper in step with the journal."""
    keeper = keeper_of(folder)
    keeper.open()
    while keeper.extend(through_seq, 10):
        pass
    return keeper


def receipt(keeper: Keeper, seq: int, size: int | None = None) -> dict[str, Any]:
    """As the API gives it; the booking's id is its `seq` in these histories."""
    document = receipt_document(seq, proof_of(JOURNAL_ID.hex(), keeper.prove(seq, size)))
    return json.loads(msgspec.json.encode(document))  # type: ignore[no-any-return]


def head(keeper: Keeper, since: int | None = None, seq: int | None = None) -> dict[str, Any]:
    """As the API gives it."""
    found = keeper.head(seq)
    growth = None if since is None else keeper.growth(since, found)
    document = head_document(head_of(JOURNAL_ID.hex(), found, since, growth))
    return json.loads(msgspec.json.encode(document))  # type: ignore[no-any-return]
