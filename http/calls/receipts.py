"""Calls for proofs: a booking's place in the journal, the journal's head, and the script that checks them.

The head and the script are open to everyone: a head proves something because many have it.
"""

from typing import Final

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import LIVE, PRIVATE, PUBLISHED, read_answer
from ..call import Answer, Call
from ..gateway import BehindError, NotKeptError
from ..problems import RefusedError, refused
from ..render.receipts import head_document, receipt_document
from ..render.replies import encode
from ..wire.body import invalid_field
from ..wire.query import parse_query, path_id, whole_of

HEAD_PARAMETERS: Final = ("since", "seq")
RECEIPT_PARAMETERS: Final = ("tree_size",)
PYTHON: Final = "text/x-python; charset=utf-8"
_FORWARDED: Final = "Onsale-Forwarded-By"  # a node that does not lead passes a read on once


async def get_receipt(api: Api, call: Call, booking_id: str) -> Answer:
    principal = access.caller(api.authenticator, call)
    number = path_id(booking_id, "bookingId", Code.NO_SUCH_BOOKING, "booking")
    tree_size = whole_of(parse_query(call.query, RECEIPT_PARAMETERS), "tree_size", 0)
    await api.catch_up(call)
    gateway = api.gateway
    booking = gateway.state.bookings.rows.get(number)
    if booking is None and number < gateway.state.next_booking_id:
        booking = await gateway.past_booking(number)
    if booking is None:
        raise refused(Code.NO_SUCH_BOOKING, f"There is no booking {number}.")
    access.check_acts_for(principal, booking.user_id)
    shown = await api.shown()  # a booking that is not durable is in no journal
    try:
        proof = await gateway.prove_fact(booking.seq, tree_size or None)
    except NotKeptError as fault:
        return await _of_primary(api, call, fault)
    except BehindError as fault:
        raise _behind(api, fault, shown, "tree_size") from fault
    except ValueError:
        raise invalid_field("tree_size", "must be of a head that was published after the booking") from None
    return read_answer(call, encode(receipt_document(number, proof)), shown, PRIVATE)


async def get_head(api: Api, call: Call) -> Answer:
    parameters = parse_query(call.query, HEAD_PARAMETERS)
    since = whole_of(parameters, "since", 0) if "since" in parameters else None
    seq = whole_of(parameters, "seq", 0) if "seq" in parameters else None
    await api.catch_up(call)
    durable_seq = api.gateway.durable_seq
    try:
        head = await api.gateway.journal_head(seq, since)
    except NotKeptError as fault:
        return await _of_primary(api, call, fault)
    except BehindError as fault:
        raise _behind(api, fault, durable_seq, "seq" if seq is not None and seq > fault.seq else "since") from fault
    except ValueError:
        raise invalid_field("since", "must not be larger than the treeSize of the head that is asked for") from None
    return read_answer(call, encode(head_document(head)), max(head.seq, durable_seq), LIVE)


def get_script(api: Api, call: Call) -> Answer:
    gateway = api.gateway
    return read_answer(call, gateway.receipt_check, gateway.durable_seq, PUBLISHED, content_type=PYTHON)


def _behind(api: Api, fault: BehindError, seq: int, field: str) -> RefusedError:
    """`seq`: what there was when it was asked. On the primary, what comes behind that has not been published at all."""
    if api.gateway.leads and fault.seq >= seq:
        return invalid_field(field, f"is beyond the journal, which ends with seq {fault.seq}")
    return refused(Code.REPLICA_BEHIND, str(fault))


async def _of_primary(api: Api, call: Call, fault: NotKeptError) -> Answer:
    """A node that began with a copy lacks the journal's beginning; the primary may have it."""
    answer = None
    if not api.gateway.leads and _FORWARDED not in call.headers:
        answer = await api.gateway.forward(api.gate.passed_on(call))
    if answer is None:
        raise refused(Code.NOT_FOUND, f"{fault} Ask another node.")
    return answer
