"""The lifecycles, as tables.

Owns the numbers that stand for a status in records and facts, their public names, and which status may follow
which. `apply` asserts every change against these tables; the diagram in ARCHITECTURE.md is drawn from them.
"""

from typing import Final

WAITING: Final = 1
HELD: Final = 2
PAYING: Final = 3
CONFIRMED: Final = 4
EXPIRED: Final = 5
CANCELLED: Final = 6
REFUND_PENDING: Final = 7  # of everything: its tickets are back on sale
REFUNDED: Final = 8
PARTIAL_REFUND_PENDING: Final = 9  # of a part: its tickets stay valid
PARTIALLY_REFUNDED: Final = 10

BOOKING_NAMES: Final = {
    WAITING: "waiting",
    HELD: "held",
    PAYING: "paying",
    CONFIRMED: "confirmed",
    EXPIRED: "expired",
    CANCELLED: "cancelled",
    REFUND_PENDING: "refund_pending",
    REFUNDED: "refunded",
    PARTIAL_REFUND_PENDING: "refund_pending",
    PARTIALLY_REFUNDED: "partially_refunded",
}

NEW: Final = 0  # where a booking comes from

BOOKING_FOLLOWERS: Final[dict[int, frozenset[int]]] = {
    NEW: frozenset({WAITING, HELD}),
    WAITING: frozenset({HELD, CANCELLED, EXPIRED}),
    HELD: frozenset({PAYING, EXPIRED, CANCELLED, CONFIRMED}),  # confirmed by an attempt that was given up before
    PAYING: frozenset({CONFIRMED, HELD, EXPIRED, CANCELLED}),
    CONFIRMED: frozenset({REFUND_PENDING, PARTIAL_REFUND_PENDING}),
    EXPIRED: frozenset({CONFIRMED}),  # paid after its end, and its tickets were still there to be taken again
    CANCELLED: frozenset(),
    REFUND_PENDING: frozenset({REFUNDED}),
    PARTIAL_REFUND_PENDING: frozenset({PARTIALLY_REFUNDED, PARTIAL_REFUND_PENDING, REFUND_PENDING}),
    PARTIALLY_REFUNDED: frozenset({REFUND_PENDING, PARTIAL_REFUND_PENDING}),
    REFUNDED: frozenset(),
}

# What a booking takes from its ticket type's capacity.
COUNTS_AS_HELD: Final = frozenset({HELD, PAYING})
COUNTS_AS_SOLD: Final = frozenset({CONFIRMED, PARTIAL_REFUND_PENDING, PARTIALLY_REFUNDED})
# What counts against a user's limit at an event.
COUNTS_FOR_USER: Final = COUNTS_AS_HELD | COUNTS_AS_SOLD | {WAITING}
ENDED: Final = frozenset({EXPIRED, CANCELLED, REFUNDED})

PAYMENT_STARTED: Final = 1
PAYMENT_PROCESSING: Final = 2
PAYMENT_REQUIRES_ACTION: Final = 3
PAYMENT_SUCCEEDED: Final = 4
PAYMENT_FAILED: Final = 5
PAYMENT_ABANDONED: Final = 6  # its booking ended or was paid another way; the provider may still say otherwise

PAYMENT_NAMES: Final = {
    PAYMENT_STARTED: "processing",
    PAYMENT_PROCESSING: "processing",
    PAYMENT_REQUIRES_ACTION: "requires_action",
    PAYMENT_SUCCEEDED: "succeeded",
    PAYMENT_FAILED: "failed",
    PAYMENT_ABANDONED: "abandoned",
}

PAYMENT_FOLLOWERS: Final[dict[int, frozenset[int]]] = {
    PAYMENT_STARTED: frozenset(
        {PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_SUCCEEDED, PAYMENT_FAILED, PAYMENT_ABANDONED}
    ),
    # either may follow itself: the provider says the same with another client secret
    PAYMENT_PROCESSING: frozenset(
        {PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_SUCCEEDED, PAYMENT_FAILED, PAYMENT_ABANDONED}
    ),
    PAYMENT_REQUIRES_ACTION: frozenset(
        {PAYMENT_PROCESSING, PAYMENT_REQUIRES_ACTION, PAYMENT_SUCCEEDED, PAYMENT_FAILED, PAYMENT_ABANDONED}
    ),
    PAYMENT_ABANDONED: frozenset({PAYMENT_SUCCEEDED, PAYMENT_FAILED}),
    PAYMENT_SUCCEEDED: frozenset(),
    PAYMENT_FAILED: frozenset(),
}

REFUND_PENDING_AT_PROVIDER: Final = 1
REFUND_SUCCEEDED: Final = 2
REFUND_FAILED: Final = 3

REFUND_NAMES: Final = {
    REFUND_PENDING_AT_PROVIDER: "pending",
    REFUND_SUCCEEDED: "succeeded",
    REFUND_FAILED: "failed",
}

WAITLIST_OFF: Final = 0
WAITLIST_STRICT: Final = 1
WAITLIST_FIRST_FIT: Final = 2

WAITLIST_NAMES: Final = {WAITLIST_OFF: "off", WAITLIST_STRICT: "strict", WAITLIST_FIRST_FIT: "first_fit"}
