"""Who did what since the last checkpoint: found by user, without looking through all of it.

Owns an index over bookings and notices that the database does not have yet. It follows the state a batch at a time, so
it costs little per row: of each user the place of the latest, and of each row where the one before it of the same user
is. None of that is anything the garbage collector has to look at.
"""

from array import array

from ..engine.records import Notice
from ..engine.state import State

NONE = -1
SHARDS = 64  # a dict that grows looks at all its keys again: better a little at a time


class Recent:
    """What came after one checkpoint."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._notices = state.notices  # which begin anew with each checkpoint
        # by user, a place in the two that follow
        self._last_booking: tuple[dict[str, int], ...] = tuple({} for _ in range(SHARDS))
        self._booking_ids = array("q")
        self._booking_before = array("q")  # the place of the same user's one before, or NONE
        # by user, a place in `_notices`, and in the one that follows
        self._last_notice: tuple[dict[str, int], ...] = tuple({} for _ in range(SHARDS))
        self._notice_before = array("q")
        self._next_booking_id = state.next_booking_id
        for rows in (state.bookings.archived, state.bookings.changed):  # at a start: applied from the journal
            for booking in rows.values():
                self._add(booking.user_id, booking.id)

    def follow(self) -> None:
        """Take in what is new; call it before a checkpoint takes the notices away."""
        state = self._state
        if self._next_booking_id < state.next_booking_id:
            rows = state.bookings.rows
            for booking_id in range(self._next_booking_id, state.next_booking_id):
                booking = rows.get(booking_id)
                if booking is not None:
                    self._add(booking.user_id, booking_id)
            self._next_booking_id = state.next_booking_id
        notices, before, shards = self._notices, self._notice_before, self._last_notice
        for place in range(len(before), len(notices)):
            user_id = notices[place].user_id
            last = shards[hash(user_id) % SHARDS]
            before.append(last.get(user_id, NONE))
            last[user_id] = place

    def release(self, limit: int) -> int:
        """Let go of at most `limit` users, once all is written; how many it were. Nobody may be looked for any more."""
        released = 0
        for last in (*self._last_booking, *self._last_notice):
            count = min(limit - released, len(last))
            for _ in range(count):
                last.popitem()
            released += count
        return released

    def _add(self, user_id: str, booking_id: int) -> None:
        last = self._last_booking[hash(user_id) % SHARDS]
        self._booking_before.append(last.get(user_id, NONE))
        last[user_id] = len(self._booking_ids)
        self._booking_ids.append(booking_id)

    def booking_ids(self, user_id: str) -> list[int]:
        """Oldest first."""
        ids = self._booking_ids
        return [ids[place] for place in _places(self._last_booking, self._booking_before, user_id)]

    def notices(self, user_id: str) -> list[Notice]:
        """Oldest first."""
        return [self._notices[place] for place in _places(self._last_notice, self._notice_before, user_id)]


def _places(last: tuple[dict[str, int], ...], before: "array[int]", user_id: str) -> list[int]:
    """Oldest first."""
    places, place = [], last[hash(user_id) % SHARDS].get(user_id, NONE)
    while place != NONE:
        places.append(place)
        place = before[place]
    return places[::-1]
