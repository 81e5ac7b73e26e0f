"""The only thing that changes the state: `apply(state, at_ms, fact)`.

Owns which change each fact makes; the changes themselves stand in changes/. Total and deterministic: it refuses
nothing, looks at no clock, and asserts what the rules promised. Facts come in journal order; the n-th fact ever applied
has seq n.
"""

from collections.abc import Callable
from typing import Any

from . import facts as f
from .changes import booking, bots, cluster, event, messages, past, payment, provider, refund, room, seats, user
from .state import State


def apply(state: State, at_ms: int, fact: f.Fact) -> None:
    assert at_ms >= state.at_ms, "time never runs backwards"
    state.seq += 1
    state.at_ms = at_ms
    _APPLIERS[type(fact)](state, fact)


_APPLIERS: dict[type, Callable[[State, Any], None]] = {
    f.EventCreated: event.event_created,
    f.EventChanged: event.event_changed,
    f.EventCancelled: event.event_cancelled,
    f.SaleClosed: event.sale_closed,
    f.ChangeTold: messages.change_told,
    f.EventWebhookDisabled: messages.event_webhook_disabled,
    f.Held: booking.held,
    f.Waited: booking.waited,
    f.Promoted: booking.promoted,
    f.LapseWarned: booking.lapse_warned,
    f.Lapsed: booking.lapsed,
    f.BookingCancelled: booking.booking_cancelled,
    f.Retired: past.retired,
    f.Archived: past.archived,
    f.Recalled: past.recalled,
    f.CheckedIn: booking.checked_in,
    f.PaymentStarted: payment.payment_started,
    f.PaymentPending: payment.payment_pending,
    f.PaymentSucceeded: payment.payment_succeeded,
    f.PaymentFailed: payment.payment_failed,
    f.PaymentAbandoned: payment.payment_abandoned,
    f.PaymentPrepared: payment.payment_prepared,
    f.PaymentDeclined: payment.payment_declined,
    f.PaymentAnswered: payment.payment_answered,
    f.RefundStarted: refund.refund_started,
    f.RefundSucceeded: refund.refund_succeeded,
    f.RefundFailed: refund.refund_failed,
    f.RefundPending: refund.refund_pending,
    f.RefundAnswered: refund.refund_answered,
    f.RefundRetried: refund.refund_retried,
    f.ProviderEventTaken: provider.provider_event_taken,
    f.ConcernRaised: provider.concern_raised,
    f.ConcernClosed: provider.concern_closed,
    f.UserSaved: user.user_saved,
    f.UserWebhookDisabled: messages.user_webhook_disabled,
    f.Keyed: user.keyed,
    f.EpochBegun: cluster.epoch_begun,
    f.MemberSaved: cluster.member_saved,
    f.MemberRemoved: cluster.member_removed,
    f.SyncStandbysSet: cluster.sync_standbys_set,
    f.TicketKeySaved: cluster.ticket_key_saved,
    f.MailSet: messages.mail_set,
    f.Delivered: messages.delivered,
    f.DeliveryFailed: messages.delivery_failed,
    f.DeliveryRetried: messages.delivery_retried,
    f.DeliveryDropped: messages.delivered,
    f.SeatMapSet: seats.seat_map_set,
    f.LeftLine: booking.left_line,
    f.RoomSet: room.room_set,
    f.RoomRemoved: room.room_removed,
    f.RoomStateSet: room.room_state_set,
    f.RoomOpened: room.room_opened,
    f.QueueJoined: room.queue_joined,
    f.QueueAdmitted: room.queue_admitted,
    f.QueueLeft: room.queue_left,
    f.TurnsLapsed: room.turns_lapsed,
    f.PlacesForgotten: room.places_forgotten,
    f.ChallengeUsed: bots.challenge_used,
    f.Suspected: bots.suspected,
}
assert set(_APPLIERS) == set(f.Fact.__args__), "every fact has its meaning here"
