"""What lets others keep a read: ETag, If-None-Match, Cache-Control; and Onsale-Min-Seq, which lets nobody be misled.

Owns those headers. A read's ETag is strong, made of its body alone. How long a shared cache may keep an answer is said
once, here; personal answers and those to writes are never kept.
"""

from hashlib import blake2b
from typing import Final

import msgspec
from multidict import istr

from .call import JSON, Answer, Call, RepeatedAnswer
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


class Reading(msgspec.Struct, gc=False):
    """The body of a read, to be answered any number of times; what is the same for all of them is made once."""

    body: bytes
    etag: str
    headers: tuple[tuple[str, str], ...]  # all but the position
    content_type: str
    _seq: int = -1  # of the answer that was given last
    _answer: Answer | None = None

    @classmethod
    def of(cls, body: bytes, cache_control: str, *more: tuple[str, str], content_type: str = JSON) -> "Reading":
        etag = f'"{blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"'
        shared = (_PRIVATE,) if cache_control is PRIVATE else (("Cache-Control", cache_control), _VARY)
        return cls(body, etag, (("ETag", etag), *shared, *more), content_type)

    def answer(self, call: Call, seq: int) -> Answer:
        """200, or 304 when the caller has it already. `seq`: the position it reflects."""
        known = call.headers.get(_IF_NONE_MATCH)
        if known is not None and _matches(known, self.etag):
            return Answer(304, b"", (("Onsale-Seq", str(seq)), *self.headers), self.content_type)
        answer = self._answer
        if answer is None or seq != self._seq:
            self._seq = seq
            headers = (("Onsale-Seq", str(seq)), *self.headers)
            answer = self._answer = RepeatedAnswer(200, self.body, headers, self.content_type)
        return answer


def read_answer(
    call: Call, body: bytes, seq: int, cache_control: str, *more: tuple[str, str], content_type: str = JSON
) -> Answer:
    """The answer to a read, or 304 when the caller has it already. `seq`: the position it reflects."""
    return Reading.of(body, cache_control, *more, content_type=content_type).answer(call, seq)


def min_seq_of(call: Call) -> int | None:
    """What Onsale-Min-Seq asks for. Raises RefusedError for what is no position."""
    text = call.headers.get(MIN_SEQ_HEADER)
    return None if text is None else to_whole(text, "Onsale-Min-Seq")


def _matches(known: str, etag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110 section 13.1.2)."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in known.split(","))
