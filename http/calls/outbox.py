"""Calls of operators about what is owed to the outside: seeing it, trying again what was given up, comparing the books.

Trying again is not kept with an idempotency key: asked twice, it finds the second time that it is being tried already.
So it is with reconciling, which the node that leads does itself; another one says where that is.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from ...engine.codes import TRANSIENT, Code
from ...engine.commands import CloseConcern, RetryDelivery, RetryRefund
from ...engine.replies import Refusal, Reply
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE
from ..call import Answer, Call
from ..idempotency import key_of
from ..problems import RefusedError, refused
from ..render.outbox import NotRetriedDocument, RetriedDocument, outbox_document, reconciliation_document
from ..render.replies import answer_of, encode
from ..wire.outbox import close_concern_body, reconcile_body, retry_body
from ..wire.query import cursor_after, cursor_before, limit_of, next_link, parse_query

LIST_PARAMETERS: Final = ("limit", "cursor")
RETRIED_AT_ONCE: Final = 200  # so that others' calls are decided in between
RETRIED_MAX: Final = 10_000  # by one call; another one goes on
RECONCILED_MS: Final = 7 * 24 * 3600 * 1000  # looked back, unless a call says since when
NOT_RETRIED_SHOWN_MAX: Final = 100

_Retry = RetryRefund | RetryDelivery


async def get_outbox(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    parameters = parse_query(call.query, LIST_PARAMETERS)
    limit = limit_of(parameters)
    offset = cursor_before(parameters) if "cursor" in parameters else 0
    await api.catch_up(call)
    document, more = outbox_document(api.gateway, offset, limit)
    links = [next_link(call.path, parameters, cursor=cursor_after(offset + limit))] if more else []
    return await api.read(call, encode(document), PRIVATE, *links)


async def post_retry(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    asked = retry_body(call.body)
    state = api.gateway.state
    refund_ids = state.refunds_failed if asked.all else asked.refund_ids
    delivery_ids = state.deliveries_dead if asked.all else asked.delivery_ids
    commands: list[_Retry] = [RetryRefund(each) for each in islice(refund_ids, RETRIED_MAX)]
    commands += [RetryDelivery(each) for each in islice(delivery_ids, RETRIED_MAX - len(commands))]
    replies: list[Reply] = []
    for first in range(0, len(commands), RETRIED_AT_ONCE):
        replies += await _decided(api, commands[first : first + RETRIED_AT_ONCE])
    seq = max((reply.seq for reply in replies), default=0) or await api.shown()
    refused_ones = [pair for pair in zip(commands, replies, strict=True) if isinstance(pair[1], Refusal)]
    document = RetriedDocument(
        _count(commands, replies, RetryRefund),
        _count(commands, replies, RetryDelivery),
        [_not_retried(command, reply) for command, reply in refused_ones[:NOT_RETRIED_SHOWN_MAX]],
        len(state.refunds_failed),
        len(state.deliveries_dead),
        seq,
    )
    return _answer(document, seq)


async def close_concern(api: Api, call: Call) -> Answer:
    principal = access.operator(api.authenticator, call)
    key = key_of(call, principal)
    return await api.write(CloseConcern(close_concern_body(call.body)), key)


async def post_reconcile(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    since_ms = reconcile_body(call.body)
    gateway = api.gateway
    if since_ms is None:
        since_ms = max(gateway.now_ms() - RECONCILED_MS, 0)
    if not gateway.leads:
        address = gateway.primary_address
        where: dict[str, Any] = {"primaryAddress": address} if address else {}
        raise refused(
            Code.NO_PRIMARY, f"This is for the primary to do{f'; ask {address}' if address else ''}.", **where
        )
    found = await gateway.reconcile(since_ms)
    seq = await api.shown()
    return _answer(reconciliation_document(found, seq), seq)


async def _decided(api: Api, commands: Sequence[_Retry]) -> list[Reply]:
    """The replies, when they are durable. Raises RefusedError when the node can't decide now."""
    replies = [reply for reply, _ in await asyncio.gather(*(api.decided(each, None) for each in commands))]
    for reply in replies:
        if isinstance(reply, Refusal) and reply.code in TRANSIENT:
            raise RefusedError(answer_of(reply, api.gateway, replayed=False))
    return replies


def _count(commands: Sequence[_Retry], replies: Sequence[Reply], kind: type[_Retry]) -> int:
    """Of the commands of one kind, those that were not refused."""
    return sum(
        isinstance(command, kind) and not isinstance(reply, Refusal)
        for command, reply in zip(commands, replies, strict=True)
    )


def _not_retried(command: _Retry, reply: Reply) -> NotRetriedDocument:
    assert isinstance(reply, Refusal)
    refund_id = command.refund_id if isinstance(command, RetryRefund) else None
    delivery_id = command.delivery_id if isinstance(command, RetryDelivery) else None
    return NotRetriedDocument(refund_id, delivery_id, reply.code, reply.detail)


def _answer(document: Any, seq: int) -> Answer:
    return Answer(200, encode(document), (("Onsale-Seq", str(seq)), ("Cache-Control", PRIVATE)))
