"""What the engine asks of itself when its time has come; `rules/chores.due` lists them.

Owns their shapes; see the package for the rules that hold for all of them.
"""

import msgspec


class Lapse(msgspec.Struct, gc=False, frozen=True):
    booking_id: int
    hold_ms: int


class Warn(msgspec.Struct, gc=False, frozen=True):
    booking_id: int


class Retire(msgspec.Struct, gc=False, frozen=True):
    booking_ids: tuple[int, ...]


class Archive(msgspec.Struct, gc=False, frozen=True):
    """Let some paid bookings of an event that is over leave memory."""

    event_id: int


class CloseSale(msgspec.Struct, gc=False, frozen=True):
    event_id: int


class Sweep(msgspec.Struct, gc=False, frozen=True):
    """End one booking of an event that is cancelled, or whose sale is over."""

    booking_id: int


class Promote(msgspec.Struct, gc=False, frozen=True):
    """Serve the line further: more was freed than one step passes on."""

    ticket_type_id: int
    hold_ms: int


class TellOfChange(msgspec.Struct, gc=False, frozen=True):
    """Tell some more of those who have tickets that their event has changed."""

    event_id: int
