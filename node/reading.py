"""What a node says of itself when its metrics are scraped.

Owns where each figure comes from. Reads only, and must cost little: it is done on the loop.
"""

from ..engine.status import BOOKING_NAMES, HELD, PAYING, WAITING
from ..http.metrics import MemberReading, Reading
from .gateway import NodeGateway
from .instance import Instance
from .waiting_gateway import WaitingGateway


def reading(gateway: NodeGateway | WaitingGateway, instance: Instance | None) -> Reading:
    """`instance` None: the node has no copy at this moment."""
    state, durable_seq = gateway.state, gateway.durable_seq
    leading = instance.member.leading if instance is not None else None
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
        streams=0 if instance is None else instance.feed.listening,
    )
