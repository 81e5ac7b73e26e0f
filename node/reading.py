"""What a node says of itself when its metrics are scraped.

Owns where each figure comes from. Reads only, and must cost little: it is done on the loop.
"""

import asyncio
import os
from collections import Counter
from importlib.metadata import version

from ..engine.sale import Sale
from ..engine.state import State
from ..engine.status import BOOKING_NAMES, HELD, PAYING, WAITING
from ..http.measures.reading import MemberReading, Reading, Stock
from ..replicas.lease import Seen
from .cluster.right import REACHED
from .gateway import NodeGateway
from .instance import Instance
from .waiting_gateway import WaitingGateway

VERSION = version("onsale")
EVENTS_SHOWN_MAX = 20  # with time series of their own
BOOKINGS_LOOKED_AT = 2_000


def reading(gateway: NodeGateway | WaitingGateway, instance: Instance | None) -> Reading:
    """`instance` None: the node has no copy at this moment."""
    state, durable_seq = gateway.state, gateway.durable_seq
    right = instance.member.right if instance is not None else None
    leading = instance.member.leading if instance is not None else None
    loop = None if leading is None else leading.loop
    since = None if loop is None else loop.unsafe_since
    free_bytes, size_bytes = (None, None) if instance is None else _disk_bytes(instance)
    return Reading(
        role=gateway.role,
        epoch=0 if instance is None else instance.member.copy.available.epoch,
        seq=state.seq,
        durable_seq=durable_seq,
        checkpoint_seq=0 if instance is None else instance.checkpointing.seq,
        bookings={BOOKING_NAMES[status]: count for status, count in state.status_counts.items()},
        waiting=state.status_counts.get(WAITING, 0),
        held=state.status_counts.get(HELD, 0) + state.status_counts.get(PAYING, 0),
        events=len(state.events),
        sync_standbys=state.sync_standbys,
        sync_standbys_met=leading.leader.standbys_in_step if leading is not None else 0,
        lag_ms=gateway.lag_ms,
        members=[
            MemberReading(report.name, report.role, report.lag_ms, max(durable_seq - report.applied_seq, 0))
            for report in (instance.member.reports.known() if instance is not None else ())
        ],
        owed={
            "payments": len(state.payments),
            "refunds": len(state.refunds) - len(state.refunds_failed),
            "messages": len(state.deliveries) - len(state.deliveries_dead),
        },
        given_up={
            "refunds": len(state.refunds_failed),
            "messages": len(state.deliveries_dead),
            "concerns": state.concerns_open,
        },
        queued=sum(room.waiting for room in state.rooms.rows.values()),
        inside=sum(room.inside for room in state.rooms.rows.values()),
        takes_writes=gateway.leads and gateway.ready and (right is None or right.may_answer()),
        replies_waiting=0 if loop is None else loop.waiting,
        unsafe_seconds=0.0 if since is None else max(asyncio.get_running_loop().time() - since, 0.0),
        failing_seconds={
            lane.name: max(gateway.now_ms() - lane.failing_since_ms, 0) / 1000 if lane.failing_since_ms else 0.0
            for lane in gateway.lanes()
        },
        disk_free_bytes=free_bytes,
        disk_size_bytes=size_bytes,
        version=VERSION,
        lease_valid_seconds=None if right is None or right.store is None else right.valid_seconds,
        etcd_reachable=None if right is None or not right.standing else right.standing == REACHED,
        takeover_paused=right is not None and isinstance(right.seen, Seen) and right.seen.paused,
        stock=busiest(state),
        streams=0 if instance is None else instance.feed.listening,
    )


def busiest(state: State) -> list[Stock]:
    """Of the events that the last bookings were for, the ones with most of them: looking at all would take too long."""
    rows, last = state.bookings.rows, state.next_booking_id
    found: Counter[int] = Counter()
    for booking_id in range(max(last - BOOKINGS_LOOKED_AT, 1), last):
        booking = rows.get(booking_id)
        if booking is not None:
            found[booking.event_id] += 1
    return [_stock(state.sales[event_id]) for event_id, _ in found.most_common(EVENTS_SHOWN_MAX)]


def _stock(sale: Sale) -> Stock:
    types = sale.types.values()
    return Stock(
        str(sale.event.id),
        available=sum(each.capacity - each.held - each.sold for each in types),
        held=sum(each.held for each in types),
        sold=sum(each.sold for each in types),
        waiting=sum(line.count for line in sale.lines.values()),
    )


def _disk_bytes(instance: Instance) -> tuple[int | None, int | None]:
    """Free, and in all, of the file system that the data folder is on."""
    try:
        found = os.statvfs(instance.started.disk.root)
    except OSError:
        return None, None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
