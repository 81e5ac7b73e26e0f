"""Calls about events: searching, reading, and what organisers do with them."""

import asyncio

from ...engine.codes import Code
from ...engine.commands import CancelEvent
from ...engine.limits import ID_MAX
from ...engine.rules.event import event_reply
from ...engine.sale import Sale
from ..access import guard as access
from ..api import Api
from ..caching import LIVE, PRIVATE, Reading
from ..call import Answer, Call, Reply
from ..gateway import UnavailableError
from ..idempotency import key_of
from ..problems import RefusedError, not_durable, problem, refused
from ..render.events import event_document, progress_document
from ..render.replies import encode
from ..searches import Outcome, read_query
from ..wire.bookings import check_nothing
from ..wire.events import change_event_command, create_event_command
from ..wire.query import path_id


def get_events(api: Api, call: Call, reply: Reply, min_seq: int = 0) -> None:
    """A search; with `min_seq`, by an index that has got so far. Raises RefusedError where nothing is waited for."""
    gateway, searches = api.gateway, api.searches
    kept = searches.kept(gateway, call.query)
    if kept is not None and (not min_seq or min_seq <= gateway.search_seq):
        _show(api, call, reply, kept, gateway.search_seq)
        return

    def done(found: Outcome) -> None:
        try:
            if isinstance(found, tuple):
                _show(api, call, reply, *found)
            elif isinstance(found, RefusedError):
                reply(api.finish(found.answer))
            elif isinstance(found, UnavailableError):
                reply(api.finish(problem(Code.OVERLOADED, str(found))))
            else:
                raise found
        except Exception:  # noqa: BLE001 - the last resort is here
            reply(api.internal(call))

    try:
        searches.ask(gateway, call.query, min_seq, done)
    except UnavailableError as fault:
        reply(api.finish(problem(Code.OVERLOADED, str(fault))))


def _show(api: Api, call: Call, reply: Reply, reading: Reading, seq_max: int) -> None:
    """Answer when what it shows is durable, with a position of at most `seq_max`."""

    def shown(seq: int | None) -> None:
        reply(api.finish(not_durable().answer) if seq is None else reading.answer(call, min(seq, seq_max)))

    api.gateway.when_durable(shown)


async def list_events(api: Api, call: Call) -> Answer:
    """`get_events`, to be awaited, for whoever sends the position that it must reflect."""
    read_query(call.query)  # whatever is wrong with it is told at once
    min_seq = await api.catch_up(call)
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def reply(answer: Answer) -> None:
        if not answered.done():
            answered.set_result(answer)

    get_events(api, call, reply, min_seq)
    return await answered


async def get_event(api: Api, call: Call, event_id: str) -> Answer:
    await api.catch_up(call)
    sale = _sale(api, event_id)
    document = event_document(event_reply(api.gateway.state, sale, api.gateway.state.seq, api.gateway.now_ms()))
    return await api.read(call, encode(document), LIVE)


def get_availability(api: Api, call: Call, reply: Reply, event_id: str) -> None:
    """Raises RefusedError instead of replying where nothing is to be waited for."""
    gateway = api.gateway
    state, now_ms = gateway.state, gateway.now_ms()
    reading = api.counts.kept(state, event_id, now_ms)
    if reading is None:
        reading = api.counts.make(state, event_id, _sale(api, event_id).event.id, now_ms)
    _show(api, call, reply, reading, ID_MAX)


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
