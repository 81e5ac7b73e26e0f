"""Calls of operators for what a node tells from its journal, in words: why things are as they are, and were they fair.

The words are those of `onsale inspect` and `onsale verify --fairness`. Such a report takes as long as the journal is
long: a call answers 200 with the report, or 202 with how far it is, and is sent again. Each node reads its own journal,
beside its other work, so the one to ask is the one with the least to do.
"""

from typing import Final

import msgspec

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE
from ..call import Answer, Call
from ..gateway import NothingThereError
from ..problems import refused
from ..render.reports import ProgressOfReading
from ..wire.query import path_id

AGAIN_SECONDS: Final = 1


class _Answer(msgspec.Struct, rename="camel"):
    """As StoryAnswer and FairnessAnswer of render/reports.py, with the report as it came."""

    report: msgspec.Raw | None
    progress: ProgressOfReading | None
    seq: int


async def get_story_of_booking(api: Api, call: Call, booking_id: str) -> Answer:
    access.operator(api.authenticator, call)
    number = path_id(booking_id, "bookingId", Code.NO_SUCH_BOOKING, "booking")
    return await _report(api, "booking", number, Code.NO_SUCH_BOOKING)


async def get_story_of_seq(api: Api, call: Call, seq: str) -> Answer:
    access.operator(api.authenticator, call)
    number = path_id(seq, "seq", Code.NOT_FOUND, "position")
    return await _report(api, "seq", number, Code.NOT_FOUND)


async def get_fairness(api: Api, call: Call, event_id: str) -> Answer:
    access.operator(api.authenticator, call)
    number = path_id(event_id, "eventId", Code.NO_SUCH_EVENT, "event")
    return await _report(api, "fairness", number, Code.NO_SUCH_EVENT)


async def _report(api: Api, kind: str, number: int, missing: Code) -> Answer:
    try:
        found = await api.gateway.report(kind, number)
    except NothingThereError as nothing:
        raise refused(missing, str(nothing)) from None
    seq = api.gateway.durable_seq
    headers = (("Onsale-Seq", str(seq)), ("Cache-Control", PRIVATE))
    if found.document is None:
        body = _Answer(None, ProgressOfReading(found.done, found.total), seq)
        return Answer(202, msgspec.json.encode(body), (*headers, ("Retry-After", str(AGAIN_SECONDS))))
    return Answer(200, msgspec.json.encode(_Answer(msgspec.Raw(found.document), None, seq)), headers)
