"""Requests refused for what they say, before the engine has seen them: with an Idempotency-Key the engine keeps that
answer, too.

Owns which refusals those are. Without this, a key sent with a body that is not valid would be free for another body,
and asking again would give another `seq`. Who may not ask at all has no keys.
"""

from typing import Final

import orjson

from ..engine.codes import Code
from ..engine.commands import Idempotency, Refuse
from .access.auth import Authenticator, Principal
from .call import Call
from .idempotency import KEY_HEADER, key_of
from .problems import RefusedError

_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEPT: Final = frozenset(
    {
        Code.INVALID_JSON,
        Code.INVALID_FIELD,
        Code.UNKNOWN_FIELD,
        Code.INVALID_SEATS,
        Code.NO_SUCH_EVENT,
        Code.NO_SUCH_BOOKING,
        Code.NO_SUCH_TICKET,
    }
)
_OF_EVERY_PROBLEM: Final = frozenset({"type", "title", "status", "detail", "code"})


def kept_refusal(authenticator: Authenticator, call: Call, refusal: RefusedError) -> tuple[Refuse, Idempotency] | None:
    """What to have the engine decide in place of the refusal; None where that itself is the answer."""
    if KEY_HEADER not in call.headers or call.method not in _WRITES:
        return None
    principal = authenticator.authenticate(call)
    if not isinstance(principal, Principal) or principal.role == "anonymous":
        return None
    said = orjson.loads(refusal.answer.body)
    if said["code"] not in _KEPT:
        return None
    try:
        key = key_of(call, principal)
    except RefusedError:  # it is the key that is wrong
        return None
    assert key is not None
    extra = {name: value for name, value in said.items() if name not in _OF_EVERY_PROBLEM}
    return Refuse(Code(said["code"]), said["detail"], extra or None), key
