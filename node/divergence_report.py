"""What is said of facts that were cut off: whose they were, in the log and in a file for people.

Owns that report, and putting aside a checkpoint that had them. Nobody was ever told that they happened, unless a
failover said --accept-data-loss; then this is the list of whom to call.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from ..engine import facts as f
from ..http.wire.times import format_ms
from ..journal.checkpoint import load
from ..journal.disk import Disk, publish
from ..journal.divergence import CutPart
from ..journal.errors import failing_while

log = logging.getLogger("onsale.replication")

NAMED_IN_LOG_MAX = 20


def report_cut(disk: Disk, part: CutPart) -> None:
    """Raises JournalFailed, CorruptJournal."""
    lines = list(_lines(part))
    name = f"{part.file}.txt"
    with failing_while(f"writing {name}"):
        if name in disk.names():
            disk.remove(name)
        publish(disk, name, "".join(f"{line}\n" for line in lines).encode())
    log.warning(
        "this journal had facts that the cluster does not have, from seq %d to %d: they are cut off and kept in %s; "
        "%s names them. %d concern bookings:",
        part.first_seq,
        part.last_seq,
        part.file,
        name,
        len(lines),
    )
    for line in lines[:NAMED_IN_LOG_MAX]:
        log.warning("  %s", line)
    if len(lines) > NAMED_IN_LOG_MAX:
        log.warning("  and %d more", len(lines) - NAMED_IN_LOG_MAX)


def _lines(part: CutPart) -> Iterator[str]:
    for batch in part.batches:
        for seq, fact in enumerate(f.decode(batch.payload), batch.first_seq):
            told = _told(fact)
            if told:
                yield f"seq {seq}, {format_ms(batch.at_ms)}: {told}"


def _told(fact: f.Fact) -> str:
    match fact:
        case f.Held() | f.Waited():
            what = "held" if isinstance(fact, f.Held) else "waiting"
            return f"booking {fact.booking_id} of user {fact.user_id}, {fact.quantity} of event {fact.event_id}, {what}"
        case f.PaymentStarted():
            return f"payment {fact.payment_id} for booking {fact.booking_id} was begun"
        case f.PaymentSucceeded():
            return f"payment {fact.payment_id} succeeded"
        case f.RefundStarted():
            return f"refund {fact.refund_id} of booking {fact.booking_id} was begun"
        case f.Promoted() | f.Lapsed() | f.BookingCancelled():
            return f"booking {fact.booking_id}: {type(fact).__name__.lower()}"
    return ""


def set_aside_checkpoint(path: Path, seq: int) -> bool:
    """Where it holds what is behind `seq`, which is returned; it is made anew from the journal, or fetched."""
    loaded = load(path)
    if loaded is None or loaded.position.seq <= seq:
        return False
    number = 1
    while path.with_name(f"{path.name}.diverged-{number}").exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(path.with_name(f"{path.name}.diverged-{number}{suffix}"))
    return True
