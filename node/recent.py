"""Who did what since the last checkpoint: found by user, without looking through all of it.

Owns an index over bookings and notices that the database does not have yet. It follows the state a batch at a time.
"""

from ..engine.records import Notice
from ..engine.state import State


class Recent:
    """What came after one checkpoint."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._bookings: dict[str, list[int]] = {}
        self._notices: dict[str, list[Notice]] = {}
        self._next_booking_id = state.next_booking_id
        self._noticed = 0  # of state.notices, which begin anew with each checkpoint
        for rows in (state.bookings.archived, state.bookings.changed):  # at a start: applied from the journal
            for booking in rows.values():
                self._bookings.setdefault(booking.user_id, []).append(booking.id)

    def follow(self) -> None:
        """Take in what is new; call it before a checkpoint takes the notices away."""
        state, rows = self._state, self._state.bookings.rows
        for booking_id in range(self._next_booking_id, state.next_booking_id):
            booking = rows.get(booking_id)
            if booking is not None:
                self._bookings.setdefault(booking.user_id, []).append(booking_id)
        self._next_booking_id = state.next_booking_id
        notices = state.notices
        for index in range(self._noticed, len(notices)):
            notice = notices[index]
            self._notices.setdefault(notice.user_id, []).append(notice)
        self._noticed = len(notices)

    def booking_ids(self, user_id: str) -> list[int]:
        """Oldest first."""
        return self._bookings.get(user_id, [])

    def notices(self, user_id: str) -> list[Notice]:
        """Oldest first."""
        return self._notices.get(user_id, [])
