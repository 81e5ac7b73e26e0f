"""The Idempotency-Key header: what names a request, so that asking again gives the first answer again.

Owns the two hashes. The digest is scoped to the caller, so nobody meets another's keys; the fingerprint covers what was
asked, so a key cannot be used for something else. The engine keeps both with the reply's substance.
"""

from hashlib import blake2b
from typing import Final

from multidict import istr

from ..engine.commands import Idempotency
from .access.auth import Principal
from .call import Answer, Call
from .wire.body import invalid_field

KEY_CHARACTERS_MAX: Final = 255
KEY_HEADER: Final = istr("Idempotency-Key")
REPLAYED: Final = ("Idempotency-Replayed", "true")


def key_of(call: Call, principal: Principal) -> Idempotency | None:
    """None without the header. Raises RefusedError for an empty or overlong key."""
    key = call.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX:
        raise invalid_field("Idempotency-Key", f"must have 1 to {KEY_CHARACTERS_MAX} characters")
    scoped = f"{principal.caller}\0{key}".encode("utf-8", "surrogateescape")
    asked = f"{call.method}{call.path}\0".encode("utf-8", "surrogateescape") + call.body
    return Idempotency(blake2b(scoped, digest_size=16).digest(), blake2b(asked, digest_size=16).digest())


def as_replayed(answer: Answer) -> Answer:
    """The first answer, given again."""
    return answer.with_headers((*answer.headers, REPLAYED))
