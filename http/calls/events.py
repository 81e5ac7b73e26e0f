"""Calls about events: searching, reading, and what organisers do with them."""

from typing import Final

from ...engine.codes import Code
from ...engine.commands import CancelEvent
from ...engine.rules.event import event_reply
from ...engine.search import Hits, SearchRequest
from ...engine.state import Sale
from ..access import guard as access
from ..api import Api
from ..caching import LISTED, LIVE, PRIVATE, read_answer
from ..call import Answer, Call, Reply
from ..idempotency import key_of
from ..problems import RefusedError, not_durable, refused
from ..render.events import availability, event_document, event_item, progress_document
from ..render.replies import encode
from ..wire.bookings import check_nothing
from ..wire.events import change_event_command, create_event_command
from ..wire.query import bad_cursor, instant_of, limit_of, next_link, parse_query, path_id

SEARCH_PARAMETERS: Final = (
    "search", "name", "start_date", "end_date", "city", "category", "limit", "cursor",
)  # fmt: skip


async def list_events(api: Api, call: Call) -> Answer:
    parameters = parse_query(call.query, SEARCH_PARAMETERS)
    request = SearchRequest(
        search=parameters.get("search", ""),
        name=parameters.get("name", ""),
        start_ms=instant_of(parameters, "start_date"),
        end_ms=instant_of(parameters, "end_date", is_end=True),
        city=parameters.get("city", ""),
        category=parameters.get("category", ""),
        limit=limit_of(parameters),
        cursor=parameters.get("cursor", ""),
    )
    hits = await _search(api, request, await api.catch_up(call))
    gateway = api.gateway
    sales, now_ms = gateway.state.sales, gateway.now_ms()
    body = encode([event_item(sales[event_id], now_ms) for event_id in hits.event_ids if event_id in sales])
    links = [next_link(call.path, parameters, cursor=hits.next_cursor)] if hits.next_cursor else []
    seq = min(await api.shown(), hits.seq)
    return read_answer(call, body, seq, LISTED, *links)


async def _search(api: Api, request: SearchRequest, min_seq: int) -> Hits:
    """The page, from an index that has reached `min_seq`: it follows the journal a moment behind."""
    try:
        hits = await api.gateway.search(request, min_seq)
    except ValueError:
        raise bad_cursor() from None
    if hits.seq < min_seq:
        raise refused(Code.REPLICA_BEHIND, f"The search index has reached {hits.seq}, not yet {min_seq}.")
    return hits


async def get_event(api: Api, call: Call, event_id: str) -> Answer:
    await api.catch_up(call)
    sale = _sale(api, event_id)
    document = event_document(event_reply(api.gateway.state, sale, api.gateway.state.seq, api.gateway.now_ms()))
    return await api.read(call, encode(document), LIVE)


def get_availability(api: Api, call: Call, reply: Reply, event_id: str) -> None:
    """Raises RefusedError instead of replying where nothing is to be waited for."""
    gateway = api.gateway
    body = encode(availability(_sale(api, event_id), gateway.now_ms()))

    def shown(seq: int | None) -> None:
        reply(read_answer(call, body, seq, LIVE) if seq is not None else api.finish(not_durable().answer))

    gateway.when_durable(shown)


async def create_event(api: Api, call: Call) -> Answer:
    principal = access.organiser(api.authenticator, call)
    key = key_of(call, principal)
    return await api.write(create_event_command(call.body, api.gateway.new_seed()), key)


async def change_event(api: Api, call: Call, event_id: str) -> Answer:
    principal = access.organiser(api.authenticator, call)
    key = key_of(call, principal)
    return await api.write(
        change_event_command(call.body, _id(event_id), api.gateway.hold_ms, api.gateway.new_seed()), key
    )


async def cancel_event(api: Api, call: Call, event_id: str) -> Answer:
    principal = access.organiser(api.authenticator, call)
    key = key_of(call, principal)
    check_nothing(call.body)
    return await api.write(CancelEvent(_id(event_id)), key)


async def get_progress(api: Api, call: Call, event_id: str) -> Answer:
    access.organiser(api.authenticator, call)
    await api.catch_up(call)
    gateway, sale = api.gateway, _sale(api, event_id)
    document = progress_document(sale, gateway.now_ms(), telling=sale.event.id in gateway.state.telling)
    return await api.read(call, encode(document), PRIVATE)


def _sale(api: Api, event_id: str) -> Sale:
    number = _id(event_id)
    sale = api.gateway.state.sales.get(number)
    if sale is None:
        raise _no_such_event(number)
    return sale


def _id(event_id: str) -> int:
    return path_id(event_id, "eventId", Code.NO_SUCH_EVENT, "event")


def _no_such_event(event_id: int) -> RefusedError:
    return refused(Code.NO_SUCH_EVENT, f"There is no event {event_id}; GET /events lists them.")
