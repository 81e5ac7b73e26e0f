"""Calls about the cluster: who is in it and how they are, and what operators order.

Orders are answered by the node that is asked, which any node can be for a failover or a pause; the others are for the
primary, and another node says where that is. They are not kept with idempotency keys: an order given twice is judged
twice.
"""

from typing import Any

from ...engine.codes import Code
from ..access import guard as access
from ..api import Api
from ..caching import PRIVATE, read_answer
from ..call import Answer, Call
from ..gateway import ClusterChange
from ..problems import refused
from ..render.cluster import ChangeDocument, cluster_document
from ..render.replies import encode
from ..wire.bookings import check_nothing
from ..wire.cluster import failover_body, member_name, switchover_body, sync_standbys_body


def get_cluster(api: Api, call: Call) -> Answer:
    view = api.gateway.cluster()
    return read_answer(call, encode(cluster_document(view)), view.durable_seq, PRIVATE)


async def post_failover(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    asked = failover_body(call.body)
    change = await api.gateway.failover(
        asked.to,
        accept_data_loss=asked.accept_data_loss,
        sync_standbys=asked.sync_standbys,
        dry_run=asked.dry_run,
    )
    return _answer(api, change, dry_run=asked.dry_run)


async def post_switchover(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    asked = switchover_body(call.body)
    _check_leads(api)
    change = await api.gateway.switchover(asked.to, dry_run=asked.dry_run)
    return _answer(api, change, dry_run=asked.dry_run)


async def post_sync_standbys(api: Api, call: Call) -> Answer:
    access.operator(api.authenticator, call)
    asked = sync_standbys_body(call.body)
    _check_leads(api)
    change = await api.gateway.set_sync_standbys(asked.sync_standbys, accept_data_loss=asked.accept_data_loss)
    return _answer(api, change)


async def post_pause(api: Api, call: Call) -> Answer:
    return await _pause(api, call, paused=True)


async def post_resume(api: Api, call: Call) -> Answer:
    return await _pause(api, call, paused=False)


async def _pause(api: Api, call: Call, *, paused: bool) -> Answer:
    access.operator(api.authenticator, call)
    check_nothing(call.body)
    return _answer(api, await api.gateway.pause_takeover(paused=paused))


async def delete_member(api: Api, call: Call, name: str) -> Answer:
    access.operator(api.authenticator, call)
    member_name(name)
    check_nothing(call.body)
    _check_leads(api)
    return _answer(api, await api.gateway.remove_member(name))


def _check_leads(api: Api) -> None:
    gateway = api.gateway
    if gateway.leads:
        return
    address = gateway.primary_address
    where: dict[str, Any] = {"primaryAddress": address} if address else {}
    known = f"; ask {address}" if address else ", and knows of none: `onsale failover` lets a standby take over"
    raise refused(Code.NO_PRIMARY, f"This is for the primary to do. This node is not the primary{known}.", **where)


def _answer(api: Api, change: ClusterChange, *, dry_run: bool = False) -> Answer:
    """Raises RefusedError for what was not done."""
    if not change.done:
        detail = " ".join(change.sentences)
        more: dict[str, Any] = {"fenced": True} if change.fenced else {}
        raise refused(Code.UNSAFE, detail, sentences=change.sentences, **more)
    seq = api.gateway.durable_seq
    document = ChangeDocument(not dry_run, change.epoch, change.primary, change.sentences, seq)
    return Answer(200, encode(document), (("Onsale-Seq", str(seq)), ("Cache-Control", PRIVATE)))
