"""Calls about users: what they told us of themselves, their bookings, and what they were told."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE
from ..call import Answer, Call
from ..idempotency import key_of
from ..problems import refused
from ..render.bookings import booking_document, notice_document
from ..render.replies import UserDocument, encode, secret_of
from ..wire.bookings import save_user_command
from ..wire.query import Parameters, cursor_after, cursor_before, limit_of, next_link, parse_query, path_user_id

LIST_PARAMETERS: Final = ("limit", "cursor")
CODES_PER_TURN: Final = 40  # signing the codes of that many tickets takes a millisecond


class _Row(Protocol):
    @property
    def id(self) -> int: ...


async def save_user(api: Api, call: Call, user_id: str) -> Answer:
    principal = access.caller(api.authenticator, call)
    access.check_acts_for(principal, path_user_id(user_id))
    key = key_of(call, principal)
    return await api.write(save_user_command(call.body, user_id), key)


async def get_user(api: Api, call: Call, user_id: str) -> Answer:
    _check_reads(api, call, user_id)
    await api.catch_up(call)
    user = api.gateway.state.users.rows.get(user_id)
    if user is None:
        raise refused(Code.NO_SUCH_USER, "Nothing is known of this user; PUT makes them known.")
    secret = secret_of(api.gateway, f"user:{user.id}", user.webhook_url)
    document = UserDocument(user.id, user.name, user.email, user.webhook_url, secret, user.webhook_disabled)
    return await api.read(call, encode(document), PRIVATE)


async def list_bookings(api: Api, call: Call, user_id: str) -> Answer:
    _check_reads(api, call, user_id)
    parameters = parse_query(call.query, LIST_PARAMETERS)
    limit, before_id = limit_of(parameters), cursor_before(parameters)
    await api.catch_up(call)
    gateway = api.gateway
    since = gateway.state.seq
    found = await gateway.bookings_of(user_id, before_id, limit + 1)
    now_ms = gateway.now_ms()
    documents, codes = [], 0
    for booking in found[:limit]:
        documents.append(booking_document(booking, gateway, now_ms))
        codes += len(documents[-1].tickets)
        if codes >= CODES_PER_TURN:  # others have their turn
            codes = 0
            await asyncio.sleep(0)
    links = _next_page(call, parameters, found, limit)
    return await api.read(call, encode(documents), PRIVATE, *links, since=since)


async def list_notifications(api: Api, call: Call, user_id: str) -> Answer:
    _check_reads(api, call, user_id)
    parameters = parse_query(call.query, LIST_PARAMETERS)
    limit, before_id = limit_of(parameters), cursor_before(parameters)
    await api.catch_up(call)
    gateway = api.gateway
    since = gateway.state.seq
    found = await gateway.notices_of(user_id, before_id, limit + 1)
    body = encode([notice_document(each, gateway.state) for each in found[:limit]])
    return await api.read(call, body, PRIVATE, *_next_page(call, parameters, found, limit), since=since)


def _check_reads(api: Api, call: Call, user_id: str) -> None:
    principal = access.caller(api.authenticator, call)
    access.check_acts_for(principal, path_user_id(user_id))


def _next_page(call: Call, parameters: Parameters, found: Sequence[_Row], limit: int) -> list[tuple[str, str]]:
    """One row more than asked for was fetched, to know whether there is another page."""
    if len(found) <= limit:
        return []
    return [next_link(call.path, parameters, cursor=cursor_after(found[limit - 1].id))]
