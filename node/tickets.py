"""Ticket codes: what is printed on a ticket and shown at the door.

Owns their form. A code says which booking and which of its tickets, and carries a keyed checksum, so it is made when
it is asked for rather than stored, is always the same, and cannot be guessed.

The key is the cluster's, in the journal, so that every node makes the same codes. Before that each node had a file of
its own: `old_key` reads it, so that what was printed is still known.
"""

import base64
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from ..engine.limits import TICKET_KEY_BYTES

_CHECK_BYTES = 7


class TicketCodes:
    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` gives the state's, b"" while it has none: then no code is made and none is known."""
        self._key = key

    def of(self, booking_id: int, quantity: int) -> list[str]:
        """One code of 24 letters and digits per ticket."""
        key = self._key()
        return [_code(key, booking_id, number) for number in range(1, quantity + 1)] if key else []

    def read(self, code: str) -> tuple[int, int] | None:
        """(booking id, ticket number) of a code that is ours, else None."""
        key = self._key()
        try:
            data = base64.b32decode(code)
        except ValueError:
            return None
        booking_id, number = int.from_bytes(data[:6], "big"), int.from_bytes(data[6:8], "big")
        return (booking_id, number) if key and number and code == _code(key, booking_id, number) else None


def _code(key: bytes, booking_id: int, number: int) -> str:
    body = booking_id.to_bytes(6, "big") + number.to_bytes(2, "big")
    check = blake2b(body, digest_size=_CHECK_BYTES, key=key).digest()
    return base64.b32encode(body + check).decode()


class DamagedTicketKey(Exception):
    """The file is there and is no key."""


def old_key(path: Path) -> bytes | None:
    """The key that an earlier version kept in a file; None when there is none. Raises DamagedTicketKey, OSError."""
    if not path.exists():
        return None
    key = path.read_bytes()
    if len(key) != TICKET_KEY_BYTES:
        raise DamagedTicketKey(
            f"{path} should hold {TICKET_KEY_BYTES} bytes and holds {len(key)}. It signs the codes of tickets: bring "
            "it back from a backup. If there is none, move it away and start again: a new key is made, and the codes "
            "that were given out before are not known any more."
        )
    return key
