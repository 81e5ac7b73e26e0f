"""Facts about the first minute of a sale: the waiting room, seats, and what keeps bots out. Tags 80 to 99.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class RoomSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=80):
    """The event has a waiting room, with these rules from now on. Times in milliseconds."""

    event_id: int
    admit_per_minute: int
    max_inside: int | None  # people whose turn it is, at once; None: no bound of its own
    opens_ms: int | None  # nobody is admitted before; None: as soon as the sale begins
    shuffle: bool  # who came before the opening is put in an order drawn by lot
    by_stock: bool  # admit no more people than there are tickets for
    turn_ms: int  # how long a turn lasts
    seed: bytes  # of the lot, secret until the opening; b"" where there is none

    def __repr__(self) -> str:
        return f"RoomSet(event_id={self.event_id}, admit_per_minute={self.admit_per_minute}, …)"


class RoomRemoved(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=81):
    """Nobody queues for this event any more; its places are forgotten."""

    event_id: int


class RoomStateSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=82):
    """An operator paused, resumed or closed a waiting room. `state`: status.ROOM_OPEN, ROOM_PAUSED or ROOM_CLOSED."""

    event_id: int
    state: int


class QueueJoined(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=83):
    """Came to a waiting room; the n-th who came is arrival n."""

    event_id: int
    user_id: str


class RoomOpened(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=84):
    """From now on people are admitted. `seed` is what was committed to, and is public from here on."""

    event_id: int
    seed: bytes


class QueueAdmitted(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=85):
    """Everybody who is still there, up to number `through`, may book until `expires_ms`.

    `paced_us`: the moment (microseconds since 1970) up to which the room's rate is used up.
    """

    event_id: int
    through: int
    expires_ms: int
    paced_us: int


class QueueLeft(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=86):
    """Gave up a place, or a turn."""

    event_id: int
    arrival: int


class TurnsLapsed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=87):
    """These people's turns are over; whoever holds tickets by then keeps the hold."""

    event_id: int
    arrivals: tuple[int, ...]


class PlacesForgotten(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=88):
    """Of a waiting room that nobody needs any more: the places up to this arrival."""

    event_id: int
    through_arrival: int


class SeatMapSet(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=90):
    """The event's seats from now on; `layout` as `seats.encode_layout` made it, b"": it has none."""

    event_id: int
    layout: bytes


class ChallengeUsed(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=91):
    """A challenge was solved and used; it counts once. `digest`: 16 bytes."""

    digest: bytes
    expires_ms: int


class Suspected(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=92):
    """What speaks for a program rather than a person, as seen with this booking or (`booking_id` 0) place in the queue.

    `score`: 1 to 100. `signals`: status.SIGNAL_… added up.
    """

    event_id: int
    user_id: str
    booking_id: int
    score: int
    signals: int


class LeftLine(msgspec.Struct, array_like=True, gc=False, frozen=True, tag=93):
    """A booking that waits for any of several ticket types can't be served by this one any more."""

    booking_id: int
    ticket_type_id: int
