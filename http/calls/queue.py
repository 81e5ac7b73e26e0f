"""Calls about waiting rooms: joining, looking, leaving.

All but leaving are in callback style: `(api, call, reply, …)`, where `reply` is called once, now or later; or
RefusedError is raised instead. So they need no task: in the first minute half a million people ask.
"""

from collections.abc import Awaitable
from typing import Final

from ...engine.codes import Code
from ...engine.commands import Evidence, Idempotency, JoinQueue, LeaveQueue, Proof
from ...engine.records import Place
from ...engine.replies import Refusal
from ...engine.replies import Reply as EngineReply
from ...engine.room_view import place_view, room_glance
from ...engine.sale import Sale
from ...engine.status import PLACE_LEFT, PLACE_NAMES
from ..access import guard as access
from ..api import Api
from ..caching import LIVE, PRIVATE, read_answer
from ..call import Answer, Call, Reply
from ..gateway import UnavailableError
from ..idempotency import KEY_HEADER, as_replayed, key_of
from ..problems import RefusedError, not_durable, problem, refused
from ..render.replies import answer_of, encode
from ..render.rooms import LeftDocument, place_document, queue_document
from ..wire.bookings import check_nothing
from ..wire.query import path_id
from ..wire.rooms import joining

TOKEN_CHARACTERS_MAX: Final = 200


def post_queue(api: Api, call: Call, reply: Reply, event_id: str) -> None:
    principal = access.caller(api.authenticator, call)
    key = key_of(call, principal) if KEY_HEADER in call.headers else None
    number = _id(event_id)
    asked = joining(call.body, number)
    if not principal.may_act_for(asked.user_id):
        access.check_acts_for(principal, asked.user_id)
    checked = api.gate.check(call, principal, number, asked.user_id, asked.challenge, joining=True)
    if isinstance(checked, tuple):
        _join(api, reply, JoinQueue(asked.user_id, number, *checked), key)
    else:  # somebody else has to be asked
        api.in_background(_join_once_judged(api, call, reply, JoinQueue(asked.user_id, number), key, checked))


async def _join_once_judged(
    api: Api,
    call: Call,
    reply: Reply,
    command: JoinQueue,
    key: Idempotency | None,
    judged: Awaitable[tuple[Proof | None, Evidence | None]],
) -> None:
    try:
        _join(api, reply, JoinQueue(command.user_id, command.event_id, *await judged), key)
    except RefusedError as refusal:
        reply(api.finish(refusal.answer))
    except UnavailableError as fault:
        reply(api.finish(problem(Code.OVERLOADED, str(fault))))
    except Exception:  # noqa: BLE001 - the last resort is here
        reply(api.internal(call))


def _join(api: Api, reply: Reply, command: JoinQueue, key: Idempotency | None) -> None:
    gateway = api.gateway
    gateway.submit_hot(command, key, lambda decided, replayed: reply(answer_of(decided, gateway, replayed=replayed)))


def get_queue(api: Api, call: Call, reply: Reply, event_id: str) -> None:
    """The same for everybody, and cacheable."""
    gateway = api.gateway
    body = encode(queue_document(_sale(api, event_id), gateway.now_ms()))
    _when_durable(api, call, reply, body, LIVE)


def get_place(api: Api, call: Call, reply: Reply, event_id: str, token: str) -> None:
    """For whoever has the token: it needs no other proof of who asks."""
    gateway = api.gateway
    sale = _sale(api, event_id)
    place = _place(api, sale, token)
    now_ms = gateway.now_ms()
    view = place_view(sale, place, now_ms)
    document = place_document(place, view, room_glance(sale, view, now_ms), now_ms)
    _when_durable(api, call, reply, encode(document), PRIVATE)


def _when_durable(api: Api, call: Call, reply: Reply, body: bytes, cache_control: str) -> None:
    def shown(seq: int | None) -> None:
        reply(read_answer(call, body, seq, cache_control) if seq is not None else api.finish(not_durable().answer))

    api.gateway.when_durable(shown)


async def leave_queue(api: Api, call: Call, event_id: str, token: str) -> Answer:
    principal = access.caller(api.authenticator, call)
    key = key_of(call, principal)
    check_nothing(call.body)
    sale = _sale(api, event_id)
    place = _place(api, sale, token)
    if not principal.may_act_for(place.user_id):
        access.check_acts_for(principal, place.user_id)
    decided, replayed = await api.decided(LeaveQueue(place.event_id, place.arrival), key)
    return _left(api, place, decided, replayed=replayed)


def _left(api: Api, place: Place, decided: EngineReply, *, replayed: bool) -> Answer:
    if isinstance(decided, Refusal):
        return answer_of(decided, api.gateway, replayed=replayed)
    document = LeftDocument(place.event_id, place.user_id, PLACE_NAMES[PLACE_LEFT], decided.seq)
    answer = Answer(200, encode(document), (("Onsale-Seq", str(decided.seq)), ("Cache-Control", PRIVATE)))
    return as_replayed(answer) if replayed else answer


def _place(api: Api, sale: Sale, token: str) -> Place:
    place_id = api.gateway.read_queue_token(token) if len(token) <= TOKEN_CHARACTERS_MAX else 0
    place = api.gateway.state.places.rows.get(place_id) if place_id else None
    if place is None or place.event_id != sale.event.id:
        path = f"/events/{sale.event.id}/queue"
        raise refused(Code.NOT_FOUND, f"There is no such place in this waiting room; POST {path} gives one.")
    return place


def _sale(api: Api, event_id: str) -> Sale:
    number = _id(event_id)
    sale = api.gateway.state.sales.get(number)
    if sale is None:
        raise refused(Code.NO_SUCH_EVENT, f"There is no event {number}; GET /events lists them.")
    if sale.queue is None:
        raise refused(Code.NOT_FOUND, f"Event {number} has no waiting room; book at once: POST /booking.")
    return sale


def _id(event_id: str) -> int:
    return path_id(event_id, "eventId", Code.NO_SUCH_EVENT, "event")
