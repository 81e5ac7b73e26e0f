"""What the wire types cannot say of their fields, for the OpenAPI schemas: a string is a time, or one of a few words.

Owns these refinements: by a field's name in bodies and in answers, and by its schema where the name is not enough.
"""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.money import EXPONENTS
from ...engine.notices import CHANNEL_NAMES, KINDS
from ...engine.status import BOOKING_NAMES, PAYMENT_NAMES, REFUND_NAMES, WAITLIST_NAMES
from .. import gateway
from ..render import cluster as render_cluster
from ..render.events import CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING

Schema = dict[str, Any]

_NO_CONTROLS: Final = "[^\\u0000-\\u001f\\u007f-\\u009f]"
_TEXT: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*$"}
_LINES: Final[Schema] = {"pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"}
_NOT_BLANK: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*[^\\s\\u0000-\\u001f\\u007f-\\u009f]{_NO_CONTROLS}*$"}
INSTANT: Final[Schema] = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_TIME: Final[Schema] = {"format": "date-time"}
_MONEY: Final[Schema] = {"pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?$"}
_ID: Final[Schema] = {"minimum": 1}
COUNT: Final[Schema] = {"minimum": 0}
_WHERE_DECIDED: Final[Schema] = {"description": "in answers to writes: where in the journal it was decided"}
_NOT_YET: Final[Schema] = {"type": "null", "description": "not available in this version; leave it out"}
ROLE: Final[Schema] = {"enum": list(gateway.ROLES)}
_DRY_RUN: Final[Schema] = {"description": "do nothing: say what would be done, or why not"}
_NO_CHALLENGE: Final[Schema] = {"enum": ["none"], "description": 'not available in this version beyond "none"'}


def _one_of(names: dict[int, str]) -> Schema:
    return {"enum": sorted(set(names.values()))}


_BOOKING_STATUS: Final = _one_of(BOOKING_NAMES)
_SALE_STATUS: Final[Schema] = {"enum": [CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING]}

_REFUND_REASON: Final[Schema] = {"enum": ["event_cancelled", "requested", "surplus"]}
_NOTICE_KIND: Final[Schema] = {"enum": sorted(KINDS)}
_SINCE: Final[Schema] = {
    "pattern": r"^\d{4}-\d\d-\d\d",
    "description": "a time or a day: what was paid before is left out. Everything, when left out",
}

