"""The call for a challenge, whose solution goes into a booking, or into joining a waiting room.

In callback style, as bookings are: challenges are asked for in the same second, by as many.
"""

from typing import Final

from ...engine.codes import Code
from ...engine.status import CHALLENGE_OUTSIDE
from ..api import Api
from ..caching import PRIVATE, read_answer
from ..call import Call, Reply
from ..problems import refused
from ..wire.query import parse_query, whole_of

PARAMETERS: Final = ("event_id",)


def get_challenge(api: Api, call: Call, reply: Reply) -> None:
    gateway = api.gateway
    event_id = whole_of(parse_query(call.query, PARAMETERS), "event_id", 0)
    if event_id:
        sale = gateway.state.sales.get(event_id)
        if sale is None:
            raise refused(Code.NO_SUCH_EVENT, f"There is no event {event_id}; GET /events lists them.")
        if sale.event.challenge == CHALLENGE_OUTSIDE:
            detail = "This event asks for the verdict of another service, whose widget gives what to send."
            raise refused(Code.WRONG_STATUS, detail, challenge="outside")
    reply(read_answer(call, api.gate.new_challenge(event_id), gateway.durable_seq, PRIVATE))
