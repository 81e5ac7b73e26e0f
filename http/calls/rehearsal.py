"""Calls for a rehearsal: a simulated crowd at an event of its own. Outside the sample mode there is nothing here.

The crowd is the affair of the node that is asked: each has its own, and none is forwarded.
"""

from typing import Any, Final

import msgspec

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE, read_answer
from ..call import Answer, Call
from ..problems import refused
from ..rehearsal import AlreadyOnError, Rehearsal, RehearsalView, RehearsalWish
from ..render.replies import encode
from ..wire.body import BodyDecoder

_BEARER: Final = "bearer "
_wish: Final = BodyDecoder(RehearsalWish, may_be_empty=True)


class _Document(RehearsalView, rename="camel", kw_only=True):
    seq: int


def get_rehearsal(api: Api, call: Call) -> Answer:
    rehearsal = _of(api, call)
    return read_answer(call, _body(api, rehearsal), api.gateway.durable_seq, PRIVATE)


async def post_rehearsal(api: Api, call: Call) -> Answer:
    rehearsal = _of(api, call)
    try:
        await rehearsal.start(_wish.decode(call.body), _token(call))
    except AlreadyOnError as error:
        raise refused(Code.WRONG_STATUS, str(error)) from None
    return _answer(api, 201, rehearsal)


async def delete_rehearsal(api: Api, call: Call) -> Answer:
    rehearsal = _of(api, call)
    await rehearsal.stop()
    return _answer(api, 200, rehearsal)


def _of(api: Api, call: Call) -> Rehearsal:
    if api.rehearsal is None:
        raise refused(Code.NOT_FOUND, "There is no rehearsal here: only the sample has one, which `make run` starts.")
    access.operator(api.authenticator, call)
    return api.rehearsal


def _token(call: Call) -> str:
    """What the operator came with: the crowd goes by it."""
    sent = call.headers.get("Authorization", "")
    return sent[len(_BEARER) :].strip() if sent.lower().startswith(_BEARER) else ""


def _body(api: Api, rehearsal: Rehearsal) -> bytes:
    told: dict[str, Any] = msgspec.structs.asdict(rehearsal.view())
    return encode(_Document(**told, seq=api.gateway.durable_seq))


def _answer(api: Api, status: int, rehearsal: Rehearsal) -> Answer:
    headers = (("Onsale-Seq", str(api.gateway.durable_seq)), ("Cache-Control", PRIVATE))
    return Answer(status, _body(api, rehearsal), headers)
