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

CHALLENGE_NONE: Final = 0
CHALLENGE_PROOF_OF_WORK: Final = 1
CHALLENGE_OUTSIDE: Final = 2  # somebody else's verdict, such as Turnstile's

CHALLENGE_NAMES: Final = {
    CHALLENGE_NONE: "none",
    CHALLENGE_PROOF_OF_WORK: "proof_of_work",
    CHALLENGE_OUTSIDE: "outside",
}

ROOM_BEFORE: Final = 1  # people gather; nobody is admitted yet
ROOM_OPEN: Final = 2
ROOM_PAUSED: Final = 3  # nobody is admitted; people may still join
ROOM_CLOSED: Final = 4  # nobody is admitted, nobody joins; whose turn it is may still book

ROOM_NAMES: Final = {
    ROOM_BEFORE: "pre_queue",
    ROOM_OPEN: "open",
    ROOM_PAUSED: "paused",
    ROOM_CLOSED: "closed",
}

PLACE_WAITING: Final = 1
PLACE_ADMITTED: Final = 2  # it is their turn
PLACE_HOLDING: Final = 3  # their turn, and they hold tickets
PLACE_SERVED: Final = 4  # bought tickets: the turn is over
PLACE_LAPSED: Final = 5  # let their turn pass
PLACE_LEFT: Final = 6  # gave it up

PLACE_NAMES: Final = {
    PLACE_WAITING: "waiting",
    PLACE_ADMITTED: "admitted",
    PLACE_HOLDING: "holding",
    PLACE_SERVED: "served",
    PLACE_LAPSED: "lapsed",
    PLACE_LEFT: "left",
}
PLACE_INSIDE: Final = frozenset({PLACE_ADMITTED, PLACE_HOLDING})
PLACE_ENDED: Final = frozenset({PLACE_SERVED, PLACE_LAPSED, PLACE_LEFT})

# What speaks for a program rather than a person; added up in one number.
SIGNAL_CROWDED_ADDRESS: Final = 1  # many users from one address within minutes
SIGNAL_SOLVED_TOO_FAST: Final = 2  # sooner than a browser could
SIGNAL_LIMITED_BEFORE: Final = 4  # asked too often shortly before
SIGNAL_NO_BROWSER: Final = 8  # names itself a program, or not at all
SIGNAL_USED_CHALLENGE: Final = 16  # sent a challenge that was used before
SIGNAL_FOREIGN_TOKEN: Final = 32  # sent somebody else's place in the queue

WAITLIST_OFF: Final = 0
WAITLIST_STRICT: Final = 1
WAITLIST_FIRST_FIT: Final = 2

WAITLIST_NAMES: Final = {WAITLIST_OFF: "off", WAITLIST_STRICT: "strict", WAITLIST_FIRST_FIT: "first_fit"}
