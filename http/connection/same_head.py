"""What a request teaches about the next one on its connection: who asks again sends the same head once more.

Owns what is remembered of one head, and by what another is known to be that one: by every byte of it, but for the value
of an Idempotency-Key. Never reads a head itself: what it says was found out by whoever parsed the first one.
"""

import re
from typing import Final

import msgspec
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

from ..call import Call
from ..idempotency import KEY_CHARACTERS_MAX, KEY_HEADER

HEAD_BYTES_MAX: Final = 1_024  # kept for as long as the connection is
_KEY_LINE: Final = re.compile(rb"\r\nIdempotency-Key:[ \t]*", re.IGNORECASE)
_KEY: Final = re.compile(rb"[!-~](?:[ -~]{0,%d}[!-~])?" % (KEY_CHARACTERS_MAX - 2))  # as it stands: nothing to trim


class SameHead(msgspec.Struct, eq=False, gc=False):
    """`start`: the head, or all of it before the value of its key; `rest`: what stands behind that, empty without one.

    `call` is what the connection makes of `message`, once it has; its body means nothing.
    """

    start: bytes
    rest: bytes
    body_bytes: int
    message: RawRequestMessage
    call: Call | None = None

    def again(self, data: bytes) -> tuple[RawRequestMessage, bytes] | None:
        """The head and the body, if `data` is one whole request with this head."""
        start, head_bytes = self.start, len(data) - self.body_bytes
        if not self.rest:
            return (self.message, data[head_bytes:]) if head_bytes == len(start) and data.startswith(start) else None
        message = self.message_of(data[:head_bytes]) if head_bytes > 0 else None
        return None if message is None else (message, data[head_bytes:])

    def message_of(self, head: bytes) -> RawRequestMessage | None:
        """What `head` says, if that is what this one does, with another key perhaps."""
        start, rest, message = self.start, self.rest, self.message
        if not rest:
            return message if head == start else None
        if not (head.startswith(start) and head.endswith(rest)):
            return None
        key = _KEY.fullmatch(head, len(start), len(head) - len(rest))
        if key is None:
            return None
        headers = CIMultiDict(message.headers)
        headers[KEY_HEADER] = key[0].decode("ascii")
        return message._replace(headers=CIMultiDictProxy(headers))


def remember(head: bytes, message: RawRequestMessage, body_bytes: int) -> SameHead | None:
    """What is worth to be remembered of a request that was read; None: nothing."""
    if len(head) > HEAD_BYTES_MAX:
        return None
    keys = message.headers.getall(KEY_HEADER, ())
    if not keys:
        return SameHead(head, b"", body_bytes, message)
    line = _KEY_LINE.search(head) if len(keys) == 1 else None
    if line is None:
        return None
    at = line.end()
    end = head.index(b"\r\n", at)
    if head[at:end] != keys[0].encode("utf-8", "surrogateescape"):  # the value goes on somewhere else
        return None
    return SameHead(head[:at], head[end:], body_bytes, message)
