"""Calls about bookings: booking, looking, giving up, paying, refunding.

Booking and paying are in callback style: `(api, call, reply)`, where `reply` is called once, now or later, or
RefusedError is raised instead. So they need no task, and the hot path calls them as they are.
"""

from collections.abc import Awaitable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from ...engine import replies as r
from ...engine.codes import Code
from ...engine.commands import Book, Evidence, GiveUp, Idempotency, Proof
from ...engine.records import Booking
from ...engine.status import BOOKING_NAMES, CONFIRMED, EXPIRED, SIGNAL_FOREIGN_TOKEN
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE
from ..call import Answer, Call, Reply
from ..gateway import UnavailableError
from ..idempotency import KEY_HEADER, as_replayed, key_of
from ..problems import RefusedError, problem, refused
from ..render.bookings import booking_with_refunds_document
from ..render.replies import answer_of, booked, encode
from ..wire.bookings import asked_for, check_nothing, pay_command, refund_command
from ..wire.query import path_id


class _Wish(NamedTuple):
    """Something asked for one booking; `refused` says in words that it cannot be."""

    booking_id: int
    user_id: str | None  # None: on behalf of whoever has it
    refused: str
    event_id: int | None = None  # of a payment


def post_booking(api: Api, call: Call, reply: Reply) -> None:
    principal = access.caller(api.authenticator, call)
    key = key_of(call, principal) if KEY_HEADER in call.headers else None
    gateway = api.gateway
    command, queue_token, challenge = asked_for(call.body, gateway.hold_ms)
    if not principal.may_act_for(command.user_id):
        access.check_acts_for(principal, command.user_id)
    if queue_token is not None:
        command = replace(command, place_id=gateway.read_queue_token(queue_token))
        place = gateway.state.places.rows.get(command.place_id)
        if place is None or place.user_id != command.user_id:
            api.gate.saw(call, command.user_id, SIGNAL_FOREIGN_TOKEN)
    checked = api.gate.check(call, principal, command.event_id, command.user_id, challenge)
    if not isinstance(checked, tuple):  # somebody else has to be asked
        api.in_background(_book_once_judged(api, call, reply, command, key, checked))
        return
    proof, evidence = checked
    if proof is not None or evidence is not None:
        command = replace(command, proof=proof, evidence=evidence)
    _book(api, reply, command, key)


async def _book_once_judged(
    api: Api,
    call: Call,
    reply: Reply,
    command: Book,
    key: Idempotency | None,
    judged: Awaitable[tuple[Proof | None, Evidence | None]],
) -> None:
    try:
        proof, evidence = await judged
        _book(api, reply, replace(command, proof=proof, evidence=evidence), key)
    except RefusedError as refusal:
        reply(api.finish(refusal.answer))
    except UnavailableError as fault:
        reply(api.finish(problem(Code.OVERLOADED, str(fault))))
    except Exception:  # noqa: BLE001 - the last resort is here
        reply(api.internal(call))


def _book(api: Api, reply: Reply, command: Book, key: Idempotency | None) -> None:
    # without `call`: its headers are not needed any more, and memory that is given back soon is still in the cache
    api.gateway.submit_hot(command, key, partial(_tell_booked, api, reply))


def _tell_booked(api: Api, reply: Reply, decided: r.Reply, replayed: bool) -> None:  # noqa: FBT001
    try:
        if type(decided) is r.Booked and not replayed:
            answer = booked(decided, api.gateway)
        else:
            answer = answer_of(decided, api.gateway, replayed=replayed)
    except Exception:  # noqa: BLE001 - one answer that cannot be rendered must not keep others from being told
        answer = api.failed("POST", "/booking")
    reply(answer)


def post_payment(api: Api, call: Call, reply: Reply) -> None:
    principal = access.caller(api.authenticator, call)
    key = key_of(call, principal)
    gateway = api.gateway
    command = pay_command(call.body)
    access.check_acts_for(principal, command.user_id)

    async def tell_of_past(decided: r.Reply, booking_id: int, *, replayed: bool) -> None:
        try:
            wish = _Wish(booking_id, command.user_id, "cannot be paid", command.event_id)
            answer = await _answer(api, wish, decided, replayed=replayed)
        except UnavailableError as fault:
            answer = api.finish(problem(Code.OVERLOADED, str(fault)))
        except Exception:  # noqa: BLE001 - see post_booking
            answer = api.internal(call)
        reply(answer)

    def done(decided: r.Reply, replayed: bool) -> None:  # noqa: FBT001 - the gateway's signature
        if command.booking_id is not None and _is_unknown(decided) and _may_be_past(api, command.booking_id):
            api.in_background(tell_of_past(decided, command.booking_id, replayed=replayed))
            return
        try:
            answer = answer_of(decided, gateway, replayed=replayed)
        except Exception:  # noqa: BLE001 - see post_booking
            answer = api.internal(call)
        reply(answer)

    gateway.submit(command, key, done)


