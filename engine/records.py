"""The rows that make up the state; the checkpoint stores them as they stand here.

Owns their fields and nothing else. Only `apply` changes a record. Times are milliseconds since 1970 UTC, money is
integer minor units. Encoded as arrays in this order: add new fields at the end, with a default.
"""

import msgspec


class Event(msgspec.Struct, array_like=True, gc=False):
    """A concert. What is sold of it stands in its ticket types."""

    id: int
    name: str
    starts_ms: int
    ends_ms: int | None
    venue: str
    city: str
    country: str
    category: str
    description: str
    currency: str  # ISO 4217
    on_sale_ms: int | None  # None: from the start
    max_per_user: int
    max_holds_per_user: int | None
    waitlist: int  # status.WAITLIST_…
    cancelled: bool = False
    closed: bool = False  # its sale is over: nobody is promoted any more
    created_ms: int = 0
    booked: bool = False  # someone has booked, so its currency is settled
    webhook_url: str | None = None  # of its organiser
    webhook_disabled: bool = False  # whoever is there said that it is gone
    tell_below: int = 0  # bookings with lower ids are told of the latest change
    told: int = 0  # those up to this id have been
    challenge: int = 0  # status.CHALLENGE_…
    offer_ms: int | None = None  # how long those in line have, once it is their turn; None: as everybody


class TicketType(msgspec.Struct, array_like=True, gc=False):
    """Stock of one price. Invariant: 0 <= held, 0 <= sold, held + sold <= capacity."""

    id: int
    event_id: int
    name: str
    price_minor: int
    capacity: int
    held: int = 0
    sold: int = 0
    waiting: int = 0  # people's bookings in line, not tickets
    line_next: int = 1  # the number the next one to join the line gets

    @property
    def available(self) -> int:
        return self.capacity - self.held - self.sold


class Booking(msgspec.Struct, array_like=True, gc=False):
    """One user's claim on tickets of one type, from place in line to refund."""

    id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    status: int  # status.WAITING …
    seq: int  # where in the journal it was decided
    created_ms: int
    held_ms: int = 0  # when its latest hold began
    expires_ms: int = 0  # when its hold ends; 0: it has none
    pinned_ms: int = 0  # while paying: it cannot lapse before
    warned: bool = False  # told that it is about to lapse
    line_number: int = 0  # place in line while waiting
    payment_id: int = 0  # the latest attempt
    provider_reference: str | None = None  # of the payment that succeeded
    refunding_minor: int = 0  # on its way back
    refunded_minor: int = 0  # back
    ended_ms: int = 0
    unsettled: int = 0  # payments and refunds the provider has not had its last word on
    seats: str = ""  # numbers in the seat map, by commas; see seats.packed
    also: str = ""  # while waiting for any of several ticket types: type:number,… of its further places in line
    offered: bool = False  # its tickets came to it from the line
    arrival: int = 0  # its user's place in the waiting room when it was made


class Payment(msgspec.Struct, array_like=True, gc=False):
    """One attempt to pay for a booking, while the provider has not had its last word."""

    id: int
    booking_id: int
    user_id: str
    amount_minor: int
    currency: str
    status: int  # status.PAYMENT_…
    method: str | None
    created_ms: int
    provider_reference: str | None = None
    client_secret: str | None = None
    failure: str | None = None
    key: bytes | None = None  # the idempotency key waiting for the outcome, as digest
    fingerprint: bytes | None = None
    failure_detail: str = ""  # what a person can do about it
    answered: bool = False  # whoever asked was told that it is under way, and waits for no other answer


class Refund(msgspec.Struct, array_like=True, gc=False):
    """Money on its way back."""

    id: int
    booking_id: int
    user_id: str
    amount_minor: int
    currency: str
    status: int  # status.REFUND_…
    reason: str
    created_ms: int
    provider_reference: str | None = None  # of the refund
    payment_reference: str | None = None  # of the payment it gives back
    failure: str | None = None
    key: bytes | None = None
    fingerprint: bytes | None = None
    payment_id: int = 0
    surplus: bool = False  # of a payment that confirmed nothing: the booking's own money is not touched
    tries: int = 1  # each has an idempotency key of its own at the provider


class User(msgspec.Struct, array_like=True, gc=False):
    id: str
    name: str | None
    email: str | None
    webhook_url: str | None
    webhook_disabled: bool = False  # whoever is there said that it is gone


class Key(msgspec.Struct, array_like=True, gc=False):
    """An idempotency key that was used: what was asked, and the first answer's substance."""

    digest: bytes  # 16 bytes over caller and key
    fingerprint: bytes  # 16 bytes over method, path and body
    reply: bytes  # replies.encode(…)
    at_ms: int


