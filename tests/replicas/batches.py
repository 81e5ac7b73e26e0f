"""Batches as a leader seals them, and those who take them."""

from onsale.journal.batch import Position, Sealed, seal
from onsale.replicas.frames import Frame

BEGINNING = Position(0, bytes(range(16)), 0, 0)


def sealed_behind(position: Position, *counts: int, epoch: int = 1, fill_bytes: int = 0) -> list[Sealed]:
    """One batch of so many facts each, with `fill_bytes` of payload more."""
    found = []
    for count in counts:
        content = f"{epoch} {position.seq} {count} ".encode() + bytes(fill_bytes)
        sealed = seal(position, epoch=epoch, at_ms=position.at_ms + 1, count=count, payload=content)
        found.append(sealed)
        position = sealed.position
    return found


class Outlet:
    """A link whose other end reads only when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.unsent_bytes = 0
        self.reads = True
        self.reasons: list[str] = []

    def send(self, frame: Frame) -> None:
        if not self.reasons:
            self.sent.append(frame)
            if not self.reads:
                self.unsent_bytes += len(getattr(frame, "data", b"")) + 50

    def close(self, reason: str = "") -> None:
        self.reasons.append(reason)

    def of(self, kind: type) -> list[Frame]:
        return [frame for frame in self.sent if isinstance(frame, kind)]
