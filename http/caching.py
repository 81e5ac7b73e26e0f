"""What lets others keep a read: ETag, If-None-Match, Cache-Control; and Onsale-Min-Seq, which lets nobody be misled.

Owns those headers. A read's ETag is strong, made of its body alone. How long a shared cache may keep an answer is said
once, here; personal answers and those to writes are never kept.
"""

from hashlib import blake2b
from typing import Final

from multidict import istr

from .call import JSON, Answer, Call
from .wire.query import to_whole

PRIVATE: Final = "private, no-store"
LIVE: Final = "public, s-maxage=1, stale-while-revalidate=1"  # live counts
LISTED: Final = "public, s-maxage=2, stale-while-revalidate=10"  # lists that people browse
PUBLISHED: Final = "public, s-maxage=300, stale-while-revalidate=3600"  # changes with the version alone

MIN_SEQ_HEADER: Final = istr("Onsale-Min-Seq")
_IF_NONE_MATCH: Final = istr("If-None-Match")
_ETAG_BYTES: Final = 12
_VARY: Final = ("Vary", "Onsale-Min-Seq")
_PRIVATE: Final = ("Cache-Control", PRIVATE)


def read_answer(
    call: Call, body: bytes, seq: int, cache_control: str, *more: tuple[str, str], content_type: str = JSON
) -> Answer:
    """The answer to a read, or 304 when the caller has it already. `seq`: the position it reflects."""
    etag = f'"{blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"'
    private = cache_control is PRIVATE
    headers = (
        ("Onsale-Seq", str(seq)),
        ("ETag", etag),
        _PRIVATE if private else ("Cache-Control", cache_control),
        *(() if private else (_VARY,)),
        *more,
    )
    known = call.headers.get(_IF_NONE_MATCH)
    if known is not None and _matches(known, etag):
        return Answer(304, b"", headers, content_type)
    return Answer(200, body, headers, content_type)


def min_seq_of(call: Call) -> int | None:
    """What Onsale-Min-Seq asks for. Raises RefusedError for what is no position."""
    text = call.headers.get(MIN_SEQ_HEADER)
    return None if text is None else to_whole(text, "Onsale-Min-Seq")


def _matches(known: str, etag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110 section 13.1.2)."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in known.split(","))
