"""Ticket codes: what is printed on a ticket and shown at the door.

Owns their form. A code says which booking and which of its tickets, and carries a keyed checksum, so it is made when
it is asked for rather than stored, is always the same, and cannot be guessed.
"""

import base64
import os
import secrets
from hashlib import blake2b
from pathlib import Path

_CHECK_BYTES = 7
_KEY_BYTES = 32


class TicketCodes:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, booking_id: int, quantity: int) -> list[str]:
        """One code of 24 letters and digits per ticket."""
        return [self._code(booking_id, number) for number in range(1, quantity + 1)]

    def _code(self, booking_id: int, number: int) -> str:
        body = booking_id.to_bytes(6, "big") + number.to_bytes(2, "big")
        check = blake2b(body, digest_size=_CHECK_BYTES, key=self._key).digest()
        return base64.b32encode(body + check).decode()

    def read(self, code: str) -> tuple[int, int] | None:
        """(booking id, ticket number) of a code that is ours, else None."""
        try:
            data = base64.b32decode(code)
        except ValueError:
            return None
        booking_id, number = int.from_bytes(data[:6], "big"), int.from_bytes(data[6:8], "big")
        return (booking_id, number) if number and code == self._code(booking_id, number) else None


class DamagedTicketKey(Exception):
    """The file is there and is no key."""


def read_or_create_key(path: Path) -> tuple[bytes, bool]:
    """The key that signs this installation's tickets, and whether it was made just now.

    Lose it and printed codes are not known any more, so a code leaves only when the key is durable.
    Raises DamagedTicketKey, OSError.
    """
    fresh = not path.exists()
    if fresh:
        _store(path, secrets.token_bytes(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise DamagedTicketKey(
            f"{path} should hold {_KEY_BYTES} bytes and holds {len(key)}. It signs the codes of tickets: bring it back "
            "from a backup. If there is none, move it away and start again: a new key is made, and the codes that were "
            "given out before are not known any more."
        )
    return key, fresh


def _store(path: Path, key: bytes) -> None:
    """Whole or not at all, and durably."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, key)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