class Notice(msgspec.Struct, array_like=True, gc=False):
    """Something a person is owed a message about; made by the fact it tells of."""

    id: int
    seq: int
    at_ms: int
    user_id: str
    kind: str  # see notices.KINDS
    event_id: int
    booking_id: int
    amount_minor: int = 0  # that it is about, such as what was given back
    detail: str = ""  # why, in words for a person


class Delivery(msgspec.Struct, array_like=True, gc=False):
    """A notice that is still to be sent by one channel; it holds all that is needed to write it."""

    id: int  # see notices.delivery_id
    channel: int  # notices.MAIL …
    notice_id: int
    kind: str
    at_ms: int
    user_id: str
    event_id: int
    booking_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    detail: str
    attempts: int = 0  # that failed
    due_ms: int = 0  # not before
    dead: bool = False  # given up: a person must look
    failure: str | None = None  # of the last attempt


class Entry(msgspec.Struct, array_like=True, gc=False):
    """A ticket that was shown at the door."""

    id: int  # see state.entry_id
    booking_id: int
    number: int  # of the booking's tickets, from 1
    at_ms: int
    place: str  # where, as the one at the door said
    by: str  # whose access token it was; "" where none was needed


class ProviderEvent(msgspec.Struct, array_like=True, gc=False):
    """News from the payment provider that was taken in; the same news again changes nothing."""

    id: str  # the provider's
    at_ms: int


class Concern(msgspec.Struct, array_like=True, gc=False):
    """Something about money that a person must decide."""

    id: str  # kind:reference
    kind: str  # see commands.RaiseConcern
    reference: str  # the provider's name of what it is about
    booking_id: int  # 0: not known
    payment_id: int
    refund_id: int
    amount_minor: int
    currency: str
    detail: str
    at_ms: int
    closed_ms: int = 0  # somebody has dealt with it


class Room(msgspec.Struct, array_like=True, gc=False):
    """An event's waiting room. Invariant: 0 <= inside, served_through <= arrivals."""

    event_id: int
    admit_per_minute: int
    max_inside: int | None
    opens_ms: int | None
    shuffle: bool
    by_stock: bool
    turn_ms: int
    state: int  # status.ROOM_…
    seed: bytes  # of the lot; secret until the opening
    opened: bool = False  # it was, once: the seed is known
    shuffled: int = 0  # the first so many arrivals are in an order drawn by lot
    lot: bytes = b""  # what the order follows from: see lot.py
    arrivals: int = 0  # how many have come
    arrivals_digest: bytes = b""  # over all who came, in order
    served_through: int = 0  # numbers up to here were admitted, or had left
    waiting: int = 0  # people who are still there, behind it
    inside: int = 0  # people whose turn it is, with and without a hold
    holding: int = 0  # of them, those who hold tickets
    paced_us: int = 0  # up to when the rate is used up, microseconds since 1970
    turns_taken: int = 0  # people whose turn led to a hold
    turns_missed: int = 0  # people whose turn did not
    tickets_taken: int = 0  # by those whose turn led to a hold
    holds_paid: int = 0  # bookings of those admitted that were paid
    holds_lost: int = 0  # and that were not
    forgotten: int = 0  # places up to this arrival are gone
    removed: bool = False  # nobody queues any more; its places are being forgotten

    def __repr__(self) -> str:
        return f"Room(event_id={self.event_id}, state={self.state}, …)"


class Place(msgspec.Struct, array_like=True, gc=False):
    """One person's place in a waiting room."""

    id: int  # see state.place_id
    event_id: int
    arrival: int
    user_id: str
    status: int  # status.PLACE_…
    joined_ms: int
    seq: int  # where in the journal they came
    admitted_ms: int = 0
    expires_ms: int = 0  # when their turn ends; 0: it has not begun


class SeatMap(msgspec.Struct, array_like=True, gc=False):
    event_id: int
    layout: bytes  # see seats.decode_layout


class Challenge(msgspec.Struct, array_like=True, gc=False):
    """One that was used, until it would not be taken any more anyway."""

    digest: bytes
    expires_ms: int


class Member(msgspec.Struct, array_like=True, gc=False):
    """A node that takes part."""

    name: str
    node_id: bytes  # of its data folder: another one under the same name is another node
    voting: bool
    replication: str  # host:port, "" when it takes no followers
    http: str  # url, "" when it serves none
    since_seq: int  # where in the journal this node began to vote, or not to


class Epoch(msgspec.Struct, array_like=True, gc=False):
    """A time in which one node decided."""

    epoch: int
    first_seq: int
    at_ms: int
    leader: str  # a member's name


class Secret(msgspec.Struct, array_like=True, gc=False):
    """What every node must know and nobody else may see."""

    name: str
    value: bytes

    def __repr__(self) -> str:
        return f"Secret({self.name!r}, …)"
