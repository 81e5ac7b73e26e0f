"""Wishes about bookings, and tickets at the door.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec

from .onsale import Evidence, Proof


class Book(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    hold_ms: int
    ticket_type: int | str | None = None  # id or name; None: the event has only one
    quantity: int = 1
    waitlist: bool = True  # stand in line if nothing is free
    ticket_types: tuple[int | str, ...] = ()  # any of these will do, the first that is free; then `ticket_type` is None
    seats: tuple[str, ...] = ()  # these and no others: "section/row/number"; (): the best that are free
    accessible: int = 0  # so many of the seats for wheelchair users
    place_id: int = 0  # from a queue token that is ours; 0: none was sent
    proof: Proof | None = None
    evidence: Evidence | None = None


class GiveUp(msgspec.Struct, gc=False, frozen=True):
    """Let go of a hold or of a place in line. `user_id` None: on behalf of whoever has it."""

    booking_id: int
    hold_ms: int
    user_id: str | None = None


class CheckIn(msgspec.Struct, gc=False, frozen=True):
    """A ticket is shown at the door."""

    event_id: int
    booking_id: int
    number: int  # of the booking's tickets, from 1
    place: str = ""
    by: str = ""
