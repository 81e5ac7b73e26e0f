"""The error codes callers may rely on (the engine's and the wire's), each once."""

import enum


class Code(enum.StrEnum):
    INVALID_JSON = "invalid_json"
    INVALID_FIELD = "invalid_field"
    UNKNOWN_FIELD = "unknown_field"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NO_SUCH_EVENT = "no_such_event"
    NO_SUCH_BOOKING = "no_such_booking"
    NO_SUCH_USER = "no_such_user"
    NO_SUCH_TICKET = "no_such_ticket"
    INVALID_SIGNATURE = "invalid_signature"  # of news that claim to be the payment provider's
    SOLD_OUT = "sold_out"
    NOT_ON_SALE = "not_on_sale"
    EVENT_CANCELLED = "event_cancelled"
    ALREADY_PAID = "already_paid"
    AMBIGUOUS_BOOKING = "ambiguous_booking"
    WRONG_STATUS = "wrong_status"
    ALREADY_REDEEMED = "already_redeemed"
    HOLD_EXPIRED = "hold_expired"
    TOO_LARGE = "too_large"
    LIMIT_PER_USER = "limit_per_user"
    AMOUNT_MISMATCH = "amount_mismatch"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    INVALID_SEATS = "invalid_seats"
    TOO_EARLY = "too_early"
    PAYMENT_DECLINED = "payment_declined"
    RATE_LIMITED = "rate_limited"
    QUEUE_REQUIRED = "queue_required"
    CHALLENGE_REQUIRED = "challenge_required"
    UNSAFE = "unsafe"  # an operator's order that could lose answers, or stop them
    NO_PRIMARY = "no_primary"
    NOT_DURABLE = "not_durable"
    REPLICA_BEHIND = "replica_behind"
    OVERLOADED = "overloaded"
    NOT_FOUND = "not_found"  # no such path
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL = "internal"  # ours to mend


# These ask to be tried again, so they are not kept as the answer to an idempotency key.
TRANSIENT = frozenset(
    {
        Code.TOO_EARLY,
        Code.RATE_LIMITED,
        Code.QUEUE_REQUIRED,
        Code.CHALLENGE_REQUIRED,
        Code.NO_PRIMARY,
        Code.NOT_DURABLE,
        Code.REPLICA_BEHIND,
        Code.OVERLOADED,
    }
)
