"""Cursors: where a page of a search ended, as opaque text.

A cursor belongs to the request it came from, but for the limit: with another one, or with a character changed, it is a
`BadCursor`. That guards against mistakes, not against forgers, for a position hides nothing and grants nothing.
"""

import base64
import binascii
import struct
from hashlib import blake2b
from typing import NamedTuple

from ...engine.search import SearchRequest

_POSITION = struct.Struct("<Bqq")
_DIGEST_BYTES = 8
_VERSION = b"1"  # raise it whenever the meaning of a tier changes


class BadCursor(ValueError):
    """The cursor is damaged, or comes from another search. Its text can be shown to the client."""


class Position(NamedTuple):
    """The last event of a page: its tier (see `search_query`), start and id."""

    tier: int
    starts_ms: int
    event_id: int


def write_cursor(request: SearchRequest, position: Position) -> str:
    """The cursor for what follows a position: 34 characters that need no escaping in a URL."""
    packed = _POSITION.pack(*position)
    return base64.urlsafe_b64encode(packed + _digest(request, packed)).rstrip(b"=").decode()


def read_cursor(request: SearchRequest) -> Position | None:
    """Where the request's page begins; None for the first page. Raises BadCursor."""
    text = request.cursor
    if not text:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):  # the latter for characters outside ASCII
        data = b""
    packed, digest = data[: _POSITION.size], data[_POSITION.size :]
    if len(packed) != _POSITION.size or digest != _digest(request, packed):
        raise BadCursor("this cursor is not one of this search: repeat the search without it to get the first page")
    return Position(*_POSITION.unpack(packed))


def _digest(request: SearchRequest, packed: bytes) -> bytes:
    asked = (request.search, request.name, request.start_ms, request.end_ms, request.city, request.category)
    return blake2b(_VERSION + packed + repr(asked).encode(), digest_size=_DIGEST_BYTES).digest()
