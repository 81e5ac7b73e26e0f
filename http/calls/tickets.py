"""Calls about tickets: what one is, its picture, and letting people in.

A genuine code is all it takes to see its picture: whoever knows it has the ticket. What it stands for, and checking it
in, is for organisers.
"""

from typing import Final

from ...engine.codes import Code
from ...engine.commands import CheckIn
from ..access import guard as access
from ..access.auth import LOCAL_OPERATOR
from ..api import Api
from ..caching import PRIVATE, PUBLISHED, read_answer
from ..call import Answer, Call
from ..gateway import TicketCode
from ..idempotency import key_of
from ..problems import RefusedError, refused
from ..render.replies import encode
from ..render.tickets import TicketKeyDocument, ticket_view
from ..wire.tickets import check_in_body

ALGORITHM: Final = "Ed25519"
OWNERS: Final = "private, max-age=3600"  # a picture never changes, and is for whoever has the ticket
PICTURES: Final = {"svg": "image/svg+xml", "png": "image/png"}


async def check_in(api: Api, call: Call, code: str) -> Answer:
    principal = access.organiser(api.authenticator, call)
    key = key_of(call, principal)
    door = check_in_body(call.body)
    ticket = _genuine(api, code)
    if ticket.event_id and door.event_id not in (0, ticket.event_id):
        detail = f"This ticket is for event {ticket.event_id}, not for event {door.event_id}; it was not checked in."
        raise refused(Code.NO_SUCH_TICKET, detail, eventId=ticket.event_id)
    event_id = ticket.event_id or door.event_id
    by = "" if principal is LOCAL_OPERATOR else principal.sub
    return await api.write(CheckIn(event_id, ticket.booking_id, ticket.number, door.place, by), key)


async def get_ticket(api: Api, call: Call, code: str) -> Answer:
    access.organiser(api.authenticator, call)
    await api.catch_up(call)
    ticket = _genuine(api, code)
    gateway = api.gateway
    since = gateway.state.seq
    booking = gateway.state.bookings.rows.get(ticket.booking_id)
    if booking is None and ticket.booking_id < gateway.state.next_booking_id:
        booking = await gateway.past_booking(ticket.booking_id)
    if booking is None or ticket.number > booking.quantity or ticket.event_id not in (0, booking.event_id):
        raise _no_such_ticket()
    document = ticket_view(ticket, booking, gateway.state, gateway.now_ms())
    return await api.read(call, encode(document), PRIVATE, since=since)


async def get_svg(api: Api, call: Call, code: str) -> Answer:
    return await _picture(api, call, code, "svg")


async def get_png(api: Api, call: Call, code: str) -> Answer:
    return await _picture(api, call, code, "png")


async def get_key(api: Api, call: Call) -> Answer:
    await api.catch_up(call)
    public_key = api.gateway.ticket_public_key
    if not public_key:
        raise refused(Code.OVERLOADED, "This node has no key for tickets yet; ask again in a moment.")
    return await api.read(call, encode(TicketKeyDocument(ALGORITHM, public_key)), PUBLISHED)


async def _picture(api: Api, call: Call, code: str, form: str) -> Answer:
    _genuine(api, code)
    await api.catch_up(call)
    picture = await api.gateway.draw_code(code.upper(), form)
    return read_answer(call, picture, api.gateway.durable_seq, OWNERS, content_type=PICTURES[form])


def _genuine(api: Api, code: str) -> TicketCode:
    ticket = api.gateway.read_ticket(code)
    if ticket is None:
        raise _no_such_ticket()
    return ticket


def _no_such_ticket() -> RefusedError:
    return refused(Code.NO_SUCH_TICKET, "There is no ticket with this code; scan it again.")
