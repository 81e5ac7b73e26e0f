"""One HTTP call as the rest of this package sees it: bytes in, bytes out.

Owns the shapes `Call` and `Answer`. They know nothing of aiohttp, so that the same functions serve the
framework's path and the hot path. A call is answered exactly once, through the `Reply` it came with.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

JSON = "application/json"
PROBLEM = "application/problem+json"


class Call(msgspec.Struct, gc=False):
    """What a client asked: `path` without the query; both are raw, still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # looked up without regard to case
    body: bytes
    remote: str | None = None  # the peer's address
    request_id: str = ""  # once anybody asks for it: see request_ids.py
    target: Any = None  # once it was looked up, what answers it: see hot.py
    address: Any = None  # the same, whose it is: see access/gate.py


class Answer(msgspec.Struct, gc=False):
    """What is sent back. Content-Length and Date are added by whoever writes it to the socket."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON

    def with_headers(self, headers: tuple[tuple[str, str], ...]) -> "Answer":
        """The same answer with these headers instead."""
        return Answer(self.status, self.body, headers, self.content_type)


class RepeatedAnswer(Answer):
    """One that is given again and again: whoever writes it to the socket keeps the bytes with it."""

    payload: bytes = b""
    second: int = 0  # since 1970: the Date in `payload`


Reply = Callable[[Answer], None]