IN_BODIES: Final[dict[str, Schema]] = {
    **dict.fromkeys(("startsAt", "endsAt", "onSaleAt"), _TIME),
    **dict.fromkeys(("amount", "price"), _MONEY),
    **dict.fromkeys(("userId", "venue", "city", "country", "category", "paymentMethod", "place"), _TEXT),
    **dict.fromkeys(("waitingRoom", "seatMap"), _NOT_YET),
    "name": _NOT_BLANK,
    "description": _LINES,
    "currency": {"enum": sorted(EXPONENTS)},
    "email": {"pattern": r"^[^@\s\u0000-\u001f\u007f-\u009f]{1,64}@[^@\s\u0000-\u001f\u007f-\u009f]+$"},
    "webhookUrl": {"pattern": "^https?://"},
}
IN_ANSWERS: Final[dict[str, Schema]] = {
    **dict.fromkeys(
        ("startsAt", "endsAt", "onSaleAt", "expiresAt", "createdAt", "at", "checkedInAt", "since", "until"), INSTANT
    ),
    **dict.fromkeys(("amount", "price", "priceFrom", "refundedAmount"), _MONEY),
    **dict.fromkeys(("id", "bookingId", "eventId", "paymentId", "refundId", "deliveryId", "notificationId"), _ID),
    **dict.fromkeys(("quantity", "position", "number", "tries"), _ID),
    **dict.fromkeys(("available", "held", "sold", "waiting", "capacity", "expiresInSeconds", "seq"), COUNT),
    **dict.fromkeys(("inFlight", "attempts", "payments", "refunds", "messages", "concerns"), COUNT),
    **dict.fromkeys(("refundsFailed", "messagesDead", "refundsOwed", "messagesOwed", "bookingsLeft"), COUNT),
    **dict.fromkeys(("refundsRetried", "messagesRetried", "paymentsTheirs", "paymentsOurs"), COUNT),
    **dict.fromkeys(("refundsTheirs", "refundsOurs", "toldThrough", "tellThrough"), COUNT),
    "webhookSecret": {"description": "what calls to the webhook are signed with; null where there is none"},
    "webhookDisabled": {"description": "whoever is there said that it is gone (410): it is not called any more"},
    "currency": {"pattern": "^[A-Z]{3}$"},
    "provider": {"description": '"test" for the built-in test provider, else who takes the money'},
    "waitlist": _one_of(WAITLIST_NAMES),
    "seats": {"description": 'seats such as "section/row/number"; empty where the event has no seat map'},
}
BY_PLACE: Final[dict[str, Schema]] = {
    "NewBooking.ticketType": {"description": "id or name; may be left out where the event has one ticket type"},
    "NewBooking.waitlist": {"description": "stand in line when nothing is free now"},
    "NewBooking.seats": {"maxItems": 0, "description": "no event has a seat map in this version"},
    "NewBooking.queueToken": {"description": "of someone admitted; no event has a waiting room in this version"},
    "NewBooking.challenge": {"description": "a solved challenge; no event asks for one in this version"},
    "NewPayment.bookingId": {"description": "needed only when the user holds several bookings at the event"},
    "NewPayment.amount": {"description": 'what the booking costs, in major units, such as "49.90"'},
    "NewRefund.amount": {"description": "all that is left, when left out"},
    "UserDetails.name": _TEXT,
    "NewEvent.challenge": _NO_CHALLENGE,
    "NewEvent.ticketTypes": {"minItems": 1, "maxItems": 100},
    "NewEvent.onSaleAt": {"description": "when the sale begins; at once, when left out"},
    "EventChanges.challenge": _NO_CHALLENGE,
    "TicketTypeChanges.name": {"description": "with id: its new name; without: which one, or a new one to add"},
    "Held.status": {"const": "held"},
    "Waiting.status": {"const": "waiting"},
    "GivenUp.status": {"const": "cancelled"},
    "Paid.status": {"const": "succeeded"},
    "Paid.bookingStatus": {"const": "confirmed"},
    "PaymentUnderway.status": {"enum": ["processing", "requires_action"]},
    "PaymentUnderway.bookingStatus": {"const": "paying"},
    "RefundStarted.status": _one_of(REFUND_NAMES),
    "RefundStarted.bookingStatus": _BOOKING_STATUS,
    "Booking.status": _BOOKING_STATUS,
    "BookingInFull.status": _BOOKING_STATUS,
    "Payment.status": _one_of(PAYMENT_NAMES),
    "Refund.status": _one_of(REFUND_NAMES),
    "Refund.reason": _REFUND_REASON,
    "Payment.failure": {"description": "why the latest card or step did not pay: the provider's code"},
    "Payment.detail": {"description": "the same in words, and what to do"},
    "Notification.kind": _NOTICE_KIND,
    "Notification.amount": {"description": "what was given back, or is on its way; null where no money is meant"},
    "Notification.detail": {"description": "why, in words"},
    "Ticket.code": {"description": "what is shown at the door; signed, so that it can be checked offline"},
    "NewCheckIn.place": _TEXT | {"description": "where it is shown, such as the name of the gate"},
    "NewCheckIn.eventId": {
        "description": "the event at this door: a ticket for another one is refused, and not used up"
    },
    "Admitted.place": {"description": "as whoever checked it in called it; may be empty"},
    "TicketAtTheDoor.admits": {"description": "whoever shows it may come in now"},
    "TicketAtTheDoor.bookingStatus": _BOOKING_STATUS,
    "TicketAtTheDoor.place": {"description": "where it was checked in"},
    "TicketAtTheDoor.checkedInBy": {"description": "whose access token it was; null where none was needed"},
    "TicketKey.algorithm": {"const": "Ed25519"},
    "TicketKey.publicKey": {"description": "32 bytes in base64url without padding"},
    "Received.received": {"const": True},
    "Done.done": {"const": True},
    "Retry.refundIds": {"description": "refunds that the provider refused"},
    "Retry.deliveryIds": {"description": "messages that were given up"},
    "Retry.all": {"description": "everything there is, of both kinds"},
    "ConcernToClose.id": _TEXT | {"description": "as it is listed in the outbox"},
    "NewReconciliation.since": _SINCE,
    "Outbox.leads": {"description": "whether the node that answers does what is owed; else lanes are empty"},
    "OutboxTotals.payments": {"description": "the provider has not had its last word on"},
    "OutboxTotals.refunds": {"description": "under way"},
    "OutboxTotals.refundsFailed": {"description": "refused by the provider"},
    "OutboxTotals.messages": {"description": "to be sent"},
    "OutboxTotals.messagesDead": {"description": "given up"},
    "OutboxTotals.concerns": {"description": "open"},
    "Lane.waiting": {"description": "to be asked, now or later"},
    "Lane.failingSince": INSTANT | {"description": "null: the last one that was asked answered"},
    "Lane.resumesAt": INSTANT | {"description": "when it asks again; null: it does not wait"},
    "FailedRefund.reason": _REFUND_REASON,
    "FailedRefund.failure": {"description": "why, as the provider put it"},
    "FailedRefund.paymentReference": {"description": "the provider's name for the payment"},
    "DeadMessage.channel": {"enum": sorted(CHANNEL_NAMES.values())},
    "DeadMessage.kind": _NOTICE_KIND,
    "DeadMessage.at": INSTANT | {"description": "of what it tells"},
    "Concern.reference": {"description": "the provider's name of what it is about"},
    "Retried.refundsFailed": {"description": "left"},
    "Retried.messagesDead": {"description": "left"},
    "NotRetried.code": {"enum": sorted(code.value for code in Code)},
    "Finding.mended": {"description": "the truth was plain, and is here now"},
    "Progress.status": _SALE_STATUS,
    "Progress.bookingsLeft": {
        "description": "still to be ended, where the event is cancelled or over; those of one user count as one"
    },
    "Progress.refundsOwed": {"description": "the provider has not had its last word on"},
    "Progress.tellingOfChange": {"description": "not everybody who has tickets was told of the latest change yet"},
    "Progress.toldThrough": {"description": "nobody up to this booking id is left to be told of the change"},
    "Progress.tellThrough": {"description": "the last booking id whose user is told of the change"},
    "Event.status": _SALE_STATUS,
    "Event.challenge": {"const": "none"},
    "Event.webhookUrl": {"description": "for organisers: in answers to writes alone"},
    "Event.seq": _WHERE_DECIDED,
    "EventInList.status": _SALE_STATUS,
    "Availability.status": _SALE_STATUS,
    "User.seq": _WHERE_DECIDED,
    "Failover.to": _TEXT | {"description": "this one and no other; left out: the standby that is furthest ahead"},
    "Failover.acceptDataLoss": {"description": "go on where it cannot be proven that no answer is lost"},
    "Failover.syncStandbys": {"description": "how many standbys answers wait for from then on; left out: as now"},
    "Failover.dryRun": _DRY_RUN,
    "Switchover.to": _TEXT | {"description": "this one and no other; left out: the standby that is least behind"},
    "Switchover.dryRun": _DRY_RUN,
    "SyncStandbys.syncStandbys": {"description": "how many standbys answers to writes wait for"},
    "SyncStandbys.acceptDataLoss": {"description": "wait for fewer, though too few of those there were can be told"},
    "Member.role": ROLE,
    "Member.state": {"enum": sorted(gateway.STATES)},
    "Member.address": {"description": "where it serves HTTP; empty where that is not known"},
    "Member.replication": {"description": "where other nodes reach it; empty where they cannot"},
    "Member.sync": {"description": "a standby in step with the primary: answers can rest on what it has"},
    "Member.ageMs": COUNT | {"description": "how old this news of it is"},
    "Cluster.role": ROLE,
    "Cluster.node": {"description": "the name of the node that answers"},
    "Cluster.syncStandbys": COUNT | {"description": "how many standbys answers to writes wait for"},
    "Cluster.syncStandbysMet": COUNT | {"description": "how many there are in step now"},
    "Cluster.primary": {"description": "its name; null while none is known"},
    "Cluster.primaryAddress": {"description": "where it serves HTTP; null while that is not known"},
    "Cluster.health": {"enum": list(render_cluster.HEALTHS), "description": "down: writes are not answered"},
    "Cluster.problems": {"description": "what is wrong, in sentences"},
    "ClusterChange.done": {"description": "false with dryRun: it can be done"},
    "ClusterChange.primary": {"description": "the name of the one that leads then"},
    "ClusterChange.sentences": {"description": "what was seen, what was done, and what is left to do"},
}
