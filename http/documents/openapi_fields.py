"""What the wire types cannot say of their fields, for the OpenAPI schemas: a string is a time, or one of a few words.

Owns these refinements: by a field's name in bodies and in answers, and by its schema where the name is not enough.
"""

from typing import Any, Final

from ...engine.codes import Code
from ...engine.money import EXPONENTS
from ...engine.notices import CHANNEL_NAMES, KINDS
from ...engine.status import BOOKING_NAMES, PAYMENT_NAMES, PLACE_NAMES, REFUND_NAMES, ROOM_NAMES, WAITLIST_NAMES
from .. import gateway
from ..render import cluster as render_cluster
from ..render.events import CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING
from ..render.seats import KIND_NAMES, STATUS_NAMES

Schema = dict[str, Any]

_NO_CONTROLS: Final = "[^\\u0000-\\u001f\\u007f-\\u009f]"
_TEXT: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*$"}
_LINES: Final[Schema] = {"pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"}
_NOT_BLANK: Final[Schema] = {"pattern": f"^{_NO_CONTROLS}*[^\\s\\u0000-\\u001f\\u007f-\\u009f]{_NO_CONTROLS}*$"}
INSTANT: Final[Schema] = {"format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_SEAT_NAME: Final[Schema] = {"pattern": _NOT_BLANK["pattern"].replace("\\u0000", "/\\u0000")}
_TIME: Final[Schema] = {"format": "date-time"}
_MONEY: Final[Schema] = {"pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?$"}
_ID: Final[Schema] = {"minimum": 1}
COUNT: Final[Schema] = {"minimum": 0}
_WHERE_DECIDED: Final[Schema] = {"description": "in answers to writes: where in the journal it was decided"}
ROLE: Final[Schema] = {"enum": list(gateway.ROLES)}
_DRY_RUN: Final[Schema] = {"description": "do nothing: say what would be done, or why not"}
_CHALLENGE: Final[Schema] = {
    "description": "what keeps programs out: a sum that browsers do (`proof_of_work`), or another's word (`outside`)"
}


def _one_of(names: dict[int, str]) -> Schema:
    return {"enum": sorted(set(names.values()))}


_ROOM_STATE: Final[Schema] = {"enum": sorted({*ROOM_NAMES.values(), SOLD_OUT})}
_BOOKING_STATUS: Final = _one_of(BOOKING_NAMES)
_SEAT_STATUS: Final = _one_of(STATUS_NAMES)
_SEAT_KIND: Final[Schema] = _one_of(KIND_NAMES) | {
    "description": "accessible: with room for a wheelchair; companion: beside one"
}
_SALE_STATUS: Final[Schema] = {"enum": [CANCELLED, ENDED, ON_SALE, SOLD_OUT, UPCOMING]}

_REFUND_REASON: Final[Schema] = {"enum": ["event_cancelled", "requested", "surplus"]}
_NOTICE_KIND: Final[Schema] = {"enum": sorted(KINDS)}
_SINCE: Final[Schema] = {
    "pattern": r"^\d{4}-\d\d-\d\d",
    "description": "a time or a day: what was paid before is left out. Everything, when left out",
}

IN_BODIES: Final[dict[str, Schema]] = {
    **dict.fromkeys(("startsAt", "endsAt", "onSaleAt", "opensAt"), _TIME),
    **dict.fromkeys(("amount", "price"), _MONEY),
    **dict.fromkeys(("userId", "venue", "city", "country", "category", "paymentMethod", "place"), _TEXT),
    "name": _NOT_BLANK,
    "description": _LINES,
    "currency": {"enum": sorted(EXPONENTS)},
    "email": {"pattern": r"^[^@\s\u0000-\u001f\u007f-\u009f]{1,64}@[^@\s\u0000-\u001f\u007f-\u009f]+$"},
    "webhookUrl": {"pattern": "^https?://"},
}
IN_ANSWERS: Final[dict[str, Schema]] = {
    **dict.fromkeys(
        ("startsAt", "endsAt", "onSaleAt", "opensAt", "expiresAt", "createdAt", "at", "checkedInAt", "since", "until"),
        INSTANT,
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
    "NewBooking.seats": {"description": "these very seats; left out, the best that are free are chosen"},
    "NewBooking.accessible": {"description": "how many of the seats are for wheelchair users, with others beside them"},
    "NewBooking.ticketTypes": {"description": "any of these will do: tried in this order, and waited for all at once"},
    "NewEvent.seatMap": {"description": "ticket types that have seats are sold by the seat"},
    "NewEvent.offerSeconds": {"description": "how long those in line have, once it is their turn"},
    "EventChanges.seatMap": {"description": "changes only while nothing is booked; null removes it"},
    "NewSection.name": _SEAT_NAME,
    "NewRow.name": _SEAT_NAME,
    "NewRow.accessible": {"description": "seats with room for a wheelchair"},
    "NewRow.companions": {"description": "seats beside those with room for a wheelchair"},
    "SeatMap.seq": COUNT | {"description": "where in the journal it was so; stream what changes from here on"},
    "SeatMap.available": COUNT | {"description": "tickets that are free, of those with a seat"},
    "Row.seats": {"description": "in their order"},
    "Seat.id": {"description": '"section/row/number", as `seats` of a booking take it'},
    "Seat.kind": _SEAT_KIND,
    "Seat.status": _SEAT_STATUS,
    "ChangedSeat.id": {"description": '"section/row/number"'},
    "ChangedSeat.status": _SEAT_STATUS,
    "ChangedSeats.seats": {"description": "those that may have changed"},
    "Event.seats": COUNT | {"description": "in its seat map; 0: it has none"},
    "Event.offerSeconds": _ID | {"description": "how long those in line have, once it is their turn; null: as all"},
    "Ticket.seat": {"description": "null where seats are not numbered"},
    "NewBooking.queueToken": {"description": "of someone whose turn it is, where the event has a waiting room"},
    "NewBooking.challenge": {"description": "a solved challenge (GET /challenge), where the event asks for one"},
    "NewBooking.quantity": {"default": 1},
    "NewPayment.bookingId": {"description": "needed only when the user holds several bookings at the event"},
    "NewPayment.amount": {"description": 'what the booking costs, in major units, such as "49.90"'},
    "NewRefund.amount": {"description": "all that is left, when left out"},
    "UserDetails.name": _TEXT,
    "NewEvent.challenge": _CHALLENGE,
    "NewEvent.ticketTypes": {"minItems": 1, "maxItems": 100},
    "NewEvent.onSaleAt": {"description": "when the sale begins; at once, when left out"},
    "EventChanges.challenge": _CHALLENGE,
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
    "NewWaitingRoom.opensAt": {"description": "nobody is let in before; left out: as soon as the sale begins"},
    "NewWaitingRoom.shuffleAtOpening": {"description": "who comes before the opening is put in an order drawn by lot"},
    "NewWaitingRoom.admitByStock": {"description": "let in no more people than there are tickets for"},
    "NewWaitingRoom.turnSeconds": {"description": "to book, once it is their turn; left out: five minutes"},
    "NewPlaceInQueue.eventId": {"description": "as in the path; may be left out"},
    "NewPlaceInQueue.challenge": {"description": "a solved challenge, where the event asks for one"},
    "WaitingRoom.state": _one_of(ROOM_NAMES),
    "Queue.state": _ROOM_STATE,
    "Queue.nowServing": COUNT | {"description": "everybody up to this number was let in, or had left"},
    "Queue.lastNumber": COUNT | {"description": "given out so far; 0 before a draw"},
    "Queue.servableThrough": COUNT
    | {"description": "tickets are likely to reach numbers up to this one; null before a draw"},
    "Queue.commitment": {"description": "SHA-256 of the seed, in hexadecimal; null where there is no draw"},
    "Queue.seed": {"description": "of the lot, in hexadecimal; null before the opening"},
    "Queue.inside": COUNT | {"description": "people whose turn it is"},
    "Draw.arrivalsDigest": {"description": "over all who had come by the opening, in hexadecimal"},
    "Draw.lot": {"description": "what the order follows from, in hexadecimal"},
    "Draw.shuffled": COUNT | {"description": "how many took part"},
    "PlaceInQueue.position": COUNT | {"description": "1: the next; 0: does not wait any more; null before a draw"},
    "PlaceInQueue.status": _one_of(PLACE_NAMES),
    "PlaceInQueue.state": _ROOM_STATE,
    "PlaceInQueue.nowServing": COUNT,
    "PlaceInQueue.admitted": {"description": "it is their turn"},
    "PlaceInQueue.expiresAt": {"description": "when the turn ends"},
    "PlaceInQueue.servable": {"description": "tickets are likely to reach this number"},
    "PlaceInQueue.estimatedWaitSeconds": COUNT | {"description": "an estimate; null where nothing can be said"},
    "Queued.position": COUNT,
    "Queued.nowServing": COUNT,
    "Queued.status": _one_of(PLACE_NAMES),
    "Queued.servable": {"description": "tickets are likely to reach this number"},
    "Queued.estimatedWaitSeconds": COUNT | {"description": "an estimate; null where nothing can be said"},
    "QueueLeft.status": {"const": "left"},
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
