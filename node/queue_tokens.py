"""Queue tokens: what somebody in a waiting room shows to see their place, and to book once it is their turn.

Owns their form: which event and which arrival, with a keyed checksum over these and the user whose place it is. So a
token is worth nothing to anybody else, can't be made by anyone, is made when it is asked for rather than stored, and is
always the same. What signs is derived from the cluster's key, in the journal: every node reads every node's tokens.
"""

import base64
import hmac
from hashlib import blake2b
from typing import Final

from ..engine.state import State, place_id

TOKEN_CHARACTERS: Final = 36
_VERSION: Final = 1
_BODY_BYTES: Final = 11  # version 1, event 6, arrival 4
_MAC_BYTES: Final = 16
_PURPOSE: Final = b"onsale queue"  # of the key: it signs nothing else


class QueueTokens:
    def __init__(self, state: State) -> None:
        self._state = state
        self._key = b""
        self._begun = blake2b()  # with the key, copied for each token

    def of(self, event_id: int, arrival: int, user_id: str) -> str:
        """TOKEN_CHARACTERS characters that need no escaping in a URL; "" while there is no key."""
        if not self._has_key():
            return ""
        body = bytes((_VERSION,)) + event_id.to_bytes(6, "big") + arrival.to_bytes(4, "big")
        return base64.urlsafe_b64encode(body + self._mac(body, user_id)).decode()

    def read(self, token: str) -> int:
        """The id of the place that a genuine token names; 0 for any other, or when the place is forgotten."""
        if len(token) != TOKEN_CHARACTERS or not token.isascii() or not self._has_key():
            return 0
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return 0
        body, mac = data[:_BODY_BYTES], data[_BODY_BYTES:]
        if len(mac) != _MAC_BYTES or body[0] != _VERSION:
            return 0
        number = place_id(int.from_bytes(body[1:7], "big"), int.from_bytes(body[7:], "big"))
        place = self._state.places.rows.get(number)
        if place is None or not hmac.compare_digest(mac, self._mac(body, place.user_id)):
            return 0
        return number

    def _mac(self, body: bytes, user_id: str) -> bytes:
        signing = self._begun.copy()
        signing.update(body)
        signing.update(user_id.encode())
        return signing.digest()

    def _has_key(self) -> bool:
        key = self._state.ticket_key
        if key != self._key:
            self._key = key
            self._begun = blake2b(key=key, digest_size=_MAC_BYTES, person=_PURPOSE)
        return bool(key)
