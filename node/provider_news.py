"""What the payment provider tells by itself: its webhook calls, read and checked.

Owns the secret they are checked with. Imports the provider's library only where it is configured.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..http.gateway import InvalidSignatureError

if TYPE_CHECKING:
    from ..effects.stripe.events import News


class ProviderNews:
    def __init__(self, secret: str, *, journal_id: str, hold_ms: int) -> None:
        """`secret` "": no news are taken."""
        self._read = _reader(secret, journal_id, hold_ms) if secret else None

    def read(self, body: bytes, signature: str) -> "News | None":
        """None: nothing is configured to check them with. Raises InvalidSignatureError."""
        return None if self._read is None else self._read(body, signature)


def _reader(secret: str, journal_id: str, hold_ms: int) -> Callable[[bytes, str], "News"]:
    from ..effects.stripe.events import BadSignature, read_event  # 40 ms and some memory: only where it is of use

    def read(body: bytes, signature: str) -> "News":
        try:
            return read_event(body, signature, secret, journal_id=journal_id, hold_ms=hold_ms, now_s=time.time())
        except BadSignature as error:
            raise InvalidSignatureError(str(error)) from error

    return read
