"""Facts about bookings until they are paid, once they have ended, and at the door. Tags 10 to 19.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class Held(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=10):
    booking_id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    expires_ms: int
    seats: tuple[int, ...] = ()  # numbers in the seat map


class Waited(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=11):
    """Joined the line, at its end; `also`: the lines of other ticket types, any of which will do."""

    booking_id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    also: tuple[int, ...] = ()


class Promoted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=12):
    """From the line into a hold.

    `ticket_type_id` and `amount_minor`: of one of several that were waited for; 0: as asked for first.
    """

    booking_id: int
    expires_ms: int
    ticket_type_id: int = 0
    amount_minor: int = 0
    seats: tuple[int, ...] = ()


class LapseWarned(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=13):
    booking_id: int


class Lapsed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=14):
    """A hold ran out, or the sale was over before someone's turn came."""

    booking_id: int


class BookingCancelled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=15):
    """`reason`: given_up, declined (an offer), event_cancelled, or capacity (a group larger than all there is)."""

    booking_id: int
    reason: str


class Retired(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=16):
    """Ended long enough ago to leave memory for the checkpoint."""

    booking_ids: tuple[int, ...]


class CheckedIn(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=17):
    """A ticket was shown at the door, once."""

    booking_id: int
    number: int
    place: str
    by: str


class Archived(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=18):
    """Paid bookings of an event that is long over leave memory for the checkpoint."""

    booking_ids: tuple[int, ...]


class Recalled(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=19):
    """One of them is back as it was, for money of it goes back: the whole row, since the engine had let go of it."""

    booking_id: int
    user_id: str
    event_id: int
    ticket_type_id: int
    quantity: int
    amount_minor: int
    seq: int
    created_ms: int
    held_ms: int
    warned: bool
    payment_id: int
    provider_reference: str | None
    seats: str
    offered: bool
    arrival: int