async def get_booking(api: Api, call: Call, booking_id: str) -> Answer:
    principal = access.caller(api.authenticator, call)
    number = _id(booking_id)
    await api.catch_up(call)
    gateway = api.gateway
    since = gateway.state.seq
    booking = gateway.state.bookings.rows.get(number) or await _past(api, number)
    if booking is None:
        raise refused(Code.NO_SUCH_BOOKING, f"There is no booking {number}.")
    access.check_acts_for(principal, booking.user_id)
    refunds = await gateway.refunds_of(number) if booking.payment_id else []
    document = booking_with_refunds_document(booking, refunds, gateway, gateway.now_ms())
    return await api.read(call, encode(document), PRIVATE, since=since)


async def give_up(api: Api, call: Call, booking_id: str) -> Answer:
    principal = access.caller(api.authenticator, call)
    access.check_acts_for(principal, principal.sub)
    key = key_of(call, principal)
    check_nothing(call.body)
    number = _id(booking_id)
    on_behalf_of = principal.sub if principal.role == "user" else None
    reply, replayed = await api.decided(GiveUp(number, api.gateway.hold_ms, on_behalf_of), key)
    return await _answer(api, _Wish(number, on_behalf_of, "cannot be given up"), reply, replayed=replayed)


async def post_refund(api: Api, call: Call, booking_id: str) -> Answer:
    """Users may have their own money back until the event begins; from then on it takes the organiser."""
    principal = access.caller(api.authenticator, call)
    key = key_of(call, principal)
    number = _id(booking_id)
    on_behalf_of = None if principal.may_refund else principal.sub
    command = refund_command(call.body, number, api.gateway.hold_ms, on_behalf_of)
    read_ms = api.gateway.now_ms()
    past = await _past(api, number)
    if past is not None and past.status == CONFIRMED:
        command = replace(command, past=past, past_read_ms=read_ms)
    reply, replayed = await api.decided(command, key)
    return await _answer(api, _Wish(number, on_behalf_of, "has nothing to refund"), reply, replayed=replayed)


async def _answer(api: Api, wish: _Wish, reply: r.Reply, *, replayed: bool) -> Answer:
    """The answer to a wish about one booking. The engine does not know those that ended long ago; we can look."""
    past = await _past(api, wish.booking_id) if _is_unknown(reply) else None
    if past is None or past.seq > reply.seq or wish.event_id not in (None, past.event_id):
        return answer_of(reply, api.gateway, replayed=replayed)
    if wish.user_id not in (None, past.user_id):
        answer = problem(Code.FORBIDDEN, "This booking is someone else's.", seq=reply.seq)
    elif past.status == EXPIRED and wish.event_id is not None:
        detail = "The hold has lapsed; book again."
        answer = problem(Code.HOLD_EXPIRED, detail, seq=reply.seq, extra={"bookingId": past.id})
    elif past.status == CONFIRMED and wish.event_id is not None:
        answer = problem(Code.ALREADY_PAID, f"Booking {past.id} is paid.", seq=reply.seq, extra={"bookingId": past.id})
    else:
        name = BOOKING_NAMES[past.status]
        extra = {"bookingId": past.id, "bookingStatus": name}
        answer = problem(Code.WRONG_STATUS, f"A booking that is {name} {wish.refused}.", seq=reply.seq, extra=extra)
    return as_replayed(answer) if replayed else answer


def _is_unknown(reply: r.Reply) -> bool:
    return isinstance(reply, r.Refusal) and reply.code is Code.NO_SUCH_BOOKING


def _may_be_past(api: Api, booking_id: int) -> bool:
    """There was such a booking, and it has left memory."""
    state = api.gateway.state
    return booking_id < state.next_booking_id and booking_id not in state.bookings.rows


async def _past(api: Api, booking_id: int) -> Booking | None:
    return await api.gateway.past_booking(booking_id) if _may_be_past(api, booking_id) else None


def _id(booking_id: str) -> int:
    return path_id(booking_id, "bookingId", Code.NO_SUCH_BOOKING, "booking")
