"""What each error code means, and what a caller does about it, in words.

Owns one entry per code. The page that a problem's `type` leads to and the OpenAPI document are made from it.
"""

from typing import Final, NamedTuple

from ...engine.codes import Code


class Guide(NamedTuple):
    meaning: str
    remedy: str


GUIDE: Final[dict[Code, Guide]] = {
    Code.INVALID_JSON: Guide(
        "The body is not JSON, not UTF-8, empty where an object is needed, nested too deeply, or no object at all.",
        "Send one JSON object. The detail says where reading it stopped.",
    ),
    Code.INVALID_FIELD: Guide(
        "A field, a query parameter, a header or an id in the path is missing, of the wrong type or out of range, "
        "or does not go together with the others.",
        "`field` names it, `detail` says what it must be. Sending the same again gives the same answer.",
    ),
    Code.UNKNOWN_FIELD: Guide(
        "The body or the query holds a name that this call does not know. It is refused and not skipped, so that a "
        "misspelt filter or field is noticed.",
        "`field` names it, `detail` lists the names there are.",
    ),
    Code.UNAUTHENTICATED: Guide(
        "There is no token where one is needed, or the token cannot be believed: expired, signed with another key, or "
        "without one of the claims `sub`, `role` and `exp`.",
        "Send `Authorization: Bearer <token>`. An operator makes one: `onsale token --role user --sub <user id>`.",
    ),
    Code.FORBIDDEN: Guide(
        "The token is right, but its role may not do this, or the booking or user is somebody else's.",
        "A `user` acts for its own `sub` alone; a `service` for any user; an `organiser` manages events; an `operator` "
        "may do everything.",
    ),
    Code.NO_SUCH_EVENT: Guide("No event has this id.", "`GET /events` lists the events."),
    Code.NO_SUCH_BOOKING: Guide(
        "No booking has this id, or the user has none at this event.",
        "`GET /users/{userId}/bookings` lists a user's bookings.",
    ),
    Code.NO_SUCH_USER: Guide(
        "Nothing has been stored for this user id. Booking needs no stored user; only reading one back does.",
        "`PUT /users/{userId}` stores a name, an e-mail address and a webhook.",
    ),
    Code.NO_SUCH_TICKET: Guide(
        "No ticket has this code: it was misread, made by nobody we know, or made by another cluster. Or the ticket is "
        "for another event than the one at this door; `eventId` then says which.",
        "Let nobody in on it. Scan the picture again; `GET /booking/{bookingId}` lists the codes of a booking.",
    ),
    Code.INVALID_SIGNATURE: Guide(
        "News that claim to be the payment provider's are not signed with the secret of this webhook, or were signed "
        "more than five minutes ago.",
        "Compare `STRIPE_WEBHOOK_SECRET` with the secret the provider shows for this address, and the clock of this "
        "machine with the time.",
    ),
    Code.SOLD_OUT: Guide(
        "Not enough tickets are free, and the event keeps no waitlist, or the call did not want it, or more tickets "
        "were asked for than there are in all.",
        "`available` says how many are free. Ask for fewer, for another ticket type, or send `waitlist` as true.",
    ),
    Code.NOT_ON_SALE: Guide(
        "The sale of this event is over.", "Nothing to be done; `GET /events` shows what is on sale."
    ),
    Code.EVENT_CANCELLED: Guide(
        "The organiser has cancelled the event. Whoever had paid gets their money back by itself.",
        "Nothing to be done: it can be neither booked, paid nor changed any more.",
    ),
    Code.ALREADY_PAID: Guide(
        "The booking is paid. Nothing was charged again.",
        "`GET /booking/{bookingId}` shows the payment and the tickets.",
    ),
    Code.AMBIGUOUS_BOOKING: Guide(
        "The user holds several bookings at this event, so it is not clear which one is being paid.",
        "Send `bookingId`; `bookingIds` lists the ones it could be.",
    ),
    Code.WRONG_STATUS: Guide(
        "The booking's status does not allow this: a place in line cannot be paid, a paid booking cannot be given up, "
        "an unpaid one cannot be refunded.",
        "`bookingStatus` says what it is; `detail` says what is possible instead.",
    ),
    Code.ALREADY_REDEEMED: Guide(
        "The ticket was checked in before.",
        "Let nobody in twice on it; `redeemedAt` and `place` say when and where it was used.",
    ),
    Code.HOLD_EXPIRED: Guide(
        "The hold lapsed before it was paid, and the tickets went to whoever was next. Money that arrived too late "
        "goes back by itself.",
        "Book again.",
    ),
    Code.TOO_LARGE: Guide(
        "The body is larger than 64 KiB, or the request line and headers are larger than 16 KiB.", "Send less."
    ),
    Code.LIMIT_PER_USER: Guide(
        "The user would have more tickets, or more holds at a time, than the event allows each person.",
        "`available` says how many more this user may have. A hold that is given up counts no more.",
    ),
    Code.AMOUNT_MISMATCH: Guide(
        "The amount is not what the booking costs, or more than can still be refunded. No money has moved.",
        "The answer says the right amount: `amount` for a payment, `available` for a refund.",
    ),
    Code.IDEMPOTENCY_MISMATCH: Guide(
        "This `Idempotency-Key` was used for another call or another body within the last 24 hours.",
        "Use a new key for a new request. Repeat a request byte for byte to get its first answer again.",
    ),
    Code.INVALID_SEATS: Guide(
        "The seats do not exist, are taken, or the event has no seat map.",
        "Leave seats out where there is no seat map.",
    ),
    Code.TOO_EARLY: Guide(
        "The sale has not begun.", "Come back after `Retry-After` seconds; `onSaleAt` of the event says when it begins."
    ),
    Code.PAYMENT_DECLINED: Guide(
        "The payment provider said no; `declineCode` is its reason. The hold stays until it lapses.",
        "Pay again, with another payment method if need be.",
    ),
    Code.RATE_LIMITED: Guide(
        "Too many requests from one caller; `limit` says whether of the user or of the address.",
        "Wait `Retry-After` seconds, then go on slower.",
    ),
    Code.QUEUE_REQUIRED: Guide(
        "The event has a waiting room, and this call came without the token of someone admitted.",
        "Join with `POST /events/{eventId}/queue`, and send `queueToken` once admitted.",
    ),
    Code.CHALLENGE_REQUIRED: Guide(
        "The event asks for a solved challenge. `reason` says why this call does not count: missing, invalid, "
        "other_event, expired, used, or rejected by the service that gives the verdict.",
        "Solve one from `GET /challenge`, and send it as `challenge`; each counts once. Where `challenge` in this "
        "answer is `outside`, send the token of that service's widget.",
    ),
    Code.NO_PRIMARY: Guide(
        "No node takes writes at this moment: one is being replaced.",
        "Try again after `Retry-After` seconds, with the same `Idempotency-Key`. Reads go on.",
    ),
    Code.UNSAFE: Guide(
        "An operator's order about the cluster was refused, as it could lose answers or stop them; nothing was done.",
        "`sentences` say what was seen, why it is not safe, and what to do instead.",
    ),
    Code.NOT_DURABLE: Guide(
        "What was asked cannot be made as durable as promised right now, so it is not answered as if it were.",
        "It may yet have happened: try again after `Retry-After` seconds with the same `Idempotency-Key`.",
    ),
    Code.REPLICA_BEHIND: Guide(
        "This node has not reached the position that `Onsale-Min-Seq` asks for, or has nothing to show yet.",
        "Try again after `Retry-After` seconds, or ask another node.",
    ),
    Code.OVERLOADED: Guide(
        "A bound of this node is reached, and it refuses rather than grow slow for everybody.",
        "Try again after `Retry-After` seconds, with the same `Idempotency-Key`.",
    ),
    Code.NOT_FOUND: Guide("There is nothing at this path.", "This page lists all calls."),
    Code.METHOD_NOT_ALLOWED: Guide(
        "The path exists, but not with this method.", "The `Allow` header lists its methods."
    ),
    Code.INTERNAL: Guide(
        "A fault on our side. It has been logged.",
        "Try again with the same `Idempotency-Key`; if it stays, tell the operator its `X-Request-Id`.",
    ),
}
assert set(GUIDE) == set(Code)

# What the connection itself may refuse, beside the codes of the API.
REQUEST_TIMEOUT: Final = "request_timeout"
REQUEST_TIMEOUT_GUIDE: Final = Guide(
    "The request took too long to arrive, and the connection was closed.", "Send headers and body without a pause."
)
