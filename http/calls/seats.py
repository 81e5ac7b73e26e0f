"""Calls about seats: the seat map of an event."""

import asyncio

from ...engine.codes import Code
from ...engine.sale import Sale
from ..api import Api
from ..caching import LIVE
from ..call import Answer, Call
from ..problems import refused
from ..wire.query import path_id


async def get_seats(api: Api, call: Call, event_id: str) -> Answer:
    await api.catch_up(call)
    sale = seated_sale(api, event_id)
    assert sale.seating is not None
    for _ in api.seat_maps.of(sale.event.id, sale.seating).refresh():
        await asyncio.sleep(0)  # others have their turn
    # what has changed in the meantime is little, and made at once; but the map may be another one
    sale = seated_sale(api, event_id)
    assert sale.seating is not None
    seat_map = api.seat_maps.of(sale.event.id, sale.seating)
    seq = api.gateway.state.seq
    seat_map.mark(seq)
    return await api.read(call, seat_map.body(sale, seq), LIVE)


def seated_sale(api: Api, event_id: str) -> Sale:
    """Raises RefusedError where there is no seat map."""
    number = path_id(event_id, "eventId", Code.NO_SUCH_EVENT, "event")
    sale = api.gateway.state.sales.get(number)
    if sale is None:
        raise refused(Code.NO_SUCH_EVENT, f"There is no event {number}; GET /events lists them.")
    if sale.seating is None:
        raise refused(Code.NOT_FOUND, f"Event {number} has no seat map: its seats are not numbered.")
    if sale.archived:
        raise refused(Code.NOT_FOUND, f"Event {number} is long over; who had which seat is not kept at hand any more.")
    return sale
