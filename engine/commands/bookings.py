"""Wishes about bookings, and tickets at the door.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class Book(msgspec.Struct, gc=False, frozen=True):
    user_id: str
    event_id: int
    hold_ms: int
    ticket_type: int | str | None = None  # id or name; None: the event has only one
    quantity: int = 1
    waitlist: bool = True  # stand in line if nothing is free


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
