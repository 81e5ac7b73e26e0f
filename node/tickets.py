"""Ticket codes: what is printed on a ticket and shown at the door.

Owns their form. A code says which event, which booking and which of its tickets, and is signed (Ed25519), so whoever
has the public key can check it offline, at the door. It is made when it is asked for rather than stored, is always the
same, and cannot be made by anyone else. It is written in capital letters and digits (base32), which makes the smallest
QR pictures, and is read whatever its case.

What signs is derived from the cluster's key, in the journal, so that every node makes the same codes. Earlier versions
made shorter codes with a keyed checksum in place of the signature: these are still known, and never made. Still earlier
each node had a key in a file of its own: `old_key` reads it, so that what was printed then is known, too.
"""

import base64
import hmac
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..engine.limits import TICKET_KEY_BYTES
from ..http.gateway import TicketCode

CODE_CHARACTERS: Final = 125
CACHED_MAX: Final = 8_192  # codes; about 0.4 KiB each

_VERSION: Final = 1
_BODY_BYTES: Final = 14  # version 1, event 5, booking 6, number 2
_SIGNATURE_BYTES: Final = 64
_PURPOSE: Final = b"onsale tickets"  # of the key: it signs nothing else
_OLD_CODE_CHARACTERS: Final = 24
_OLD_CHECK_BYTES: Final = 7


class TicketCodes:
    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` gives the state's, b"" while it has none: then no code is made and none is known."""
        self._key = key
        self._signer: _Signer | None = None

    def of(self, event_id: int, booking_id: int, quantity: int) -> list[str]:
        """One code of CODE_CHARACTERS letters and digits per ticket."""
        signer = self._current()
        if signer is None:
            return []
        return [signer.code(event_id, booking_id, number) for number in range(1, quantity + 1)]

    def read(self, code: str) -> TicketCode | None:
        """What a code that is ours says, else None."""
        signer = self._current()
        if signer is None or not code.isascii():
            return None
        written = code.upper()
        if len(written) == _OLD_CODE_CHARACTERS:
            return _read_old(signer.key, written)
        data = _decoded(written) if len(written) == CODE_CHARACTERS else None
        said = None if data is None else _said(data)
        # the same signature comes out each time, and making it costs less than checking one
        if said is None or not hmac.compare_digest(written, signer.code(said.event_id, said.booking_id, said.number)):
            return None
        return said

    @property
    def public_key(self) -> str:
        """What `check_offline` takes: 32 bytes in base64url; "" while there is no key."""
        signer = self._current()
        return "" if signer is None else signer.public_key

    def _current(self) -> "_Signer | None":
        key = self._key()
        if self._signer is None or self._signer.key != key:
            self._signer = _Signer(key) if key else None
        return self._signer


def check_offline(code: str, public_key: str) -> TicketCode | None:
    """What a genuine code says; None for any other, such as one that was made by a version which did not sign yet.

    Raises ValueError for what is no public key.
    """
    key, written = _public_key(public_key), code.upper()
    data = _decoded(written) if code.isascii() else None
    said = None if data is None else _said(data)
    if data is None or said is None or _encoded(data) != written:  # one way of writing it is right
        return None
    try:
        key.verify(data[_BODY_BYTES:], data[:_BODY_BYTES])
    except InvalidSignature:
        return None
    return said


class _Signer:
    """Makes codes with one key; the latest ones are kept, as people look at their tickets more than once."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._private = Ed25519PrivateKey.from_private_bytes(blake2b(digest_size=32, key=key, person=_PURPOSE).digest())
        self.public_key = base64.urlsafe_b64encode(self._private.public_key().public_bytes_raw()).decode().rstrip("=")
        self.code = lru_cache(maxsize=CACHED_MAX)(self._make)

    def _make(self, event_id: int, booking_id: int, number: int) -> str:
        body = (
            bytes([_VERSION]) + event_id.to_bytes(5, "big") + booking_id.to_bytes(6, "big") + number.to_bytes(2, "big")
        )
        return _encoded(body + self._private.sign(body))


def _encoded(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


def _decoded(written: str) -> bytes | None:
    """None for what is no base32."""
    try:
        return base64.b32decode(written + "=" * (-len(written) % 8))
    except ValueError:
        return None


def _said(data: bytes) -> TicketCode | None:
    """What a code says, whoever made it."""
    if len(data) != _BODY_BYTES + _SIGNATURE_BYTES or data[0] != _VERSION:
        return None
    event_id, booking_id, number = (int.from_bytes(data[a:b], "big") for a, b in ((1, 6), (6, 12), (12, 14)))
    return TicketCode(event_id, booking_id, number) if event_id and booking_id and number else None


def _read_old(key: bytes, written: str) -> TicketCode | None:
    data = _decoded(written)
    if data is None:
        return None
    check = blake2b(data[:8], digest_size=_OLD_CHECK_BYTES, key=key).digest()
    booking_id, number = int.from_bytes(data[:6], "big"), int.from_bytes(data[6:8], "big")
    if not number or not hmac.compare_digest(data[8:], check):
        return None
    return TicketCode(0, booking_id, number)


@lru_cache(maxsize=16)
def _public_key(text: str) -> Ed25519PublicKey:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return Ed25519PublicKey.from_public_bytes(data)
    except ValueError:
        raise ValueError(
            "This is not the public key of tickets: it has 43 letters, digits, - and _; `onsale tickets key` tells it."
        ) from None


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
