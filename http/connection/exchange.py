"""One exchange on a connection: the call that a request is, and the place of its answer.

Owns `call_of` and `Slot`. Never touches a socket, never decides what a call means.
"""

import msgspec
from aiohttp.http import RawRequestMessage

from ..call import Call
from .shared import Count


class Slot(msgspec.Struct, eq=False, gc=False):
    """A place in the order of a connection's answers."""

    head_only: bool = False
    is_old: bool = False  # HTTP/1.0
    payload: bytes | None = None
    status: int = 0  # of the answer
    count: Count | None = None  # to be told of it, and how long it took
    began: float = 0.0


def call_of(message: RawRequestMessage, body: bytes, remote: str | None) -> Call:
    """`remote`: the peer's address."""
    target = message.path
    if "#" in target or target[0] != "/":
        path, query = message.url.raw_path, message.url.raw_query_string
    else:
        path, _, query = target.partition("?")
    return Call(message.method, path, query, message.headers, body, remote)
