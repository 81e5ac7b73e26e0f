"""Every bound of the engine, in one place, asserted against each other.

Owns numbers only. A table or queue that reaches its bound refuses with `overloaded`; nothing grows without one.
"""

HOLD_MS_DEFAULT = 300_000
HOLD_MS_MAX = 24 * 3600 * 1000
PAYING_MS_MAX = 15 * 60 * 1000  # a payment under way pins its hold at most this long, counted from the hold's start
WARN_BEFORE_MS_MAX = 60_000  # "about to lapse" goes out this long before the end, or a fifth of the hold if shorter
KEY_KEPT_MS = 24 * 3600 * 1000  # idempotency keys
ENDED_KEPT_MS = 3600 * 1000  # an ended booking stays in memory this long, then lives in the checkpoint alone
ENDED_KEPT_MS_MIN = 300_000  # but only so long while there are more than so many of them:
ENDED_KEPT_MAX = 100_000
PAID_KEPT_MS = 30 * 24 * 3600 * 1000  # a paid one does so long after its event's sale has closed
MOVED_BACK_MS_MAX = PAID_KEPT_MS // 2  # an event with bookings is not moved further into the past

QUANTITY_MAX = 1_000
MAX_PER_USER_DEFAULT = 10
TICKET_TYPES_MAX = 100
CAPACITY_MAX = 10_000_000
PRICE_MINOR_MAX = 10**12
USER_ID_CHARACTERS_MAX = 128
NAME_CHARACTERS_MAX = 200
DESCRIPTION_CHARACTERS_MAX = 20_000
ID_MAX = 2**63 - 1
TIME_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999

EVENTS_MAX = 1_000_000
USERS_MAX = 20_000_000
BOOKINGS_MAX = 20_000_000  # in memory at once
WAITING_MAX = 2_000_000  # per ticket type
KEYS_MAX = 10_000_000
PROMOTIONS_PER_STEP_MAX = 1_000  # the rest follow in the next steps; newcomers queue behind them meanwhile
KEYS_FORGOTTEN_PER_STEP_MAX = 8

DELIVERIES_MAX = 5_000_000  # messages that wait to be sent; what is told beyond stands in the list of notices alone
DELIVERY_KEPT_MS = 3 * 24 * 3600 * 1000  # what could not be sent for so long is given up
PROVIDER_EVENT_KEPT_MS = 40 * 24 * 3600 * 1000  # longer than the provider repeats its news
PROVIDER_EVENTS_FORGOTTEN_PER_STEP_MAX = 8
CONCERNS_MAX = 100_000  # open ones
TOLD_PER_STEP_MAX = 256  # of a change of their event; the rest follow in the next steps
LOOKED_AT_PER_STEP_MAX = 4_000  # bookings, to find those to tell
ARCHIVED_PER_STEP_MAX = 128
ARCHIVED_LOOKED_AT_PER_STEP_MAX = 1_000  # users, to find those whose bookings can leave memory; more if none can
TEXT_CHARACTERS_MAX = 300  # of what a provider or a mail server said; kept short, for it stands in the journal
URL_CHARACTERS_MAX = 2_000

TURN_MS_DEFAULT = 300_000  # to choose and to book, once it is one's turn
TURN_MS_MIN = 10_000
TURN_MS_MAX = 24 * 3600 * 1000
OFFER_MS_MIN = 10_000
ADMIT_PER_MINUTE_MAX = 1_000_000
PLACES_MAX = 2_000_000  # that a waiting room gives out
ADMITTED_PER_STEP_MAX = 512
PLACES_PASSED_PER_STEP_MAX = 4_000  # looked at, to find those who are still there
PLACES_FORGOTTEN_PER_STEP_MAX = 512
TURNS_LAPSED_PER_STEP_MAX = 256
SEED_BYTES = 32
SEATS_MAX = 200_000  # of one venue
SECTIONS_MAX = 1_000
ROWS_MAX = 20_000
SEATS_PER_ROW_MAX = 1_000
CHALLENGES_MAX = 5_000_000  # that were used, and would still be taken
CHALLENGES_FORGOTTEN_PER_STEP_MAX = 8

MEMBERS_MAX = 1_000  # nodes of one cluster, read replicas among them
SYNC_STANDBYS_MAX = 16
EPOCHS_KEPT = 10_000  # what came before is in the journal alone
TICKET_KEY_BYTES = 32

assert QUANTITY_MAX <= CAPACITY_MAX
assert MAX_PER_USER_DEFAULT <= QUANTITY_MAX
assert HOLD_MS_DEFAULT <= PAYING_MS_MAX <= HOLD_MS_MAX
assert WARN_BEFORE_MS_MAX < HOLD_MS_DEFAULT
assert ENDED_KEPT_MS_MIN <= ENDED_KEPT_MS
assert QUANTITY_MAX <= PROMOTIONS_PER_STEP_MAX, (
    "one booking's tickets must be passed on within the step that frees them"
)
assert KEYS_FORGOTTEN_PER_STEP_MAX > 1, "keys must be forgotten faster than they are learned"
assert QUANTITY_MAX * PRICE_MINOR_MAX < ID_MAX
assert TURN_MS_MIN <= TURN_MS_DEFAULT <= TURN_MS_MAX
assert PLACES_MAX < 2**32, "an arrival is half of a place's id"
assert CHALLENGES_FORGOTTEN_PER_STEP_MAX > 1, "challenges must be forgotten faster than they are used"
assert SYNC_STANDBYS_MAX < MEMBERS_MAX
assert EPOCHS_KEPT > 0, "the last epoch says who leads"
